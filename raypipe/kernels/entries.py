"""How far the lists of a night may differ from those before: who enters, leaves, and is first."""

import numpy as np

from raypipe.kernels.arrays import Bytes, Flags, Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, contains


@kernel
def admit(
    codes: Indices,
    sources: Bytes,
    n: int,
    before: Adjacency,
    listed: Flags,
    order: Integers,
    more: Offsets,
    limit: int,
) -> Indices:
    """int32[m, n]: positions in ``codes`` of the entries of each list, best first, then -1.

    A candidate may be in at most ``more`` lists more than before. So it newly enters at most as
    many as it leaves, and ``more`` beyond. Where it would enter others, it enters those in which it
    has the best ranks, and the candidates that follow the list take its place elsewhere, by the
    same rule. Lists that were not there before neither count nor change.

    Args:
        codes: int32[m, n + r], the list of each account, best first, -1 where it is shorter, and
            from column n on the candidates that follow it.
        sources: uint8[m, n + r], the source of each.
        n: maximum length of a list.
        before: the candidates in the list of each account before.
        listed: bool[m], the accounts that had a list before.
        order: int64[m], the accounts in the order of their claims at equal ranks.
        more: int64[accounts].
        limit: maximum number of candidates from one source that fill up a list.

    Example:
        >>> codes = np.array([[7, 8], [7, 9]], np.int32)
        >>> before = Adjacency(np.array([0, 1, 2]), np.array([5, 6], np.int32))
        >>> more = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
        >>> admit(codes, np.zeros((2, 2), "u1"), 1, before, np.ones(2, bool), np.arange(2), more, 9)
        array([[0],
               [1]], dtype=int32)
    """
    m, width = codes.shape
    is_new = np.zeros((m, n), dtype=np.bool_)
    for i in range(m):
        row = before.codes[before.indptr[i] : before.indptr[i + 1]]
        for rank in range(n if listed[i] else 0):
            is_new[i, rank] = codes[i, rank] >= 0 and not contains(row, codes[i, rank])
    room = _room(codes, is_new, before, listed, more)
    positions = np.full((m, n), -1, dtype=np.int32)
    lengths = np.zeros(m, dtype=np.int32)
    for rank in range(n):
        for i in order:
            code = codes[i, rank]
            if code >= 0 and (not is_new[i, rank] or room[code] > 0):
                room[code] -= is_new[i, rank]
                positions[i, lengths[i]] = rank
                lengths[i] += 1
    of_source = np.zeros(256, dtype=np.int64)
    for i in order:
        wanted = 0
        for rank in range(n):
            wanted += codes[i, rank] >= 0
        if lengths[i] < wanted:
            of_source[:] = 0
            for at in positions[i, : lengths[i]]:
                of_source[sources[i, at]] += 1
            for at in range(n, width):
                code, source = codes[i, at], sources[i, at]
                fits = code >= 0 and room[code] > 0 and of_source[source] < limit
                if fits and lengths[i] < wanted:
                    room[code] -= 1
                    of_source[source] += 1
                    positions[i, lengths[i]] = at
                    lengths[i] += 1
    return positions


@kernel
def _room(
    codes: Indices, is_new: Flags, before: Adjacency, listed: Flags, more: Offsets
) -> Offsets:
    """int64[accounts]: the lists that each candidate may newly enter: those it leaves, and more."""
    room = more.copy()
    for i in range(len(listed)):
        if listed[i]:
            for code in before.codes[before.indptr[i] : before.indptr[i + 1]]:
                room[code] += 1
            for rank in range(is_new.shape[1]):
                if codes[i, rank] >= 0 and not is_new[i, rank]:
                    room[codes[i, rank]] -= 1
    return room


