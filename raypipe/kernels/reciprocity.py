"""Who follows an account and is not followed back: one walk along two sorted rows."""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.topk import keep_best


def best_not_followed(
    followees: Adjacency,
    followers: Adjacency,
    scores: np.ndarray,
    retrieved: np.ndarray,
    accounts: np.ndarray,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each account, the best of those that follow it and that it does not follow.

    Args:
        followees, followers: both sides of a graph of n accounts.
        scores: float64[n], of every account.
        retrieved: bool[n], who may be among the best.
        accounts: int[m], codes.
        wanted: int64[m], how many to keep.

    Returns:
        indptr int64[m + 1], codes int32[...] and scores float64[...]; a row's codes in no
        particular, but always the same, order; ties at the end of a row are decided by code.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([1, 0, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 2, 3, 3]), np.array([1, 2, 0], dtype=np.int32))
        >>> indptr, codes, _ = best_not_followed(
        ...     followees, followers, np.zeros(3), np.ones(3, bool), np.array([0]), np.array([9]))
        >>> codes.tolist()
        [2]
    """
    return _best_not_followed(*followees, *followers, scores, retrieved, accounts, wanted)


def mutual_follows(followees: Adjacency, followers: Adjacency) -> int:
    """Pairs of accounts that follow each other.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([1, 0, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 2, 3, 3]), np.array([1, 2, 0], dtype=np.int32))
        >>> mutual_follows(followees, followers)
        1
    """
    return int(returned_follows(followees, followers).sum()) // 2


def returned_follows(followees: Adjacency, followers: Adjacency) -> np.ndarray:
    """int32[n]: how many of the followees of each account follow it too.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 2, 3]), np.array([1, 0, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 2, 3, 3]), np.array([1, 2, 0], dtype=np.int32))
        >>> returned_follows(followees, followers).tolist()
        [1, 1, 0]
    """
    return _returned(*followees, *followers)


@njit(cache=True, nogil=True)
def _best_not_followed(
    followees_indptr, followees, followers_indptr, followers, scores, retrieved, accounts, wanted
):
    m = len(accounts)
    largest, room = 0, 0
    for i in range(m):
        bound = followers_indptr[accounts[i] + 1] - followers_indptr[accounts[i]]
        largest = max(largest, bound)
        room += min(bound, max(wanted[i], 0))
    some_codes = np.empty(largest, dtype=np.int32)
    some_scores = np.empty(largest, dtype=np.float64)
    out_indptr = np.zeros(m + 1, dtype=np.int64)
    out_codes = np.empty(room, dtype=np.int32)
    out_scores = np.empty(room, dtype=np.float64)
    end = 0
    for i in range(m):
        account = accounts[i]
        if wanted[i] > 0:
            at, last = followees_indptr[account], followees_indptr[account + 1]
            count = 0
            for code in followers[followers_indptr[account] : followers_indptr[account + 1]]:
                while at < last and followees[at] < code:
                    at += 1
                if retrieved[code] and (at == last or followees[at] != code):
                    some_codes[count] = code
                    some_scores[count] = scores[code]
                    count += 1
            count = keep_best(some_codes, some_scores, count, wanted[i])
            out_codes[end : end + count] = some_codes[:count]
            out_scores[end : end + count] = some_scores[:count]
            end += count
        out_indptr[i + 1] = end
    return out_indptr, out_codes[:end].copy(), out_scores[:end].copy()


@njit(cache=True, nogil=True)
def _returned(followees_indptr, followees, followers_indptr, followers):
    found = np.zeros(len(followees_indptr) - 1, dtype=np.int32)
    for account in range(len(found)):
        at, last = followers_indptr[account], followers_indptr[account + 1]
        for code in followees[followees_indptr[account] : followees_indptr[account + 1]]:
            while at < last and followers[at] < code:
                at += 1
            if at < last and followers[at] == code:
                found[account] += 1
    return found
