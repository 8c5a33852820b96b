"""Whom the neighbours follow: one weighted union of rows per account.

An account's neighbours are few and their follow sets short, so the union is gathered in a small
open-addressing hash table that stays in the cache, not in an array as long as the graph.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency


def weighted_union(
    rows: Adjacency, counts: np.ndarray, neighbours: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each account, every code in its neighbours' rows, with the summed weight.

        score(a, c) = sum of weight(a, b) over the neighbours b of a whose row holds c

    The sum runs from the first neighbour to the last, so its bits do not depend on the sharding.

    Args:
        rows: the rows of all accounts.
        counts: int32[m], how many neighbours each of the m accounts has.
        neighbours, weights: int32[m, k] and float64[m, k]; only the first ``counts[i]`` count.

    Returns:
        indptr int64[m + 1], codes int32[...] and scores float64[...]; a row's codes in no
        particular, but always the same, order.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 3]), np.array([0, 1, 1], dtype=np.int32))
        >>> indptr, codes, scores = weighted_union(
        ...     rows, np.array([2]), np.array([[0, 1]], dtype=np.int32), np.array([[0.5, 0.25]]))
        >>> sorted(zip(codes.tolist(), scores.tolist()))
        [(0, 0.5), (1, 0.75)]
    """
    return _weighted_union(rows.indptr, rows.codes, counts, neighbours, weights)


def union_sizes(rows: Adjacency, counts: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """int64[m]: an upper bound for the size of each account's union, to cut batches by."""
    used = np.arange(neighbours.shape[1]) < counts[:, None]
    return np.where(used, rows.degrees_of(neighbours), 0).sum(axis=1)


@njit(cache=True, nogil=True)
def _weighted_union(indptr, codes, counts, neighbours, weights):
    m = len(counts)
    bounds = np.zeros(m, dtype=np.int64)
    for i in range(m):
        for j in range(counts[i]):
            b = neighbours[i, j]
            bounds[i] += indptr[b + 1] - indptr[b]
    largest = bounds.max() if m else 0
    keys = np.full(_table_size(largest), -1, dtype=np.int32)
    places = np.empty(len(keys), dtype=np.int64)
    slots = np.empty(largest, dtype=np.int64)  # those in use, to empty the table again

    out_indptr = np.zeros(m + 1, dtype=np.int64)
    out_codes = np.empty(bounds.sum(), dtype=np.int32)
    out_scores = np.empty(bounds.sum(), dtype=np.float64)
    end = 0
    for i in range(m):
        mask = _table_size(bounds[i]) - 1
        start = end
        for j in range(counts[i]):
            b = neighbours[i, j]
            weight = weights[i, j]
            for at in range(indptr[b], indptr[b + 1]):
                code = codes[at]
                slot = ((np.int64(code) * 0x9E3779B1) >> 7) & mask
                while keys[slot] != code and keys[slot] != -1:
                    slot = (slot + 1) & mask
                if keys[slot] == -1:
                    keys[slot] = code
                    places[slot] = end
                    slots[end - start] = slot
                    out_codes[end] = code
                    out_scores[end] = weight
                    end += 1
                else:
                    out_scores[places[slot]] += weight
        for j in range(end - start):
            keys[slots[j]] = -1
        out_indptr[i + 1] = end
    return out_indptr, out_codes[:end].copy(), out_scores[:end].copy()


@njit(cache=True, nogil=True)
def _table_size(entries):
    """The power of two that leaves a hash table at most half full."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size
