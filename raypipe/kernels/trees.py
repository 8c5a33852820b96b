"""What boosted trees give each row, from plain arrays: tasks load no library, and map no model.

The sum runs over the trees in their order, so it is that of the library that trained them, to the
last bit, whatever rows are asked together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

#: Rows that go through a tree together: it stays in the cache, and so do their values.
_ROWS = 64


class Trees(NamedTuple):
    """Trees of numerical splits, their nodes one after the other.

    A row goes left where ``value <= threshold``. A child that is not negative is a node; any other
    is leaf ``~child``, counted over all trees.

    Attributes:
        roots: int32[trees], a node, or ``~leaf`` of a tree without any.
        features: int32[nodes], column that a node reports at.
        thresholds: float64[nodes].
        left, right: int32[nodes].
        leaves: float64[leaves].
    """

    roots: np.ndarray
    features: np.ndarray
    thresholds: np.ndarray
    left: np.ndarray
    right: np.ndarray
    leaves: np.ndarray


def score(trees: Trees, values: np.ndarray) -> np.ndarray:
    """float64[c]: the sum of the leaves that each row falls into.

    Args:
        values: float64[c, features].

    Example:
        >>> stump = Trees(np.array([0]), np.array([1]), np.array([0.5]), np.array([-1]),
        ...               np.array([-2]), np.array([10.0, 20.0]))
        >>> score(stump, np.array([[9.0, 0.5], [9.0, 0.6]])).tolist()
        [10.0, 20.0]
    """
    return _score(*trees, np.ascontiguousarray(values, dtype=np.float64))


@njit(cache=True, nogil=True)
def _score(roots, features, thresholds, left, right, leaves, values):
    found = np.zeros(len(values))
    for start in range(0, len(values), _ROWS):
        stop = min(start + _ROWS, len(values))
        for root in roots:
            for row in range(start, stop):
                node = root
                while node >= 0:
                    goes_left = values[row, features[node]] <= thresholds[node]
                    node = left[node] if goes_left else right[node]
                found[row] += leaves[~node]
    return found
