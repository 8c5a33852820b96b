"""Scores of boosted trees, from plain arrays: tasks load no library, and parse no model.

Values are replaced by the positions of their bins, one byte each, and a tree is evaluated for
hundreds of rows at a time, from its lowest nodes up: every node takes, for each row, the leaf that
its left or its right child leads to. Nothing branches, so the compiler handles 32 or 64 rows with
one instruction. The sum runs over the trees in their order, so it equals that of the library that
trained them to the last bit, however the rows are batched.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Bytes, Floats, Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.read_only import freeze

#: Rows that pass through a tree together: what is read and written for them stays in the cache.
_ROWS = 512
#: Trees that are added to a sum at a time, so that it is read and written once for all of them.
_TREES = 8
#: Maximum number of thresholds of a column, so that a bin fits into a byte.
_THRESHOLDS = 255


class Trees(NamedTuple):
    """Trees of numerical splits, one after the other.

    A row goes left where ``value <= threshold``. A child that is not negative is a node; any other
    is leaf ``~child``, numbered over all trees. The nodes of a tree stand together, each before its
    children, and so do its leaves.

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


class BinnedTrees(NamedTuple):
    """Trees as :func:`score` evaluates them.

    A value of a column is in bin b if it exceeds b thresholds of that column. A child is the row of
    a table: rows below L are the leaves of the tree, row L + i is its node i.

    Attributes:
        columns: int32[f], the columns that nodes read.
        edges: float64[f, 255], the distinct thresholds of each, ascending, then infinity.
        spans: int64[f], the smallest power of two above the number of thresholds.
        starts: int64[trees + 1], the nodes of each tree; trees of one leaf, 0, make their number
            divisible by 8.
        inputs: int32[nodes], position in ``columns``.
        bins: uint8[nodes]; a row goes left where its bin is not larger.
        left, right: int32[nodes], rows of the table.
        leaves: float64[trees, L], L being the largest number of leaves.
    """

    columns: Indices
    edges: Floats
    spans: Offsets
    starts: Offsets
    inputs: Indices
    bins: Bytes
    left: Indices
    right: Indices
    leaves: Floats


def bin_trees(trees: Trees) -> BinnedTrees:
    """The trees with thresholds as bins; read-only, as tasks share them.

    Raises:
        ValueError: a column has more than 255 thresholds, or a tree more than 256 leaves.
    """
    nodes = np.arange(len(trees.features))
    is_split = trees.roots >= 0
    sizes = np.zeros(-(-len(trees.roots) // _TREES) * _TREES, np.int64)
    sizes[np.flatnonzero(is_split)] = np.diff(trees.roots[is_split], append=len(nodes))
    starts, first_leaves = (np.cumsum([0, *counts]) for counts in (sizes, sizes + 1))
    width = int(sizes.max(initial=0)) + 1
    columns, inputs = np.unique(trees.features, return_inverse=True)
    edges = np.full((len(columns), _THRESHOLDS), np.inf)
    spans = np.ones(len(columns), np.int64)
    bins = np.zeros(len(nodes), np.uint8)
    for column in range(len(columns)):
        reading = np.flatnonzero(inputs == column)
        distinct, bins_of = np.unique(trees.thresholds[reading], return_inverse=True)
        if len(distinct) > _THRESHOLDS or width > _THRESHOLDS + 1:
            raise ValueError(
                f"found {len(distinct)} thresholds of a column and {width} leaves of a tree, "
                f"expected at most {_THRESHOLDS} and {_THRESHOLDS + 1}"
            )
        edges[column, : len(distinct)], bins[reading] = distinct, bins_of
        spans[column] = 1 << len(distinct).bit_length()
    tree_of = np.repeat(np.arange(len(sizes)), sizes)
    leaves = np.zeros((len(sizes), width))
    is_leaf = np.arange(width) <= sizes[: len(trees.roots), None]
    leaves[: len(trees.roots)][is_leaf] = trees.leaves

    def rows_of(children: Indices) -> Indices:
        of_leaves, of_nodes = ~children - first_leaves[tree_of], children - starts[tree_of]
        return np.asarray(np.where(children < 0, of_leaves, width + of_nodes).astype(np.int32))

    binned = BinnedTrees(
        columns.astype(np.int32),
        edges,
        spans,
        starts,
        inputs.astype(np.int32),
        bins,
        rows_of(trees.left),
        rows_of(trees.right),
        leaves,
    )
    freeze(binned)
    return binned


def score(trees: BinnedTrees, values: Floats) -> Floats:
    """float64[c]: the sum of the leaves that each row falls into.

    Args:
        values: float64[c, features]; columns that stand in memory one by one are not copied.

    Example:
        >>> stump = Trees(np.array([0]), np.array([1]), np.array([0.5]), np.array([-1]),
        ...               np.array([-2]), np.array([10.0, 20.0]))
        >>> score(bin_trees(stump), np.array([[9.0, 0.5], [9.0, 0.6]])).tolist()
        [10.0, 20.0]
    """
    return _score(trees, np.ascontiguousarray(values.T, dtype=np.float64))


@kernel
def _copy(source: Integers, target: Integers) -> None:
    """Numba needs 2 s to compile ``target[:] = source``, for an error that says both shapes."""
    for row in range(len(target)):
        target[row] = source[row]


@kernel
def _score(trees: BinnedTrees, values: Floats) -> Floats:
    columns, edges, spans, starts, inputs, bins, left, right, leaves = trees
    width = leaves.shape[1]
    sums = np.zeros(values.shape[1])
    found = np.zeros(_ROWS, dtype=np.uint32)
    bin_of = np.zeros((len(columns), _ROWS), dtype=np.uint8)
    reached = np.zeros((_TREES, _ROWS), dtype=np.uint8)
    table = np.zeros((2 * width, _ROWS), dtype=np.uint8)  # the leaf of each row, by leaf and node
    for leaf in range(width):
        table[leaf] = leaf
    for begin in range(0, len(sums), _ROWS):
        block = sums[begin : begin + _ROWS]
        for i in range(len(columns)):
            column, thresholds = values[columns[i], begin : begin + _ROWS], edges[i]
            found[:] = 0
            step = np.uint32(spans[i] >> 1)
            while step:  # one step of the binary search for all rows: no branch depends on a row
                for row in range(len(block)):
                    higher = found[row] + step
                    exceeds = thresholds[higher - np.uint32(1)] < column[row]
                    found[row] = higher if exceeds else found[row]
                step = np.uint32(step >> 1)
            _copy(found, bin_of[i])
        for tree in range(len(leaves)):
            first, last = starts[tree], starts[tree + 1] - 1
            for node in range(last, first - 1, -1):
                bins_of, largest = bin_of[inputs[node]], bins[node]
                lefts, rights = table[left[node]], table[right[node]]
                found_leaves = table[width + node - first]
                for row in range(_ROWS):
                    # Both are read first: the compiler makes no vectors of conditional reads.
                    if_left, if_right, found_bin = lefts[row], rights[row], bins_of[row]
                    found_leaves[row] = if_left if found_bin <= largest else if_right
            _copy(table[width if last >= first else 0], reached[tree % _TREES])
            if tree % _TREES == _TREES - 1:
                for row in range(len(block)):
                    total = block[row]
                    for i in range(_TREES):
                        total += leaves[tree - _TREES + 1 + i, reached[i, row]]
                    block[row] = total
    return sums
