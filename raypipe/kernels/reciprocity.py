"""Reciprocity: followers that an account does not follow back, by a walk along two sorted rows."""

import numpy as np

from raypipe.kernels.arrays import Flags, Floats, Indices, Integers
from raypipe.kernels.candidates import Candidates
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.topk import TieRule, keep_best


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
        followees, followers: both sides of a graph of n accounts.
        scores: float64[n], of every account.
        retrieved: bool[n], False for accounts that must not be retrieved.
        accounts: int[m], codes.
        wanted: int64[m], maximum number of candidates of each account.
        rule: decides ties at the end of a row.

    Returns:
        Candidates in no particular, but always the same, order.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([1, 0, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 2, 3, 3]), np.array([1, 2, 0], dtype=np.int32))
        >>> found = best_not_followed(
        ...     followees, followers, np.zeros(3), np.ones(3, bool), np.array([0]), np.array([9]),
        ...     TieRule(np.array([2, 1, 0], np.int32), np.arange(3, dtype="u4")))
        >>> found.codes.tolist()
        [2]
    """
    m = len(accounts)
    largest, room = 0, 0
    for i in range(m):
        bound = followers.indptr[accounts[i] + 1] - followers.indptr[accounts[i]]
        largest = max(largest, bound)
        room += min(bound, max(wanted[i], 0))
    row_codes = np.empty(largest, dtype=np.int32)
    row_scores = np.empty(largest, dtype=np.float64)
    indptr = np.zeros(m + 1, dtype=np.int64)
    codes = np.empty(room, dtype=np.int32)
    best = np.empty(room, dtype=np.float64)
    end = 0
    for i in range(m):
        account = accounts[i]
        if wanted[i] > 0:
            at, last = followees.indptr[account], followees.indptr[account + 1]
            count = 0
            for code in followers.codes[followers.indptr[account] : followers.indptr[account + 1]]:
                while at < last and followees.codes[at] < code:
                    at += 1
                if retrieved[code] and (at == last or followees.codes[at] != code):
                    row_codes[count] = code
                    row_scores[count] = scores[code]
                    count += 1
            count = keep_best(row_codes, row_scores, count, wanted[i], account, rule)
            for kept in range(count):
                codes[end + kept] = row_codes[kept]
                best[end + kept] = row_scores[kept]
            end += count
        indptr[i + 1] = end
    return Candidates(indptr, codes[:end].copy(), best[:end].copy())


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
        at, last = followers.indptr[account], followers.indptr[account + 1]
        for code in followees.codes[followees.indptr[account] : followees.indptr[account + 1]]:
            while at < last and followers.codes[at] < code:
                at += 1
            if at < last and followers.codes[at] == code:
                counts[account] += 1
    return counts
