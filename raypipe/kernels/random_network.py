"""The part of a random network that a few searches read: their follow sets and their lists.

A network with given numbers of follows and of followers is drawn by pairing the ends of its follows
at random. To time a search in it, the whole network is not needed: a search reads the lists of its
own followees, and counters, sizes and bits as long as the network. So a search can be timed in a
network larger than this machine can hold, cache misses included.

The degrees do not say which accounts are similar. Accounts paired at random have hardly any
neighbours; real accounts have some, and their candidates cost time. Therefore each account that is
to be searched for is given *twins*, which share every second followee with it.

Source:
    The configuration model: Molloy and Reed (1995), "A critical point for random graphs with a
    given degree sequence", Random Structures & Algorithms 6.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, lower_bound, starts_of
from raypipe.kernels.similarity_index import HUBS, Groups, SimilarityIndex, lay_out

#: Rounds of replacing followees drawn twice; what is then missing is the most followed accounts.
_ROUNDS = 20


class DrawnPart(NamedTuple):
    """A part of a network of g accounts with follows, and some without.

    Attributes:
        searched: the index; each account is a group of its own, in order of size, and followees
            are ranks among those that occur. Only leaders can be searched for.
        rows: follow sets of leaders and twins, as ranks; those of all others are empty.
        followers: int64[ranks], number of followers in the whole network.
    """

    searched: SimilarityIndex
    rows: Adjacency
    followers: Offsets


def draw_part(
    sizes: Indices,
    idle: int,
    followers: Offsets,
    followees: Offsets,
    share: float,
    leaders: Offsets,
    twins: int,
    rng: np.random.Generator,
) -> DrawnPart:
    """Draw the follow sets of leaders and twins, and the lists of the leaders' followees.

    Args:
        sizes: int32[g], number of follows of each account, ascending, above 0.
        idle: number of accounts without follows; they come last.
        followers, followees: int64[d], numbers of followers, descending, above 0, and the number
            of accounts with each.
        share: share of the followers that are among the g accounts.
        leaders: int64, accounts to search for, ascending, more than ``twins`` apart.
        twins: number of accounts after each leader that are made similar to it.

    Example:
        >>> sizes, rng = np.full(1000, 3, dtype=np.int32), np.random.default_rng(0)
        >>> part = draw_part(
        ...     sizes, 0, np.array([60]), np.array([50]), 1.0, np.array([7]), 2, rng)
        >>> np.diff(part.searched.list_ptr)[part.rows.row(7)].tolist()
        [60, 60, 60]
    """
    accounts, codes = _follow_sets(sizes, followers, followees, leaders, twins, rng)
    hubs = np.arange(min(HUBS, followees.sum()))
    occurring = np.union1d(hubs, codes)
    followers = followers[np.searchsorted(np.cumsum(followees), occurring, side="right")]
    ranks = np.searchsorted(occurring, codes)

    is_read = np.zeros(len(occurring), dtype=bool)
    is_read[hubs] = True
    is_read[ranks[np.isin(accounts, leaders)]] = True
    lengths = np.clip(np.round(followers * share), 1, len(sizes)).astype(np.int64)
    list_ptr = starts_of(np.where(is_read, lengths, 0))
    lists = np.empty(list_ptr[-1], dtype=np.uint32)
    _fill(list_ptr, lists, *_ends_by_size(sizes), rng)
    known = is_read[ranks]
    _enter(list_ptr, lists, ranks[known], accounts[known])

    every = np.arange(len(sizes), dtype=np.int32)
    indptr = starts_of(np.bincount(accounts, minlength=len(sizes) + idle))
    rows = Adjacency(indptr, ranks.astype(np.int32))
    group_of = np.concatenate([every, np.full(idle, -1, dtype=np.int32)])
    groups = Groups(group_of, sizes, every, np.arange(len(sizes) + 1), every)
    searched = lay_out(groups, indptr[: len(sizes) + 1], rows.codes, list_ptr, lists)
    return DrawnPart(searched, rows, followers)


def _follow_sets(
    sizes: Indices,
    followers: Offsets,
    followees: Offsets,
    leaders: Offsets,
    twins: int,
    rng: np.random.Generator,
) -> tuple[Offsets, Offsets]:
    """(account, followee) of leaders and twins, sorted, without repeats: two int64 arrays."""
    total = int(followees.sum())
    of, followed = _distinct(sizes[leaders], followers, followees, rng)
    keys = [leaders[of] * total + followed]
    for twin in range(1, twins + 1):
        is_there = leaders + twin < len(sizes)
        kept = is_there[of] & (rng.random(len(of)) < 0.5)
        wanted = np.where(is_there, sizes[np.minimum(leaders + twin, len(sizes) - 1)], 0)
        more = np.maximum(wanted - np.bincount(of[kept], minlength=len(leaders)), 0)
        own = np.repeat(leaders + twin, more)
        keys.append((leaders[of[kept]] + twin) * total + followed[kept])
        keys.append(own * total + _ends(len(own), followers, followees, rng))
    distinct = np.unique(np.concatenate(keys))
    return distinct // total, distinct % total


def _distinct(
    wanted: Integers, followers: Offsets, followees: Offsets, rng: np.random.Generator
) -> tuple[Offsets, Offsets]:
    """Distinct followees, ``wanted[i]`` of each account, in proportion to their followers."""
    total = int(followees.sum())
    keys = np.repeat(np.arange(len(wanted)), wanted) * total
    keys += _ends(len(keys), followers, followees, rng)
    for _ in range(_ROUNDS):
        drawn, at = np.unique(keys, return_index=True)
        again = np.delete(keys, at) // total
        if not len(again):
            break
        keys = np.concatenate([drawn, again * total + _ends(len(again), followers, followees, rng)])
    keys = np.unique(keys)
    missing = wanted - np.bincount(keys // total, minlength=len(wanted))
    for account in np.flatnonzero(missing):
        mine = keys[slice(*np.searchsorted(keys, [account * total, (account + 1) * total]))]
        others = np.setdiff1d(np.arange(wanted[account]), mine % total)[: missing[account]]
        keys = np.concatenate([keys, account * total + others])
    keys = np.sort(keys)
    return keys // total, keys % total


def _ends(count: int, followers: Offsets, followees: Offsets, rng: np.random.Generator) -> Offsets:
    """Followees at random ends of follows; the most followed have the lowest numbers."""
    upto = np.cumsum(followers * followees)
    at = rng.integers(0, upto[-1], count)
    row = np.searchsorted(upto, at, side="right")
    first = np.cumsum(followees) - followees
    end = at - upto[row] + followers[row] * followees[row]
    return np.asarray(first[row] + np.floor_divide(end, followers[row]))


def _ends_by_size(sizes: Indices) -> tuple[Indices, Offsets, Offsets]:
    """Distinct sizes; the first account of each, then g; the first end of each, then all ends."""
    distinct, first, counts = np.unique(sizes, return_index=True, return_counts=True)
    ends = starts_of(distinct.astype(np.int64) * counts)
    return distinct, np.append(first, len(sizes)), ends


@kernel
def _fill(
    list_ptr: Offsets,
    lists: Integers,
    sizes: Indices,
    first: Offsets,
    ends: Offsets,
    rng: np.random.Generator,
) -> None:
    """Fill each list with accounts, ascending, one from each of equal parts of the ends."""
    for rank in range(len(list_ptr) - 1):
        length = list_ptr[rank + 1] - list_ptr[rank]
        row = 0
        last = np.int64(-1)
        for i in range(length):
            end = np.int64((i + rng.random()) * (ends[-1] / length))
            while row + 1 < len(sizes) and end >= ends[row + 1]:
                row += 1
            account = first[row] + (end - ends[row]) // sizes[row]
            # No account twice, and enough of them left for the rest of the list.
            last = min(max(account, last + 1), first[-1] - length + i)
            lists[list_ptr[rank] + i] = last


@kernel
def _enter(list_ptr: Offsets, lists: Integers, ranks: Offsets, accounts: Offsets) -> None:
    """Write accounts, ascending, into the lists that they belong to, each over the next entry."""
    for i in range(len(ranks)):
        members = lists[list_ptr[ranks[i]] : list_ptr[ranks[i] + 1]]
        members[min(lower_bound(members, accounts[i]), len(members) - 1)] = accounts[i]
