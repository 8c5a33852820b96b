"""Compressed sparse rows by counting sort: from pairs of codes to sorted, unique rows.

Three passes, each O(pairs + accounts), without comparisons: group by followee, walk the groups in
order to fill the followers' rows (which therefore come out sorted), drop neighbours that repeat.
Source: Gustavson (1978), "Two fast algorithms for sparse matrices", ACM TOMS 4(3).
"""

from __future__ import annotations

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
        """int64[n]: length of each row."""
        return np.diff(self.indptr)

    def row(self, code: int) -> np.ndarray:
        """The codes of one row, as a view."""
        return self.codes[self.indptr[code] : self.indptr[code + 1]]


def adjacency(rows: np.ndarray, columns: np.ndarray, n: int) -> tuple[Adjacency, int, int]:
    """Pairs of codes as sorted rows, without self-pairs and without repeats.

    Args:
        rows, columns: int32[pairs], each in [0, n).
        n: number of rows, and of columns.

    Returns:
        The rows, the number of self-pairs dropped, and the number of repeats dropped.

    Example:
        >>> pairs = np.array([[2, 1], [0, 2], [0, 1], [0, 2], [1, 1]], dtype=np.int32)
        >>> rows, self_pairs, repeats = adjacency(pairs[:, 0], pairs[:, 1], 3)
        >>> rows.row(0).tolist(), rows.row(2).tolist(), self_pairs, repeats
        ([1, 2], [1], 1, 1)
    """
    by_column, self_pairs = _group(columns, rows, n)
    indptr, codes = _transpose(by_column.indptr, by_column.codes, n)
    kept = _drop_repeats(indptr, codes)
    return Adjacency(indptr, codes[:kept].copy()), self_pairs, len(codes) - kept


def transpose(rows: Adjacency) -> Adjacency:
    """The same pairs by column: row ``j`` holds every ``i`` whose row holds ``j``, ascending.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 2]), np.array([0, 1], dtype=np.int32))
        >>> transpose(rows).codes.tolist()
        [0, 0]
    """
    return Adjacency(*_transpose(rows.indptr, rows.codes, len(rows.indptr) - 1))


def _group(keys: np.ndarray, values: np.ndarray, n: int) -> tuple[Adjacency, int]:
    indptr, codes, self_pairs = _group_kernel(keys, values, n)
    return Adjacency(indptr, codes), self_pairs


@njit(cache=True, nogil=True)
def _group_kernel(keys, values, n):
    indptr = np.zeros(n + 1, dtype=np.int64)
    self_pairs = 0
    for i in range(len(keys)):
        if keys[i] == values[i]:
            self_pairs += 1
        else:
            indptr[keys[i] + 1] += 1
    for i in range(n):
        indptr[i + 1] += indptr[i]
    free = indptr[:-1].copy()
    codes = np.empty(indptr[n], dtype=np.int32)
    for i in range(len(keys)):
        if keys[i] != values[i]:
            codes[free[keys[i]]] = values[i]
            free[keys[i]] += 1
    return indptr, codes, self_pairs


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
