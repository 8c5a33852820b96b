"""The similarity index: a follow graph renumbered for neighbour search.

Three renumberings, each made once per graph:

* Accounts with the same follow set form one *group*. Their neighbours differ only by the accounts
  themselves, so one search serves them all, and 50,000 accounts that follow nothing but the same
  hub count as one set. Groups are ordered by the size of their set, then by their first account. A
  range of sizes is then a range of groups, and a list of groups is sorted by size.
* Followees are ranked by their number of followers, most followed first.
* The most followed of them, the *hubs*, also get one bit in each group. Eight hubs make a *plane*,
  a byte per group: one vector instruction then counts eight hubs for 64 groups.

Source:
    Sets by size, for the length filter: Bayardo, Ma, Srikant (2007), "Scaling up all pairs
    similarity search", WWW. Bits for frequent items: Burdick et al. (2001), "MAFIA", ICDE.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raypipe.kernels.arrays import Bytes, Indices, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, count, starts_of, turn

#: More hubs save time on no graph measured; a search pays only for the planes that it uses.
HUBS = 64

Groups32 = NDArray[np.uint32]


class SimilarityIndex(NamedTuple):
    """A follow graph of n accounts in g groups; plain arrays, made once, shared read-only.

    Memory: 8 bytes per follow of a distinct set and, per account, 8 bytes for its code, 8 as a
    followee and at most 24 + HUBS / 8 as a group.

    Attributes:
        group_of: int32[n], group of each account, -1 if it follows nobody.
        sizes: int32[g], number of followees.
        first: int32[g], code of the first member.
        member_ptr: int64[g + 1].
        members: int32[accounts that follow], codes by group, ascending within each.
        set_ptr: int64[g + 1].
        sets: int32[follows], followees of each group as ranks, ascending.
        list_ptr: int64[ranks + 1].
        lists: uint32[follows], groups that follow each rank, ascending.
        size_start: int32[largest set + 2], first group with at least that number of followees.
        planes: uint8[HUBS / 8, g], bit r % 8 of planes[r // 8, group] is set if the group
            follows rank r.
    """

    group_of: Indices
    sizes: Indices
    first: Indices
    member_ptr: Offsets
    members: Indices
    set_ptr: Offsets
    sets: Indices
    list_ptr: Offsets
    lists: Groups32
    size_start: Indices
    planes: Bytes


def build_index(followees: Adjacency, followers: Adjacency) -> SimilarityIndex:
    """Group, rank and lay out a follow graph; O(follows + accounts log accounts).

    Raises:
        ValueError: the two sides differ in the number of accounts or follows.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 2]), np.array([2, 2], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 0, 0, 2]), np.array([0, 1], dtype=np.int32))
        >>> build_index(followees, followers).group_of.tolist()
        [0, 0, -1]
    """
    if [len(array) for array in followees] != [len(array) for array in followers]:
        raise ValueError("the graph and its transpose differ in accounts or follows")
    groups = group_equal_sets(followees.indptr[:-1], followees.indptr[1:], followees.codes)
    degrees = followers.degrees
    ranked = np.argsort(-degrees, kind="stable")[: np.count_nonzero(degrees)]
    group_led_by = np.full(len(degrees), -1, dtype=np.int32)
    group_led_by[groups.first] = np.arange(len(groups.first), dtype=np.int32)
    set_ptr = starts_of(groups.sizes)
    sets = _sets(group_led_by, set_ptr, ranked, followers)
    list_ptr = starts_of(count(sets, len(ranked)))
    lists = np.empty(len(sets), dtype=np.uint32)
    turn(set_ptr, sets, list_ptr, lists)
    return lay_out(groups, set_ptr, sets, list_ptr, lists)


class Groups(NamedTuple):
    """Accounts grouped by follow set; the fields are those of :class:`SimilarityIndex`."""

    group_of: Indices
    sizes: Indices
    first: Indices
    member_ptr: Offsets
    members: Indices


def group_equal_sets(starts: Offsets, stops: Offsets, codes: Indices) -> Groups:
    """Group accounts with the same follow set, in order of the size of the set.

    Args:
        starts, stops: int64[n]: account i follows ``codes[starts[i]:stops[i]]``, ascending.
    """
    degrees = stops - starts
    set_of, first = _equal_sets(starts, stops, codes)
    order = np.argsort(degrees[first], kind="stable")
    first = first[order]
    position = np.empty(len(order), dtype=np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    following = np.flatnonzero(degrees).astype(np.int32)
    group_of = np.full(len(degrees), -1, dtype=np.int32)
    group_of[following] = position[set_of[following]]
    return Groups(
        group_of=group_of,
        sizes=degrees[first].astype(np.int32),
        first=first,
        member_ptr=starts_of(count(group_of[following], len(first))),
        members=following[np.argsort(group_of[following], kind="stable")],
    )


def lay_out(
    groups: Groups, set_ptr: Offsets, sets: Indices, list_ptr: Offsets, lists: Groups32
) -> SimilarityIndex:
    """Build the index from groups, their sets and the lists of their followees."""
    largest = groups.sizes.max(initial=0)
    planes = np.zeros((HUBS // 8, len(groups.first)), dtype=np.uint8)
    for hub in range(min(HUBS, len(list_ptr) - 1)):
        planes[hub // 8, lists[list_ptr[hub] : list_ptr[hub + 1]]] |= np.uint8(1 << hub % 8)
    return SimilarityIndex(
        **groups._asdict(),
        set_ptr=set_ptr,
        sets=sets,
        list_ptr=list_ptr,
        lists=lists,
        size_start=np.searchsorted(groups.sizes, np.arange(largest + 2)).astype(np.int32),
        planes=planes,
    )


@kernel
def _equal_sets(starts: Offsets, stops: Offsets, codes: Indices) -> tuple[Indices, Indices]:
    """Number distinct rows in order of appearance: the number of each row, the first of each.

    Open addressing; a row joins a set only after comparison, so hash collisions only cost time.
    """
    n = len(starts)
    slots = 1
    while slots < 2 * n:
        slots *= 2
    table = np.full(slots, -1, dtype=np.int32)
    keys = np.empty(n, dtype=np.uint64)
    set_of = np.full(n, -1, dtype=np.int32)
    first = np.empty(n, dtype=np.int32)
    found = 0
    for account in range(n):
        row = codes[starts[account] : stops[account]]
        if len(row) == 0:
            continue
        key = _hash(row)
        slot = np.int64(key & np.uint64(slots - 1))
        while set_of[account] < 0:
            known = table[slot]
            if known < 0:
                table[slot] = set_of[account] = found
                first[found] = account
                keys[found] = key
                found += 1
            elif keys[known] == key:
                other = first[known]
                if _equal(codes[starts[other] : stops[other]], row):
                    set_of[account] = known
            slot = (slot + 1) % slots
    return set_of, first[:found].copy()


@kernel
def _equal(row: Indices, other: Indices) -> bool:
    if len(row) != len(other):
        return False
    for i in range(len(row)):  # noqa: SIM110 - Numba compiles no generators
        if row[i] != other[i]:
            return False
    return True


@kernel
def _hash(row: Indices) -> np.uint64:
    key = np.uint64(len(row))
    for followee in row:
        key = (key ^ np.uint64(followee)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


@kernel
def _sets(
    group_led_by: Indices, set_ptr: Offsets, ranked: Offsets, followers: Adjacency
) -> Indices:
    """Followees of each group. They are walked by rank, so every set comes out sorted."""
    indptr, codes = followers
    free = set_ptr[:-1].copy()
    sets = np.empty(set_ptr[-1], dtype=np.int32)
    for rank in range(len(ranked)):
        followee = ranked[rank]
        for follower in codes[indptr[followee] : indptr[followee + 1]]:
            group = group_led_by[follower]
            if group >= 0:
                sets[free[group]] = rank
                free[group] += 1
    return sets


@kernel
def co_follow_pairs(followees: Adjacency, followers_indptr: Offsets) -> Offsets:
    """int64[n]: co-follow pairs of each account, the cost of counting overlaps without pruning.

        co_follow_pairs(a) = sum over the followees f of a of the number of followers of f

    A co-follow pair of a is one of its followees with one of that followee's followers. In graph
    theory such a path of two edges is called a wedge.

    Args:
        followers_indptr: int64[n + 1], as ``followers.indptr``; the followers are not read.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 2]), np.array([2, 2]))
        >>> co_follow_pairs(followees, np.array([0, 0, 0, 2])).tolist()
        [2, 2, 0]
    """
    indptr, codes = followees
    pairs = np.zeros(len(indptr) - 1, dtype=np.int64)
    for account in range(len(pairs)):
        for followee in codes[indptr[account] : indptr[account + 1]]:
            pairs[account] += followers_indptr[followee + 1] - followers_indptr[followee]
    return pairs
