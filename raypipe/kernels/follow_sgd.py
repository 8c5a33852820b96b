"""The SVD of ratings on follows: a follow is a 1; a rejection or a sampled non-follow is a 0.

The sampled non-follows of an account are a function of seed, epoch and account: no draw depends on
another account, nor on an earlier draw.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Floats, Indices, Integers
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, contains
from raypipe.kernels.sgd import Steps, SvdState, as_array, learn
from raypipe.kernels.splitmix import STEP, mix, mix_pair

#: Draws for one non-follow; an account that follows nearly all others gets fewer non-follows.
_ATTEMPTS = 10


class Lessons(NamedTuple):
    """The training data of an epoch.

    Attributes:
        followees: followees of every account: ones.
        rejections: accounts that every account has rejected: zeros.
        drawn_from: int32, accounts; each is sampled as a zero in proportion to its repeats here.
        per_follow: number of zeros sampled for each follow.
        seed: of the draws.
    """

    followees: Adjacency
    rejections: Adjacency
    drawn_from: Indices
    per_follow: int
    seed: int


def by_popularity(followers: Integers, exponent: float) -> Indices:
    """int32: each account that has followers, about ``followers ** exponent`` times.

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

    The updates are those of :func:`raypipe.kernels.sgd.svd_epoch`, without biases, on the ratings
    of :func:`epoch_ratings`; those of one account are in memory at a time.

    Args:
        epoch: from 0; each epoch samples other zeros.
    """
    _follow_epoch(lessons, epoch, state, as_array(rates), as_array(penalties))


def epoch_ratings(lessons: Lessons, epoch: int) -> tuple[Indices, Indices, Floats]:
    """The ratings of one epoch, in its order: account int32, followee int32, and 1.0 or 0.0.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 1, 1]), np.array([1], np.int32))
        >>> rejections = Adjacency(np.array([0, 0, 1, 1]), np.array([0], np.int32))
        >>> lessons = Lessons(followees, rejections, np.array([1, 2], np.int32), 2, seed=0)
        >>> [array.tolist() for array in epoch_ratings(lessons, epoch=0)]
        [[0, 0, 0, 1], [2, 1, 2, 0], [0.0, 1.0, 0.0, 0.0]]
    """
    parts = [
        _account_ratings(account, lessons, epoch)
        for account in range(len(lessons.followees.indptr) - 1)
    ]
    counts = [len(items) for items, _ in parts]
    accounts = np.repeat(np.arange(len(parts), dtype=np.int32), counts)
    items, ratings = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return accounts, items, ratings


@kernel
def _follow_epoch(
    lessons: Lessons, epoch: int, state: SvdState, rates: Floats, penalties: Floats
) -> None:
    for account in range(len(lessons.followees.indptr) - 1):
        items, ratings = _account_ratings(account, lessons, epoch)
        accounts = np.full(len(items), account, np.int32)
        learn(accounts, items, ratings, 0.0, state, rates, penalties, False)


@kernel
def _account_ratings(account: int, lessons: Lessons, epoch: int) -> tuple[Indices, Floats]:
    followees, rejections, drawn_from, per_follow, seed = lessons
    followed = followees.codes[followees.indptr[account] : followees.indptr[account + 1]]
    rejected = rejections.codes[rejections.indptr[account] : rejections.indptr[account + 1]]
    items = np.empty(len(followed) * (1 + per_follow) + len(rejected), np.int32)
    ratings = np.zeros(len(items))
    items[: len(followed)] = followed
    ratings[: len(followed)] = 1.0
    count = len(followed) + len(rejected)
    items[len(followed) : count] = rejected
    word = mix_pair(seed, epoch, account)
    for _ in range(len(followed) * per_follow):
        for _ in range(_ATTEMPTS):
            word += STEP
            other = drawn_from[mix(word) % np.uint64(len(drawn_from))]
            if other != account and not contains(followed, other):
                items[count] = other
                count += 1
                break
    for at in range(count - 1, 0, -1):  # shuffle, so that ones do not all come before zeros
        word += STEP
        other = mix(word) % np.uint64(at + 1)
        items[at], items[other] = items[other], items[at]
        ratings[at], ratings[other] = ratings[other], ratings[at]
    return items[:count], ratings[:count]
