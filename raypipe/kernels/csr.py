"""Compressed sparse rows by counting sort: from pairs of codes to sorted, unique rows.

Three passes, each O(pairs + accounts) and without comparisons: group the pairs by followee; walk
the groups in order to fill the followers' rows, which therefore come out sorted; drop repeated
neighbours.
Source: Gustavson (1978), "Two fast algorithms for sparse matrices", ACM TOMS 4(3).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Flags, Indices, Int, Integers, Offsets
from raypipe.kernels.compiled import kernel


class Adjacency(NamedTuple):
    """Rows of codes: row ``i`` is ``codes[indptr[i]:indptr[i + 1]]``, ascending, without repeats.

    Attributes:
        indptr: int64[n + 1].
        codes: int32[number of follows].
    """

    indptr: Offsets
    codes: Indices

    @property
    def degrees(self) -> Offsets:
        """int64[n]: length of every row; for a few rows, :meth:`degrees_of` is cheaper."""
        return np.diff(self.indptr)

    def degrees_of(self, rows: Integers) -> Offsets:
        """int64, in the shape of ``rows``: length of each of these rows."""
        return np.asarray(self.indptr[rows + 1] - self.indptr[rows])

    def row(self, code: int) -> Indices:
        """The codes of one row, as a view."""
        return self.codes[self.indptr[code] : self.indptr[code + 1]]


class Pairs(NamedTuple):
    """Pairs of accounts, numbered by a dictionary of their own.

    Attributes:
        rows, columns: int32[pairs], positions in ``code_of``.
        code_of: int32[...], the code at each position.
    """

    rows: Integers
    columns: Integers
    code_of: Integers


def adjacency(parts: Sequence[Pairs], n: int) -> tuple[Adjacency, int, int]:
    """Pairs as sorted rows, without self-pairs and without repeats.

    Args:
        parts: any number, in any order; their codes are translated on the way, without a copy.
        n: number of rows, and of columns.

    Returns:
        The rows, the number of self-pairs dropped, and the number of repeats dropped.

    Example:
        >>> rows, columns = np.array([[2, 0, 0, 0, 1], [1, 2, 1, 2, 1]], dtype=np.int32)
        >>> found, self_pairs, repeats = adjacency([Pairs(rows, columns, np.arange(3))], 3)
        >>> found.row(0).tolist(), found.row(2).tolist(), self_pairs, repeats
        ([1, 2], [1], 1, 1)
    """
    indptr = np.zeros(n + 1, dtype=np.int64)
    self_pairs = sum(_count(indptr, part) for part in parts)
    np.cumsum(indptr, out=indptr)
    codes = np.empty(indptr[-1], dtype=np.int32)
    free = indptr[:-1].copy()
    for part in parts:
        _fill(codes, free, part)
    by_row = transpose(Adjacency(indptr, codes))
    pairs = len(by_row.codes)
    kept = _drop_repeats(by_row)
    if kept < pairs:
        by_row = Adjacency(by_row.indptr, by_row.codes[:kept].copy())
    return by_row, self_pairs, pairs - kept


@kernel
def transpose(rows: Adjacency) -> Adjacency:
    """The same pairs by column: row ``j`` holds every ``i`` whose row holds ``j``, ascending.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 2]), np.array([0, 1], dtype=np.int32))
        >>> transpose(rows).codes.tolist()
        [0, 0]
    """
    indptr, codes = rows
    turned_indptr = np.zeros(len(indptr), dtype=np.int64)
    for code in codes:
        turned_indptr[code + 1] += 1
    for i in range(1, len(indptr)):
        turned_indptr[i] += turned_indptr[i - 1]
    turned = np.empty(len(codes), dtype=np.int32)
    turn(indptr, codes, turned_indptr, turned)
    return Adjacency(turned_indptr, turned)


def starts_of(lengths: Integers) -> Offsets:
    """int64[len + 1]: the start of each row and, at the end, the end of the last row."""
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


@kernel
def count(codes: Indices, n: int) -> Offsets:
    """int64[n]: number of occurrences of each code; np.bincount would copy them into 64 bits."""
    counts = np.zeros(n, dtype=np.int64)
    for code in codes:
        counts[code] += 1
    return counts


@kernel
def turn(ptr: Offsets, rows: Integers, turned_ptr: Offsets, turned: Integers) -> None:
    """Transpose into ``turned``. Rows are walked in order, so every column comes out sorted."""
    free = turned_ptr[:-1].copy()
    for row in range(len(ptr) - 1):
        for column in rows[ptr[row] : ptr[row + 1]]:
            turned[free[column]] = row
            free[column] += 1


@kernel
def connected_to(rows: Adjacency, columns: Adjacency, start: Flags) -> Flags:
    """bool[n]: the accounts that follows connect to one of ``start``, whatever their direction.

    Example:
        >>> rows = Adjacency(np.array([0, 0, 1, 1, 2]), np.array([0, 3], dtype=np.int32))
        >>> connected_to(rows, transpose(rows), np.array([True, False, False, False])).tolist()
        [True, True, False, False]
    """
    reached = start.copy()
    queue = np.empty(len(start), dtype=np.int32)
    end = 0
    for account in range(len(start)):
        if start[account]:
            queue[end] = account
            end += 1
    at = 0
    while at < end:
        for side in (rows, columns):
            for code in side.codes[side.indptr[queue[at]] : side.indptr[queue[at] + 1]]:
                if not reached[code]:
                    reached[code] = True
                    queue[end] = code
                    end += 1
        at += 1
    return reached


def subset(rows: Adjacency, keep: Flags) -> Adjacency:
    """The same rows with only the codes to keep.

    Args:
        keep: bool[number of follows], in the order of ``rows.codes``.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 3]), np.array([5, 7, 5], dtype=np.int32))
        >>> kept = subset(rows, np.array([False, True, True]))
        >>> kept.row(0).tolist(), kept.row(1).tolist()
        ([7], [5])
    """
    before = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
    return Adjacency(before[rows.indptr], rows.codes[keep])


def take(rows: Adjacency, selected: Integers) -> Adjacency:
    """The selected rows, in the order of ``selected``.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 2, 3]), np.array([5, 7, 5], dtype=np.int32))
        >>> take(rows, np.array([2, 0])).codes.tolist()
        [5, 5, 7]
    """
    lengths = rows.degrees_of(selected)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    at = np.arange(indptr[-1]) + np.repeat(rows.indptr[selected] - indptr[:-1], lengths)
    return Adjacency(indptr, rows.codes[at])


@kernel
def find(rows: Adjacency, pairs: Pairs) -> Offsets:
    """int64[pairs]: position of each pair in ``rows.codes``; -1 where it is absent.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 3]), np.array([0, 1, 1], dtype=np.int32))
        >>> wanted = Pairs(np.array([0, 1, 0]), np.array([1, 0, 1]), np.array([0, 1]))
        >>> find(rows, wanted).tolist()
        [1, -1, 1]
    """
    indptr, codes = rows
    found = np.full(len(pairs.rows), -1, dtype=np.int64)
    for i in range(len(found)):
        row, column = pairs.code_of[pairs.rows[i]], pairs.code_of[pairs.columns[i]]
        at = indptr[row] + lower_bound(codes[indptr[row] : indptr[row + 1]], column)
        if at < indptr[row + 1] and codes[at] == column:
            found[i] = at
    return found


@kernel
def lower_bound(row: Integers, code: Int) -> int:
    """Position of the first entry of an ascending row that is not smaller than the code.

    As ``np.searchsorted``, which takes Numba a second to compile.

    Example:
        >>> lower_bound(np.array([2, 5, 9]), 5), lower_bound(np.array([2, 5, 9]), 10)
        (1, 3)
    """
    low, high = 0, len(row)
    while low < high:
        middle = (low + high) >> 1
        if row[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def contains(row: Integers, code: Int) -> bool:
    """Whether an ascending row holds the code.

    Example:
        >>> contains(np.array([2, 5, 9]), 5), contains(np.array([2, 5, 9]), 6)
        (True, False)
    """
    at = lower_bound(row, code)
    return at < len(row) and row[at] == code


@kernel
def overlap(row: Indices, other: Indices) -> int:
    """Number of codes that two ascending rows have in common.

    Example:
        >>> overlap(np.array([2, 5, 9], np.int32), np.array([5, 7, 9], np.int32))
        2
    """
    i = j = common = 0
    while i < len(row) and j < len(other):
        a, b = row[i], other[j]
        common += a == b
        i += a <= b
        j += b <= a
    return common


@kernel
def _count(indptr: Offsets, pairs: Pairs) -> int:
    """Count the pairs of each column one position to the right; returns the self-pairs."""
    rows, columns, code_of = pairs
    self_pairs = 0
    for i in range(len(rows)):
        if code_of[rows[i]] == code_of[columns[i]]:
            self_pairs += 1
        else:
            indptr[code_of[columns[i]] + 1] += 1
    return self_pairs


@kernel
def _fill(codes: Indices, free: Offsets, pairs: Pairs) -> None:
    rows, columns, code_of = pairs
    for i in range(len(rows)):
        row, column = code_of[rows[i]], code_of[columns[i]]
        if row != column:
            codes[free[column]] = row
            free[column] += 1


@kernel
def _drop_repeats(rows: Adjacency) -> int:
    """Close the gaps in place, in both arrays; returns the number of codes kept."""
    indptr, codes = rows
    kept = 0
    start = 0
    for i in range(len(indptr) - 1):
        stop = indptr[i + 1]
        last = -1
        for at in range(start, stop):
            if codes[at] != last:
                last = codes[at]
                codes[kept] = last
                kept += 1
        start = stop
        indptr[i + 1] = kept
    return kept
