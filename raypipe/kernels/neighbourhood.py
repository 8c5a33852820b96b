"""Followees of an account's neighbours: one weighted union of rows per account.

An account has few neighbours, with short follow sets. Their union is gathered in a small
open-addressing hash table that stays in the cache, not in an array as long as the graph.
"""

import numpy as np

from raypipe.kernels.arrays import Floats, Integers, Offsets
from raypipe.kernels.candidates import Candidates
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, contains
from raypipe.kernels.prefetch import prefetch
from raypipe.kernels.tanimoto import Neighbours

#: Number of neighbours between the one whose row is asked for and the one that is read.
_AHEAD = 4


@kernel
def weighted_union(
    rows: Adjacency, counts: Integers, neighbours: Integers, weights: Floats
) -> Candidates:
    """All codes in the rows of an account's neighbours, with their summed weights.

        score(a, c) = sum of weight(a, b) over the neighbours b of a whose row holds c

    The sum runs from the first neighbour to the last, so its bits do not depend on the sharding.

    Args:
        counts: int32[m], number of neighbours of each of the m accounts.
        neighbours, weights: int32[m, k] and float64[m, k]; only the first ``counts[i]`` are read.
    """
    indptr, codes = rows
    m = len(counts)
    bounds = np.zeros(m, dtype=np.int64)
    largest, room = 0, 0
    for i in range(m):
        for j in range(counts[i]):
            b = neighbours[i, j]
            bounds[i] += indptr[b + 1] - indptr[b]
        largest = max(largest, bounds[i])
        room += bounds[i]
    keys = np.full(table_size(largest), -1, dtype=np.int32)
    positions = np.empty(len(keys), dtype=np.int64)
    slots = np.empty(largest, dtype=np.int64)  # the used ones, to empty the table again

    out_indptr = np.zeros(m + 1, dtype=np.int64)
    out_codes = np.empty(room, dtype=np.int32)
    out_scores = np.empty(room, dtype=np.float64)
    end = 0
    for i in range(m):
        mask = table_size(bounds[i]) - 1
        start = end
        for j in range(counts[i]):
            b, ahead = neighbours[i, j], neighbours[i, min(j + _AHEAD, counts[i] - 1)]
            prefetch(codes, indptr[ahead], 32)
            weight = weights[i, j]
            for at in range(indptr[b], indptr[b + 1]):
                code = codes[at]
                slot = ((np.int64(code) * 0x9E3779B1) >> 7) & mask
                while keys[slot] != code and keys[slot] != -1:
                    slot = (slot + 1) & mask
                if keys[slot] == -1:
                    keys[slot] = code
                    positions[slot] = end
                    slots[end - start] = slot
                    out_codes[end] = code
                    out_scores[end] = weight
                    end += 1
                else:
                    out_scores[positions[slot]] += weight
        for j in range(end - start):
            keys[slots[j]] = -1
        out_indptr[i + 1] = end
    return Candidates(out_indptr, out_codes[:end].copy(), out_scores[:end].copy())


@kernel
def weigh_excluded(
    rows: Adjacency, rejected: Adjacency, accounts: Integers, near: Neighbours, times: float
) -> Floats:
    """float64[m, k]: weight of each neighbour, reduced where the account rejected its followees.

        weight(a, b) = similarity(a, b) * common / (common + times * excluded)

    where ``common`` is the number of followees that a and b share, and ``excluded`` the number of
    followees of b that a has rejected. The factor is the share of b's followees that a agrees with,
    among those that a has an opinion on. A neighbour none of whose followees a has rejected keeps
    its similarity as its weight.

    Args:
        times: weight of an excluded followee, compared with a common one.

    Example:
        >>> rows = Adjacency(np.array([0, 1, 4, 4]), np.array([0, 0, 1, 2], dtype=np.int32))
        >>> rejected = Adjacency(np.array([0, 1, 1, 1]), np.array([2], dtype=np.int32))
        >>> one = np.array([[1]], dtype=np.int32)
        >>> near = Neighbours(np.array([1]), one, one, np.array([[0.25]]))
        >>> weigh_excluded(rows, rejected, np.array([0]), near, 1.0).tolist()
        [[0.125]]
    """
    indptr, codes = rows
    weights = near.scores.copy()
    for i in range(len(accounts)):
        account = accounts[i]
        mine = rejected.codes[rejected.indptr[account] : rejected.indptr[account + 1]]
        for j in range(near.counts[i] if len(mine) else 0):
            neighbour = near.codes[i, j]
            theirs = codes[indptr[neighbour] : indptr[neighbour + 1]]
            excluded = 0
            for code in mine:
                excluded += contains(theirs, code)
            common = near.overlaps[i, j]
            weights[i, j] *= common / (common + times * excluded)
    return weights


@kernel
def withdraw_rejected(
    rejected: Adjacency, near: Neighbours, weights: Floats, union: Candidates
) -> Candidates:
    """Lower the scores of candidates that neighbours have rejected.

        score(a, c) -= sum of weights(a, b) over the neighbours b of a that have rejected c

    The sum runs from the first neighbour to the last, and is subtracted at once. Candidates with a
    score of 0 or less are dropped.

    Args:
        weights: float64[m, k].
        union: of the same accounts, as :func:`weighted_union` returned it.

    Example:
        >>> rejected = Adjacency(np.array([0, 0, 1]), np.array([5], dtype=np.int32))
        >>> one = np.array([[0, 1]], dtype=np.int32)
        >>> near = Neighbours(np.array([2]), one, one, np.array([[0.5, 0.25]]))
        >>> union = Candidates(np.array([0, 2]), np.array([5, 6], np.int32), np.array([0.5, 0.5]))
        >>> [array.tolist() for array in withdraw_rejected(rejected, near, near.scores, union)]
        [[0, 2], [5, 6], [0.25, 0.5]]
    """
    indptr, codes, scores = union
    against = np.zeros(codes.max() + 1 if len(codes) else 0)
    out_indptr = np.zeros_like(indptr)
    out_codes, out_scores = codes.copy(), scores.copy()
    end = 0
    for i in range(len(near.counts)):
        for j in range(near.counts[i]):
            b = near.codes[i, j]
            for code in rejected.codes[rejected.indptr[b] : rejected.indptr[b + 1]]:
                if code < len(against):
                    against[code] += weights[i, j]
        for at in range(indptr[i], indptr[i + 1]):
            score = scores[at] - against[codes[at]]
            if score > 0:
                out_codes[end], out_scores[end] = codes[at], score
                end += 1
        out_indptr[i + 1] = end
        for j in range(near.counts[i]):
            b = near.codes[i, j]
            for code in rejected.codes[rejected.indptr[b] : rejected.indptr[b + 1]]:
                if code < len(against):
                    against[code] = 0.0
    return Candidates(out_indptr, out_codes[:end].copy(), out_scores[:end].copy())


def union_sizes(rows: Adjacency, counts: Integers, neighbours: Integers) -> Offsets:
    """int64[m]: an upper bound for the size of each account's union, to split batches by."""
    used = np.arange(neighbours.shape[1]) < counts[:, None]
    return np.asarray(np.where(used, rows.degrees_of(neighbours), 0).sum(axis=1))


@kernel
def table_size(entries: int) -> int:
    """The smallest power of two that leaves a hash table at most half full."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size
