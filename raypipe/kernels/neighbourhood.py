"""Whom the neighbours follow: one weighted union of rows per account.

An account's neighbours are few and their follow sets short, so the union is gathered in a small
open-addressing hash table that stays in the cache, not in an array as long as the graph.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours


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


def weigh_excluded(
    rows: Adjacency,
    rejected: Adjacency,
    accounts: np.ndarray,
    near: Neighbours,
    times: float,
) -> np.ndarray:
    """float64[m, k]: the similarity of each neighbour, less where its taste led to exclusions.

        weight(a, b) = similarity(a, b) * common / (common + times * refused)

    where ``common`` are the followees that a and b share, and ``excluded`` those of b that a has
    rejected: of what a has an opinion on, the share of b's that it agrees with. A neighbour none of
    whose followees a has rejected weighs what its similarity says.

    Args:
        rows: whom every account follows.
        rejected: whom every account has rejected.
        accounts: int32[m].
        near: their neighbours.
        times: how much a excluded followee counts, against a common one.

    Example:
        >>> rows = Adjacency(np.array([0, 1, 4, 4]), np.array([0, 0, 1, 2], dtype=np.int32))
        >>> rejected = Adjacency(np.array([0, 1, 1, 1]), np.array([2], dtype=np.int32))
        >>> one = np.array([[1]], dtype=np.int32)
        >>> near = Neighbours(np.array([1]), one, one, np.array([[0.25]]))
        >>> weigh_excluded(rows, rejected, np.array([0]), near, 1.0).tolist()
        [[0.125]]
    """
    return _weigh_excluded(*rows, *rejected, accounts, *near, times)


def withdraw_rejected(
    rejected: Adjacency,
    near: Neighbours,
    weights: np.ndarray,
    union: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The union of what neighbours follow, lowered by what neighbours have rejected.

        score(a, c) -= sum of weights(a, b) over the neighbours b of a that have rejected c

    The sum runs from the first neighbour to the last, and is taken off at once. Who is left with 0
    or less is left out.

    Args:
        rejected: whom every account has rejected.
        near: the neighbours of m accounts.
        weights: float64[m, k].
        union: of the same accounts, as :func:`weighted_union` gave it.

    Example:
        >>> rejected = Adjacency(np.array([0, 0, 1]), np.array([5], dtype=np.int32))
        >>> one = np.array([[0, 1]], dtype=np.int32)
        >>> near = Neighbours(np.array([2]), one, one, np.array([[0.5, 0.25]]))
        >>> union = np.array([0, 2]), np.array([5, 6], np.int32), np.array([0.5, 0.5])
        >>> [array.tolist() for array in withdraw_rejected(rejected, near, near.scores, union)]
        [[0, 2], [5, 6], [0.25, 0.5]]
    """
    return _withdraw_rejected(*rejected, near.counts, near.codes, weights, *union)


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
def _weigh_excluded(
    indptr, codes, rejected_indptr, rejected, accounts, counts, neighbours, overlaps, scores, times
):
    weights = scores.copy()
    for i in range(len(accounts)):
        mine = rejected[rejected_indptr[accounts[i]] : rejected_indptr[accounts[i] + 1]]
        for j in range(counts[i] if len(mine) else 0):
            theirs = codes[indptr[neighbours[i, j]] : indptr[neighbours[i, j] + 1]]
            excluded = 0
            for code in mine:
                at = np.searchsorted(theirs, code)
                excluded += at < len(theirs) and theirs[at] == code
            common = overlaps[i, j]
            weights[i, j] *= common / (common + times * excluded)
    return weights


@njit(cache=True, nogil=True)
def _withdraw_rejected(
    rejected_indptr, rejected, counts, neighbours, weights, indptr, codes, scores
):
    against = np.zeros(codes.max() + 1 if len(codes) else 0)
    out_indptr = np.zeros_like(indptr)
    out_codes, out_scores = codes.copy(), scores.copy()
    end = 0
    for i in range(len(counts)):
        for j in range(counts[i]):
            b = neighbours[i, j]
            for code in rejected[rejected_indptr[b] : rejected_indptr[b + 1]]:
                if code < len(against):
                    against[code] += weights[i, j]
        for at in range(indptr[i], indptr[i + 1]):
            score = scores[at] - against[codes[at]]
            if score > 0:
                out_codes[end], out_scores[end] = codes[at], score
                end += 1
        out_indptr[i + 1] = end
        for j in range(counts[i]):
            b = neighbours[i, j]
            for code in rejected[rejected_indptr[b] : rejected_indptr[b + 1]]:
                if code < len(against):
                    against[code] = 0.0
    return out_indptr, out_codes[:end].copy(), out_scores[:end].copy()


@njit(cache=True, nogil=True)
def _table_size(entries):
    """The power of two that leaves a hash table at most half full."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size
