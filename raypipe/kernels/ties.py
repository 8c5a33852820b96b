"""What ties the entries of a list to the account whose list it is: follows between and around them.

Most of the work is to count whom an account follows that follow an entry. Three ways find the same,
and that of fewest steps is taken, account by account: to walk from its followees to whom they
follow; for each entry, to go through its followers; or to search its followers for each followee.
So a hub in a list costs no more than the searches, and one among the followees no more than these.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours

#: A step of a binary search takes so many times longer than one along a row.
_SEARCH = 3


class Asked(NamedTuple):
    """Accounts that have lists, and what is known of each: the rows that ``rows`` names.

    Attributes:
        accounts: int[m], codes; -1 for one that is not in the graph.
        rows: int[m], their rows in the next two; in those of a whole graph, the accounts again.
        followees: whom they follow; nobody of them stands in their lists.
        excluded: who is not shown to them, beside followees.
    """

    accounts: np.ndarray
    rows: np.ndarray
    followees: Adjacency
    excluded: Adjacency


class Ties(NamedTuple):
    """Of each entry of some lists, one list after the other.

    Attributes:
        follows: bool, the entry follows the account.
        common: int32, followees of the account that follow the entry, without those that are
            refused to it or hidden from everybody: whoever hears of them is shown them.
        first, second: int32, codes of two of these, those that follow fewest, by code where equal;
            -1: there is none.
        by_near: bool, a neighbour follows the entry.
        by_followers: bool, a follower of the account follows the entry; looked at only where
            nothing of the above holds.
    """

    follows: np.ndarray
    common: np.ndarray
    first: np.ndarray
    second: np.ndarray
    by_near: np.ndarray
    by_followers: np.ndarray


def ties_of(
    asked: Asked,
    counts: np.ndarray,
    lists: np.ndarray,
    near: Neighbours,
    followees: Adjacency,
    followers: Adjacency,
    hidden: np.ndarray,
) -> Ties:
    """The ties of each entry of some lists.

    Args:
        asked: m accounts.
        counts: int32[m], length of each list.
        lists: int32[m, n], codes, at most 32,767 of each account.
        near: the neighbours of the accounts.
        followees, followers: both sides of the graph.
        hidden: [accounts], other than 0 for who is shown to nobody.

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
    return Ties(
        *_ties_of(
            asked.accounts,
            asked.rows,
            *asked.followees,
            *asked.excluded,
            counts,
            lists,
            near.counts,
            near.codes,
            *followees,
            *followers,
            hidden,
        )
    )


@njit(cache=True, nogil=True)
def _ties_of(
    accounts,
    rows,
    mine_indptr,
    mine_codes,
    excluded_indptr,
    excluded,
    counts,
    lists,
    near_counts,
    near,
    followees_indptr,
    followees,
    followers_indptr,
    followers,
    hidden,
):
    total = counts.sum()
    follows = np.zeros(total, dtype=np.bool_)
    common = np.zeros(total, dtype=np.int32)
    first = np.full(total, -1, dtype=np.int32)
    second = np.full(total, -1, dtype=np.int32)
    by_near = np.zeros(total, dtype=np.bool_)
    by_followers = np.zeros(total, dtype=np.bool_)
    # Of every account: -1 for a followee that counts, from 1 the place in the list, 0 for others.
    role = np.zeros(len(hidden), dtype=np.int16)
    start = 0
    for i in range(len(accounts)):
        account, row = accounts[i], rows[i]
        stop = start + counts[i]
        entries = lists[i, : counts[i]]
        mine = mine_codes[mine_indptr[row] : mine_indptr[row + 1]]
        for code in mine:
            role[code] = -1 if hidden[code] == 0 else 0
        for code in excluded[excluded_indptr[row] : excluded_indptr[row + 1]]:
            role[code] = 0
        for j in range(len(entries)):
            role[entries[j]] = j + 1
        _count_common(
            mine, role, entries, followees_indptr, followees, followers_indptr, followers,
            common[start:stop], first[start:stop], second[start:stop],
        )  # fmt: skip
        for neighbour in near[i, : near_counts[i]]:
            for at in range(followees_indptr[neighbour], followees_indptr[neighbour + 1]):
                if role[followees[at]] > 0:
                    by_near[start + role[followees[at]] - 1] = True
        for j in range(len(entries)):
            at, entry = start + j, entries[j]
            if account >= 0:
                theirs = followees[followees_indptr[entry] : followees_indptr[entry + 1]]
                follows[at] = _is_in(theirs, account)
                if not (follows[at] or common[at] or by_near[at]):
                    by_followers[at] = _meet(
                        followers[followers_indptr[account] : followers_indptr[account + 1]],
                        followers[followers_indptr[entry] : followers_indptr[entry + 1]],
                    )
            role[entry] = 0
        for code in mine:
            role[code] = 0
        start = stop
    return follows, common, first, second, by_near, by_followers


