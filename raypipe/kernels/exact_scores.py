"""Exact Tanimoto similarities without an index: with given candidates, or with all accounts.

For few comparisons, and to check what an index finds: every overlap is counted, nothing is pruned.
"""

import numpy as np

from raypipe.kernels.arrays import Int, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, overlap
from raypipe.kernels.tanimoto import Neighbours, no_neighbours
from raypipe.kernels.tanimoto_search import GROUP, OVERLAP, UNION, offer


@kernel
def best_candidates(
    followees: Adjacency, rows: Integers, candidates: Neighbours, k: int, threshold: tuple[int, int]
) -> Neighbours:
    """The k candidates most similar to each account, above a threshold.

    Args:
        followees: of every account, whole.
        candidates: of these accounts; only ``counts`` and ``codes`` are read.

    Example:
        >>> followees = Adjacency(np.array([0, 2, 3, 5]), np.array([0, 1, 0, 0, 1], np.int32))
        >>> candidates = Neighbours(np.array([2]), np.array([[1, 2]], np.int32), None, None)
        >>> near = best_candidates(followees, np.array([0]), candidates, 5, (1, 10))
        >>> near.codes[0, :2].tolist(), near.scores[0, :2].tolist()
        ([2, 1], [1.0, 0.5])
    """
    (indptr, codes), (p, q) = followees, threshold
    found = no_neighbours(len(rows), k)
    best = np.empty((k, 4), dtype=np.int64)
    for i in range(len(rows)):
        n_best: Int = 0
        mine = codes[indptr[rows[i]] : indptr[rows[i] + 1]]
        for other in candidates.codes[i, : candidates.counts[i]]:
            theirs = codes[indptr[other] : indptr[other + 1]]
            common = overlap(mine, theirs)
            union = len(mine) + len(theirs) - common
            if common * q > p * union:
                n_best = offer(best, n_best, k, common, union, other, other)
        _write(found, i, best, n_best)
    return found


@kernel
def best_of_all(
    followees: Adjacency, followers: Adjacency, rows: Integers, k: int, threshold: tuple[int, int]
) -> Neighbours:
    """The k other accounts most similar to each account, above a threshold.

    The lists of `top_neighbours`, without an index, for a few accounts: one step for each of their
    co-follow pairs, and 8 bytes of memory per account of the graph.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 3, 3]), np.array([2, 0, 2], np.int32))
        >>> followers = Adjacency(np.array([0, 1, 1, 3]), np.array([1, 0, 1], np.int32))
        >>> near = best_of_all(followees, followers, np.array([0]), 5, (1, 10))
        >>> near.codes[0, : near.counts[0]].tolist(), near.scores[0, 0].item()
        ([1], 0.5)
    """
    (indptr, codes), (t_indptr, t_codes), (p, q) = followees, followers, threshold
    found = no_neighbours(len(rows), k)
    best = np.empty((k, 4), dtype=np.int64)
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
        # The similarity that a new entry needs: above the threshold, then that of the last entry.
        least_p: Int = p
        least_q, strict = q, 1
        n_best: Int = 0
        for other in touched[:n_touched]:
            overlap = np.int64(count[other])
            count[other] = 0
            if overlap * least_q < least_p * size:  # the union is no smaller than the set
                continue
            union = size + indptr[other + 1] - indptr[other] - overlap
            if overlap * least_q - least_p * union >= strict:
                n_best = offer(best, n_best, k, overlap, union, other, other)
                if n_best == k:
                    least_p, least_q, strict = best[-1, OVERLAP], best[-1, UNION], 0
        _write(found, i, best, n_best)
    return found


@kernel
def _write(found: Neighbours, i: int, best: Offsets, n_best: Int) -> None:
    """Write row i from the table of the best."""
    for j in range(n_best):
        found.codes[i, j], found.overlaps[i, j] = best[j, GROUP], best[j, OVERLAP]
        found.scores[i, j] = best[j, OVERLAP] / best[j, UNION]
    found.counts[i] = n_best
