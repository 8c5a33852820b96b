"""What an account in the middle of a walk of two steps weighs."""

from __future__ import annotations

import math

import numpy as np


def weights_of(follows: np.ndarray, weight: str, most: int | None = None) -> np.ndarray:
    """float64[n]: 1/log(2 + follows) of every account, or 1; 0 for those that follow too many.

    Logarithms are those of the C library, one a distinct number of follows: the last bits of
    NumPy's vector code depend on the CPU, and these weights end in published scores.

    Args:
        follows: int64[n], how many each account follows.
        weight: ``inverse_log`` or ``none``.
        most: an account that follows more is not walked through; None: each is.

    Example:
        >>> weights_of(np.array([0, 1, 9]), "inverse_log", 5).round(3).tolist()
        [1.443, 0.91, 0.0]
        >>> weights_of(np.array([0, 1, 9]), "none").tolist()
        [1.0, 1.0, 1.0]
    """
    sizes, place = np.unique(follows, return_inverse=True)
    plain = weight == "none"
    of_sizes = np.array([1.0 if plain else 1 / math.log(2 + size) for size in sizes.tolist()])
    if most is not None:
        of_sizes[sizes > most] = 0.0
    return of_sizes[place]
