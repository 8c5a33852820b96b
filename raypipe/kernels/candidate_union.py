"""The candidate union: lists of several sources for the same accounts, one row per candidate."""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Floats, Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.topk import TieRule, sort_best


class CandidateUnion(NamedTuple):
    """The candidates of m accounts from S sources; those of account i are at ``indptr[i:i + 2]``.

    Attributes:
        indptr: int64[m + 1].
        codes: int32[c], each once per account: those of the first source, then those that the
            second one adds, and so on.
        scores: float64[c, S]; 0 where a source did not retrieve the candidate.
        ranks: int32[c, S], from 0; ``length`` where a source did not retrieve the candidate.
        length: maximum length of a source's list.
    """

    indptr: Offsets
    codes: Indices
    scores: Floats
    ranks: Indices
    length: int

    @property
    def rows(self) -> Offsets:
        """int64[c]: the position of the account of each candidate."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))


@kernel
def unite(counts: Integers, codes: Indices, scores: Floats, n: int) -> CandidateUnion:
    """Each candidate once, with its score and rank in every source.

    Args:
        counts, codes, scores: int32[S, m], int32[S, m, k] and float64[S, m, k], best first; only
            the first ``counts[s, i]`` entries are read.
        n: accounts of the graph.
    """
    sources, m, k = codes.shape
    room = 0
    for s in range(sources):
        for count in counts[s]:
            room += count
    position = np.full(n, -1, dtype=np.int32)
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
                if position[code] < 0:
                    position[code] = end - start
                    out_codes[end] = code
                    end += 1
                at = start + position[code]
                out_scores[at, s] = scores[s, i, rank]
                out_ranks[at, s] = rank
        for at in range(start, end):
            position[out_codes[at]] = -1
        indptr[i + 1] = end
    found = out_codes[:end].copy(), out_scores[:end].copy(), out_ranks[:end].copy()
    return CandidateUnion(indptr, *found, k)


def with_scores(
    union: CandidateUnion, source: int, scores: Floats, accounts: Integers, rule: TieRule
) -> CandidateUnion:
    """The union with one more source, which scores all candidates and retrieves none.

    Its rank is that of the score among the candidates of the account; from ``length`` on, and where
    the score is -inf, it is ``length``.

    Args:
        source: the position of the new source.
        scores: float64[c]; -inf for none.

    Example:
        >>> codes = np.array([[[7, 3, 5]]], dtype=np.int32)
        >>> union = unite(np.array([[3]]), codes, np.ones((1, 1, 3)), 8)
        >>> rule = TieRule(np.ones(8, np.int32), np.arange(8, dtype="u4"))
        >>> union = with_scores(union, 0, np.array([0.5, 0.9, -np.inf]), np.array([0]), rule)
        >>> union.ranks.tolist(), union.scores[:, 0].tolist()
        ([[1, 0], [0, 1], [3, 2]], [0.5, 0.9, 0.0])
    """
    ranks = _ranks(union, scores, accounts, rule)
    known = np.where(scores > -np.inf, scores, 0.0)
    return union._replace(
        scores=np.insert(union.scores, source, known, axis=1),
        ranks=np.insert(union.ranks, source, ranks, axis=1),
    )


@kernel
def _ranks(union: CandidateUnion, scores: Floats, accounts: Integers, rule: TieRule) -> Indices:
    ranks = np.full(len(scores), union.length, dtype=np.int32)
    rank_of = np.full(len(rule.positions), union.length, dtype=np.int32)
    for i in range(len(accounts)):
        row = slice(union.indptr[i], union.indptr[i + 1])
        codes, mine = union.codes[row].copy(), scores[row].copy()
        count = sort_best(codes, mine, len(codes), union.length, accounts[i], rule)
        for rank in range(count):
            if mine[rank] > -np.inf:
                rank_of[codes[rank]] = rank
        for at in range(union.indptr[i], union.indptr[i + 1]):
            ranks[at] = rank_of[union.codes[at]]
            rank_of[union.codes[at]] = union.length
    return ranks
