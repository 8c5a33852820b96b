from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

HUBS = 64
BLOCK = 128
TILE = 1024
SHORT = 64
LP = 1.1
CP = 0.45
SP = 0.06
PP = 0.02


class SimilarityIndex(NamedTuple):
    indptr: np.ndarray
    indices: np.ndarray
    group_of: np.ndarray  # int32[n]: group of an account, -1 without follows
    members: np.ndarray  # int32[<=n] accounts by (group, code)
    member_ptr: np.ndarray  # int32[g+1]
    group_size: np.ndarray  # int32[g]
    size_start: np.ndarray  # int32[max size + 2]: first group with at least s follows
    list_ptr: np.ndarray  # int64[n+1]
    lists: np.ndarray  # uint32[<=E]
    plane_of: np.ndarray  # uint8[n]
    planes: np.ndarray  # uint8[p, g]


class Neighbours(NamedTuple):
    counts: np.ndarray
    codes: np.ndarray
    overlaps: np.ndarray
    scores: np.ndarray


def build_index(indptr, indices, t_indptr, t_indices):
    sizes = np.diff(indptr)
    group_of, first, mult = _group(indptr, indices)
    # groups by (size, first code)
    order = np.argsort(sizes[first], kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    has = np.flatnonzero(sizes > 0).astype(np.int32)
    group_of[has] = rank[group_of[has]]
    members = has[np.argsort(group_of[has], kind="stable")]
    member_ptr = np.zeros(len(order) + 1, np.int32)
    np.cumsum(mult[order], out=member_ptr[1:])
    group_size = sizes[first][order].astype(np.int32)
    longest = int(group_size[-1]) if len(order) else 0
    size_start = np.searchsorted(group_size, np.arange(longest + 2)).astype(np.int32)
    list_ptr, lists = _posting(indptr, indices, members[member_ptr[:-1]])
    length = np.diff(list_ptr)
    hubs = np.argsort(-length, kind="stable")[:HUBS]
    plane_of = np.full(len(sizes), 255, np.uint8)
    planes = np.zeros(((len(hubs) + 7) // 8, len(order) + BLOCK), np.uint8)
    for i, hub in enumerate(hubs):
        plane_of[hub] = i // 8
        planes[i // 8, lists[list_ptr[hub] : list_ptr[hub + 1]]] |= np.uint8(1 << i % 8)
    return SimilarityIndex(
        indptr, indices, group_of, members, member_ptr, group_size, size_start,
        list_ptr, lists, plane_of, planes,
    )


@njit(nogil=True, cache=True)
def _group(indptr, indices):
    n = indptr.size - 1
    bits = 1
    while (1 << bits) < 2 * n:
        bits += 1
    slot = np.full(1 << bits, -1, np.int32)
    wrap = np.int64((1 << bits) - 1)
    group_of = np.full(n, -1, np.int32)
    first = np.empty(n, np.int32)
    mult = np.zeros(n, np.int32)
    key = np.empty(n, np.uint64)
    found = 0
    for a in range(n):
        row = indices[indptr[a] : indptr[a + 1]]
        if row.size == 0:
            continue
        h = np.uint64(row.size)
        for f in row:
            h = (h ^ np.uint64(f)) * np.uint64(0x9E3779B97F4A7C15)
            h ^= h >> np.uint64(29)
        at = np.int64(h & np.uint64(wrap))
        while True:
            g = slot[at]
            if g < 0:
                slot[at] = found
                group_of[a] = found
                first[found] = a
                key[found] = h
                mult[found] = 1
                found += 1
                break
            if key[g] == h:
                b = first[g]
                other = indices[indptr[b] : indptr[b + 1]]
                if other.size == row.size and np.all(other == row):
                    group_of[a] = g
                    mult[g] += 1
                    break
            at = (at + 1) & wrap
    return group_of, first[:found].copy(), mult[:found].copy()


@njit(nogil=True, cache=True)
def _posting(indptr, indices, first):
    n = indptr.size - 1
    ptr = np.zeros(n + 1, np.int64)
    for a in first:
        for f in indices[indptr[a] : indptr[a + 1]]:
            ptr[f + 1] += 1
    for f in range(n):
        ptr[f + 1] += ptr[f]
    at = ptr[:-1].copy()
    lists = np.empty(ptr[n], np.uint32)
    for g in range(first.size):
        a = first[g]
        for f in indices[indptr[a] : indptr[a + 1]]:
            lists[at[f]] = g
            at[f] += 1
    return ptr, lists


def wedges(index):
    total = np.zeros(len(index.indices) + 1, np.int64)
    np.cumsum(np.bincount(index.indices, minlength=len(index.indptr) - 1)[index.indices], out=total[1:])
    return total[index.indptr[1:]] - total[index.indptr[:-1]]


def work(index):
    return wedges(index) + 100


def top_neighbours(index, rows, k, threshold):
    rows = np.asarray(rows, np.int32)
    num, den = threshold
    order = np.argsort(index.group_of[rows], kind="stable").astype(np.int32)
    return Neighbours(*_rows(index, rows, order, k, num, den))


@intrinsic
def popcount(typingctx, byte):
    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])
    return types.uint8(types.uint8), codegen


@njit(nogil=True, cache=True)
def _clip(lists, begin, stop, value):
    """First position in lists[begin:stop] holding at least value."""
    left = stop - begin
    while left > 1:
        half = left >> 1
        begin = begin + half if lists[begin + half - 1] < value else begin
        left -= half
    if left == 1 and lists[begin] < value:
        begin += 1
    return begin


@njit(nogil=True, cache=True)
def _rows(index, rows, order, k, num, den):
    m_rows = rows.size
    counts = np.zeros(m_rows, np.int32)
    codes = np.full((m_rows, k), -1, np.int32)
    overlaps = np.zeros((m_rows, k), np.int32)
    scores = np.zeros((m_rows, k), np.float64)
    groups = index.group_size.size
    longest = index.size_start.size - 2
    big = index.size_start[min(256, longest + 1)]
    count = np.zeros(groups + TILE, np.uint8)
    big_count = np.zeros(groups - big + TILE, np.int32)
    starts = np.empty(longest + 1, np.int64)
    stops = np.empty(longest + 1, np.int64)
    plane_work = np.zeros(index.planes.shape[0], np.int64)
    limit = np.zeros(257, np.uint32)
    best = np.zeros((k + 1, 4), np.int64)
    last = -1
    found = 0
    for i in order:
        g = index.group_of[rows[i]]
        if g < 0:
            continue
        if g != last:
            last = g
            room = k - min(k, index.member_ptr[g + 1] - index.member_ptr[g] - 1)
            found = 0
            if room > 0:
                found = _search(index, g, room, num, den, count, big_count, big, starts, stops, limit, plane_work, best)
        _expand(index, rows[i], g, k, found, best, i, counts, codes, overlaps, scores)
    return counts, codes, overlaps, scores


@njit(nogil=True, cache=True)
def _expand(index, a, g, k, found, best, i, counts, codes, overlaps, scores):
    at = 0
    size = index.group_size[g]
    for b in index.members[index.member_ptr[g] : index.member_ptr[g + 1]]:
        if at == k:
            break
        if b != a:
            codes[i, at] = b
            overlaps[i, at] = size
            scores[i, at] = 1.0
            at += 1
    j = 0
    while j < found and at < k:
        begin = at
        o, u = best[j, 0], best[j, 1]
        while j < found and best[j, 0] * u == o * best[j, 1]:
            h = best[j, 3]
            taken = 0
            for b in index.members[index.member_ptr[h] : index.member_ptr[h + 1]]:
                if taken == k:
                    break
                taken += 1
                # insertion by code among [begin, at)
                if at < k:
                    p = at
                    at += 1
                elif codes[i, k - 1] > b:
                    p = k - 1
                else:
                    break
                while p > begin and codes[i, p - 1] > b:
                    codes[i, p] = codes[i, p - 1]
                    overlaps[i, p] = overlaps[i, p - 1]
                    scores[i, p] = scores[i, p - 1]
                    p -= 1
                codes[i, p] = b
                overlaps[i, p] = best[j, 0]
                scores[i, p] = best[j, 0] / best[j, 1]
            j += 1
    counts[i] = at


@njit(nogil=True, cache=True)
def _offer(best, room, found, o, u, first, g):
    at = found
    while at > 0:
        ours = o * best[at - 1, 1]
        theirs = best[at - 1, 0] * u
        if ours < theirs or (ours == theirs and first > best[at - 1, 2]):
            break
        at -= 1
    if at == room:
        return found
    if found < room:
        found += 1
    for j in range(found - 1, at, -1):
        for c in range(4):
            best[j, c] = best[j - 1, c]
    best[at, 0] = o
    best[at, 1] = u
    best[at, 2] = first
    best[at, 3] = g
    return found


@njit(nogil=True, cache=True)
def _set_limits(limit, m, top, p, q, strict, size_start):
    """limit[o]: groups from here on are too large for overlap o to enter."""
    longest = size_start.size - 2
    limit[0] = 0
    for o in range(1, top + 1):
        s = longest if p == 0 else min(longest, (o * (p + q) - strict) // p - m)
        limit[o] = size_start[max(s, 0) + 1]


@njit(nogil=True, cache=True)
def _search(index, g, room, num, den, count, big_count, big, starts, stops, limit, plane_work, best):
    m = np.int64(index.group_size[g])
    lists, list_ptr, size_start, members = index.lists, index.list_ptr, index.size_start, index.members
    longest = size_start.size - 2
    low = num * m // den + 1
    high = longest if num == 0 else min(longest, (m * den - 1) // num)
    lo = np.uint32(size_start[low])
    hi = np.uint32(size_start[high + 1])
    a = members[index.member_ptr[g]]
    found = 0
    p, q = num, den
    row = index.indices[index.indptr[a] : index.indptr[a + 1]]
    planes = index.planes
    plane_work[:] = 0
    postings = 0
    for j in range(m):
        starts[j] = list_ptr[row[j]]
        stops[j] = list_ptr[row[j] + 1]
    for j in range(m):
        begin, stop = starts[j], stops[j]
        if stop - begin > SHORT:
            if lists[begin] < lo:
                begin = _clip(lists, begin, stop, lo)
                starts[j] = begin
            if stop > begin and lists[stop - 1] >= hi:
                stop = _clip(lists, begin, stop, hi)
                stops[j] = stop
            plane = index.plane_of[row[j]]
            if plane != 255:
                plane_work[plane] += stop - begin
        postings += stop - begin
    span = np.uint32(hi - lo)
    by_lists = LP * postings
    by_scan = CP * postings + SP * span
    for plane in range(planes.shape[0]):
        saved = CP * plane_work[plane] - PP * span
        if saved > 0:
            by_scan -= saved
        else:
            plane_work[plane] = 0
    wide = m > 255 and hi > big
    by_list = by_lists <= by_scan and not wide
    split = min(hi, big) if m > 255 else hi
    tail = max(lo, big)
    if not by_list:
        for plane in range(planes.shape[0]):
            if plane_work[plane] > 0:
                _count_plane(count[lo:hi], planes[plane, lo:hi], planes[plane, g])
    if wide:
        _carry(count[tail:hi], big_count[tail - big : hi - big])
    chunk = 255 if wide else m
    for first in range(0, m, chunk):
        for j in range(first, min(first + chunk, m)):
            begin, stop = starts[j], stops[j]
            plane = index.plane_of[row[j]]
            if plane != 255 and plane_work[plane] != 0 and not by_list:
                continue
            if stop - begin > SHORT:
                for b in lists[begin:stop]:
                    count[b] += 1
            else:
                # unsigned: both sides of the range fall on the spare counter at hi
                for b in lists[begin:stop]:
                    count[lo + min(np.uint32(b - lo), span)] += 1
        if wide:
            _carry(count[tail:hi], big_count[tail - big : hi - big])
    count[hi] = 0
    if by_list:
        top = min(m, 256)
        _set_limits(limit, m, top, num, den, 1, size_start)
        for j in range(m):
            for b in lists[starts[j] : stops[j]]:
                o = count[b]
                count[b] = 0
                if b < limit[o] and b != g:
                    u = m + np.int64(index.group_size[b]) - np.int64(o)
                    found = _offer(best, room, found, np.int64(o), u, np.int64(members[index.member_ptr[b]]), np.int64(b))
                    if found == room and (best[room - 1, 0] != p or best[room - 1, 1] != q):
                        p, q = best[room - 1, 0], best[room - 1, 1]
                        _set_limits(limit, m, top, p, q, 0, size_start)
        return found
    if split > lo:
        found = _scan(index, g, np.int64(lo), np.int64(split), 0, count, m, room, found, num, den, best)
        count[lo:split] = 0
    if wide:
        found = _scan(index, g, np.int64(tail), np.int64(hi), big, big_count, m, room, found, num, den, best)
        big_count[tail - big : hi - big] = 0
    return found


@njit(nogil=True, cache=True)
def _carry(count, big_count):
    for i in range(count.size):
        big_count[i] += count[i]
        count[i] = 0


@njit(nogil=True, cache=True)
def _count_plane(count, plane, bits):
    for j in range(count.size):
        count[j] += popcount(plane[j] & bits)


@njit(nogil=True, cache=True)
def _scan(index, g, lo, hi, base, count, m, room, found, num, den, best):
    group_size = index.group_size
    p, q, strict = num, den, 1
    if found == room:
        p, q, strict = best[room - 1, 0], best[room - 1, 1], 0
    ratio = p / (p + q) * (1 - 1e-9)
    for tile in range(lo, hi, TILE):
        # sizes ascend, so what the first of a tile needs is the least that any of it needs
        need = np.int64((m + group_size[tile]) * ratio) + 1
        if need > m:
            break
        if _tile_top(count[tile - base : tile - base + TILE]) < need:
            continue
        for block in range(tile, min(tile + TILE, hi), BLOCK):
            need = np.int64((m + group_size[block]) * ratio) + 1
            c = count[block - base : block - base + BLOCK]
            if _block_top(c) < need:
                continue
            for x in range(BLOCK):
                b = block + x
                o = np.int64(c[x])
                if o >= need and b != g:
                    u = m + np.int64(group_size[b]) - o
                    if o * q - p * u >= strict:
                        found = _offer(best, room, found, o, u, np.int64(index.members[index.member_ptr[b]]), np.int64(b))
                        if found == room:
                            p, q, strict = best[room - 1, 0], best[room - 1, 1], 0
                            ratio = p / (p + q) * (1 - 1e-9)
    return found


@njit(nogil=True, cache=True)
def _tile_top(count):
    top = count[0]
    for x in range(TILE):
        c = count[x]
        top = c if c > top else top
    return top


@njit(nogil=True, cache=True)
def _block_top(count):
    top = count[0]
    for x in range(BLOCK):
        c = count[x]
        top = c if c > top else top
    return top
