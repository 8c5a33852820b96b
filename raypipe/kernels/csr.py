"""Compressed sparse rows by counting sort: from pairs of codes to sorted, unique rows.

Three passes, each O(pairs + accounts), without comparisons: group by followee, walk the groups in
order to fill the followers' rows (which therefore come out sorted), drop neighbours that repeat.
Source: Gustavson (1978), "Two fast algorithms for sparse matrices", ACM TOMS 4(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit


class Adjacency(NamedTuple):
    """Rows of codes: row ``i`` is ``codes[indptr[i]:indptr[i + 1]]``, ascending, without repeats.

    Attributes:
        indptr: int64[n + 1].
        codes: int32[number of follows].
    """

    indptr: np.ndarray
    codes: np.ndarray

    @property
    def degrees(self) -> np.ndarray:
        """int64[n]: length of every row; for some rows, :meth:`degrees_of` costs less."""
        return np.diff(self.indptr)

    def degrees_of(self, rows: np.ndarray) -> np.ndarray:
        """int64, of the shape of ``rows``: length of each of them."""
        return self.indptr[rows + 1] - self.indptr[rows]

    def row(self, code: int) -> np.ndarray:
        """The codes of one row, as a view."""
        return self.codes[self.indptr[code] : self.indptr[code + 1]]


class Pairs(NamedTuple):
    """Some pairs, in codes of their own.

    Attributes:
        rows, columns: int32[pairs], places in ``code_of``.
        code_of: int32[...], the code that each place stands for.
    """

    rows: np.ndarray
    columns: np.ndarray
    code_of: np.ndarray


def adjacency(parts: Sequence[Pairs], n: int) -> tuple[Adjacency, int, int]:
    """Pairs as sorted rows, without self-pairs and without repeats.

    Args:
        parts: in any number and order; their codes are translated on the way, not in a copy.
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
    self_pairs = sum(_count(indptr, *part) for part in parts)
    np.cumsum(indptr, out=indptr)
    codes = np.empty(indptr[-1], dtype=np.int32)
    free = indptr[:-1].copy()
    for part in parts:
        _fill(codes, free, *part)
    indptr, codes = _transpose(indptr, codes, n)
    pairs = len(codes)
    kept = _drop_repeats(indptr, codes)
    return (
        Adjacency(indptr, codes if kept == pairs else codes[:kept].copy()),
        self_pairs,
        pairs - kept,
    )


def transpose(rows: Adjacency) -> Adjacency:
    """The same pairs by column: row ``j`` holds every ``i`` whose row holds ``j``, ascending.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 2]), np.array([0, 1], dtype=np.int32))
        >>> transpose(rows).codes.tolist()
        [0, 0]
    """
    return Adjacency(*_transpose(rows.indptr, rows.codes, len(rows.indptr) - 1))


def subset(rows: Adjacency, keep: np.ndarray) -> Adjacency:
    """The same rows with some of their codes.

    Args:
        keep: bool[number of follows], in the order of ``rows.codes``.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 3]), np.array([5, 7, 5], dtype=np.int32))
        >>> some = subset(rows, np.array([False, True, True]))
        >>> some.row(0).tolist(), some.row(1).tolist()
        ([7], [5])
    """
    before = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
    return Adjacency(before[rows.indptr], rows.codes[keep])


def take(rows: Adjacency, places: np.ndarray) -> Adjacency:
    """Some of the rows, in the order of ``places``.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 2, 3]), np.array([5, 7, 5], dtype=np.int32))
        >>> take(rows, np.array([2, 0])).codes.tolist()
        [5, 5, 7]
    """
    sizes = rows.degrees_of(places)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    at = np.arange(indptr[-1]) + np.repeat(rows.indptr[places] - indptr[:-1], sizes)
    return Adjacency(indptr, rows.codes[at])


def find(rows: Adjacency, pairs: Pairs) -> np.ndarray:
    """int64[pairs]: where each pair stands in ``rows.codes``; -1 where it does not.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 3]), np.array([0, 1, 1], dtype=np.int32))
        >>> asked = Pairs(np.array([0, 1, 0]), np.array([1, 0, 1]), np.array([0, 1]))
        >>> find(rows, asked).tolist()
        [1, -1, 1]
    """
    return _find(rows.indptr, rows.codes, *pairs)


@njit(cache=True, nogil=True)
def _find(indptr, codes, rows, columns, code_of):
    found = np.full(len(rows), -1, dtype=np.int64)
    for i in range(len(rows)):
        row, column = code_of[rows[i]], code_of[columns[i]]
        at = indptr[row] + np.searchsorted(codes[indptr[row] : indptr[row + 1]], column)
        if at < indptr[row + 1] and codes[at] == column:
            found[i] = at
    return found


@njit(cache=True, nogil=True)
def _count(indptr, rows, columns, code_of):
    """Count the pairs of each column one place to the right; returns the number of self-pairs."""
    self_pairs = 0
    for i in range(len(rows)):
        if code_of[rows[i]] == code_of[columns[i]]:
            self_pairs += 1
        else:
            indptr[code_of[columns[i]] + 1] += 1
    return self_pairs


@njit(cache=True, nogil=True)
def _fill(codes, free, rows, columns, code_of):
    for i in range(len(rows)):
        row, column = code_of[rows[i]], code_of[columns[i]]
        if row != column:
            codes[free[column]] = row
            free[column] += 1


@njit(cache=True, nogil=True)
def _transpose(indptr, codes, n):
    out = np.zeros(n + 1, dtype=np.int64)
    for code in codes:
        out[code + 1] += 1
    for i in range(n):
        out[i + 1] += out[i]
    free = out[:-1].copy()
    rows = np.empty(len(codes), dtype=np.int32)
    for i in range(len(indptr) - 1):
        for at in range(indptr[i], indptr[i + 1]):
            rows[free[codes[at]]] = i
            free[codes[at]] += 1
    return out, rows


@njit(cache=True, nogil=True)
def _drop_repeats(indptr, codes):
    """Close the gaps in place; ``indptr`` is rewritten. Returns the number of codes kept."""
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
