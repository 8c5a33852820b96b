"""Neighbours found without the followers of hubs: looked for in capped sets, scored in whole ones.

To find who is similar to an account, the followers of all whom it follows are walked, and those of
a few hubs can outnumber all others. Here the hubs are left out of the sets that are searched. What
is found is then scored over the whole sets, so that a score is always the true similarity; only
some neighbours are missed, those that share little or nothing but hubs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.kernels.column_blocks import ColumnBlocks, neighbours_in
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.exact_scores import best_candidates
from raypipe.kernels.similarity_index import SimilarityIndex
from raypipe.kernels.tanimoto import Neighbours

#: So many times k candidates are looked for: the best by capped sets are not quite the best.
#: Measured: once k finds up to 8 in 100 fewer neighbours, four times k at most 1 in 100 more.
CANDIDATES = 2


def without_hubs(followees: Adjacency, is_hub: np.ndarray) -> tuple[Adjacency, Adjacency]:
    """Both sides of a graph, followees by follower and its transpose, without follows of hubs.

    Args:
        followees: of every account.
        is_hub: bool[n].

    Example:
        >>> followees = Adjacency(np.array([0, 2, 3, 3]), np.array([1, 2, 2], np.int32))
        >>> capped, _ = without_hubs(followees, np.array([False, False, True]))
        >>> capped.row(0).tolist(), capped.row(1).tolist()
        ([1], [])
    """
    capped = Adjacency(*_drop_columns(*followees, is_hub))
    return capped, transpose(capped)


def capped_neighbours(
    index: SimilarityIndex | ColumnBlocks,
    followees: Adjacency,
    rows: np.ndarray,
    k: int,
    threshold: tuple[int, int],
) -> Neighbours:
    """The k most similar of those accounts that are most similar without hubs.

    Of the 2 k accounts with the largest Tanimoto similarity of the capped sets above the
    threshold, the k with the largest one of the whole sets above the threshold.

    Args:
        index: of the graph that :func:`without_hubs` gave.
        followees: of every account, whole.
        rows: int[m], codes of accounts.
        k, threshold: as for :func:`raypipe.kernels.tanimoto.top_neighbours`.

    Example:
        >>> from raypipe.kernels.similarity_index import build_index
        >>> followees = Adjacency(np.array([0, 2, 4, 5, 5]), np.array([1, 3, 1, 3, 3], np.int32))
        >>> index = build_index(*(a for side in without_hubs(followees, np.arange(4) == 3)
        ...                       for a in side))
        >>> near = capped_neighbours(index, followees, np.array([0, 2]), 5, (1, 10))
        >>> near.codes[:, 0].tolist(), near.scores[:, 0].tolist()
        ([1, -1], [1.0, 0.0])
    """
    candidates = neighbours_in(index, rows, CANDIDATES * k, threshold)
    return best_candidates(followees, rows, candidates, k, threshold)


@njit(nogil=True, cache=True)
def _drop_columns(indptr, codes, dropped):
    kept = np.zeros_like(indptr)
    for i in range(len(indptr) - 1):
        kept[i + 1] = kept[i]
        for code in codes[indptr[i] : indptr[i + 1]]:
            kept[i + 1] += not dropped[code]
    out = np.empty(kept[-1], dtype=np.int32)
    at = 0
    for code in codes:
        if not dropped[code]:
            out[at] = code
            at += 1
    return kept, out
