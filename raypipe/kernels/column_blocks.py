"""Neighbours in column blocks: an index of some accounts after the other, and a merge of the lists.

An index of all accounts may be larger than a task can hold. The accounts that may become neighbours
are then cut into *blocks*. The index of one block is built, searched and let go, and what it holds
is merged with the best so far. That is exact: one order, by similarity and then by code, holds
everywhere, so each of the k best of all is among the k best of its block.

What it costs: to build all blocks takes as long as to build the whole index, in each call, so many
accounts should be asked for at once. All blocks together have as many entries to count as the whole
index, but each account pays in each block for finding its lists. Two things make that less: blocks
of sets of similar size, most of which the length filter rules out for an account, and the k-th best
of the blocks before, from which the bound of the next search starts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.search_cost import CLIP, COUNT, SEARCH, WRITE
from raypipe.kernels.similarity_index import (
    SimilarityIndex,
    co_follow_pairs,
    count,
    group_equal_sets,
    lay_out,
    starts_of,
    turn,
)
from raypipe.kernels.tanimoto import (
    Neighbours,
    new_scratch,
    no_neighbours,
    search,
    top_neighbours,
    write,
)

#: Neighbours searched at a time, at 16 bytes each: what is found waits there for its merge.
_AT_A_TIME = 1_000_000


class ColumnBlocks(NamedTuple):
    """A follow graph whose index is built and searched block after block.

    Attributes:
        followees: whom every account follows.
        blocks: int32[...] each, codes, ascending; every account that follows is in one of them.
    """

    followees: Adjacency
    blocks: tuple[np.ndarray, ...]


class Block(NamedTuple):
    """Some accounts, prepared to be found.

    Attributes:
        rows: int32[r], their codes, ascending.
        index: calls each account by its place in ``rows``.
        rank_of: int32[n], the index's rank of each account as a followee; -1 for none.
    """

    rows: np.ndarray
    index: SimilarityIndex
    rank_of: np.ndarray


class Asked(NamedTuple):
    """Accounts to find neighbours for.

    Attributes:
        accounts: int32[m], codes.
        set_of: int32[m], equal for equal follow sets; -1 for those that follow nobody.
    """

    accounts: np.ndarray
    set_of: np.ndarray


def neighbours_in(
    index: SimilarityIndex | ColumnBlocks, accounts: np.ndarray, k: int, threshold: tuple[int, int]
) -> Neighbours:
    """What `top_neighbours` finds, in one index or with one block in memory at a time.

    Args:
        accounts: int[m], codes.
        k, threshold: as for `top_neighbours`.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 3, 3]), np.array([2, 0, 2], dtype=np.int32))
        >>> index = ColumnBlocks(followees, (np.array([0]), np.array([1])))
        >>> near = neighbours_in(index, np.array([0]), 10, (1, 10))
        >>> near.codes[0, : near.counts[0]].tolist(), near.scores[0, 0].item()
        ([1], 0.5)
    """
    if not isinstance(index, ColumnBlocks):
        return top_neighbours(index, accounts, k, threshold)
    followees, blocks = index
    asked = ask(followees, accounts)
    best = no_neighbours(len(accounts), k)
    for rows in blocks:
        search_block(followees, build_block(followees, rows), asked, threshold, best)
    return best


def ask(followees: Adjacency, accounts: np.ndarray) -> Asked:
    """Accounts, and which of them follow the same: their search runs once."""
    accounts = np.asarray(accounts, dtype=np.int32)
    indptr, indices = followees
    groups = group_equal_sets(indptr[accounts], indptr[accounts + 1], indices)
    return Asked(accounts, groups.group_of)


def search_block(
    followees: Adjacency,
    block: Block,
    asked: Asked,
    threshold: tuple[int, int],
    best: Neighbours,
) -> None:
    """Merge what a block holds into the best so far, in place."""
    k = best.codes.shape[1]
    order = np.argsort(asked.set_of, kind="stable")
    order = order[np.count_nonzero(asked.set_of < 0) :]
    step = max(1, _AT_A_TIME // k)
    for some in (order[at : at + step] for at in range(0, len(order), step)):
        accounts, so_far = asked.accounts[some], Neighbours(*(array[some] for array in best))
        found = no_neighbours(len(some), k)
        own = np.searchsorted(block.rows, accounts)
        own[block.rows.take(own, mode="clip") != accounts] = -1
        at_least = _last_places(followees.indptr, accounts, so_far)
        _search_all(
            *followees, block, accounts, own, asked.set_of[some], *threshold, at_least, found
        )
        for array, union in zip(
            best, unite(followees.indptr, accounts, so_far, found), strict=True
        ):
            array[some] = union


def _last_places(indptr: np.ndarray, accounts: np.ndarray, best: Neighbours) -> np.ndarray:
    """int64[m, 2]: overlap and union of the k-th best; (0, 0) where there are fewer."""
    overlaps, codes = best.overlaps[:, -1].astype(np.int64), best.codes[:, -1]
    sizes = indptr[accounts + 1] - indptr[accounts] + indptr[codes + 1] - indptr[codes]
    full = best.counts == best.codes.shape[1]
    return np.where(full[:, None], np.column_stack([overlaps, sizes - overlaps]), 0)


@njit(nogil=True, cache=True)
def _search_all(
    indptr, indices, block, accounts, own, set_of, numerator, denominator, at_least, found
):
    index, rank_of = block.index, block.rank_of
    k = found.codes.shape[1]
    largest = (indptr[accounts + 1] - indptr[accounts]).max()
    scratch = new_scratch(index, largest, k + 1)
    ranks = np.empty(largest, dtype=np.int32)
    bits = np.zeros(len(index.planes), dtype=np.uint8)
    least, most = np.int64(index.sizes[0]), np.int64(index.sizes[-1])
    start = 0
    while start < len(accounts):
        # Those with equal sets are searched once, and whose bound is taken does not matter: when
        # all blocks are searched, their k-th best is equally similar to all of them.
        p, q = at_least[start]
        strict = 0
        if q == 0:
            p, q, strict = numerator, denominator, 1
        stop = start + 1
        while stop < len(accounts) and set_of[stop] == set_of[start]:
            stop += 1
        first, start = start, stop
        followees = indices[indptr[accounts[first]] : indptr[accounts[first] + 1]]
        m = len(followees)
        if m * q < p * least or most * q < p * m:
            continue  # no set of the block is of a size to be similar enough
        row = _ranks_of(followees, rank_of, ranks, bits)
        n_best = search(index, -1, row, m, bits, k + 1, p, q, strict, scratch)
        for i in range(first, stop):
            write(index, own[i], -1, scratch.best, n_best, found, i)
            for j in range(found.counts[i]):
                found.codes[i, j] = block.rows[found.codes[i, j]]


@njit(nogil=True, cache=True)
def _ranks_of(followees, rank_of, ranks, bits):
    """Those that have a rank, ascending, in the memory of ``ranks``; the bits of the hubs."""
    n = 0
    bits[:] = 0
    for followee in followees:
        rank = rank_of[followee]
        if rank >= 0:
            ranks[n] = rank
            n += 1
            if rank < 8 * len(bits):
                bits[rank // 8] |= np.uint8(1 << rank % 8)
    ranks[:n].sort()
    return ranks[:n]


def unite(
    indptr: np.ndarray, accounts: np.ndarray, one: Neighbours, other: Neighbours
) -> Neighbours:
    """The k best of two lists of each account, by similarity, then code; nobody is on both lists.

    Similarities are compared as integers, cross-multiplied, as in the search.

    Args:
        indptr: int64[n + 1] of the followees: sizes of the follow sets.
        accounts: int32[m], whose lists these are.
        one, other: lists of the m accounts, both of k places.

    Example:
        >>> def lists(codes, overlaps):
        ...     scores = np.array([overlaps]) / 3
        ...     return Neighbours(np.array([2]), np.array([codes]), np.array([overlaps]), scores)
        >>> sizes = np.array([0, 2, 4, 6, 8, 10])
        >>> unite(sizes, np.array([0]), lists([1, 3], [1, 1]), lists([2, 4], [1, 1])).codes.tolist()
        [[1, 2]]
    """
    union = no_neighbours(*one.codes.shape)
    _merge(indptr, accounts, one, other, union)
    return union


@njit(nogil=True, cache=True)
def _merge(indptr, accounts, one, other, union):
    k = union.codes.shape[1]
    for i in range(len(accounts)):
        account = accounts[i]
        size = indptr[account + 1] - indptr[account]
        left, right, n = 0, 0, 0
        while n < k and (left < one.counts[i] or right < other.counts[i]):
            if right == other.counts[i]:
                take_left = True
            elif left == one.counts[i]:
                take_left = False
            else:
                a, b = one.codes[i, left], other.codes[i, right]
                overlap_a = np.int64(one.overlaps[i, left])
                overlap_b = np.int64(other.overlaps[i, right])
                union_a = size + indptr[a + 1] - indptr[a] - overlap_a
                union_b = size + indptr[b + 1] - indptr[b] - overlap_b
                ours, theirs = overlap_a * union_b, overlap_b * union_a
                take_left = ours > theirs or (ours == theirs and a < b)
            lists, at = (one, left) if take_left else (other, right)
            union.codes[i, n] = lists.codes[i, at]
            union.overlaps[i, n] = lists.overlaps[i, at]
            union.scores[i, n] = lists.scores[i, at]
            n += 1
            left += take_left
            right += not take_left
        union.counts[i] = n


def build_block(followees: Adjacency, rows: np.ndarray) -> Block:
    """The index of some accounts, as `build_index` makes that of all.

    Needs no transpose: the lists are filled from the rows, the sets from the lists, both by a
    counting sort. O(follows of the block), and 4 bytes for each account of the graph.

    Args:
        followees: whom every account follows.
        rows: int32[r], codes, ascending, without repeats; at least one of them follows somebody.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([2, 2, 0], dtype=np.int32))
        >>> block = build_block(followees, np.array([1, 2], dtype=np.int32))
        >>> block.index.group_of.tolist(), block.rank_of.tolist()
        ([0, 1], [0, -1, 1])
    """
    indptr, indices = followees
    starts, stops = indptr[rows], indptr[rows + 1]
    groups = group_equal_sets(starts, stops, indices)
    rank_of, ranks = _rank_by_followers(starts, stops, indices, len(indptr) - 1)
    starts, stops = starts[groups.first], stops[groups.first]
    list_ptr = _list_ends(starts, stops, indices, rank_of, ranks)
    lists = _fill_lists(starts, stops, indices, rank_of, list_ptr)
    set_ptr = starts_of(groups.sizes)
    sets = turn(list_ptr, lists, set_ptr, np.empty(len(lists), dtype=np.int32))
    return Block(rows, lay_out(groups, set_ptr, sets, list_ptr, lists), rank_of)


@njit(nogil=True, cache=True)
def _rank_by_followers(starts, stops, indices, n):
    """Rank of each followee of the rows, most followed first, ties by code; how many there are."""
    rank_of = np.zeros(n, dtype=np.int32)  # at first, the number of followers
    for row in range(len(starts)):
        for followee in indices[starts[row] : stops[row]]:
            rank_of[followee] += 1
    most = len(starts)
    free = np.zeros(most + 1, dtype=np.int64)
    for followers in rank_of:
        free[followers] += 1
    ranks = 0
    for followers in range(most, 0, -1):
        ranks, free[followers] = ranks + free[followers], ranks
    for followee in range(n):
        followers = rank_of[followee]
        rank_of[followee] = free[followers] if followers else -1
        free[followers] += 1
    return rank_of, ranks


@njit(nogil=True, cache=True)
def _list_ends(starts, stops, indices, rank_of, ranks):
    """Where the list of each rank ends; at last, the number of entries of all."""
    ends = np.zeros(ranks + 1, dtype=np.int64)
    for group in range(len(starts)):
        for followee in indices[starts[group] : stops[group]]:
            ends[rank_of[followee]] += 1
    for rank in range(ranks):
        ends[rank + 1] += ends[rank]
    return ends


@njit(nogil=True, cache=True)
def _fill_lists(starts, stops, indices, rank_of, ptr):
    """Groups by rank, ascending: filled from the last to the first, so that ends become starts."""
    lists = np.empty(ptr[-1], dtype=np.uint32)
    for group in range(len(starts) - 1, -1, -1):
        for followee in indices[starts[group] : stops[group]]:
            rank = rank_of[followee]
            ptr[rank] -= 1
            lists[ptr[rank]] = group
    return lists


def estimated_ns_in_blocks(index: ColumnBlocks) -> np.ndarray:
    """Predicted nanoseconds of each account in the search of all blocks, their building apart.

    Without an index of all accounts there are only the entries to count, none of them pruned.

    Returns:
        float64[n].
    """
    followees, blocks = index
    degrees = followees.degrees
    t_indptr = starts_of(count(followees.codes, len(degrees)))
    fixed = WRITE + np.where(degrees, SEARCH + CLIP * degrees, 0)
    return len(blocks) * fixed + COUNT * co_follow_pairs(*followees, t_indptr)
