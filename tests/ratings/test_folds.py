from __future__ import annotations

import numpy as np
import pytest

from raypipe.errors import InputError
from raypipe.ratings.data import build_ratings, fold_ratings
from tests.ratings.small_ratings import (
    SCALE,
    frame_of,
    random_ratings,
    ratings_of,
    rows_of,
    surprise_dataset,
)


def held_out_by_hand(ratings, folds, seed):
    """The rows of each fold, by the definition of KFold."""
    dealt = np.arange(len(ratings.values))
    np.random.RandomState(seed).shuffle(dealt)
    return [sorted(part.tolist()) for part in np.array_split(dealt, folds)]


@pytest.mark.parametrize("folds", [2, 3, 5, 7])
def test_every_rating_is_held_out_once_and_never_learned_from_then(folds):
    ratings = random_ratings(count=101)
    rows, everything = rows_of(ratings), []
    expected = held_out_by_hand(ratings, folds, seed=3)
    for fold, places in zip(fold_ratings(ratings, folds, 3).folds, expected, strict=True):
        held_out = [rows[place] for place in places]
        assert fold.held_out.values.tolist() == [value for *_, value in held_out]
        assert len(fold.training.values) + len(fold.held_out.values) == len(rows)
        learned = sorted(set(range(len(rows))) - set(places))
        assert sorted(fold.training.values.tolist()) == sorted(rows[at][2] for at in learned)
        everything += places
    assert sorted(everything) == list(range(len(rows)))


def test_a_training_is_the_trainset_of_scikit_surprise():
    from surprise.model_selection import KFold

    ratings = random_ratings()
    theirs = KFold(3, random_state=1).split(surprise_dataset(ratings))
    unknown = 0
    for fold, (trainset, testset) in zip(fold_ratings(ratings, 3, 1).folds, theirs, strict=True):
        training, held_out = fold
        assert (training.user_count, training.item_count) == (trainset.n_users, trainset.n_items)
        ours = zip(training.users, training.items, training.values, strict=True)
        assert list(ours) == list(trainset.all_ratings())
        at = training.by_item
        by_item = list(
            zip(training.items[at], training.users[at], training.values[at], strict=True)
        )
        assert by_item == [(i, u, r) for i, row in trainset.ir.items() for u, r in row]
        assert training.users.dtype == training.items.dtype == at.dtype == np.int32

        def number(table, name):
            return table.get(name, -1)

        assert sorted(zip(held_out.users, held_out.items, held_out.values, strict=True)) == sorted(
            (
                number(trainset._raw2inner_id_users, user),
                number(trainset._raw2inner_id_items, item),
                value,
            )
            for user, item, value in testset
        )
        unknown += int((held_out.users < 0).sum() + (held_out.items < 0).sum())
    assert unknown == 4


def test_held_out_ratings_of_a_user_stand_together():
    ratings = random_ratings(count=60)
    rows = rows_of(ratings)
    for fold, places in zip(
        fold_ratings(ratings, 2, 0).folds, held_out_by_hand(ratings, 2, 0), strict=True
    ):
        groups = {}
        for place in places:
            groups.setdefault(rows[place][0], []).append(rows[place][2])
        parts = np.split(fold.held_out.values, fold.held_out.indptr[1:-1])
        assert [part.tolist() for part in parts] == list(groups.values())
        assert fold.held_out.indptr[0] == 0
        assert fold.held_out.indptr[-1] == len(places)


def test_the_order_of_the_rows_does_not_matter():
    rows = rows_of(random_ratings(count=50))
    one = fold_ratings(build_ratings(frame_of(rows), SCALE)[0], 3, 0)
    other = fold_ratings(build_ratings(frame_of(rows[::-1]), SCALE)[0], 3, 0)
    for mine, theirs in zip(one.folds, other.folds, strict=True):
        for part, other_part in zip(mine, theirs, strict=True):
            for a, b in zip(part, other_part, strict=True):
                np.testing.assert_array_equal(a, b)


def test_another_seed_makes_other_folds():
    ratings = random_ratings(count=50)
    first, second = (fold_ratings(ratings, 2, seed).folds[0] for seed in (0, 1))
    assert first.training.users.tolist() != second.training.users.tolist()


def test_fewer_ratings_than_folds_are_refused():
    ratings = ratings_of([("a", "x", 1.0), ("a", "y", 2.0)])
    assert len(fold_ratings(ratings, 2, 0).folds) == 2
    with pytest.raises(InputError, match="found 2 ratings, expected at least one for each of 3 f"):
        fold_ratings(ratings, 3, 0)