@kernel
def keep_entries(
    codes: Indices,
    sources: Bytes,
    positions: Indices,
    before: Adjacency,
    listed: Flags,
    order: Integers,
    fewer: Offsets,
    limit: int,
) -> Indices:
    """int32[m, n]: ``positions``, with some candidates that would leave too many lists.

    A candidate may be in at most ``fewer`` lists less than before. Beyond that, it stays in lists
    that it would leave for the reserve: where it has the best ranks, in a free place or in that of
    the last new entry that may leave. Lists that it leaves altogether, as one followed since then,
    cannot keep it.

    Args:
        codes, sources, before, listed, order, limit: as for :func:`admit`.
        positions: int32[m, n], from :func:`admit`.
        fewer: int64[accounts].

    Example:
        >>> codes, before = np.array([[7, 5]], np.int32), Adjacency(np.array([0, 1]), np.array([5]))
        >>> given = np.zeros((1, 2), "u1"), np.array([[0]], np.int32), before, np.ones(1, bool)
        >>> [
        ...     keep_entries(codes, *given, np.arange(1), np.full(8, fewer), 9).tolist()
        ...     for fewer in (0, 1)
        ... ]
        [[[1]], [[0]]]
    """
    kept, net = positions.copy(), _net_entries(codes, positions, before, listed, len(fewer))
    for at in range(positions.shape[1], codes.shape[1]):
        for i in order:
            code = codes[i, at]
            if not listed[i] or code < 0 or net[code] >= -fewer[code]:
                continue
            row = before.codes[before.indptr[i] : before.indptr[i + 1]]
            if not contains(row, code) or np.any(kept[i] == at):
                continue
            place = _place_for(
                codes[i], sources[i], kept[i], row, sources[i, at], limit, net, fewer
            )
            if place < 0:
                continue
            if kept[i, place] >= 0:
                net[codes[i, kept[i, place]]] -= 1
            net[code] += 1
            _put(kept[i], place, at)
    return kept


@kernel
def _net_entries(
    codes: Indices, positions: Indices, before: Adjacency, listed: Flags, accounts: int
) -> Offsets:
    """int64[accounts]: the lists that each candidate enters less those that it leaves."""
    net = np.zeros(accounts, dtype=np.int64)
    for i in range(len(listed)):
        if listed[i]:
            for code in before.codes[before.indptr[i] : before.indptr[i + 1]]:
                net[code] -= 1
            for at in positions[i]:
                if at >= 0:
                    net[codes[i, at]] += 1
    return net


@kernel
def _put(row: Indices, place: int, at: int) -> None:
    """Replace the position at a place; the positions stay ascending, with -1 at the end."""
    while place > 0 and row[place - 1] > at:
        row[place] = row[place - 1]
        place -= 1
    while place + 1 < len(row) and 0 <= row[place + 1] < at:
        row[place] = row[place + 1]
        place += 1
    row[place] = at


@kernel
def _place_for(
    codes: Indices,
    sources: Bytes,
    kept: Indices,
    before: Indices,
    source: int,
    limit: int,
    net: Offsets,
    fewer: Offsets,
) -> int:
    """The first free place of a list, else that of the last new entry that may leave; -1: none."""
    n, place, wanted, of_source = len(kept), -1, 0, 0
    for rank in range(n):
        wanted += codes[rank] >= 0
        of_source += kept[rank] >= 0 and sources[kept[rank]] == source
    for rank in range(n):
        if kept[rank] < 0:
            if rank < wanted and of_source < limit:
                return rank
            break
        code = codes[kept[rank]]
        fits = of_source - (sources[kept[rank]] == source) < limit
        if fits and net[code] > -fewer[code] and not contains(before, code):
            place = rank
    return place


