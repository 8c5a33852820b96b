"""What stands between an account and a candidate: a follow back, and who is in the middle."""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency

#: The columns of :func:`count_shared`.
SHARED = (
    "follows_you",
    "followed_by_followees",
    "shared_followers",
    "shared_followees",
    "followees_among_followers",
)


def count_shared(
    followees: Adjacency,
    followers: Adjacency,
    out: np.ndarray,
    back: np.ndarray,
    accounts: np.ndarray,
    indptr: np.ndarray,
    codes: np.ndarray,
) -> np.ndarray:
    """int32[c, 5]: of each account a and its candidates c, in the order of SHARED:

        follows_you                1 if c follows a
        followed_by_followees      accounts that a follows and that follow c
        shared_followers           that follow a and c
        shared_followees           that a and c follow
        followees_among_followers  that follow a and that c follows

    Only rows of followees are read: those of the accounts around a, once, and those of its
    candidates. So what a costs does not grow with how many follow its candidates.

    Args:
        followees, followers: both sides of a graph of n accounts.
        out, back: bool[n], whose followees are read from a followee of a, and from a follower;
            nobody else counts as one that follows c. A candidate that is not ``out`` has none of
            the last two.
        accounts: int32[m].
        indptr, codes: int64[m + 1] and int32[c], the candidates of each; no code twice an account.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1], dtype=np.int32))
        >>> shared = count_shared(followees, followers, np.ones(3, bool), np.ones(3, bool),
        ...                       np.array([0]), np.array([0, 1]), np.array([2], dtype=np.int32))
        >>> shared.tolist()
        [[0, 1, 1, 1, 1]]
    """
    return _count_shared(*followees, *followers, out, back, accounts, indptr, codes)


@njit(cache=True, nogil=True)
def _count_shared(  # noqa: C901
    followees_indptr,
    followees,
    followers_indptr,
    followers,
    out,
    back,
    accounts,
    indptr,
    codes,
):
    shared = np.zeros((len(codes), 5), dtype=np.int32)
    place = np.full(len(out), -1, dtype=np.int64)
    mark = np.zeros(len(out), dtype=np.uint8)  # 1: a follows it; 2: it follows a
    for i in range(len(accounts)):
        account = accounts[i]
        start, stop = indptr[i], indptr[i + 1]
        if start == stop:
            continue
        mine = followees[followees_indptr[account] : followees_indptr[account + 1]]
        theirs = followers[followers_indptr[account] : followers_indptr[account + 1]]
        for at in range(start, stop):
            place[codes[at]] = at
        for code in mine:
            mark[code] |= 1
        for code in theirs:
            mark[code] |= 2
        for way in range(2):
            walked = out if way == 0 else back
            for b in mine if way == 0 else theirs:
                if walked[b]:
                    for code in followees[followees_indptr[b] : followees_indptr[b + 1]]:
                        if place[code] >= 0:
                            shared[place[code], 1 + way] += 1
        for at in range(start, stop):
            candidate = codes[at]
            shared[at, 0] = mark[candidate] >> 1
            if out[candidate]:
                both, around = 0, 0
                for at_b in range(followees_indptr[candidate], followees_indptr[candidate + 1]):
                    found = mark[followees[at_b]]
                    both += found & 1
                    around += found >> 1
                shared[at, 3] = both
                shared[at, 4] = around
            place[candidate] = -1
        for code in mine:
            mark[code] = 0
        for code in theirs:
            mark[code] = 0
    return shared
