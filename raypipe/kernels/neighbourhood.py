"""Whom the accounts in the middle follow: one weighted union of rows per account.

The middle are an account's neighbours, its followees or its followers. Their rows are mostly short
beside the graph, so the union is gathered in an open-addressing hash table that stays in the cache,
not in an array as long as the graph.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.topk import keep_best

#: Of :func:`best_of_union`, for each code that is read, on a machine that may not be this one.
NANOSECONDS = 4.0


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


def best_of_union(
    middles: Adjacency,
    rows: Adjacency,
    weights: np.ndarray,
    brought: np.ndarray,
    accounts: np.ndarray,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each account, the best of the codes in the rows of those in its middle.

        score(a, c) = sum of weights[b] over the b in a's row of middles whose row holds c

    The sum runs over b by code. One account's union is held at a time, and only its best are kept.

    Args:
        middles, rows: two sides of a graph of n accounts; they may be the same one.
        weights: float64[n]; an account of weight 0 is not walked through.
        brought: bool[n], who may be among the best.
        accounts: int[m], codes.
        wanted: int64[m], how many to keep.

    Returns:
        indptr int64[m + 1], codes int32[...] and scores float64[...]; a row's codes in no
        particular, but always the same, order; ties at the end of a row are decided by code.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 4, 5]), np.array([1, 2, 0, 2, 0], dtype=np.int32))
        >>> weights, brought = np.array([1, 0.5, 0.25]), np.ones(3, dtype=bool)
        >>> indptr, codes, scores = best_of_union(
        ...     rows, rows, weights, brought, np.array([0]), np.array([1]))
        >>> codes.tolist(), scores.tolist()
        ([0], [0.75])
    """
    return _best_of_union(*middles, *rows, weights, brought, accounts, wanted)


def union_sizes(rows: Adjacency, counts: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """int64[m]: an upper bound for the size of each account's union, to cut batches by."""
    used = np.arange(neighbours.shape[1]) < counts[:, None]
    return np.where(used, rows.degrees_of(neighbours), 0).sum(axis=1)


def walks(
    middles: Adjacency, rows: Adjacency, weights: np.ndarray, accounts: np.ndarray
) -> np.ndarray:
    """int64[m]: how many codes :func:`best_of_union` reads for each account, repeats included.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 4, 5]), np.array([1, 2, 0, 2, 0], dtype=np.int32))
        >>> walks(rows, rows, np.array([1, 0, 1.0]), np.array([0, 1])).tolist()
        [1, 3]
    """
    return _walks(*middles, rows.indptr, weights, accounts)


@njit(cache=True, nogil=True)
def _weighted_union(indptr, codes, counts, neighbours, weights):
    m = len(counts)
    bounds = np.zeros(m, dtype=np.int64)
    for i in range(m):
        for j in range(counts[i]):
            b = neighbours[i, j]
            bounds[i] += indptr[b + 1] - indptr[b]
    table = _empty_table(bounds.max() if m else 0)
    out_indptr = np.zeros(m + 1, dtype=np.int64)
    out_codes = np.empty(bounds.sum(), dtype=np.int32)
    out_scores = np.empty(bounds.sum(), dtype=np.float64)
    end = 0
    for i in range(m):
        some = slice(0, counts[i])
        found = _gather(
            indptr, codes, neighbours[i, some], weights[i, some], bounds[i], table,
            out_codes[end:], out_scores[end:],
        )  # fmt: skip
        end += found
        out_indptr[i + 1] = end
    return out_indptr, out_codes[:end].copy(), out_scores[:end].copy()


@njit(cache=True, nogil=True)
def _best_of_union(middles_indptr, middles, indptr, codes, weights, brought, accounts, wanted):
    m = len(accounts)
    bounds = np.minimum(_walks(middles_indptr, middles, indptr, weights, accounts), len(brought))
    largest = bounds.max() if m else 0
    table = _empty_table(largest)
    union_codes = np.empty(largest, dtype=np.int32)
    union_scores = np.empty(largest, dtype=np.float64)
    room = np.minimum(bounds, np.maximum(wanted, 0)).sum()
    out_indptr = np.zeros(m + 1, dtype=np.int64)
    out_codes = np.empty(room, dtype=np.int32)
    out_scores = np.empty(room, dtype=np.float64)
    end = 0
    for i in range(m):
        if wanted[i] > 0:
            middle = middles[middles_indptr[accounts[i]] : middles_indptr[accounts[i] + 1]]
            found = _gather(
                indptr, codes, middle, weights[middle], bounds[i], table, union_codes, union_scores
            )
            count = 0
            for at in range(found):
                if brought[union_codes[at]]:
                    union_codes[count] = union_codes[at]
                    union_scores[count] = union_scores[at]
                    count += 1
            count = keep_best(union_codes, union_scores, count, wanted[i])
            out_codes[end : end + count] = union_codes[:count]
            out_scores[end : end + count] = union_scores[:count]
            end += count
        out_indptr[i + 1] = end
    return out_indptr, out_codes[:end].copy(), out_scores[:end].copy()


@njit(cache=True, nogil=True)
def _walks(middles_indptr, middles, indptr, weights, accounts):
    found = np.zeros(len(accounts), dtype=np.int64)
    for i in range(len(accounts)):
        account = accounts[i]
        for b in middles[middles_indptr[account] : middles_indptr[account + 1]]:
            if weights[b] != 0:
                found[i] += indptr[b + 1] - indptr[b]
    return found


@njit(cache=True, nogil=True)
def _empty_table(entries):
    """Keys, places and slots in use (to empty it again) for so many entries."""
    keys = np.full(_table_size(entries), -1, dtype=np.int32)
    return keys, np.empty(len(keys), dtype=np.int32), np.empty(entries, dtype=np.int64)


@njit(cache=True, nogil=True)
def _gather(indptr, codes, middle, weights, bound, table, out_codes, out_scores):
    """The union of one account, at most ``bound`` codes; returns how many. The table is emptied."""
    keys, places, slots = table
    mask = _table_size(bound) - 1
    end = 0
    for j in range(len(middle)):
        weight = weights[j]
        if weight == 0:
            continue
        b = middle[j]
        for at in range(indptr[b], indptr[b + 1]):
            code = codes[at]
            slot = ((np.int64(code) * 0x9E3779B1) >> 7) & mask
            while keys[slot] != code and keys[slot] != -1:
                slot = (slot + 1) & mask
            if keys[slot] == -1:
                keys[slot] = code
                places[slot] = end
                slots[end] = slot
                out_codes[end] = code
                out_scores[end] = weight
                end += 1
            else:
                out_scores[places[slot]] += weight
    for j in range(end):
        keys[slots[j]] = -1
    return end


@njit(cache=True, nogil=True)
def _table_size(entries):
    """The power of two that leaves a hash table at most half full."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size
