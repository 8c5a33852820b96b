"""Exact nearest neighbours by Tanimoto similarity of follow sets: count, bound, keep the best.

    T(a, b) = |F(a) & F(b)| / |F(a) | F(b)|,    F(a): the accounts that a follows

The overlap of a set with all others is counted at once: for each followee, walk the list of the
groups that follow it and add one to the counter of each. All else is about walking less and
looking at fewer counters, and every bound here is a consequence of the definition:

* Length. A set of size s has overlap <= min(m, s) with one of size m, so T > t needs
  t m < s < m / t. Groups are sorted by size: this is one range of counters and of each list.
* Need. T >= p / q means overlap (p + q) >= p (m + s). The need grows with s, so the need of the
  smallest set of a tile of counters holds for the whole tile, and the largest counter of a tile
  tells whether to look into it. It also grows as the k-th best rises.
* Counters of one byte. An overlap beyond 255 takes two sets of more than 255; when the account
  asked for has one, the counters of the other large sets are carried over into wider ones before
  they can overflow. The counters of a million groups stay in the cache of a core.
* Planes. The list of a hub may hold half of all groups. Where the lists of eight hubs take longer
  to walk, a vector instruction counts their bits, one byte a group, for 64 groups at a time.

The counters of the range are then looked at in order or, where few were touched, found again by a
second walk over the lists. Both choices are made for each account by predicted time, and change
nothing else. Similarities are compared as integers, cross-multiplied.

Source:
    Bayardo, Ma, Srikant (2007), "Scaling up all pairs similarity search", WWW; Xiao, Wang, Lin,
    Shang (2009), "Top-k set similarity joins", ICDE.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from raypipe.kernels.search_cost import COUNT, LOOK, PLANE, WALK, estimated_ns
from raypipe.kernels.similarity_index import SimilarityIndex, build_index, co_follow_pairs

__all__ = [
    "Neighbours",
    "SimilarityIndex",
    "build_index",
    "co_follow_pairs",
    "estimated_ns",
    "top_neighbours",
]

# Up to this length, clamping every entry of a list is cheaper than two binary searches.
SHORT = 64
# Counters looked at together, and again inside a tile that holds a candidate.
TILE = 1024
BLOCK = 128
# Columns of the table of the best groups.
OVERLAP, UNION, FIRST, GROUP = range(4)


# Called once per search: to pass the arrays of an index takes as long as a short search.
_once = njit(nogil=True, cache=True, inline="always")


class Neighbours(NamedTuple):
    """The nearest neighbours of m accounts, best first, ties by code; unused places hold -1 or 0.

    Attributes:
        counts: int32[m], neighbours found.
        codes: int32[m, k].
        overlaps: int32[m, k], number of common followees.
        scores: float64[m, k], overlap / union.
    """

    counts: np.ndarray
    codes: np.ndarray
    overlaps: np.ndarray
    scores: np.ndarray


class _Scratch(NamedTuple):
    """What one search needs and leaves clean: all counters are zero between searches."""

    count: np.ndarray  # uint8[groups + TILE]
    wide: np.ndarray  # int32[groups of more than 255 + TILE]
    starts: np.ndarray  # int64[largest set]
    stops: np.ndarray  # int64[largest set]
    plane_work: np.ndarray  # int64[planes]
    limit: np.ndarray  # uint32[256]
    best: np.ndarray  # int64[k, 4]


def top_neighbours(
    index: SimilarityIndex, rows: np.ndarray, k: int, threshold: tuple[int, int]
) -> Neighbours:
    """The k other accounts most similar to each of some accounts, above a threshold.

        T(a, b) = |F(a) & F(b)| / |F(a) | F(b)| > numerator / denominator

    The list of an account does not depend on which others are asked for, nor on their order.

    Args:
        rows: int[m], codes of accounts.
        k: at least 1.
        threshold: (numerator, denominator), an exact fraction in [0, 1).

    Raises:
        ValueError: k or threshold out of range.

    Example:
        >>> follows = np.array([0, 1, 3, 3]), np.array([2, 0, 2], dtype=np.int32)
        >>> followers = np.array([0, 1, 1, 3]), np.array([1, 0, 1], dtype=np.int32)
        >>> near = top_neighbours(build_index(*follows, *followers), np.array([0]), 10, (1, 10))
        >>> near.codes[0, : near.counts[0]].tolist(), near.scores[0, 0].item()
        ([1], 0.5)
    """
    numerator, denominator = threshold
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if not 0 <= numerator < denominator <= 2**31:
        raise ValueError(f"threshold must be a fraction in [0, 1) of 32-bit integers: {threshold}")
    rows = np.asarray(rows, dtype=np.int32)
    # Members of a group come together, so that its search runs once.
    order = np.argsort(index.group_of[rows], kind="stable")
    found = no_neighbours(len(rows), k)
    _search_all(index, rows, order, k, numerator, denominator, found)
    return found


def no_neighbours(accounts: int, k: int) -> Neighbours:
    """Empty lists."""
    return Neighbours(
        np.zeros(accounts, dtype=np.int32),
        np.full((accounts, k), -1, dtype=np.int32),
        np.zeros((accounts, k), dtype=np.int32),
        np.zeros((accounts, k), dtype=np.float64),
    )


@njit(nogil=True, cache=True)
def _search_all(index, rows, order, k, p, q, found):
    scratch = new_scratch(index, len(index.size_start) - 2, k)
    searched = -1
    places = 0
    n_best = 0
    for i in order:
        group = index.group_of[rows[i]]
        if group < 0:
            continue
        if group != searched:
            searched = group
            # The others in the group are the only ones of similarity 1: they come first.
            others = index.member_ptr[group + 1] - index.member_ptr[group] - 1
            places = max(0, k - others)
            n_best = 0
            if places:
                row = index.sets[index.set_ptr[group] : index.set_ptr[group + 1]]
                bits = index.planes[:, group]
                n_best = search(index, group, row, len(row), bits, places, p, q, 1, scratch)
        write(index, rows[i], group, scratch.best, n_best, found, i)


@njit(nogil=True, cache=True)
def new_scratch(index, largest, k):
    """For searches of up to ``largest`` followees, with ``k`` places at most."""
    groups = len(index.sizes)
    large = index.size_start[min(256, len(index.size_start) - 1)]
    return _Scratch(
        np.zeros(groups + TILE, dtype=np.uint8),
        np.zeros(groups - large + TILE, dtype=np.int32),
        np.empty(largest, dtype=np.int64),
        np.empty(largest, dtype=np.int64),
        np.zeros(len(index.planes), dtype=np.int64),
        np.zeros(256, dtype=np.uint32),
        np.zeros((k, 4), dtype=np.int64),
    )


@_once
def search(index, group, row, m, bits, places, p, q, strict, scratch):
    """The best groups, into scratch.best; returns how many.

    Args:
        p, q, strict: only those with T > p / q, or with T >= p / q if not strict.
        group: not to be found; -1 for none.
        row: the followees asked for, as ranks, ascending; those that have no rank are left out.
        m: number of followees asked for.
        bits: uint8[planes], those of the followees that are hubs.
        places: at least 1.
    """
    count, wide, starts, stops, plane_work, _, best = scratch
    largest = len(index.size_start) - 2
    lo = np.int64(index.size_start[min((p * m + q - 1 + strict) // q, largest + 1)])
    most = largest if p == 0 else min(largest, (m * q - strict) // p)
    hi = np.int64(index.size_start[most + 1])
    if lo >= hi:
        return 0
    is_wide = len(row) > 255 and hi > len(count) - len(wide)

    entries = _clip(index, row, lo, hi, starts, stops, plane_work)
    by_lists = _choose(entries, hi - lo, plane_work)
    if by_lists and not is_wide:
        plane_work[:] = 0
        _count(index.lists, row, starts, stops, plane_work, lo, hi, count)
        return _walk(index, group, row, m, starts, stops, places, p, q, strict, scratch)
    for plane in range(len(plane_work)):
        if plane_work[plane]:
            _count_plane(count[lo:hi], index.planes[plane, lo:hi], bits[plane])
    if is_wide:
        return _search_wide(index, group, row, m, lo, hi, places, p, q, strict, scratch)
    _count(index.lists, row, starts, stops, plane_work, lo, hi, count)
    n_best = _look(index, group, m, lo, hi, 0, count, places, 0, p, q, strict, best)
    count[lo:hi] = 0
    return n_best


@njit(nogil=True, cache=True)
def _search_wide(index, group, row, m, lo, hi, places, p, q, strict, scratch):
    """Finish a search in which some overlaps may not fit a byte; the planes are counted."""
    count, wide, starts, stops, plane_work, _, best = scratch
    large = len(count) - len(wide)
    middle = max(lo, large)
    carried = wide[middle - large : hi - large]
    _carry(count[middle:hi], carried)
    for i in range(0, len(row), 255):
        part = slice(i, min(i + 255, len(row)))
        _count(index.lists, row[part], starts[part], stops[part], plane_work, lo, hi, count)
        _carry(count[middle:hi], carried)
    n_best = _look(index, group, m, lo, middle, 0, count, places, 0, p, q, strict, best)
    n_best = _look(index, group, m, middle, hi, large, wide, places, n_best, p, q, strict, best)
    count[lo:middle] = 0
    carried[:] = 0
    return n_best


@njit(nogil=True, cache=True)
def _choose(entries, span, plane_work):
    """Whether to walk the lists again; marks, in plane_work, the planes to count if not."""
    by_tiles = COUNT * entries + LOOK * span
    for plane in range(len(plane_work)):
        saved = COUNT * plane_work[plane] - PLANE * span
        by_tiles -= max(saved, 0.0)
        plane_work[plane] = saved > 0
    return WALK * entries <= by_tiles


@_once
def _clip(index, row, lo, hi, starts, stops, plane_work):
    """The part of each list within [lo, hi), short lists whole; returns the number of entries."""
    list_ptr, lists = index.list_ptr, index.lists
    # A loop of its own: the loads do not wait for one another.
    for i in range(len(row)):
        starts[i] = list_ptr[row[i]]
        stops[i] = list_ptr[row[i] + 1]
    plane_work[:] = 0
    hubs = 8 * len(plane_work)
    entries = 0
    for i in range(len(row)):
        start, stop = starts[i], stops[i]
        if stop - start > SHORT:
            if lists[start] < lo:
                start = starts[i] = _lower_bound(lists, start, stop, lo)
            if start < stop and lists[stop - 1] >= hi:
                stop = stops[i] = _lower_bound(lists, start, stop, hi)
        if row[i] < hubs:
            plane_work[row[i] // 8] += stop - start
        entries += stop - start
    return entries


@njit(nogil=True, cache=True)
def _lower_bound(lists, start, stop, group):
    """First position in lists[start:stop], not empty, whose group is not below the given."""
    left = stop - start
    while left > 1:
        half = left >> 1
        # A conditional move: a branch here would be mispredicted half of the time.
        start = start + half if lists[start + half - 1] < group else start
        left -= half
    return start + 1 if lists[start] < group else start


@_once
def _count(lists, row, starts, stops, planes_done, lo, hi, count):
    """Add one to the counter of each entry of each list whose plane was not counted."""
    hubs = 8 * len(planes_done)
    low, span = np.uint32(lo), np.uint32(hi - lo)
    for i in range(len(row)):
        if row[i] < hubs and planes_done[row[i] // 8]:
            continue
        if stops[i] - starts[i] > SHORT:
            for group in lists[starts[i] : stops[i]]:
                count[group] += 1
        else:
            # In unsigned arithmetic both sides of the range land on the spare counter at hi.
            for group in lists[starts[i] : stops[i]]:
                count[low + min(np.uint32(group - low), span)] += 1
    count[hi] = 0


@njit(nogil=True, cache=True)
def _count_plane(count, plane, bits):
    for i in range(len(count)):
        count[i] += _popcount(plane[i] & bits)


@njit(nogil=True, cache=True)
def _carry(count, wide):
    for i in range(len(count)):
        wide[i] += count[i]
        count[i] = 0


@intrinsic
def _popcount(typingctx, byte):
    """Number of bits set in a uint8; NumPy's bitwise_count is not known to Numba."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint8(types.uint8), codegen


