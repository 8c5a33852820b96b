"""The groups with the largest Tanimoto similarity to one follow set: count, bound, keep the best.

The overlaps of a set with all others are counted together: for each followee, walk the list of the
groups that follow it and add one to the counter of each group. The rest is about walking less and
looking at fewer counters. Every bound here follows from the definition:

* Length. A set of size s has overlap <= min(m, s) with one of size m, so T > t needs
  t m < s < m / t. Groups are sorted by size: this is one range of counters and of each list.
* Needed overlap. T >= p / q means overlap (p + q) >= p (m + s). The needed overlap grows with s, so
  that of the smallest set of a tile of counters holds for the whole tile, and the largest counter
  of a tile tells whether to look into it. It also grows as the k-th best similarity grows.
* Counters of one byte. An overlap beyond 255 takes two sets of more than 255. If the searched
  account has such a set, the counters of the other large sets are carried over into wider ones
  before they can overflow. The counters of a million groups stay in the cache of a core.
* Planes. The list of a hub may hold half of all groups. Where the lists of eight hubs would take
  longer to walk, a vector instruction counts their bits, one byte per group, 64 groups at a time.

The counters of the range are then looked at in order or, where few were touched, found again by a
second walk over the lists. Both choices are made for each account by estimated time, and do not
change the result. Similarities are compared as integers, cross-multiplied.

Source:
    Bayardo, Ma, Srikant (2007), "Scaling up all pairs similarity search", WWW; Xiao, Wang, Lin,
    Shang (2009), "Top-k set similarity joins", ICDE.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from raypipe.kernels.arrays import Bytes, Indices, Int, Integers, Offsets
from raypipe.kernels.compiled import inlined_kernel, kernel
from raypipe.kernels.search_cost import COUNT, LOOK, PLANE, WALK
from raypipe.kernels.similarity_index import Groups32, SimilarityIndex

# Up to this length, clamping every entry of a list is cheaper than two binary searches.
SHORT = 64
# Counters looked at together, and again inside a tile that holds a candidate.
TILE = 1024
BLOCK = 128
# Columns of the table of the best groups.
OVERLAP, UNION, FIRST, GROUP = range(4)


class _Scratch(NamedTuple):
    """Working memory of a search, which leaves all counters zero for the next one."""

    counters: Bytes  # uint8[groups + TILE]
    wide: Indices  # int32[groups of more than 255 + TILE]
    starts: Offsets  # int64[largest set]
    stops: Offsets  # int64[largest set]
    plane_entries: Offsets  # int64[planes]
    limits: Groups32  # uint32[256]
    best: Offsets  # int64[k, 4]


class Query(NamedTuple):
    """A search for the groups most similar to one account.

    Attributes:
        group: the group to leave out; -1 for none.
        row: followees of the account, as ranks, ascending; those without rank left out.
        m: number of followees of the account.
        places: maximum number of groups, at least 1.
        p, q, strict: find groups with T > p / q if strict, else with T >= p / q.
    """

    group: Int
    row: Indices
    m: Int
    places: Int
    p: Int
    q: Int
    strict: Int


@kernel
def new_scratch(index: SimilarityIndex, largest: Int, k: Int) -> _Scratch:
    """Working memory for searches of up to ``largest`` followees and ``k`` groups."""
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


@inlined_kernel
def search(index: SimilarityIndex, query: Query, bits: Bytes, scratch: _Scratch) -> Int:
    """Find the best groups, into scratch.best; returns their number.

    Args:
        bits: uint8[planes], the bits of the account's followees that are hubs.
    """
    count, wide, starts, stops, plane_entries, _, _ = scratch
    _, row, m, _, p, q, strict = query
    largest = len(index.size_start) - 2
    lo = np.int64(index.size_start[min((p * m + q - 1 + strict) // q, largest + 1)])
    most = largest if p == 0 else min(largest, (m * q - strict) // p)
    hi = np.int64(index.size_start[most + 1])
    if lo >= hi:
        return 0
    is_wide = len(row) > 255 and hi > len(count) - len(wide)

    entries = _clip(index, row, lo, hi, starts, stops, plane_entries)
    by_lists = _choose(entries, hi - lo, plane_entries) and not is_wide
    if by_lists:
        plane_entries[:] = 0
    for plane in range(len(plane_entries)):
        if plane_entries[plane]:
            _count_plane(count[lo:hi], index.planes[plane, lo:hi], bits[plane])
    if is_wide:
        return _search_wide(index, query, lo, hi, scratch)
    _count(index.lists, row, starts, stops, plane_entries, lo, hi, count)
    if by_lists:
        return _walk(index, query, scratch)
    n_best = _look(index, query, lo, hi, 0, count, 0, scratch.best)
    count[lo:hi] = 0
    return n_best


@kernel
def _search_wide(index: SimilarityIndex, query: Query, lo: Int, hi: Int, scratch: _Scratch) -> Int:
    """Finish a search in which overlaps may not fit into a byte; planes are already counted."""
    count, wide, starts, stops, plane_entries, _, best = scratch
    row = query.row
    large = len(count) - len(wide)
    middle = max(lo, large)
    carried = wide[middle - large : hi - large]
    _carry(count[middle:hi], carried)
    for i in range(0, len(row), 255):
        part = slice(i, min(i + 255, len(row)))
        _count(index.lists, row[part], starts[part], stops[part], plane_entries, lo, hi, count)
        _carry(count[middle:hi], carried)
    n_best = _look(index, query, lo, middle, 0, count, 0, best)
    n_best = _look(index, query, middle, hi, large, wide, n_best, best)
    count[lo:middle] = 0
    carried[:] = 0
    return n_best


@kernel
def _choose(entries: Int, span: Int, plane_entries: Offsets) -> bool:
    """Whether to walk the lists twice; if not, plane_entries marks the planes to count."""
    by_tiles = COUNT * entries + LOOK * span
    for plane in range(len(plane_entries)):
        saved = COUNT * plane_entries[plane] - PLANE * span
        by_tiles -= max(saved, 0.0)
        plane_entries[plane] = saved > 0
    return WALK * entries <= by_tiles


@inlined_kernel
def _clip(
    index: SimilarityIndex,
    row: Indices,
    lo: Int,
    hi: Int,
    starts: Offsets,
    stops: Offsets,
    plane_entries: Offsets,
) -> Int:
    """Find the part of each list in [lo, hi), short lists whole; returns the number of entries."""
    list_ptr, lists = index.list_ptr, index.lists
    # A loop of its own: the loads do not wait for one another.
    for i in range(len(row)):
        starts[i] = list_ptr[row[i]]
        stops[i] = list_ptr[row[i] + 1]
    plane_entries[:] = 0
    hubs = 8 * len(plane_entries)
    entries: Int = np.int64(0)
    for i in range(len(row)):
        start, stop = starts[i], stops[i]
        if stop - start > SHORT:
            if lists[start] < lo:
                start = starts[i] = _lower_bound(lists, start, stop, lo)
            if start < stop and lists[stop - 1] >= hi:
                stop = stops[i] = _lower_bound(lists, start, stop, hi)
        if row[i] < hubs:
            plane_entries[row[i] // 8] += stop - start
        entries += stop - start
    return entries


@kernel
def _lower_bound(lists: Groups32, start: Int, stop: Int, group: Int) -> Int:
    """First position in lists[start:stop], not empty, whose group is not below ``group``."""
    left = stop - start
    while left > 1:
        half = left >> 1
        # A conditional move: a branch here would be mispredicted half of the time.
        start = start + half if lists[start + half - 1] < group else start
        left -= half
    return start + 1 if lists[start] < group else start


@inlined_kernel
def _count(
    lists: Groups32,
    row: Indices,
    starts: Offsets,
    stops: Offsets,
    planes_done: Offsets,
    lo: Int,
    hi: Int,
    count: Bytes,
) -> None:
    """Add one to the counter of each entry of each list, unless its plane is already counted."""
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


@kernel
def _count_plane(count: Bytes, plane: Bytes, bits: Int) -> None:
    for i in range(len(count)):
        count[i] += _popcount(plane[i] & bits)  # type: ignore[call-arg]  # Numba adds the context


@kernel
def _carry(count: Bytes, wide: Indices) -> None:
    for i in range(len(count)):
        wide[i] += count[i]
        count[i] = 0


@intrinsic
def _popcount(typingctx: object, byte: object) -> tuple[Any, Callable[..., Any]]:
    """Number of bits set in a uint8; Numba does not know NumPy's bitwise_count."""

    def codegen(context: object, builder: Any, signature: object, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint8(types.uint8), codegen


@inlined_kernel
def _walk(index: SimilarityIndex, query: Query, scratch: _Scratch) -> Int:
    """Check every group on the lists, and clear its counter so that it is checked once."""
    count, _, starts, stops, _, limit, best = scratch
    group, row, m, places, p, q, strict = query
    sizes, first = index.sizes, index.first
    _set_limit(limit, m, p, q, strict, index.size_start)
    own = np.uint32(group)
    n_best: Int = np.int64(0)
    # Rarest followee first: its followers are the most likely to be similar, and raise the bound.
    for i in range(len(row) - 1, -1, -1):
        for other in index.lists[starts[i] : stops[i]]:
            counted = count[other]
            count[other] = 0
            if other < limit[counted] and other != own:
                overlap = np.int64(counted)
                union = m + sizes[other] - overlap
                at = np.int64(other)
                n_best = offer(best, n_best, places, overlap, union, first[at], at)
                last = places - 1
                if n_best > last:
                    if best[last, OVERLAP] != p or best[last, UNION] != q:
                        p, q = best[last, OVERLAP], best[last, UNION]
                        _set_limit(limit, m, p, q, 0, index.size_start)
                    # Among equal sizes and overlaps, a later group has a later first member.
                    limit[p] = best[last, GROUP]
    return n_best


@kernel
def _set_limit(limit: Groups32, m: Int, p: Int, q: Int, strict: Int, size_start: Indices) -> None:
    """limit[overlap]: the first group that is too large to be similar enough with that overlap.

    T >= p / q, or T > p / q if strict, solved for the size: s <= (overlap (p + q) - strict) / p - m
    """
    largest = len(size_start) - 2
    limit[0] = 0
    for overlap in range(1, min(m, len(limit) - 1) + 1):
        size = largest if p == 0 else min(largest, (overlap * (p + q) - strict) // p - m)
        limit[overlap] = size_start[max(size, 0) + 1]


@kernel
def _look(
    index: SimilarityIndex,
    query: Query,
    lo: Int,
    hi: Int,
    base: Int,
    count: Integers,
    n_best: Int,
    best: Offsets,
) -> Int:
    """Check the groups of [lo, hi) whose counter, at group - base, is large enough."""
    sizes, first = index.sizes, index.first
    group, _, m, places, p, q, strict = query
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
                    n_best = offer(best, n_best, places, overlap, union, first[at], at)
                    if n_best == places:
                        p, q, strict = best[places - 1, OVERLAP], best[places - 1, UNION], 0
                        ratio = _ratio(p, q)
    return n_best


@kernel
def _ratio(p: Int, q: Int) -> float:
    """Slightly less than p / (p + q), so that rounding never demands more than is needed."""
    return p / (p + q) * (1 - 1e-9)


@kernel
def _need(ratio: float, sizes: Int) -> Int:
    """A lower bound of the overlap that two sets with this sum of sizes need."""
    return np.int64(sizes * ratio) + 1


@kernel
def _tile_top(counters: Integers) -> Int:
    # A fixed length and a plain maximum: the compiler turns them into vector instructions.
    top: Int = counters[0]
    for i in range(TILE):
        top = counters[i] if counters[i] > top else top
    return top


@kernel
def _block_top(counters: Integers) -> Int:
    top: Int = counters[0]
    for i in range(BLOCK):
        top = counters[i] if counters[i] > top else top
    return top


@kernel
def offer(
    best: Offsets, n_best: Int, places: Int, overlap: Int, union: Int, first: Int, group: Int
) -> Int:
    """Insert a group by similarity, then first member; returns the number of groups."""
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
