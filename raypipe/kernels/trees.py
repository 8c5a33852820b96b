"""Scores of boosted trees, from plain arrays: tasks load no library, and parse no model.

The sum runs over the trees in their order, so it equals that of the library that trained them to
the last bit, however the rows are batched.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Floats, Indices
from raypipe.kernels.compiled import kernel

#: Rows that pass through a tree together: it stays in the cache, and so do their values.
_ROWS = 64


class Trees(NamedTuple):
    """Trees of numerical splits, their nodes one after the other.

    A row goes left where ``value <= threshold``. A child that is not negative is a node; any other
    is leaf ``~child``, numbered over all trees.

    Attributes:
        roots: int32[trees], a node, or ``~leaf`` for a tree without nodes.
        features: int32[nodes], the column that a node reads.
        thresholds: float64[nodes].
        left, right: int32[nodes].
        leaves: float64[leaves].
    """

    roots: Indices
    features: Indices
    thresholds: Floats
    left: Indices
    right: Indices
    leaves: Floats


def score(trees: Trees, values: Floats) -> Floats:
    """float64[c]: the sum of the leaves that each row falls into.

    Args:
        values: float64[c, features].

    Example:
        >>> stump = Trees(np.array([0]), np.array([1]), np.array([0.5]), np.array([-1]),
        ...               np.array([-2]), np.array([10.0, 20.0]))
        >>> score(stump, np.array([[9.0, 0.5], [9.0, 0.6]])).tolist()
        [10.0, 20.0]
    """
    return _score(trees, np.ascontiguousarray(values, dtype=np.float64))


@kernel
def _score(trees: Trees, values: Floats) -> Floats:
    roots, features, thresholds, left, right, leaves = trees
    sums = np.zeros(len(values))
    for start in range(0, len(values), _ROWS):
        stop = min(start + _ROWS, len(values))
        for root in roots:
            for row in range(start, stop):
                node = root
                while node >= 0:
                    goes_left = values[row, features[node]] <= thresholds[node]
                    node = left[node] if goes_left else right[node]
                sums[row] += leaves[~node]
    return sums
