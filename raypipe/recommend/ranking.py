"""From candidates to lists: filled up source by source, or the best of a blend. Pure."""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.candidates import BestLists, Candidates
from raypipe.kernels.topk import TieRule, best_of_groups, fill_up


class Recommendations(NamedTuple):
    """The lists of m accounts, best first.

    Attributes:
        counts: int32[m], length of each list.
        codes: int32[m, n], the account index of each recommendation.
        scores: float64[m, n].
        sources: uint8[m, n], index of the source.
    """

    counts: np.ndarray
    codes: np.ndarray
    scores: np.ndarray
    sources: np.ndarray


def empty_lists(m: int, n: int) -> Recommendations:
    """Empty lists of m accounts, with room for n recommendations each."""
    return Recommendations(
        np.zeros(m, np.int32),
        np.full((m, n), -1, np.int32),
        np.zeros((m, n)),
        np.zeros((m, n), np.uint8),
    )


def put(lists: Recommendations, rows: np.ndarray, some: Recommendations) -> None:
    """Write the lists of some accounts into those of all, in place."""
    for whole, part in zip(lists, some, strict=True):
        whole[rows] = part


def split(lists: Recommendations, n: int) -> tuple[Recommendations, Recommendations]:
    """The first n entries of each list, and those after them."""
    first = np.minimum(lists.counts, n, dtype=np.int32)
    head, tail = (
        [np.ascontiguousarray(array[:, part]) for array in lists[1:]]
        for part in (slice(n), slice(n, None))
    )
    return Recommendations(first, *head), Recommendations(lists.counts - first, *tail)


def fill_from(lists: Recommendations, index: int, best: BestLists) -> Recommendations:
    """The lists, filled up with the best candidates of the next source of the ladder.

    Args:
        best: its lists of the same accounts, of the same maximum length.

    Example:
        >>> def one(count, codes):
        ...     return BestLists(np.array([count]), np.array([codes], np.int32), np.zeros((1, 3)))
        >>> lists = fill_from(empty_lists(1, 3), 0, one(1, [5, -1, -1]))
        >>> lists = fill_from(lists, 1, one(2, [5, 9, -1]))
        >>> lists.codes.tolist(), lists.sources.tolist()
        ([[5, 9, -1]], [[0, 1, 0]])
    """
    filled = fill_up(BestLists(*lists[:3]), best)
    is_new = (lists.codes < 0) & (filled.codes >= 0)
    return Recommendations(*filled, np.where(is_new, np.uint8(index), lists.sources))


def best_of_blend(
    union: CandidateUnion,
    scores: np.ndarray,
    indices: np.ndarray,
    n: tuple[int, int],
    limit: tuple[int, int],
    accounts: np.ndarray,
    rule: TieRule,
) -> Recommendations:
    """The best candidates of a blend, with a limit on those from one source.

    A candidate belongs to the source that ranks it highest; of several, to the first of them.

    Args:
        union: the candidates of m accounts, as S sources score and rank them.
        scores: float64[c], of the blend.
        indices: int[S], of these sources.
        n: maximum length of a list, and of the reserve that follows a full list.
        limit: maximum number of candidates from one source in each.

    Example:
        >>> from raypipe.kernels.candidate_union import unite
        >>> codes = np.array([[[7, 3]], [[5, 7]]], dtype=np.int32)
        >>> union = unite(np.array([[2], [2]]), codes, np.ones((2, 1, 2)), 8)
        >>> sources = np.array([0, 4])
        >>> scores, rule = np.array([0.9, 0.5, 0.7]), TieRule(*np.zeros((2, 8), np.uint64))
        >>> lists = best_of_blend(union, scores, sources, (3, 0), (1, 0), np.array([0]), rule)
        >>> lists.codes.tolist(), lists.sources.tolist()
        ([[7, 5, -1]], [[0, 4, 0]])
    """
    leading = np.argmin(union.ranks, axis=1).astype(np.int32)
    candidates = Candidates(union.indptr, union.codes, scores)
    best, groups = best_of_groups(candidates, leading, len(indices), n, limit, accounts, rule)
    sources = np.where(best.codes >= 0, indices[groups], 0).astype(np.uint8)
    return Recommendations(*best, sources)
