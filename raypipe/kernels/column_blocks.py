"""Neighbours in column blocks: one index after another is built and searched, and lists are merged.

An index of all accounts may be larger than a task can hold. Then the accounts that may become
neighbours are split into *blocks*. The index of one block is built, searched and released, and its
neighbours are merged with the best so far. The result is exact: lists have one order everywhere, by
similarity and then by code, so each of the k best of all is among the k best of its block.

Cost: building all blocks takes as long as building the whole index, in each call, so a call should
ask for many accounts. All blocks together have as many entries to count as the whole index, but
each account pays in each block for finding its lists. Two things reduce that: blocks hold sets of
similar size, so the length filter rules most blocks out for an account; and the bound of a search
starts from the k-th best of the earlier blocks.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Bytes, Floats, Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, count, starts_of, turn
from raypipe.kernels.search_cost import CLIP, COUNT, SEARCH, WRITE
from raypipe.kernels.similarity_index import (
    Groups32,
    SimilarityIndex,
    co_follow_pairs,
    group_equal_sets,
    lay_out,
)
from raypipe.kernels.tanimoto import Neighbours, no_neighbours, top_neighbours, write
from raypipe.kernels.tanimoto_search import Query, new_scratch, search

#: Neighbours searched before they are merged, at 16 bytes each.
_AT_A_TIME = 1_000_000


class ColumnBlocks(NamedTuple):
    """A follow graph whose index is built and searched block after block.

    Attributes:
        blocks: int32[...] each, codes, ascending; every account with follows is in one of them.
    """

    followees: Adjacency
    blocks: tuple[Indices, ...]


class Block(NamedTuple):
    """The index of one block.

    Attributes:
        rows: int32[r], codes of its accounts, ascending.
        searched: the index; it names each account by its position in ``rows``.
        rank_of: int32[n], the index's rank of each account as a followee; -1 for none.
    """

    rows: Indices
    searched: SimilarityIndex
    rank_of: Indices


class Asked(NamedTuple):
    """Accounts to find neighbours for.

    Attributes:
        accounts: int32[m], codes.
        set_of: int32[m], equal for equal follow sets; -1 for accounts without follows.
    """

    accounts: Indices
    set_of: Indices


def neighbours_in(
    index: SimilarityIndex | ColumnBlocks, accounts: Integers, k: int, threshold: tuple[int, int]
) -> Neighbours:
    """The lists of `top_neighbours`, from one index or with one block in memory at a time.

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


def ask(followees: Adjacency, accounts: Integers) -> Asked:
    """Accounts, numbered by follow set: accounts with equal sets are searched once."""
    codes = np.asarray(accounts, dtype=np.int32)
    indptr, indices = followees
    groups = group_equal_sets(indptr[codes], indptr[codes + 1], indices)
    return Asked(codes, groups.group_of)