@njit(cache=True, nogil=True)
def _count_common(
    mine, role, entries, followees_indptr, followees, followers_indptr, followers,
    common, first, second,
):  # fmt: skip
    walks, reports = 0, 0
    for code in mine:
        walks += followees_indptr[code + 1] - followees_indptr[code]
    for entry in entries:
        length = followers_indptr[entry + 1] - followers_indptr[entry]
        reports += min(length, _search_steps(length, len(mine)))
    if walks <= reports:
        walk(mine, role, followees_indptr, followees, common, first, second)
        return
    for j in range(len(entries)):
        row = followers[followers_indptr[entries[j]] : followers_indptr[entries[j] + 1]]
        if len(row) <= _search_steps(len(row), len(mine)):
            look(row, role, j, followees_indptr, common, first, second)
        else:
            search(mine, row, role, j, followees_indptr, common, first, second)


@njit(cache=True, nogil=True)
def walk(mine, role, indptr, followees, common, first, second):
    """Count for all entries: from each followee that counts to whom it follows."""
    for code in mine:
        if role[code] == -1:
            for at in range(indptr[code], indptr[code + 1]):
                if role[followees[at]] > 0:
                    _add(code, role[followees[at]] - 1, indptr, common, first, second)


@njit(cache=True, nogil=True)
def look(row, role, j, indptr, common, first, second):
    """Count for entry j: each of its followers, if it is a followee that counts."""
    for code in row:
        if role[code] == -1:
            _add(code, j, indptr, common, first, second)


@njit(cache=True, nogil=True)
def search(mine, row, role, j, indptr, common, first, second):
    """Count for entry j: each followee that counts, if it is among its followers."""
    for code in mine:
        if role[code] == -1 and _is_in(row, code):
            _add(code, j, indptr, common, first, second)


@njit(cache=True, nogil=True)
def _search_steps(length, searches):
    """What it takes to search a row of that length so many times."""
    halvings = 1
    while length > 0:
        halvings += 1
        length //= 2
    return _SEARCH * halvings * searches


@njit(cache=True, nogil=True)
def _add(code, j, indptr, common, first, second):
    """One more that follows entry j; codes come in ascending order, so that of equals one stays."""
    common[j] += 1
    size = indptr[code + 1] - indptr[code]
    if first[j] < 0 or size < indptr[first[j] + 1] - indptr[first[j]]:
        first[j], second[j] = code, first[j]
    elif second[j] < 0 or size < indptr[second[j] + 1] - indptr[second[j]]:
        second[j] = code


@njit(cache=True, nogil=True)
def _is_in(row, code):
    """Is the code in a row of ascending ones?"""
    at = np.searchsorted(row, code)
    return at < len(row) and row[at] == code


@njit(cache=True, nogil=True)
def _meet(row, other):
    """Is there a code in both rows? A search in the longer one for each of the shorter one."""
    if len(row) > len(other):
        row, other = other, row
    at = 0
    while at < len(row) and not _is_in(other, row[at]):
        at += 1
    return at < len(row)
