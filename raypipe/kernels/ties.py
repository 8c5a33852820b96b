"""Ties between an account and the entries of its list: the follows between and around them.

Most of the time is spent counting the followees of the account that follow an entry. Three ways
give the same counts, and the one with the fewest steps is chosen for each account: walk from its
followees to their followees; for each entry, scan its followers; or, for each followee, search the
followers of the entry. So a hub in a list costs no more than the searches, and neither does a hub
among the followees.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Bytes, Flags, Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, contains
from raypipe.kernels.tanimoto import Neighbours

#: Time of one step of a binary search, in steps along a row.
_SEARCH = 3


class Asked(NamedTuple):
    """The accounts that own lists, with their followees and exclusions.

    Attributes:
        accounts: int[m], codes; -1 for an account that is not in the graph.
        rows: int[m], their rows in the next two fields; for a whole graph, the accounts again.
        followees: followees of the accounts; none of them is in their lists.
        excluded: accounts that are excluded from their lists, besides followees.
    """

    accounts: Integers
    rows: Integers
    followees: Adjacency
    excluded: Adjacency


class Ties(NamedTuple):
    """The ties of each entry, one list after the other.

    Attributes:
        follows: bool, the entry follows the account.
        common: int32, number of followees of the account that follow the entry, without those that
            are excluded for the account or globally: naming them in a reason would reveal them.
        first, second: int32, codes of two of these, those with the fewest follows, by code where
            equal; -1 for none.
        by_near: bool, a neighbour follows the entry.
        by_followers: bool, a follower of the account follows the entry; computed only where none of
            the above holds.
    """

    follows: Flags
    common: Indices
    first: Indices
    second: Indices
    by_near: Flags
    by_followers: Flags


class _Common(NamedTuple):
    """The columns of :class:`Ties` about common accounts, for the entries of one list."""

    common: Indices
    first: Indices
    second: Indices


@kernel
def ties_of(
    asked: Asked,
    counts: Integers,
    lists: Integers,
    near: Neighbours,
    followees: Adjacency,
    followers: Adjacency,
    globally_excluded: Bytes,
) -> Ties:
    """The ties of each entry of the lists.

    Args:
        lists: int32[m, n], codes, at most 32,767 per account.
        globally_excluded: uint8[n], not 0 for accounts that are shown to nobody.

    Example:
        >>> from raypipe.kernels.csr import transpose
        >>> from raypipe.kernels.tanimoto import no_neighbours
        >>> rows = Adjacency(np.array([0, 2, 4, 5, 6]), np.array([1, 2, 2, 3, 3, 0], np.int32))
        >>> nobody, me = Adjacency(np.zeros(5, int), np.empty(0, np.int32)), np.array([0])
        >>> found = ties_of(Asked(me, me, rows, nobody), np.array([1]), np.array([[3]], np.int32),
        ...                 no_neighbours(1, 0), rows, transpose(rows), np.zeros(4, np.uint8))
        >>> [column.tolist() for column in found[:4]]
        [[True], [2], [2], [1]]
    """
    accounts, rows, of_accounts, excluded = asked
    total = 0
    for count in counts:
        total += count
    follows = np.zeros(total, dtype=np.bool_)
    common = np.zeros(total, dtype=np.int32)
    first = np.full(total, -1, dtype=np.int32)
    second = np.full(total, -1, dtype=np.int32)
    by_near = np.zeros(total, dtype=np.bool_)
    by_followers = np.zeros(total, dtype=np.bool_)
    # For every account: -1 for a followee that counts, 1 + its position in the list, 0 otherwise.
    role = np.zeros(len(globally_excluded), dtype=np.int16)
    start = 0
    for i in range(len(accounts)):
        account, row = accounts[i], rows[i]
        stop = start + counts[i]
        entries = lists[i, : counts[i]]
        mine = of_accounts.codes[of_accounts.indptr[row] : of_accounts.indptr[row + 1]]
        for code in mine:
            role[code] = -1 if globally_excluded[code] == 0 else 0
        for code in excluded.codes[excluded.indptr[row] : excluded.indptr[row + 1]]:
            role[code] = 0
        for j in range(len(entries)):
            role[entries[j]] = j + 1
        found = _Common(common[start:stop], first[start:stop], second[start:stop])
        _count_common(mine, role, entries, followees, followers, found)
        for neighbour in near.codes[i, : near.counts[i]]:
            for at in range(followees.indptr[neighbour], followees.indptr[neighbour + 1]):
                position = role[followees.codes[at]]
                if position > 0:
                    by_near[start + position - 1] = True
        if account >= 0:
            part = Ties(
                follows[start:stop],
                found.common,
                found.first,
                found.second,
                by_near[start:stop],
                by_followers[start:stop],
            )
            _find_follows(account, entries, followees, followers, part)
        for entry in entries:
            role[entry] = 0
        for code in mine:
            role[code] = 0
        start = stop
    return Ties(follows, common, first, second, by_near, by_followers)


@kernel
def _find_follows(
    account: int, entries: Integers, followees: Adjacency, followers: Adjacency, found: Ties
) -> None:
    """Find the entries that follow the account and, among those without a tie, by_followers."""
    own = followers.codes[followers.indptr[account] : followers.indptr[account + 1]]
    for j in range(len(entries)):
        entry = entries[j]
        row = followees.codes[followees.indptr[entry] : followees.indptr[entry + 1]]
        found.follows[j] = contains(row, account)
        if not (found.follows[j] or found.common[j] or found.by_near[j]):
            others = followers.codes[followers.indptr[entry] : followers.indptr[entry + 1]]
            found.by_followers[j] = _meet(own, others)


@kernel
def _count_common(
    mine: Indices,
    role: Integers,
    entries: Integers,
    followees: Adjacency,
    followers: Adjacency,
    found: _Common,
) -> None:
    walks, scans = 0, 0
    for code in mine:
        walks += followees.indptr[code + 1] - followees.indptr[code]
    for entry in entries:
        length = followers.indptr[entry + 1] - followers.indptr[entry]
        scans += min(length, _search_steps(length, len(mine)))
    if walks <= scans:
        walk(mine, role, followees, found)
        return
    for j in range(len(entries)):
        row = followers.codes[followers.indptr[entries[j]] : followers.indptr[entries[j] + 1]]
        if len(row) <= _search_steps(len(row), len(mine)):
            scan(row, role, j, followees.indptr, found)
        else:
            search(mine, row, role, j, followees.indptr, found)


@kernel
def walk(mine: Indices, role: Integers, followees: Adjacency, found: _Common) -> None:
    """Count for all entries: walk from each followee that counts to its followees."""
    indptr, codes = followees
    for code in mine:
        if role[code] == -1:
            for at in range(indptr[code], indptr[code + 1]):
                if role[codes[at]] > 0:
                    _add(code, role[codes[at]] - 1, indptr, found)


@kernel
def scan(row: Indices, role: Integers, j: int, indptr: Offsets, found: _Common) -> None:
    """Count for entry j: each of its followers that is a followee that counts."""
    for code in row:
        if role[code] == -1:
            _add(code, j, indptr, found)


@kernel
def search(
    mine: Indices, row: Indices, role: Integers, j: int, indptr: Offsets, found: _Common
) -> None:
    """Count for entry j: each followee that counts and is among the entry's followers."""
    for code in mine:
        if role[code] == -1 and contains(row, code):
            _add(code, j, indptr, found)


@kernel
def _search_steps(length: int, searches: int) -> int:
    """Time of a number of searches in a row of that length, in steps along a row."""
    halvings = 1
    while length > 0:
        halvings += 1
        length //= 2
    return _SEARCH * halvings * searches


@kernel
def _add(code: int, j: int, indptr: Offsets, found: _Common) -> None:
    """Add a common account of entry j. Codes come in ascending order, so ties keep the smaller."""
    common, first, second = found
    common[j] += 1
    size = indptr[code + 1] - indptr[code]
    if first[j] < 0 or size < indptr[first[j] + 1] - indptr[first[j]]:
        first[j], second[j] = code, first[j]
    elif second[j] < 0 or size < indptr[second[j] + 1] - indptr[second[j]]:
        second[j] = code


@kernel
def _meet(row: Indices, other: Indices) -> bool:
    """Whether two ascending rows share a code: the longer is searched for codes of the shorter."""
    if len(row) > len(other):
        row, other = other, row
    at = 0
    while at < len(row) and not contains(other, row[at]):
        at += 1
    return at < len(row)
