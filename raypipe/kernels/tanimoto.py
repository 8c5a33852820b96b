"""Exact nearest neighbours by Tanimoto similarity of follow sets.

T(a, b) = |F(a) & F(b)| / |F(a) | F(b)|,    F(a): the accounts that a follows
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Floats, Indices, Int, Integers, Offsets
from raypipe.kernels.compiled import inlined_kernel, kernel
from raypipe.kernels.similarity_index import SimilarityIndex
from raypipe.kernels.tanimoto_search import GROUP, OVERLAP, UNION, Query, new_scratch, search


class Neighbours(NamedTuple):
    """The nearest neighbours of m accounts, best first, ties by code; padded with -1 or 0.

    Attributes:
        counts: int32[m], number of neighbours found.
        codes: int32[m, k].
        overlaps: int32[m, k], number of common followees.
        scores: float64[m, k], overlap / union.
    """

    counts: Indices
    codes: Indices
    overlaps: Indices
    scores: Floats

    def take(self, rows: Integers | slice) -> Neighbours:
        """The neighbours of some of the accounts, in the order of ``rows``."""
        return Neighbours(
            self.counts[rows], self.codes[rows], self.overlaps[rows], self.scores[rows]
        )

    def put(self, rows: Integers, near: Neighbours) -> None:
        """Write the neighbours of some of the accounts, in place."""
        self.counts[rows], self.codes[rows] = near.counts, near.codes
        self.overlaps[rows], self.scores[rows] = near.overlaps, near.scores


def top_neighbours(
    index: SimilarityIndex, rows: Integers, k: int, threshold: tuple[int, int]
) -> Neighbours:
    """The k other accounts most similar to each account, above a threshold.

        T(a, b) = |F(a) & F(b)| / |F(a) | F(b)| > numerator / denominator

    The list of an account does not depend on the other accounts of the call, nor on their order.

    Raises:
        ValueError: k or threshold out of range.

    Example:
        >>> from raypipe.kernels.csr import Adjacency, transpose
        >>> from raypipe.kernels.similarity_index import build_index
        >>> followees = Adjacency(np.array([0, 1, 3, 3]), np.array([2, 0, 2], dtype=np.int32))
        >>> index = build_index(followees, transpose(followees))
        >>> near = top_neighbours(index, np.array([0]), 10, (1, 10))
        >>> near.codes[0, : near.counts[0]].tolist(), near.scores[0, 0].item()
        ([1], 0.5)
    """
    numerator, denominator = threshold
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if not 0 <= numerator < denominator <= 2**31:
        raise ValueError(f"threshold must be a fraction in [0, 1) of 32-bit integers: {threshold}")
    codes = np.array(rows, dtype=np.int32)  # a copy: of read-only rows, it would be compiled again
    # Members of a group come together, so that its search runs once.
    order = np.argsort(index.group_of[codes], kind="stable")
    found = no_neighbours(len(codes), k)
    _search_all(index, codes, order, k, numerator, denominator, found)
    return found


@kernel
def no_neighbours(accounts: int, k: int) -> Neighbours:
    """Empty lists of maximum length k."""
    return Neighbours(
        np.zeros(accounts, dtype=np.int32),
        np.full((accounts, k), -1, dtype=np.int32),
        np.zeros((accounts, k), dtype=np.int32),
        np.zeros((accounts, k), dtype=np.float64),
    )


@kernel
def _search_all(
    index: SimilarityIndex, rows: Indices, order: Offsets, k: Int, p: Int, q: Int, found: Neighbours
) -> None:
    scratch = new_scratch(index, len(index.size_start) - 2, k)
    searched = -1
    places = 0
    n_best: Int = 0
    for i in order:
        group = index.group_of[rows[i]]
        if group < 0:
            continue
        if group != searched:
            searched = group
            # Only the other members of the group have similarity 1, so they come first.
            others = index.member_ptr[group + 1] - index.member_ptr[group] - 1
            places = max(0, k - others)
            n_best = 0
            if places:
                row = index.sets[index.set_ptr[group] : index.set_ptr[group + 1]]
                bits = index.planes[:, group]
                query = Query(group, row, len(row), places, p, q, np.int64(1))
                n_best = search(index, query, bits, scratch)
        write(index, rows[i], group, scratch.best, n_best, found, i)


@inlined_kernel
def write(
    index: SimilarityIndex,
    account: Int,
    group: Int,
    best: Offsets,
    n_best: Int,
    found: Neighbours,
    i: Int,
) -> None:
    """Write row i: the other members of the account's own group, then those of the best groups.

    No member comes before the first of its group, so the k best accounts are all in the k best
    groups by (similarity, first member). Tied groups are merged by code.

    Args:
        group: group of the account; -1 where the search did not know it, so that the account
            itself may be in one of the best groups.
    """
    codes, overlaps, scores = found.codes, found.overlaps, found.scores
    k = codes.shape[1]
    n = 0
    if group >= 0:
        for other in index.members[index.member_ptr[group] : index.member_ptr[group + 1]]:
            if n == k:
                break
            if other != account:
                codes[i, n] = other
                overlaps[i, n] = index.sizes[group]
                scores[i, n] = 1.0
                n += 1
    tied = n
    for j in range(n_best):
        overlap, union, tie = best[j, OVERLAP], best[j, UNION], best[j, GROUP]
        if j and overlap * best[j - 1, UNION] != best[j - 1, OVERLAP] * union:
            tied = n
        if tied == k:
            break
        for other in index.members[index.member_ptr[tie] : index.member_ptr[tie + 1]]:
            if n == k and other > codes[i, k - 1]:
                break
            if other == account:
                continue
            n = min(n + 1, k)
            at = n - 1
            while at > tied and codes[i, at - 1] > other:
                codes[i, at] = codes[i, at - 1]
                overlaps[i, at] = overlaps[i, at - 1]
                at -= 1
            codes[i, at] = other
            overlaps[i, at] = overlap
            scores[i, n - 1] = overlap / union
    found.counts[i] = n
