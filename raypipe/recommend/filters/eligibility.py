"""May this candidate be shown to this account? Pure; every refusal has a reason, and is counted."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.recommend.sources import Candidates

if TYPE_CHECKING:  # which brings a database; the tasks of a night need none
    from raypipe.recommend.filters.inputs import Filters


class FilterReason(IntEnum):
    """Why a candidate is not shown; the first that holds, in this order."""

    ELIGIBLE = 0
    SELF = 1
    ALREADY_FOLLOWED = 2
    REJECTED = 3
    BLOCKED = 4
    PREVIOUSLY_FOLLOWED = 5
    OPTED_OUT = 6
    BOT = 7
    TOO_FEW_FOLLOWERS = 8


class Exclusions(NamedTuple):
    """Who is not shown to whom, beside followees; of n accounts.

    Attributes:
        rows: whom each account is not shown.
        reasons: uint8, the :class:`FilterReason` of each code of ``rows``.
        globally_excluded: uint8[n], the :class:`FilterReason` by which an account is shown to
            nobody; 0: none.
    """

    rows: Adjacency
    reasons: np.ndarray
    globally_excluded: np.ndarray


def no_exclusions(n: int) -> Exclusions:
    """Everybody may be shown to everybody."""
    rows = Adjacency(np.zeros(n + 1, np.int64), np.empty(0, np.int32))
    return Exclusions(rows, np.empty(0, np.uint8), np.zeros(n, np.uint8))


def rejections_alone(rows: Adjacency) -> Exclusions:
    """Nobody is shown to whom they were rejected by, and that is all.

    Args:
        rows: whom each account has rejected.
    """
    n = len(rows.indptr) - 1
    reasons = np.full(len(rows.codes), FilterReason.REJECTED, np.uint8)
    return Exclusions(rows, reasons, np.zeros(n, np.uint8))


def exclusions_of(filters: Filters) -> Exclusions:
    """The filters of a night, each pair once with the first reason that holds.

    Example:
        >>> from raypipe.recommend.filters.inputs import Filters
        >>> none = Adjacency(np.zeros(4, np.int64), np.empty(0, np.int32))
        >>> one = Adjacency(np.array([0, 1, 1, 1]), np.array([2], np.int32))
        >>> nobody = np.zeros(3, bool)
        >>> found = exclusions_of(Filters(one, none, one, nobody, np.arange(3) == 1, {}))
        >>> found.rows.row(0).tolist(), [FilterReason(reason).name for reason in found.reasons]
        ([2], ['REJECTED'])
        >>> [FilterReason(reason).name for reason in found.globally_excluded]
        ['ELIGIBLE', 'BOT', 'ELIGIBLE']
    """
    n = len(filters.bots)
    parts = (
        (FilterReason.REJECTED, filters.rejected),
        (FilterReason.BLOCKED, filters.blocked),
        (FilterReason.PREVIOUSLY_FOLLOWED, filters.previously_followed),
    )
    keys = np.concatenate(
        [np.repeat(np.arange(n) * n, rows.degrees) + rows.codes for _, rows in parts]
    )
    reasons = np.concatenate([np.full(len(rows.codes), r, np.uint8) for r, rows in parts])
    keys, first = np.unique(keys, return_index=True)
    indptr = np.searchsorted(keys, np.arange(n + 1) * n)
    rows = Adjacency(indptr.astype(np.int64), (keys % max(n, 1)).astype(np.int32))
    globally_excluded = np.where(filters.bots, FilterReason.BOT, FilterReason.ELIGIBLE)
    globally_excluded = np.where(filters.opted_out, FilterReason.OPTED_OUT, globally_excluded)
    return Exclusions(rows, reasons[first], globally_excluded.astype(np.uint8))


def filter_reasons(
    followees: Adjacency,
    followers: np.ndarray,
    exclusions: Exclusions,
    accounts: np.ndarray,
    candidates: Candidates,
    min_followers: int,
) -> np.ndarray:
    """uint8[candidates]: the :class:`FilterReason` of each candidate.

    Args:
        followees: whom every account follows.
        followers: int32[n], number of followers of every account.
        exclusions: who else is not shown to whom.
        accounts: int32[m], to whom the candidates would be shown.
        min_followers: a candidate needs so many.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aa"), "followingId": list("bc")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> every = Candidates(np.array([0, 3]), np.arange(3, dtype=np.int32), np.zeros(3))
        >>> followers = graph.followers.degrees
        >>> asked = graph.followees, followers, no_exclusions(3), np.array([0]), every
        >>> reasons = filter_reasons(*asked, min_followers=0)
        >>> [FilterReason(reason).name for reason in reasons]
        ['SELF', 'ALREADY_FOLLOWED', 'ALREADY_FOLLOWED']
    """
    return _filter_reasons(
        accounts,
        candidates.indptr,
        candidates.codes,
        *followees,
        followers,
        *exclusions.rows,
        exclusions.reasons,
        exclusions.globally_excluded,
        min_followers,
    )


def max_excluded(followees: Adjacency, exclusions: Exclusions, accounts: np.ndarray) -> np.ndarray:
    """int64[m]: how many candidates can be refused to each account for what the account is or does.

    A source that leaves out who is hidden from all, and is asked for so many more than are wanted,
    brings enough.
    """
    return followees.degrees_of(accounts) + exclusions.rows.degrees_of(accounts) + 1


def count_reasons(reasons: np.ndarray) -> dict[str, int]:
    """How many candidates each reason kept out, by name; those shown are not counted."""
    return {
        reason.name: int(np.count_nonzero(reasons == reason)) for reason in FilterReason if reason
    }


@njit(cache=True, nogil=True)
def _filter_reasons(
    accounts,
    indptr,
    codes,
    followees_indptr,
    followees,
    followers,
    excluded_indptr,
    excluded,
    excluded_why,
    globally_excluded,
    least,
):
    reasons = np.zeros(len(codes), dtype=np.uint8)
    why = np.zeros(len(followers), dtype=np.uint8)  # one reason read instead of a search
    for i in range(len(accounts)):
        account = accounts[i]
        mine = followees[followees_indptr[account] : followees_indptr[account + 1]]
        start, stop = excluded_indptr[account], excluded_indptr[account + 1]
        for at in range(start, stop):
            why[excluded[at]] = excluded_why[at]
        for code in mine:
            why[code] = FilterReason.ALREADY_FOLLOWED
        for at in range(indptr[i], indptr[i + 1]):
            code = codes[at]
            if code == account:
                reasons[at] = FilterReason.SELF
            elif why[code]:
                reasons[at] = why[code]
            elif globally_excluded[code]:
                reasons[at] = globally_excluded[code]
            elif followers[code] < least:
                reasons[at] = FilterReason.TOO_FEW_FOLLOWERS
        for code in mine:
            why[code] = 0
        for code in excluded[start:stop]:
            why[code] = 0
    return reasons
