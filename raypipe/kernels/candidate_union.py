"""The lists that several sources bring for the same accounts, as one row a candidate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit


class CandidateUnion(NamedTuple):
    """What S sources say of the candidates of m accounts; those of i at ``indptr[i:i + 2]``.

    Attributes:
        indptr: int64[m + 1].
        codes: int32[c], each once an account: those of the first source, then whom the second one
            adds, and so on.
        scores: float64[c, S]; 0 where a source does not bring the candidate.
        ranks: int32[c, S], from 0; ``length`` where a source does not bring the candidate.
        length: of the longest list.
    """

    indptr: np.ndarray
    codes: np.ndarray
    scores: np.ndarray
    ranks: np.ndarray
    length: int

    @property
    def rows(self) -> np.ndarray:
        """int64[c]: the place of the account of each candidate."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))


def unite(counts: np.ndarray, codes: np.ndarray, scores: np.ndarray, n: int) -> CandidateUnion:
    """Each candidate once, with what every source says of it.

    Args:
        counts, codes, scores: int32[S, m], int32[S, m, k] and float64[S, m, k], best first; only
            the first ``counts[s, i]`` count.
        n: accounts of the graph.

    Example:
        >>> codes = np.array([[[7, 3]], [[3, 5]]], dtype=np.int32)
        >>> scores = np.array([[[0.9, 0.8]], [[6.0, 4.0]]])
        >>> union = unite(np.array([[2], [2]]), codes, scores, 8)
        >>> union.codes.tolist(), union.ranks.tolist()
        ([7, 3, 5], [[0, 2], [1, 0], [2, 1]])
        >>> union.scores.tolist()
        [[0.9, 0.0], [0.8, 6.0], [0.0, 4.0]]
    """
    return CandidateUnion(*_merge(counts, codes, scores, n), codes.shape[2])


@njit(cache=True, nogil=True)
def _merge(counts, codes, scores, n):
    sources, m, k = codes.shape
    room = counts.sum()
    place = np.full(n, -1, dtype=np.int32)
    indptr = np.zeros(m + 1, dtype=np.int64)
    out_codes = np.empty(room, dtype=np.int32)
    out_scores = np.zeros((room, sources))
    out_ranks = np.full((room, sources), k, dtype=np.int32)
    end = 0
    for i in range(m):
        start = end
        for s in range(sources):
            for rank in range(counts[s, i]):
                code = codes[s, i, rank]
                if place[code] < 0:
                    place[code] = end - start
                    out_codes[end] = code
                    end += 1
                at = start + place[code]
                out_scores[at, s] = scores[s, i, rank]
                out_ranks[at, s] = rank
        for at in range(start, end):
            place[out_codes[at]] = -1
        indptr[i + 1] = end
    return indptr, out_codes[:end].copy(), out_scores[:end].copy(), out_ranks[:end].copy()
