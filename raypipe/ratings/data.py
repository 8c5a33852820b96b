"""Ratings as arrays, and their folds: what is held out, and what is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.columns import ITEM, RATING, TIMESTAMP, USER
from raypipe.errors import InputError
from raypipe.storage.ids import number_ids


@dataclass(frozen=True)
class Ratings:
    """At most one rating of an item by a user, sorted by user, then item.

    Attributes:
        user_ids, item_ids: large_string, ascending; a code is a place here.
        users, items: int32[r], codes of who rated and what.
        values: float64[r].
        scale: the lowest and the highest rating that there can be.
    """

    user_ids: pa.LargeStringArray
    item_ids: pa.LargeStringArray
    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    scale: tuple[float, float]


class Training(NamedTuple):
    """Ratings to learn from, by user. Users and items are numbered as they first came.

    Attributes:
        user_count, item_count: those with a rating.
        users, items: int32[r], their numbers; ``users`` ascends.
        values: float64[r].
        by_item: int32[r], the places above, by item.
    """

    user_count: int
    item_count: int
    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    by_item: np.ndarray


class HeldOut(NamedTuple):
    """Ratings to estimate, by user.

    Attributes:
        users, items: int32[m], their numbers in the training; -1 where it has none of theirs.
        values: float64[m].
        indptr: int64[...], where the ratings of each user start, and the end.
    """

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    indptr: np.ndarray


class Fold(NamedTuple):
    """One part of the ratings held out, and all others to learn from."""

    training: Training
    held_out: HeldOut


class FoldedRatings(NamedTuple):
    """Ratings cut into folds: what tasks share.

    Attributes:
        folds: each holds out another part; together they hold out every rating once.
        scale: the lowest and the highest rating that there can be.
    """

    folds: tuple[Fold, ...]
    scale: tuple[float, float]


def build_ratings(frame: pd.DataFrame, scale: tuple[float, float]) -> tuple[Ratings, int]:
    """A checked frame of ratings as arrays.

    Of several ratings of one item by one user the newest counts: by the column ``timestamp`` where
    there is one, and where times are equal or there is none, the one that stands last.

    Returns:
        The ratings, and how many others of the same user and item were dropped.

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
    """Every rating is held out once; the folds are those of scikit-surprise's KFold.

    Args:
        folds: number of parts, as equal as can be.
        seed: of the order in which the ratings are dealt out.

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


def _fold(ratings: Ratings, learned: np.ndarray, held_out: np.ndarray) -> Fold:
    user_count, user_numbers = _as_they_come(ratings.users[learned], len(ratings.user_ids))
    item_count, item_numbers = _as_they_come(ratings.items[learned], len(ratings.item_ids))
    users, items = user_numbers[ratings.users[learned]], item_numbers[ratings.items[learned]]
    by_user = np.argsort(users, kind="stable")
    place = np.empty(len(by_user), np.int32)
    place[by_user] = np.arange(len(by_user), dtype=np.int32)
    training = Training(
        user_count,
        item_count,
        users[by_user],
        items[by_user],
        ratings.values[learned][by_user],
        place[np.argsort(items, kind="stable")],
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


def _as_they_come(codes: np.ndarray, n: int) -> tuple[int, np.ndarray]:
    """How many of n codes there are; int32[n]: the number of each, by first place, else -1."""
    first = np.full(n, len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    seen = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(codes))]
    numbers = np.full(n, -1, np.int32)
    numbers[seen] = np.arange(len(seen), dtype=np.int32)
    return len(seen), numbers


def _column(frame: pd.DataFrame, name: str) -> pa.ChunkedArray:
    ids = pa.array(frame[name], pa.large_string())
    return ids if isinstance(ids, pa.ChunkedArray) else pa.chunked_array([ids])
