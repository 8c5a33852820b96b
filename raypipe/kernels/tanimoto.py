"""Exact top-k Tanimoto neighbours in a directed follow graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit


class SimilarityIndex(NamedTuple):
    """A follow graph prepared for neighbour search; plain arrays, shared read-only."""

    indptr: np.ndarray
    indices: np.ndarray
    t_indptr: np.ndarray
    t_indices: np.ndarray


class Neighbours(NamedTuple):
    """The neighbours of m accounts, best first; row i holds counts[i] of them."""

    counts: np.ndarray
    codes: np.ndarray
    overlaps: np.ndarray
    scores: np.ndarray


def build_index(indptr, indices, t_indptr, t_indices) -> SimilarityIndex:
    """Prepare a graph (CSR of follows and its transpose) for `top_neighbours`."""
    return SimilarityIndex(indptr, indices, t_indptr, t_indices)


def wedges(index: SimilarityIndex) -> np.ndarray:
    """int64[n]: follows of the followees of each account, the cost of plain counting."""
    total = np.zeros(len(index.indices) + 1, np.int64)
    np.cumsum(np.diff(index.t_indptr)[index.indices], out=total[1:])
    return total[index.indptr[1:]] - total[index.indptr[:-1]]


def work(index: SimilarityIndex) -> np.ndarray:
    """int64[n]: estimated cost of each account in `top_neighbours`, to cut even shards."""
    return wedges(index) + 100


def top_neighbours(index, rows, k, threshold) -> Neighbours:
    """The k accounts most similar to each of `rows`, similarity > threshold = (num, den)."""
    rows = np.asarray(rows, np.int32)
    num, den = threshold
    counts, codes, overlaps, scores = _count_rows(*index, rows, k, num, den)
    return Neighbours(counts, codes, overlaps, scores)


@njit(nogil=True, cache=True)
def _count_rows(indptr, indices, t_indptr, t_indices, rows, k, num, den):
    n = indptr.size - 1
    count = np.zeros(n, np.int32)
    touched = np.empty(n, np.int32)
    counts = np.zeros(rows.size, np.int32)
    codes = np.full((rows.size, k), -1, np.int32)
    overlaps = np.zeros((rows.size, k), np.int32)
    scores = np.zeros((rows.size, k), np.float64)
    unions = np.empty(k, np.int64)
    for i in range(rows.size):
        a = rows[i]
        size = indptr[a + 1] - indptr[a]
        n_touched = 0
        for p in range(indptr[a], indptr[a + 1]):
            f = indices[p]
            for q in range(t_indptr[f], t_indptr[f + 1]):
                b = t_indices[q]
                if count[b] == 0:
                    touched[n_touched] = b
                    n_touched += 1
                count[b] += 1
        found = 0
        for j in range(n_touched):
            b = touched[j]
            overlap = np.int64(count[b])
            count[b] = 0
            union = size + indptr[b + 1] - indptr[b] - overlap
            if b == a or overlap * den <= num * union:
                continue
            at = found
            while at > 0:
                theirs = overlaps[i, at - 1] * union
                ours = overlap * unions[at - 1]
                if ours < theirs or (ours == theirs and b > codes[i, at - 1]):
                    break
                at -= 1
            if at == k:
                continue
            if found < k:
                found += 1
            for j2 in range(found - 1, at, -1):
                codes[i, j2] = codes[i, j2 - 1]
                overlaps[i, j2] = overlaps[i, j2 - 1]
                unions[j2] = unions[j2 - 1]
            codes[i, at] = b
            overlaps[i, at] = overlap
            unions[at] = union
        counts[i] = found
        for j in range(found):
            scores[i, j] = overlaps[i, j] / unions[j]
    return counts, codes, overlaps, scores
