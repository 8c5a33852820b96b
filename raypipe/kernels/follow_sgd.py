"""The SVD of ratings on follows: a follow is a 1, a rejection a 0, and so is a drawn non-follow.

Which non-follows an account gets is a function of seed, epoch and account: no draw depends on
another account, nor on anything that came before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.sgd import Steps, SvdState, learn
from raypipe.kernels.splitmix import STEP, mix, mix_pair

#: Draws for one non-follow; who follows nearly everybody gets fewer non-follows.
_ATTEMPTS = 10


class Lessons(NamedTuple):
    """What an epoch learns from.

    Attributes:
        followees: whom every account follows: ones.
        rejections: whom every account rejected: zeros.
        drawn_from: int32, accounts; each is drawn as a zero as often as it stands here.
        per_follow: zeros drawn for each follow.
        seed: of the draws.
    """

    followees: Adjacency
    rejections: Adjacency
    drawn_from: np.ndarray
    per_follow: int
    seed: int


def by_popularity(followers: np.ndarray, exponent: float) -> np.ndarray:
    """int32: each account that is followed, about ``followers ** exponent`` times.

    Args:
        followers: int64[n], number of followers of every account.

    Example:
        >>> by_popularity(np.array([9, 0, 4, 1]), 0.5).tolist()
        [0, 0, 0, 2, 2, 3]
    """
    times = np.where(followers > 0, np.round(followers**exponent), 0)
    return np.repeat(np.arange(len(followers), dtype=np.int32), times.astype(np.int64))


def follow_epoch(
    state: SvdState, lessons: Lessons, epoch: int, rates: Steps, penalties: Steps
) -> None:
    """One pass of gradient descent over all accounts, ascending; changes ``state`` in place.

    The updates are those of :func:`raypipe.kernels.sgd.svd_epoch`, without biases, on what
    :func:`epoch_ratings` gives; no more than one account of it is held.

    Args:
        epoch: from 0; another one draws other zeros.
    """
    _follow_epoch(
        *_arrays(lessons),
        epoch,
        *state,
        np.array(rates, np.float64),
        np.array(penalties, np.float64),
    )


def epoch_ratings(lessons: Lessons, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one epoch learns: account int32, followee int32, and 1.0 or 0.0, in its order.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 1, 1]), np.array([1], np.int32))
        >>> rejections = Adjacency(np.array([0, 0, 1, 1]), np.array([0], np.int32))
        >>> lessons = Lessons(followees, rejections, np.array([1, 2], np.int32), 2, seed=0)
        >>> [array.tolist() for array in epoch_ratings(lessons, epoch=0)]
        [[0, 0, 0, 1], [2, 1, 2, 0], [0.0, 1.0, 0.0, 0.0]]
    """
    parts = [
        _account_ratings(account, *_arrays(lessons), epoch)
        for account in range(len(lessons.followees.indptr) - 1)
    ]
    counts = [len(items) for items, _ in parts]
    accounts = np.repeat(np.arange(len(parts), dtype=np.int32), counts)
    return accounts, *(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _arrays(lessons: Lessons) -> tuple:
    return (*lessons.followees, *lessons.rejections, *lessons[2:])


@njit(cache=True, nogil=True)
def _follow_epoch(
    indptr, codes, rejected_indptr, rejected, drawn_from, per_follow, seed, epoch,
    bu, bi, pu, qi, rates, penalties,
):  # fmt: skip
    for account in range(len(indptr) - 1):
        items, ratings = _account_ratings(
            account, indptr, codes, rejected_indptr, rejected, drawn_from, per_follow, seed, epoch
        )
        accounts = np.full(len(items), account, np.int32)
        learn(accounts, items, ratings, 0.0, bu, bi, pu, qi, rates, penalties, False)


@njit(cache=True, nogil=True)
def _account_ratings(
    account, indptr, codes, rejected_indptr, rejected, drawn_from, per_follow, seed, epoch
):
    followed = codes[indptr[account] : indptr[account + 1]]
    excluded = rejected[rejected_indptr[account] : rejected_indptr[account + 1]]
    items = np.empty(len(followed) * (1 + per_follow) + len(excluded), np.int32)
    ratings = np.zeros(len(items))
    items[: len(followed)] = followed
    ratings[: len(followed)] = 1.0
    count = len(followed) + len(excluded)
    items[len(followed) : count] = excluded
    word = mix_pair(seed, epoch, account)
    for _ in range(len(followed) * per_follow):
        for _ in range(_ATTEMPTS):
            word += STEP
            other = drawn_from[mix(word) % np.uint64(len(drawn_from))]
            if other != account and not _holds(followed, other):
                items[count] = other
                count += 1
                break
    for at in range(count - 1, 0, -1):  # a one is not to be followed by ones alone
        word += STEP
        other = mix(word) % np.uint64(at + 1)
        items[at], items[other] = items[other], items[at]
        ratings[at], ratings[other] = ratings[other], ratings[at]
    return items[:count], ratings[:count]


@njit(cache=True, nogil=True)
def _holds(row, code):
    """Is the code in the ascending row?"""
    at = np.searchsorted(row, code)
    return at < len(row) and row[at] == code
