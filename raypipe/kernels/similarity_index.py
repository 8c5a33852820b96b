"""A follow graph renumbered for neighbour search: who shares a set, which sets hold an account.

Three renumberings, each made once per graph:

* Accounts with the same follow set form one *group*. Their neighbours differ only by themselves,
  so the search runs once for all of them, and a hub that 50,000 accounts follow and nobody else
  counts as one set, not as 50,000. Groups are ordered by size of the set, then by their first
  account. A range of sizes is then a range of groups, and a list of groups is sorted by size.
* Followees are ranked by their number of followers, most followed first.
* The most followed of them, the *hubs*, also get one bit in each group. Eight hubs make a *plane*,
  a byte per group: one vector instruction then counts eight hubs for 64 groups.

Source:
    Sets by size, for the length filter: Bayardo, Ma, Srikant (2007), "Scaling up all pairs
    similarity search", WWW. Bits for frequent items: Burdick et al. (2001), "MAFIA", ICDE.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

#: More pay on no graph measured; a row pays only for the planes that it uses.
HUBS = 64


class SimilarityIndex(NamedTuple):
    """A follow graph of n accounts in g groups; plain arrays, made once, shared read-only.

    Takes 8 bytes per follow of a distinct set and, per account, 8 bytes for its code, 8 as a
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
        size_start: int32[largest set + 2], first group with at least so many followees.
        planes: uint8[HUBS / 8, g], bit r % 8 of planes[r // 8, group]: follows rank r.
    """

    group_of: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    member_ptr: np.ndarray
    members: np.ndarray
    set_ptr: np.ndarray
    sets: np.ndarray
    list_ptr: np.ndarray
    lists: np.ndarray
    size_start: np.ndarray
    planes: np.ndarray


def build_index(
    indptr: np.ndarray, indices: np.ndarray, t_indptr: np.ndarray, t_indices: np.ndarray
) -> SimilarityIndex:
    """Group, rank and lay out a follow graph; O(follows + accounts log accounts).

    Args:
        indptr, indices: int64[n + 1], int32[follows]: followees by follower, ascending,
            without repeats.
        t_indptr, t_indices: the same follows as followers by followee.

    Raises:
        ValueError: the two halves do not describe the same number of accounts and follows.

    Example:
        >>> follows = np.array([0, 1, 2, 2]), np.array([2, 2], dtype=np.int32)
        >>> followers = np.array([0, 0, 0, 2]), np.array([0, 1], dtype=np.int32)
        >>> build_index(*follows, *followers).group_of.tolist()
        [0, 0, -1]
    """
    if len(indptr) != len(t_indptr) or len(indices) != len(t_indices):
        raise ValueError("the graph and its transpose differ in accounts or follows")
    groups = group_equal_sets(indptr[:-1], indptr[1:], indices)
    followers = np.diff(t_indptr)
    ranked = np.argsort(-followers, kind="stable")[: np.count_nonzero(followers)]
    leads = np.full(len(followers), -1, dtype=np.int32)
    leads[groups.first] = np.arange(len(groups.first), dtype=np.int32)
    set_ptr = starts_of(groups.sizes)
    sets = _sets(leads, set_ptr, ranked, t_indptr, t_indices)
    list_ptr = starts_of(count(sets, len(ranked)))
    lists = turn(set_ptr, sets, list_ptr, np.empty(len(sets), dtype=np.uint32))
    return lay_out(groups, set_ptr, sets, list_ptr, lists)


class Groups(NamedTuple):
    """Accounts by follow set; the fields are those of :class:`SimilarityIndex`."""

    group_of: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    member_ptr: np.ndarray
    members: np.ndarray


def group_equal_sets(starts: np.ndarray, stops: np.ndarray, indices: np.ndarray) -> Groups:
    """Put accounts with the same follow set into one group, groups in order of size.

    Args:
        starts, stops: int64[n]: account i follows ``indices[starts[i]:stops[i]]``, ascending.
    """
    degrees = stops - starts
    set_of, first = _equal_sets(starts, stops, indices)
    order = np.argsort(degrees[first], kind="stable")
    first = first[order]
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    following = np.flatnonzero(degrees).astype(np.int32)
    group_of = np.full(len(degrees), -1, dtype=np.int32)
    group_of[following] = place[set_of[following]]
    return Groups(
        group_of=group_of,
        sizes=degrees[first].astype(np.int32),
        first=first,
        member_ptr=starts_of(count(group_of[following], len(first))),
        members=following[np.argsort(group_of[following], kind="stable")],
    )


def lay_out(
    groups: Groups, set_ptr: np.ndarray, sets: np.ndarray, list_ptr: np.ndarray, lists: np.ndarray
) -> SimilarityIndex:
    """The index of groups, their sets and the lists of their followees; adds sizes and planes."""
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


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """int64[len + 1]: where each of some rows starts and, at last, where the last one ends."""
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


@njit(nogil=True, cache=True)
def count(codes, n):
    """int64[n]: how often each code comes; np.bincount would copy the codes into 64 bits."""
    counts = np.zeros(n, dtype=np.int64)
    for code in codes:
        counts[code] += 1
    return counts


@njit(nogil=True, cache=True)
def _equal_sets(starts, stops, indices):
    """Number the distinct rows in order of appearance: the number of each row, first of each.

    Open addressing; a row joins a set only after comparison, so hash collisions cost time alone.
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
        row = indices[starts[account] : stops[account]]
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
                if np.array_equal(indices[starts[other] : stops[other]], row):
                    set_of[account] = known
            slot = (slot + 1) % slots
    return set_of, first[:found].copy()


@njit(nogil=True, cache=True)
def _hash(row):
    key = np.uint64(len(row))
    for followee in row:
        key = (key ^ np.uint64(followee)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


@njit(nogil=True, cache=True)
def _sets(leads, set_ptr, ranked, t_indptr, t_indices):
    """Followees of each group; walking them by rank leaves every set sorted without a sort."""
    free = set_ptr[:-1].copy()
    sets = np.empty(set_ptr[-1], dtype=np.int32)
    for rank in range(len(ranked)):
        followee = ranked[rank]
        for follower in t_indices[t_indptr[followee] : t_indptr[followee + 1]]:
            group = leads[follower]
            if group >= 0:
                sets[free[group]] = rank
                free[group] += 1
    return sets


@njit(nogil=True, cache=True)
def turn(ptr, rows, turned_ptr, turned):
    """The transpose, into ``turned``; walking the rows in order leaves every column sorted."""
    free = turned_ptr[:-1].copy()
    for row in range(len(ptr) - 1):
        for column in rows[ptr[row] : ptr[row + 1]]:
            turned[free[column]] = row
            free[column] += 1
    return turned


def co_follow_pairs(indptr: np.ndarray, indices: np.ndarray, t_indptr: np.ndarray) -> np.ndarray:
    """What counting without any pruning costs: follows of the followees of each account.

        co_follow_pairs(a) = sum over the followees f of a of the number of followers of f

    Args:
        indptr, indices: followees by follower, int64[n + 1] and int32[follows].
        t_indptr: int64[n + 1] of the followers by followee.

    Returns:
        int64[n].

    Example:
        >>> indptr, followers = np.array([0, 1, 2, 2]), np.array([0, 0, 0, 2])
        >>> co_follow_pairs(indptr, np.array([2, 2]), followers).tolist()
        [2, 2, 0]
    """
    return _co_follow_pairs(indptr, indices, t_indptr)


@njit(nogil=True, cache=True)
def _co_follow_pairs(indptr, indices, t_indptr):
    total = np.zeros(len(indptr) - 1, dtype=np.int64)
    for account in range(len(total)):
        for followee in indices[indptr[account] : indptr[account + 1]]:
            total[account] += t_indptr[followee + 1] - t_indptr[followee]
    return total
