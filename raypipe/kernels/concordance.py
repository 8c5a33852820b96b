"""Pairs of ratings of one user that the estimates put into the right order, or not."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count_pairs(
    indptr: np.ndarray, ratings: np.ndarray, estimates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """int64[users] twice: concordant and discordant pairs of each user.

    Of two different ratings of a user, the higher one should have the higher estimate; equal
    estimates are discordant. Equal ratings make no pair.

    Args:
        indptr: int64[users + 1]; the ratings of user u stand at ``indptr[u]:indptr[u + 1]``.
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
