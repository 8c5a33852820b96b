"""Eligibility: may this candidate be shown to this account? Every exclusion has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, Pairs, find
from raypipe.recommend.filters.codes import AddedReason, FilterReason
from raypipe.recommend.sources import Candidates

if TYPE_CHECKING:  # it imports a database, which the tasks of a night do not need
    from raypipe.recommend.filters.inputs import Filters


class Exclusions(NamedTuple):
    """The candidates that are not shown, beside followees; of n accounts.

    Attributes:
        rows: the candidates that are not shown to each account.
        reasons: uint8, the reason code of each pair in ``rows``.
        globally_excluded: uint8[n], the reason code by which an account is shown to nobody; 0: it
            may be shown.
        added: the reasons that are not built in, for their names.
    """

    rows: Adjacency
    reasons: np.ndarray
    globally_excluded: np.ndarray
    added: tuple[AddedReason, ...] = ()


def no_exclusions(n: int) -> Exclusions:
    """Every one of n accounts may be shown to every other."""
    rows = Adjacency(np.zeros(n + 1, np.int64), np.empty(0, np.int32))
    return Exclusions(rows, np.empty(0, np.uint8), np.zeros(n, np.uint8))


def exclusions_of(filters: Filters) -> Exclusions:
    """The filters of a night as one table: each pair once, with the first reason that holds.

    Example:
        >>> from raypipe.recommend.filters.inputs import Filters
        >>> from raypipe.recommend.filters.readers import AccountMask, PairRows
        >>> from raypipe.recommend.filters.registry import FILTERS
        >>> one = Adjacency(np.array([0, 1, 1, 1]), np.array([2], np.int32))
        >>> bots = AccountMask(np.array([False, True, False]))
        >>> filters = Filters(3, FILTERS, {"rejections": PairRows(one, one), "bots": bots})
        >>> found = exclusions_of(filters)
        >>> found.rows.row(0).tolist(), [FilterReason(reason).name for reason in found.reasons]
        ([2], ['REJECTED'])
        >>> [FilterReason(reason).name for reason in found.globally_excluded]
        ['ELIGIBLE', 'BOT', 'ELIGIBLE']
    """
    n = filters.accounts
    keys, reasons = [np.empty(0, np.int64)], [np.empty(0, np.uint8)]
    for spec, pairs in filters.pairs:
        keys.append(np.repeat(np.arange(n) * n, pairs.rows.degrees) + pairs.rows.codes)
        reasons.append(np.full(len(pairs.rows.codes), spec.reason.value, np.uint8))
    distinct, first = np.unique(np.concatenate(keys), return_index=True)
    indptr = np.searchsorted(distinct, np.arange(n + 1) * n)
    rows = Adjacency(indptr.astype(np.int64), (distinct % max(n, 1)).astype(np.int32))
    globally_excluded = np.zeros(n, np.uint8)
    for spec, mask in reversed(tuple(filters.masks)):  # the first filter is written last
        globally_excluded[mask.members] = spec.reason.value
    added = (spec.reason for spec in filters.specs)
    return Exclusions(
        rows,
        np.concatenate(reasons)[first],
        globally_excluded,
        tuple(reason for reason in added if isinstance(reason, AddedReason)),
    )


def own_reasons(filters: Filters, rows: Adjacency) -> np.ndarray:
    """uint8: for each excluded pair the first reason that the account itself has caused; 0: none.

    An account may be told these reasons and no others. So they are kept apart from the reason of
    the exclusion: an account that has unfollowed a candidate, and was blocked by it, is told of
    the unfollow.

    Args:
        rows: as :func:`exclusions_of` gave them for these filters.
    """
    every = np.arange(filters.accounts, dtype=np.int32)
    found = np.zeros(len(rows.codes), np.uint8)
    for spec, pairs in reversed(tuple(filters.pairs)):  # the first filter is written last
        if spec.own_words is not None:
            accounts = np.repeat(every, pairs.own.degrees)
            places = find(rows, Pairs(accounts, pairs.own.codes, every))
            found[places[places >= 0]] = spec.reason.value
    return found


def filter_reasons(
    followees: Adjacency,
    followers: np.ndarray,
    exclusions: Exclusions,
    accounts: np.ndarray,
    candidates: Candidates,
    min_followers: int,
) -> np.ndarray:
    """uint8[candidates]: the reason code of each candidate; 0: it may be shown.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ab ac")
        >>> every = Candidates(np.array([0, 3]), np.arange(3, dtype=np.int32), np.zeros(3))
        >>> followers = graph.followers.degrees
        >>> asked = graph.followees, followers, no_exclusions(3), np.array([0]), every
        >>> reasons = filter_reasons(*asked, min_followers=0)
        >>> [FilterReason(reason).name for reason in reasons]
        ['SELF', 'ALREADY_FOLLOWED', 'ALREADY_FOLLOWED']
    """
    why = exclusions.rows, exclusions.reasons, exclusions.globally_excluded
    return _filter_reasons(followees, followers, *why, accounts, candidates, min_followers)


def max_excluded(followees: Adjacency, exclusions: Exclusions, accounts: np.ndarray) -> np.ndarray:
    """int64[m]: the maximum number of candidates that can be excluded for each account alone.

    A source that leaves out globally excluded candidates, and is asked for this many more than
    are wanted, retrieves enough.
    """
    return np.asarray(followees.degrees_of(accounts) + exclusions.rows.degrees_of(accounts) + 1)


def count_reasons(reasons: np.ndarray, added: Sequence[AddedReason] = ()) -> dict[str, int]:
    """The number of candidates that each reason keeps out, by name."""
    counts = np.bincount(reasons, minlength=256)
    named = [reason for reason in FilterReason if reason] + [*added]
    return {reason.name: int(counts[reason.value]) for reason in named}


@kernel
def _filter_reasons(
    followees: Adjacency,
    followers: np.ndarray,
    excluded: Adjacency,
    excluded_why: np.ndarray,
    globally_excluded: np.ndarray,
    accounts: np.ndarray,
    candidates: Candidates,
    min_followers: int,
) -> np.ndarray:
    indptr, codes, _ = candidates
    reasons = np.zeros(len(codes), dtype=np.uint8)
    why = np.zeros(len(followers), dtype=np.uint8)  # one reason read instead of a search
    for i in range(len(accounts)):
        account = accounts[i]
        mine = followees.codes[followees.indptr[account] : followees.indptr[account + 1]]
        start, stop = excluded.indptr[account], excluded.indptr[account + 1]
        for at in range(start, stop):
            why[excluded.codes[at]] = excluded_why[at]
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
            elif followers[code] < min_followers:
                reasons[at] = FilterReason.TOO_FEW_FOLLOWERS
        for code in mine:
            why[code] = 0
        for code in excluded.codes[start:stop]:
            why[code] = 0
    return reasons
