"""May this candidate be shown to this account? Pure; every refusal has a reason, and is counted."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numba import njit

from raypipe.candidates import Candidates
from raypipe.kernels.csr import Adjacency


class FilterReason(IntEnum):
    """Why a candidate is not shown; the first that holds, in this order."""

    ELIGIBLE = 0
    SELF = 1
    ALREADY_FOLLOWED = 2
    TOO_FEW_FOLLOWERS = 3


def filter_reasons(
    followees: Adjacency,
    followers: np.ndarray,
    accounts: np.ndarray,
    candidates: Candidates,
    min_followers: int,
) -> np.ndarray:
    """uint8[candidates]: the :class:`FilterReason` of each candidate.

    Args:
        followees: whom every account follows.
        followers: int32[n], number of followers of every account.
        accounts: int32[m], to whom the candidates would be shown.
        min_followers: a candidate needs so many.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aa"), "followingId": list("bc")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> every = Candidates(np.array([0, 3]), np.arange(3, dtype=np.int32), np.zeros(3))
        >>> followers = graph.followers.degrees
        >>> reasons = filter_reasons(graph.followees, followers, np.array([0]), every, 0)
        >>> [FilterReason(reason).name for reason in reasons]
        ['SELF', 'ALREADY_FOLLOWED', 'ALREADY_FOLLOWED']
    """
    return _filter_reasons(
        accounts, candidates.indptr, candidates.codes, *followees, followers, min_followers
    )


def at_most_refused(followees: Adjacency, accounts: np.ndarray) -> np.ndarray:
    """int64[m]: how many candidates can be refused to each account for what the account is or does.

    A source that is asked for so many more than are wanted brings enough.
    """
    return followees.degrees_of(accounts) + 1


def count_reasons(reasons: np.ndarray) -> dict[str, int]:
    """How many candidates each reason kept out, by name; those shown are not counted."""
    return {
        reason.name: int(np.count_nonzero(reasons == reason)) for reason in FilterReason if reason
    }


@njit(cache=True, nogil=True)
def _filter_reasons(accounts, indptr, codes, followees_indptr, followees, followers, least):
    reasons = np.zeros(len(codes), dtype=np.uint8)
    is_followed = np.zeros(len(followers), dtype=np.bool_)  # one flag read instead of a search
    for i in range(len(accounts)):
        account = accounts[i]
        mine = followees[followees_indptr[account] : followees_indptr[account + 1]]
        for code in mine:
            is_followed[code] = True
        for at in range(indptr[i], indptr[i + 1]):
            code = codes[at]
            if code == account:
                reasons[at] = FilterReason.SELF
            elif is_followed[code]:
                reasons[at] = FilterReason.ALREADY_FOLLOWED
            elif followers[code] < least:
                reasons[at] = FilterReason.TOO_FEW_FOLLOWERS
        for code in mine:
            is_followed[code] = False
    return reasons
