"""Features of an account and a candidate from the graph around both: follows back, shared accounts.

They are counted from rows of followees alone, so their cost does not grow with the popularity of
the candidates.
"""

from __future__ import annotations

import numpy as np

from raypipe.kernels.arrays import Bytes, Flags, Indices, Integers, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency

#: The columns of :func:`count_shared`.
SHARED = (
    "follows_you",
    "followed_by_followees",
    "shared_followers",
    "shared_followees",
    "followees_among_followers",
)
#: What the account has to do with another one, in `_count_shared`.
_FOLLOWEE, _FOLLOWER = 1, 2


def count_shared(
    followees: Adjacency,
    followers: Adjacency,
    out: Flags,
    back: Flags,
    accounts: Integers,
    indptr: Offsets,
    codes: Indices,
) -> Indices:
    """int32[c, 5]: for each account a and each of its candidates c, in the order of SHARED:

        follows_you                1 if c follows a
        followed_by_followees      accounts that a follows and that follow c
        shared_followers           accounts that follow both a and c
        shared_followees           accounts that both a and c follow
        followees_among_followers  accounts that follow a and that c follows

    Only rows of followees are read: those of the accounts around a, once, and those of its
    candidates. The cost for a does not depend on how many accounts follow its candidates.

    Args:
        followees, followers: both sides of a graph of n accounts.
        out: bool[n], followees of a whose own followees are read; a candidate that is not ``out``
            gets 0 in the last two columns.
        back: bool[n], followers of a whose followees are read.
        accounts: int32[m].
        indptr, codes: int64[m + 1] and int32[c], the candidates of each account, without repeats.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1], dtype=np.int32))
        >>> shared = count_shared(followees, followers, np.ones(3, bool), np.ones(3, bool),
        ...                       np.array([0]), np.array([0, 1]), np.array([2], dtype=np.int32))
        >>> shared.tolist()
        [[0, 1, 1, 1, 1]]
    """
    return _count_shared(followees, followers, out, back, accounts, Adjacency(indptr, codes))


@kernel
def _count_shared(
    followees: Adjacency,
    followers: Adjacency,
    out: Flags,
    back: Flags,
    accounts: Integers,
    candidates: Adjacency,
) -> Indices:
    indptr, codes = candidates
    shared = np.zeros((len(codes), len(SHARED)), dtype=np.int32)
    position = np.full(len(out), -1, dtype=np.int64)
    relation = np.zeros(len(out), dtype=np.uint8)
    for i in range(len(accounts)):
        start, stop = indptr[i], indptr[i + 1]
        if start == stop:
            continue
        account = accounts[i]
        mine = followees.codes[followees.indptr[account] : followees.indptr[account + 1]]
        theirs = followers.codes[followers.indptr[account] : followers.indptr[account + 1]]
        for at in range(start, stop):
            position[codes[at]] = at
        for code in mine:
            relation[code] |= _FOLLOWEE
        for code in theirs:
            relation[code] |= _FOLLOWER
        _count_followed(followees, mine, out, position, shared[:, 1])
        _count_followed(followees, theirs, back, position, shared[:, 2])
        for at in range(start, stop):
            candidate = codes[at]
            position[candidate] = -1
            shared[at, 0] = relation[candidate] >> 1
            if out[candidate]:
                shared[at, 3], shared[at, 4] = _count_related(followees, candidate, relation)
        for code in mine:
            relation[code] = 0
        for code in theirs:
            relation[code] = 0
    return shared


@kernel
def _count_followed(
    followees: Adjacency, walked: Indices, is_read: Flags, position: Offsets, column: Indices
) -> None:
    """Add 1 at each candidate for every walked account that follows it."""
    indptr, codes = followees
    for b in walked:
        if is_read[b]:
            for code in codes[indptr[b] : indptr[b + 1]]:
                if position[code] >= 0:
                    column[position[code]] += 1


@kernel
def _count_related(followees: Adjacency, candidate: int, relation: Bytes) -> tuple[int, int]:
    """How many followees of a candidate the account follows, and how many follow the account."""
    indptr, codes = followees
    of_followees, of_followers = 0, 0
    for at in range(indptr[candidate], indptr[candidate + 1]):
        found = relation[codes[at]]
        of_followees += found & 1
        of_followers += found >> 1
    return of_followees, of_followers
