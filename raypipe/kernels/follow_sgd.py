"""The SVD of ratings on follows: a follow is a 1; a rejection or a sampled non-follow is a 0.

The sampled non-follows of an account are a function of seed, epoch and account: no draw depends on
another account, nor on an earlier draw.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Floats, Indices, Integers
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, contains
from raypipe.kernels.sgd import Steps, SvdState, svd_epoch
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
    """

    followees: Adjacency
    rejections: Adjacency
    drawn_from: Indices
    per_follow: int
    seed: int


def by_popularity(followers: Integers, exponent: float) -> Indices:
    """int32: each account that has followers, about ``followers ** exponent`` times.

    Example:
        >>> by_popularity(np.array([9, 0, 4, 1]), 0.5).tolist()
        [0, 0, 0, 2, 2, 3]
    """
    times = np.where(followers > 0, np.round(followers**exponent), 0)
    return np.repeat(np.arange(len(followers), dtype=np.int32), times.astype(np.int64))


@kernel
def follow_epoch(
    state: SvdState, lessons: Lessons, epoch: int, rates: Steps, penalties: Steps
) -> None:
    """One pass of gradient descent over all accounts, ascending; changes ``state`` in place.

    The updates are those of :func:`raypipe.kernels.sgd.svd_epoch`, without biases, on the ratings
    of :func:`account_ratings`; those of one account are in memory at a time.

    Args:
        epoch: from 0; each epoch samples other zeros.
    """
    for account in range(len(lessons.followees.indptr) - 1):
        items, ratings = account_ratings(account, lessons, epoch)
        accounts = np.full(len(items), account, np.int32)
        svd_epoch(state, accounts, items, ratings, 0.0, rates, penalties, False)


@kernel
def account_ratings(account: int, lessons: Lessons, epoch: int) -> tuple[Indices, Floats]:
    """The ratings of an account in an epoch, in its order: followee int32, and 1.0 or 0.0."""
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