@kernel
def limit_firsts(
    codes: Indices,
    positions: Indices,
    firsts: Indices,
    listed: Flags,
    order: Integers,
    more: Offsets,
    votes: Offsets,
) -> Indices:
    """int32[m, n]: ``positions``, with another entry in the first place of some lists.

    A candidate may be first in at most ``more`` lists more than before. Where it would be first in
    others, the next entry that may takes the place; if none may, the one with the most votes does.

    Args:
        codes: int32[m, w], as for :func:`admit`.
        positions: int32[m, n], from :func:`admit`.
        firsts: int32[m], the first candidate of each list before; -1: there was none.
        listed: bool[m], the accounts that had a list before; only these count and change.
        order: int64[m], the accounts in the order of their claims.
        more: int64[accounts].
        votes: int64[accounts].

    Example:
        >>> codes = np.array([[2, 1], [2, 1]], np.int32)
        >>> positions, firsts = np.array([[0, 1], [0, 1]], np.int32), np.array([1, 1], np.int32)
        >>> more, votes = np.array([0, 0, 1]), np.array([9, 9, 9])
        >>> limit_firsts(codes, positions, firsts, np.ones(2, bool), np.arange(2), more, votes)
        array([[0, 1],
               [1, 0]], dtype=int32)
    """
    room, limited = more.copy(), positions.copy()
    is_new = np.zeros(len(firsts), dtype=np.bool_)
    for i in range(len(firsts)):
        if listed[i] and positions[i, 0] >= 0:
            is_new[i] = codes[i, positions[i, 0]] != firsts[i]
        if listed[i] and firsts[i] >= 0 and (is_new[i] or positions[i, 0] < 0):
            room[firsts[i]] += 1
    for i in order:
        if not is_new[i]:
            continue
        chosen, most = -1, -1
        for rank in range(positions.shape[1]):
            if positions[i, rank] >= 0 and chosen < 0:
                code = codes[i, positions[i, rank]]
                if room[code] > 0:
                    chosen = rank
                elif most < 0 or votes[code] > votes[codes[i, positions[i, most]]]:
                    most = rank
        if chosen < 0:
            chosen = most
        room[codes[i, positions[i, chosen]]] -= 1
        _to_front(limited[i], chosen)
    return limited


@kernel
def keep_firsts(
    codes: Indices,
    positions: Indices,
    firsts: Indices,
    listed: Flags,
    order: Integers,
    accounts: int,
    fewer: int,
) -> Indices:
    """int32[m, n]: ``positions``, with the first entry of before in the first place of some lists.

    A candidate may be first in at most ``fewer`` lists less than before. Beyond that, it stays
    first in lists that still have it, where the new first entry may give the place back.

    Args:
        codes, positions, firsts, listed, order: as for :func:`limit_firsts`.
        accounts: number of accounts; all codes are below.

    Example:
        >>> codes, firsts = np.array([[2, 1]], np.int32), np.array([1], np.int32)
        >>> given = np.array([[0, 1]], np.int32), firsts, np.ones(1, bool), np.arange(1), 3
        >>> [keep_firsts(codes, *given, fewer).tolist() for fewer in (0, 1)]
        [[[1, 0]], [[0, 1]]]
    """
    kept, net = positions.copy(), np.zeros(accounts, dtype=np.int64)
    for i in range(len(firsts)):
        if listed[i] and firsts[i] >= 0:
            net[firsts[i]] -= 1
        if listed[i] and positions[i, 0] >= 0:
            net[codes[i, positions[i, 0]]] += 1
    for i in order:
        earlier = firsts[i]
        if not listed[i] or earlier < 0 or kept[i, 0] < 0 or net[earlier] >= -fewer:
            continue
        first = codes[i, kept[i, 0]]
        for rank in range(1, kept.shape[1]):
            if kept[i, rank] >= 0 and codes[i, kept[i, rank]] == earlier and net[first] > -fewer:
                net[earlier] += 1
                net[first] -= 1
                _to_front(kept[i], rank)
                break
    return kept


@kernel
def _to_front(row: Indices, rank: int) -> None:
    moved = row[rank]
    for place in range(rank, 0, -1):
        row[place] = row[place - 1]
    row[0] = moved
