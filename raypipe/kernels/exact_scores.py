"""Exact Tanimoto similarities without an index: with candidates at hand, or with everybody.

For few comparisons, and to judge what an index finds: every overlap is counted, nothing is pruned.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours


def best_candidates(
    followees: Adjacency,
    rows: np.ndarray,
    candidates: Neighbours,
    k: int,
    threshold: tuple[int, int],
) -> Neighbours:
    """The k candidates most similar to each of some accounts, above a threshold.

    Args:
        followees: of every account, whole.
        rows: int[m], codes of accounts.
        candidates: of these accounts; only ``counts`` and ``codes`` are read.
        k: at least 1.
        threshold: (numerator, denominator); see :func:`raypipe.kernels.tanimoto.top_neighbours`.

    Example:
        >>> followees = Adjacency(np.array([0, 2, 3, 5]), np.array([0, 1, 0, 0, 1], np.int32))
        >>> some = Neighbours(np.array([2]), np.array([[1, 2]], np.int32), None, None)
        >>> near = best_candidates(followees, np.array([0]), some, 5, (1, 10))
        >>> near.codes[0, :2].tolist(), near.scores[0, :2].tolist()
        ([2, 1], [1.0, 0.5])
    """
    found = _nobody(len(rows), k)
    _judge_candidates(*followees, rows, candidates.counts, candidates.codes, *threshold, found)
    return found


def best_of_all(
    followees: Adjacency,
    followers: Adjacency,
    rows: np.ndarray,
    k: int,
    threshold: tuple[int, int],
) -> Neighbours:
    """The k other accounts most similar to each of some accounts, above a threshold.

    The lists of `top_neighbours`, for a few accounts: one step for each of their co-follow pairs,
    and 8 bytes of memory per account of the graph.

    Args:
        followees, followers: the two sides of the graph.
        rows: int[m], codes of accounts.
        k: at least 1.
        threshold: (numerator, denominator); see :func:`raypipe.kernels.tanimoto.top_neighbours`.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 3, 3]), np.array([2, 0, 2], np.int32))
        >>> followers = Adjacency(np.array([0, 1, 1, 3]), np.array([1, 0, 1], np.int32))
        >>> near = best_of_all(followees, followers, np.array([0]), 5, (1, 10))
        >>> near.codes[0, : near.counts[0]].tolist(), near.scores[0, 0].item()
        ([1], 0.5)
    """
    found = _nobody(len(rows), k)
    _judge_all(*followees, *followers, rows, *threshold, found)
    return found


def _nobody(m: int, k: int) -> Neighbours:
    return Neighbours(
        np.zeros(m, dtype=np.int32),
        np.full((m, k), -1, dtype=np.int32),
        np.zeros((m, k), dtype=np.int32),
        np.zeros((m, k), dtype=np.float64),
    )


@njit(nogil=True, cache=True)
def _judge_candidates(indptr, codes, rows, counts, candidates, p, q, found):
    unions = np.empty(found.codes.shape[1], dtype=np.int64)
    for i in range(len(rows)):
        mine = codes[indptr[rows[i]] : indptr[rows[i] + 1]]
        for other in candidates[i, : counts[i]]:
            theirs = codes[indptr[other] : indptr[other + 1]]
            overlap = _overlap(mine, theirs)
            union = len(mine) + len(theirs) - overlap
            if overlap * q > p * union:
                _keep(found, i, unions, other, overlap, union)


@njit(nogil=True, cache=True)
def _judge_all(indptr, codes, t_indptr, t_codes, rows, p, q, found):
    unions = np.empty(found.codes.shape[1], dtype=np.int64)
    count = np.zeros(len(indptr) - 1, dtype=np.int32)
    touched = np.empty(len(indptr) - 1, dtype=np.int32)
    for i in range(len(rows)):
        row = rows[i]
        n_touched = 0
        for followee in codes[indptr[row] : indptr[row + 1]]:
            for other in t_codes[t_indptr[followee] : t_indptr[followee + 1]]:
                if count[other] == 0:
                    touched[n_touched] = other
                    n_touched += 1
                count[other] += 1
        count[row] = 0
        size = indptr[row + 1] - indptr[row]
        least, of, strict = p, q, 1  # what the last place of a full row asks for
        for other in touched[:n_touched]:
            overlap = np.int64(count[other])
            count[other] = 0
            if overlap * of < least * size:  # the union is no smaller than the set
                continue
            union = size + indptr[other + 1] - indptr[other] - overlap
            if overlap * of - least * union >= strict:
                _keep(found, i, unions, other, overlap, union)
                if found.counts[i] == len(unions):
                    least, of, strict = np.int64(found.overlaps[i, -1]), unions[-1], 0


@njit(nogil=True, cache=True)
def _overlap(ours, theirs):
    """Codes that two ascending rows have in common."""
    i = j = common = 0
    while i < len(ours) and j < len(theirs):
        a, b = ours[i], theirs[j]
        common += a == b
        i += a <= b
        j += b <= a
    return common


@njit(nogil=True, cache=True)
def _keep(found, i, unions, code, overlap, union):
    """Put a code into its place in row i, by similarity, then code, if there is one.

    Similarities are compared as integers, cross-multiplied; ``unions`` are those of row i so far.
    """
    counts, codes, overlaps, scores = found
    at = counts[i]
    while at > 0:
        ours = overlap * unions[at - 1]
        theirs = overlaps[i, at - 1] * union
        if ours < theirs or (ours == theirs and code > codes[i, at - 1]):
            break
        at -= 1
    last = min(counts[i], len(unions) - 1)
    if at > last:
        return
    for j in range(last, at, -1):
        codes[i, j] = codes[i, j - 1]
        overlaps[i, j] = overlaps[i, j - 1]
        unions[j] = unions[j - 1]
        scores[i, j] = scores[i, j - 1]
    codes[i, at] = code
    overlaps[i, at] = overlap
    unions[at] = union
    scores[i, at] = overlap / union
    counts[i] = last + 1