def search_block(
    followees: Adjacency, block: Block, asked: Asked, threshold: tuple[int, int], best: Neighbours
) -> None:
    """Merge the neighbours in one block into the best so far, in place."""
    k = best.codes.shape[1]
    order = np.argsort(asked.set_of, kind="stable")
    order = order[np.count_nonzero(asked.set_of < 0) :]
    step = max(1, _AT_A_TIME // k)
    for part in (order[at : at + step] for at in range(0, len(order), step)):
        searched = Asked(asked.accounts[part], asked.set_of[part])
        so_far = best.take(part)
        found = no_neighbours(len(part), k)
        own = np.searchsorted(block.rows, searched.accounts)
        own[block.rows.take(own, mode="clip") != searched.accounts] = -1
        bounds = _kth_best(followees.indptr, searched.accounts, so_far)
        _search_all(followees, block, searched, own, *threshold, bounds, found)
        union = unite(followees.indptr, searched.accounts, so_far, found)
        best.put(part, union)


def _kth_best(indptr: Offsets, accounts: Indices, best: Neighbours) -> Offsets:
    """int64[m, 2]: overlap and union of the k-th best; (0, 0) where there are fewer than k."""
    overlaps, codes = best.overlaps[:, -1].astype(np.int64), best.codes[:, -1]
    sizes = indptr[accounts + 1] - indptr[accounts] + indptr[codes + 1] - indptr[codes]
    full = best.counts == best.codes.shape[1]
    return np.asarray(np.where(full[:, None], np.column_stack([overlaps, sizes - overlaps]), 0))


@kernel
def _search_all(
    followees: Adjacency,
    block: Block,
    asked: Asked,
    own: Offsets,
    numerator: int,
    denominator: int,
    bounds: Offsets,
    found: Neighbours,
) -> None:
    indptr, indices = followees
    accounts, set_of = asked
    index = block.searched
    k = found.codes.shape[1]
    largest = (indptr[accounts + 1] - indptr[accounts]).max()
    scratch = new_scratch(index, largest, k + 1)
    ranks = np.empty(largest, dtype=np.int32)
    bits = np.zeros(len(index.planes), dtype=np.uint8)
    smallest_set, largest_set = np.int64(index.sizes[0]), np.int64(index.sizes[-1])
    start = 0
    while start < len(accounts):
        # Accounts with equal sets are searched once. It does not matter whose bound is used: when
        # all blocks are searched, the k-th best is equally similar to all of these accounts.
        p, q = bounds[start]
        strict = 0
        if q == 0:
            p, q, strict = numerator, denominator, 1
        stop = start + 1
        while stop < len(accounts) and set_of[stop] == set_of[start]:
            stop += 1
        first, start = start, stop
        followed = indices[indptr[accounts[first]] : indptr[accounts[first] + 1]]
        m = len(followed)
        if m * q < p * smallest_set or largest_set * q < p * m:
            continue  # no set of the block has a size that could be similar enough
        row = _ranks_of(followed, block.rank_of, ranks, bits)
        query = Query(np.int64(-1), row, m, k + 1, p, q, strict)
        n_best = search(index, query, bits, scratch)
        for i in range(first, stop):
            write(index, own[i], -1, scratch.best, n_best, found, i)
            for j in range(found.counts[i]):
                found.codes[i, j] = block.rows[found.codes[i, j]]


@kernel
def _ranks_of(followees: Indices, rank_of: Indices, ranks: Indices, bits: Bytes) -> Indices:
    """Ranks of the followees that have one, ascending, in ``ranks``; sets the bits of hubs."""
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


@kernel
def unite(indptr: Offsets, accounts: Integers, one: Neighbours, other: Neighbours) -> Neighbours:
    """The k best of two disjoint lists of each account, by similarity, then code.

    Similarities are compared as integers, cross-multiplied, as in the search.

    Args:
        indptr: int64[n + 1] of the followees: sizes of the follow sets.
        one, other: lists of the m accounts, both of maximum length k.

    Example:
        >>> def lists(codes, overlaps):
        ...     scores = np.array([overlaps]) / 3
        ...     return Neighbours(np.array([2]), np.array([codes]), np.array([overlaps]), scores)
        >>> sizes = np.array([0, 2, 4, 6, 8, 10])
        >>> unite(sizes, np.array([0]), lists([1, 3], [1, 1]), lists([2, 4], [1, 1])).codes.tolist()
        [[1, 2]]
    """
    k = one.codes.shape[1]
    union = no_neighbours(len(accounts), k)
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
    return union


def build_block(followees: Adjacency, rows: Indices) -> Block:
    """The index of the accounts in one block; `build_index` makes that of all accounts.

    Needs no transpose: the lists are filled from the rows, the sets from the lists, both by a
    counting sort. O(follows of the block), and 4 bytes for each account of the graph.

    Args:
        rows: int32[r], codes, ascending, without repeats; at least one of them has follows.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([2, 2, 0], dtype=np.int32))
        >>> block = build_block(followees, np.array([1, 2], dtype=np.int32))
        >>> block.searched.group_of.tolist(), block.rank_of.tolist()
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
    sets = np.empty(len(lists), dtype=np.int32)
    turn(list_ptr, lists, set_ptr, sets)
    return Block(rows, lay_out(groups, set_ptr, sets, list_ptr, lists), rank_of)


@kernel
def _rank_by_followers(
    starts: Offsets, stops: Offsets, indices: Indices, n: int
) -> tuple[Indices, int]:
    """Rank of each followee of the rows, most followed first, ties by code; number of ranks."""
    rank_of = np.zeros(n, dtype=np.int32)  # at first, the number of followers
    for row in range(len(starts)):
        for followee in indices[starts[row] : stops[row]]:
            rank_of[followee] += 1
    free = np.zeros(len(starts) + 1, dtype=np.int64)
    for degree in rank_of:
        free[degree] += 1
    ranks = 0
    for followers in range(len(starts), 0, -1):
        ranks, free[followers] = ranks + free[followers], ranks
    for followee in range(n):
        followers = rank_of[followee]
        rank_of[followee] = free[followers] if followers else -1
        free[followers] += 1
    return rank_of, ranks


@kernel
def _list_ends(
    starts: Offsets, stops: Offsets, indices: Indices, rank_of: Indices, ranks: int
) -> Offsets:
    """The end of the list of each rank; the last item is the number of all entries."""
    ends = np.zeros(ranks + 1, dtype=np.int64)
    for group in range(len(starts)):
        for followee in indices[starts[group] : stops[group]]:
            ends[rank_of[followee]] += 1
    for rank in range(ranks):
        ends[rank + 1] += ends[rank]
    return ends


@kernel
def _fill_lists(
    starts: Offsets, stops: Offsets, indices: Indices, rank_of: Indices, ptr: Offsets
) -> Groups32:
    """Groups by rank, ascending; filled from last to first, so that ends become starts."""
    lists = np.empty(ptr[-1], dtype=np.uint32)
    for group in range(len(starts) - 1, -1, -1):
        for followee in indices[starts[group] : stops[group]]:
            rank = rank_of[followee]
            ptr[rank] -= 1
            lists[ptr[rank]] = group
    return lists


def estimated_ns_in_blocks(index: ColumnBlocks) -> Floats:
    """float64[n]: estimated nanoseconds in the search of all blocks, without building them.

    Without an index of all accounts, only the entries can be counted, none of them pruned.
    """
    followees, blocks = index
    degrees = followees.degrees
    t_indptr = starts_of(count(followees.codes, len(degrees)))
    fixed = WRITE + np.where(degrees, SEARCH + CLIP * degrees, 0)
    return np.asarray(len(blocks) * fixed + COUNT * co_follow_pairs(followees, t_indptr))
