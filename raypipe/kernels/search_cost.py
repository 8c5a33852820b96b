"""Estimated cost of a neighbour search: measured nanoseconds per step, summed per account."""

import numpy as np

from raypipe.kernels.arrays import Floats, Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.similarity_index import HUBS, SimilarityIndex

# Nanoseconds to count an entry of a list; to count it and walk it again; to look at a counter; to
# count a group in a plane. The search chooses its way by their ratios; results do not depend on it.
COUNT = 0.45
WALK = 1.1
LOOK = 0.06
PLANE = 0.02
# Nanoseconds of a search, of each of its lists, and of writing a row.
SEARCH = 300
CLIP = 50
WRITE = 400


def estimated_ns(index: SimilarityIndex, threshold: tuple[int, int] = (1, 10)) -> Floats:
    """float64[n]: estimated nanoseconds in `top_neighbours`, to split shards of equal length.

    Lists are assumed to hold groups of each size in the same proportions as the whole graph.
    Members of a group share its search, and so its cost.

    Example:
        >>> from raypipe.kernels.csr import Adjacency, transpose
        >>> from raypipe.kernels.similarity_index import build_index
        >>> followees = Adjacency(np.array([0, 1, 2, 2]), np.array([2, 2], dtype=np.int32))
        >>> cost = estimated_ns(build_index(followees, transpose(followees)))
        >>> bool(cost[0] == cost[1] > cost[2])
        True
    """
    p, q = threshold
    sizes = index.sizes.astype(np.int64)
    largest = len(index.size_start) - 2
    upper = np.minimum((sizes * q - 1) // p, largest) if p else np.full_like(sizes, largest)
    lo, hi = index.size_start[sizes * p // q + 1], index.size_start[upper + 1]
    share = (index.set_ptr[hi] - index.set_ptr[lo]) / max(len(index.sets), 1)
    entries, hub_entries, hubs = _sums(index.set_ptr, index.sets, np.diff(index.list_ptr))
    search = _search(sizes, hi - lo, share * entries, share * hub_entries, hubs)
    cost = np.full(len(index.group_of), float(WRITE))
    follows = index.group_of >= 0
    cost[follows] += (search / np.diff(index.member_ptr))[index.group_of[follows]]
    return cost


def expected_ns(
    sizes: Integers,
    accounts: Integers,
    followers: Integers | Floats,
    followees: Integers,
    threshold: tuple[int, int] = (1, 10),
) -> Floats:
    """float64[s]: :func:`estimated_ns` by number of follows, in a randomly paired network.

        entries(m) = m * sum over the followees of followers^2 / sum over the followees of followers

    A followee is met in proportion to its followers, so its list is longer than the average one.
    No two accounts are assumed to have the same follow set.

    Args:
        sizes, accounts: int64[s], numbers of follows, ascending, and the number of accounts with
            each.
        followers, followees: int64[d], numbers of followers, descending, above 0, and the number
            of accounts with each.

    Source:
        Newman, Strogatz and Watts (2001), "Random graphs with arbitrary degree distributions and
        their applications", Phys. Rev. E 64.

    Example:
        >>> sizes, accounts = np.array([0, 1, 2]), np.array([5, 90, 50])
        >>> expected_ns(sizes, accounts, np.array([95]), np.array([2])).round(1).tolist()
        [400.0, 761.2, 814.0]
    """
    p, q = threshold
    before = np.concatenate([[0], np.cumsum(accounts)])
    follows_before = np.concatenate([[0], np.cumsum(sizes * accounts)])
    lo = np.searchsorted(sizes, sizes * p // q + 1)
    hi = np.searchsorted(sizes, (sizes * q - 1) // p, side="right") if p else len(sizes)
    hi = np.maximum(lo, hi)
    share = (follows_before[hi] - follows_before[lo]) / follows_before[-1]
    of_hubs = np.clip(HUBS - (np.cumsum(followees) - followees), 0, followees)
    lists, ends = followers.astype(np.float64), float(followers @ followees)
    entries = share * sizes * (lists**2 @ followees) / ends
    hub_entries = share * sizes * (lists**2 @ of_hubs) / ends
    search = _search(
        sizes, before[hi] - before[lo], entries, hub_entries, sizes * (lists @ of_hubs) / ends
    )
    return np.asarray(WRITE + np.where(sizes, search, 0.0))


def _search(
    sizes: Integers, span: Integers, entries: Floats, hub_entries: Floats, hubs: Integers | Floats
) -> Floats:
    """Nanoseconds of searches, from the number of counters in range, of entries, and of hubs."""
    by_planes = np.minimum(COUNT * hub_entries, PLANE * np.minimum(hubs, HUBS // 8) * span)
    by_tiles = COUNT * (entries - hub_entries) + by_planes + LOOK * span
    search: Floats = SEARCH + CLIP * sizes.astype(np.float64) + np.minimum(WALK * entries, by_tiles)
    return search


@kernel
def _sums(set_ptr: Offsets, sets: Indices, lengths: Offsets) -> tuple[Offsets, Offsets, Offsets]:
    """For each group: entries of all its lists, entries of its hubs' lists, and number of hubs."""
    groups = len(set_ptr) - 1
    entries = np.zeros(groups, dtype=np.int64)
    hub_entries = np.zeros(groups, dtype=np.int64)
    hubs = np.zeros(groups, dtype=np.int64)
    for group in range(groups):
        for rank in sets[set_ptr[group] : set_ptr[group + 1]]:
            entries[group] += lengths[rank]
            if rank < HUBS:
                hub_entries[group] += lengths[rank]
                hubs[group] += 1
    return entries, hub_entries, hubs
