"""Reciprocity: followers that an account does not follow back, by a walk along two sorted rows."""

import numpy as np

from raypipe.kernels.arrays import Flags, Floats, Indices, Integers
from raypipe.kernels.candidates import Candidates
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, overlap
from raypipe.kernels.topk import TieRule, put_best, room_for_best, without_room


@kernel
def best_not_followed(
    followees: Adjacency,
    followers: Adjacency,
    scores: Floats,
    retrieved: Flags,
    accounts: Integers,
    wanted: Integers,
    rule: TieRule,
) -> Candidates:
    """The best followers of each account that it does not follow back.

    Args:
        scores: float64[n], of every account.
    """
    bounds = followers.indptr[accounts + 1] - followers.indptr[accounts]
    best, codes, row_scores = room_for_best(bounds, wanted)
    for i in range(len(accounts)):
        account, count = accounts[i], 0
        if wanted[i] > 0:
            at, last = followees.indptr[account], followees.indptr[account + 1]
            for code in followers.codes[followers.indptr[account] : followers.indptr[account + 1]]:
                while at < last and followees.codes[at] < code:
                    at += 1
                if retrieved[code] and (at == last or followees.codes[at] != code):
                    codes[count] = code
                    row_scores[count] = scores[code]
                    count += 1
        put_best(best, i, codes, row_scores, count, wanted[i], account, rule)
    return without_room(best)


def mutual_follows(followees: Adjacency, followers: Adjacency) -> int:
    """Number of pairs of accounts that follow each other.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([1, 0, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 2, 3, 3]), np.array([1, 2, 0], dtype=np.int32))
        >>> mutual_follows(followees, followers)
        1
    """
    return int(returned_follows(followees, followers).sum()) // 2


@kernel
def returned_follows(followees: Adjacency, followers: Adjacency) -> Indices:
    """int32[n]: number of followees of each account that follow it back.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([1, 0, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 2, 3, 3]), np.array([1, 2, 0], dtype=np.int32))
        >>> returned_follows(followees, followers).tolist()
        [1, 1, 0]
    """
    counts = np.zeros(len(followees.indptr) - 1, dtype=np.int32)
    for account in range(len(counts)):
        counts[account] = overlap(
            followees.codes[followees.indptr[account] : followees.indptr[account + 1]],
            followers.codes[followers.indptr[account] : followers.indptr[account + 1]],
        )
    return counts
