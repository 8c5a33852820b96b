"""Concordant and discordant pairs: whether estimates rank two ratings of a user correctly."""

import numpy as np

from raypipe.kernels.arrays import Floats, Offsets
from raypipe.kernels.compiled import kernel


@kernel
def count_pairs(indptr: Offsets, ratings: Floats, estimates: Floats) -> tuple[Offsets, Offsets]:
    """Concordant and discordant pairs of each user: int64[users] twice.

    A pair is two different ratings of one user. It is concordant if the higher rating has the
    higher estimate, and discordant otherwise, also where the estimates are equal. Equal ratings
    are not a pair.

    Args:
        indptr: int64[users + 1]; the ratings of user u are at ``indptr[u]:indptr[u + 1]``.
        ratings, estimates: float64[...].

    Example:
        >>> count_pairs(np.array([0, 3]), np.array([1.0, 2.0, 2.0]), np.array([3.0, 4.0, 3.0]))
        (array([1]), array([1]))
    """
    concordant = np.zeros(len(indptr) - 1, np.int64)
    discordant = np.zeros(len(indptr) - 1, np.int64)
    for u in range(len(indptr) - 1):
        for a in range(indptr[u], indptr[u + 1]):
            for b in range(indptr[u], a):
                if ratings[a] == ratings[b]:
                    continue
                if (ratings[a] > ratings[b]) == (estimates[a] > estimates[b]) and (
                    estimates[a] != estimates[b]
                ):
                    concordant[u] += 1
                else:
                    discordant[u] += 1
    return concordant, discordant