@_once
def _walk(index, group, row, m, starts, stops, places, p, q, strict, scratch):
    """Judge every group on the lists, and clear its counter so that it is judged once."""
    count, limit, best = scratch.count, scratch.limit, scratch.best
    sizes, first = index.sizes, index.first
    _set_limit(limit, m, p, q, strict, index.size_start)
    own = np.uint32(group)
    n_best = 0
    # Rarest followee first: its followers are the likeliest to be similar, and raise the bound.
    for i in range(len(row) - 1, -1, -1):
        for other in index.lists[starts[i] : stops[i]]:
            counted = count[other]
            count[other] = 0
            if other < limit[counted] and other != own:
                overlap = np.int64(counted)
                union = m + sizes[other] - overlap
                at = np.int64(other)
                n_best = _offer(best, n_best, places, overlap, union, first[at], at)
                last = places - 1
                if n_best > last:
                    if best[last, OVERLAP] != p or best[last, UNION] != q:
                        p, q = best[last, OVERLAP], best[last, UNION]
                        _set_limit(limit, m, p, q, 0, index.size_start)
                    # Of the same size and overlap: a later group has a later first member.
                    limit[p] = best[last, GROUP]
    return n_best


@njit(nogil=True, cache=True)
def _set_limit(limit, m, p, q, strict, size_start):
    """limit[overlap]: groups from here on are too large to be similar enough with it.

    T >= p / q, or T > p / q if strict, solved for the size: s <= (overlap (p + q) - strict) / p - m
    """
    largest = len(size_start) - 2
    limit[0] = 0
    for overlap in range(1, min(m, len(limit) - 1) + 1):
        size = largest if p == 0 else min(largest, (overlap * (p + q) - strict) // p - m)
        limit[overlap] = size_start[max(size, 0) + 1]


@njit(nogil=True, cache=True)
def _look(index, group, m, lo, hi, base, count, places, n_best, p, q, strict, best):
    """Judge the groups of [lo, hi) whose counter, at group - base, is large enough."""
    sizes, first = index.sizes, index.first
    if n_best == places:
        p, q, strict = best[places - 1, OVERLAP], best[places - 1, UNION], 0
    ratio = _ratio(p, q)
    for tile in range(lo, hi, TILE):
        need = _need(ratio, m + sizes[tile])
        if need > m:
            break
        if _tile_top(count[tile - base : tile - base + TILE]) < need:
            continue
        for block in range(tile, min(tile + TILE, hi), BLOCK):
            need = _need(ratio, m + sizes[block])
            counters = count[block - base : block - base + BLOCK]
            if _block_top(counters) < need:
                continue
            for i in range(BLOCK):
                overlap = np.int64(counters[i])
                if overlap < need or block + i == group:
                    continue
                union = m + sizes[block + i] - overlap
                if overlap * q - p * union >= strict:
                    at = block + i
                    n_best = _offer(best, n_best, places, overlap, union, first[at], at)
                    if n_best == places:
                        p, q, strict = best[places - 1, OVERLAP], best[places - 1, UNION], 0
                        ratio = _ratio(p, q)
    return n_best


@njit(nogil=True, cache=True)
def _ratio(p, q):
    """p / (p + q), a little less, so that rounding never asks for more than is needed."""
    return p / (p + q) * (1 - 1e-9)


@njit(nogil=True, cache=True)
def _need(ratio, sizes):
    """At most the least overlap that two sets of these sizes together need."""
    return np.int64(sizes * ratio) + 1


@njit(nogil=True, cache=True)
def _tile_top(counters):
    # A fixed length and a plain maximum: the compiler makes vectors of whole registers of it.
    top = counters[0]
    for i in range(TILE):
        top = counters[i] if counters[i] > top else top
    return top


@njit(nogil=True, cache=True)
def _block_top(counters):
    top = counters[0]
    for i in range(BLOCK):
        top = counters[i] if counters[i] > top else top
    return top


@njit(nogil=True, cache=True)
def _offer(best, n_best, places, overlap, union, first, group):
    """Put a group in its place by similarity, then first member; returns how many there are."""
    at = n_best
    while at > 0:
        ours = overlap * best[at - 1, UNION]
        theirs = best[at - 1, OVERLAP] * union
        if ours < theirs or (ours == theirs and first > best[at - 1, FIRST]):
            break
        at -= 1
    if at == places:
        return n_best
    n_best = min(n_best + 1, places)
    for i in range(n_best - 1, at, -1):
        for column in range(4):
            best[i, column] = best[i - 1, column]
    best[at, OVERLAP] = overlap
    best[at, UNION] = union
    best[at, FIRST] = first
    best[at, GROUP] = group
    return n_best


@_once
def write(index, account, group, best, n_best, found, i):
    """Write row i: the other members of the account's own group, then those of the best groups.

    No member comes before the first of its group, so the k best accounts are all in the k best
    groups by (similarity, first member). Tied groups are merged by code.

    Args:
        group: of the account; -1 where the search did not know it: it may be among the best then.
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
