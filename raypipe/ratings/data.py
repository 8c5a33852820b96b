"""Ratings as arrays, and their folds: training data and held-out ratings."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.columns import ITEM, RATING, TIMESTAMP, USER
from raypipe.errors import InputError
from raypipe.kernels.arrays import Floats, Indices, Offsets
from raypipe.storage.ids import number_ids


@dataclass(frozen=True)
class Ratings:
    """Ratings, one per user and item, sorted by user, then item.

    Attributes:
        user_ids, item_ids: large_string, ascending; a code is a position here.
        users, items: int32[r], codes of user and item of each rating.
        values: float64[r].
        scale: the lowest and the highest possible rating.
    """

    user_ids: pa.LargeStringArray
    item_ids: pa.LargeStringArray
    users: Indices
    items: Indices
    values: Floats
    scale: tuple[float, float]


class Training(NamedTuple):
    """Ratings to train on, by user. Users and items are numbered in order of appearance.

    Attributes:
        user_count, item_count: number of users and items with a rating.
        users, items: int32[r], their numbers; ``users`` ascends.
        values: float64[r].
        by_item: int32[r], positions of the ratings, by item.
    """

    user_count: int
    item_count: int
    users: Indices
    items: Indices
    values: Floats
    by_item: Indices


class HeldOut(NamedTuple):
    """Ratings to estimate, by user.

    Attributes:
        users, items: int32[m], their numbers in the training; -1 if they are not in it.
        values: float64[m].
        indptr: int64[...], start of the ratings of each user, and the end of all.
    """

    users: Indices
    items: Indices
    values: Floats
    indptr: Offsets


class Fold(NamedTuple):
    """One part of the ratings held out, and the rest to train on."""

    training: Training
    held_out: HeldOut


class FoldedRatings(NamedTuple):
    """Ratings split into folds, shared by tasks.

    Attributes:
        folds: each holds out another part; together they hold out each rating once.
        scale: the lowest and the highest possible rating.
    """

    folds: tuple[Fold, ...]
    scale: tuple[float, float]


def build_ratings(frame: pd.DataFrame, scale: tuple[float, float]) -> tuple[Ratings, int]:
    """Turn a checked frame of ratings into arrays.

    If a user rates an item several times, the newest rating counts, by the column ``timestamp``. If
    times are equal or missing, the last row counts.

    Returns:
        The ratings, and the number of repeated ratings dropped.

    Example:
        >>> rows = {"userId": list("bab"), "itemId": list("xxx"), "rating": [1, 2, 3]}
        >>> ratings, dropped = build_ratings(pd.DataFrame(rows), (1, 5))
        >>> ratings.users.tolist(), ratings.values.tolist(), dropped
        ([0, 1], [2.0, 3.0], 1)
    """
    user_ids, users = number_ids(_column(frame, USER))
    item_ids, items = number_ids(_column(frame, ITEM))
    pair = users.astype(np.int64) * max(len(item_ids), 1) + items
    order = np.arange(len(frame))
    if TIMESTAMP in frame:
        order = np.argsort(frame[TIMESTAMP].to_numpy(np.float64), kind="stable")
    order = order[np.argsort(pair[order], kind="stable")]
    last = np.append(np.diff(pair[order]) > 0, True)[: len(order)]
    kept = order[last]
    values = frame[RATING].to_numpy(np.float64)[kept]
    ratings = Ratings(user_ids, item_ids, users[kept], items[kept], values, scale)
    return ratings, len(frame) - len(kept)


def fold_ratings(ratings: Ratings, folds: int, seed: int) -> FoldedRatings:
    """Split ratings into folds, as scikit-surprise's KFold does; each rating is held out once.

    Args:
        folds: number of parts, of nearly equal size.
        seed: seed of the random order of the ratings.

    Raises:
        InputError: fewer ratings than folds.

    Example:
        >>> rows = {"userId": list("aab"), "itemId": list("xyx"), "rating": [1, 2, 3]}
        >>> folded = fold_ratings(build_ratings(pd.DataFrame(rows), (1, 5))[0], folds=3, seed=0)
        >>> [fold.held_out.values.tolist() for fold in folded.folds]
        [[3.0], [2.0], [1.0]]
    """
    count = len(ratings.values)
    if count < folds:
        raise InputError(
            f"found {count} ratings, expected at least one for each of {folds} folds; "
            "give more ratings, or lower evaluation.folds"
        )
    dealt = np.arange(count)
    np.random.RandomState(seed).shuffle(dealt)
    sizes = np.full(folds, count // folds)
    sizes[: count % folds] += 1
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    cut = (
        _fold(ratings, np.concatenate([dealt[:start], dealt[stop:]]), np.sort(dealt[start:stop]))
        for start, stop in pairwise(bounds)
    )
    return FoldedRatings(tuple(cut), ratings.scale)


def _fold(ratings: Ratings, learned: Offsets, held_out: Offsets) -> Fold:
    user_count, user_numbers = _number_by_appearance(ratings.users[learned], len(ratings.user_ids))
    item_count, item_numbers = _number_by_appearance(ratings.items[learned], len(ratings.item_ids))
    users, items = user_numbers[ratings.users[learned]], item_numbers[ratings.items[learned]]
    by_user = np.argsort(users, kind="stable")
    position = np.empty(len(by_user), np.int32)
    position[by_user] = np.arange(len(by_user), dtype=np.int32)
    training = Training(
        user_count,
        item_count,
        users[by_user],
        items[by_user],
        ratings.values[learned][by_user],
        position[np.argsort(items, kind="stable")],
    )
    raters = ratings.users[held_out]
    starts = np.flatnonzero(np.diff(raters, prepend=-1))
    return Fold(
        training,
        HeldOut(
            user_numbers[raters],
            item_numbers[ratings.items[held_out]],
            ratings.values[held_out],
            np.append(starts, len(held_out)),
        ),
    )


def _number_by_appearance(codes: Indices, n: int) -> tuple[int, Indices]:
    """The number of distinct codes; int32[n]: each code's rank by first appearance, or -1."""
    first = np.full(n, len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    seen = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(codes))]
    numbers = np.full(n, -1, np.int32)
    numbers[seen] = np.arange(len(seen), dtype=np.int32)
    return len(seen), numbers


def _column(frame: pd.DataFrame, name: str) -> pa.ChunkedArray:
    ids = pa.array(frame[name], pa.large_string())
    return ids if isinstance(ids, pa.ChunkedArray) else pa.chunked_array([ids])
