from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from raypipe.errors import TooLargeError
from raypipe.ratings.algorithms import ALGORITHMS, SVD, KNNBasic, Similarity
from raypipe.ratings.cost import (
    Size,
    check_memory,
    shared_bytes,
    size_of,
    training_bytes,
    training_seconds,
)
from raypipe.ratings.data import fold_ratings
from raypipe.ratings.training import estimate_fold
from tests.ratings.small_ratings import SCALE, random_ratings, ratings_of

HUGE = Size(10_000_000, 100_000, 20_000, 10**11, 10**11)


def test_size_by_hand():
    ratings = ratings_of([("a", "x", 1.0), ("a", "y", 2.0), ("b", "x", 3.0)])
    assert size_of(ratings) == Size(3, 2, 2, by_user=5, by_item=5)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *((name, {}) for name in ALGORITHMS),
        *(("KNNBasic", {"sim_options": {"name": name}}) for name in ("cosine", "pearson")),
        ("KNNBaseline", {"sim_options": {"name": "pearson_baseline", "user_based": False}}),
    ],
)
def test_a_training_holds_no_more_than_predicted_and_not_much_less(name, parameters):
    """Of 20,000 ratings; what Python and NumPy allocate is counted."""
    ratings = random_ratings(users=300, items=500, count=20_000)
    model = ALGORITHMS[name]
    quickly = {"n_epochs": 1} if "n_epochs" in model.model_fields else {}
    checked = model(**parameters, **quickly)
    data = fold_ratings(ratings, 10, 0)
    estimate_fold(checked, data.folds[0], SCALE, 0)  # compiles and imports
    gc.collect()
    tracemalloc.start()
    estimate_fold(checked, data.folds[0], SCALE, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    predicted = training_bytes(checked, size_of(ratings)) + 60 * len(data.folds[0].held_out.values)
    assert 0.4 * predicted < peak < 1.2 * predicted


def test_the_folds_hold_what_is_predicted():
    ratings = random_ratings(users=300, items=500, count=20_000)
    data = fold_ratings(ratings, 4, 0)
    held = sum(a.nbytes for fold in data.folds for a in (*fold.training[2:], *fold.held_out))
    assert held == pytest.approx(shared_bytes(size_of(ratings), 4), rel=0.1)


def test_what_does_not_fit_is_refused_with_what_would():
    check_memory("SVD", SVD(), HUGE, 100e6, "memory_per_task")
    for name in set(ALGORITHMS) - {"SVD"}:
        with pytest.raises(TooLargeError) as caught:
            check_memory(name, ALGORITHMS[name](), HUGE, 1e9, "memory_per_task")
        assert f"{name}: training on 10,000,000 ratings of 100,000 users" in str(caught.value)
        assert "memory_per_task leaves 1.0GB; use SVD, which needs 97.0MB" in str(caught.value)
    with pytest.raises(
        TooLargeError, match=r"leaves 1\.0MB; lower n_factors, or use fewer ratings"
    ):
        check_memory("SVD", SVD(), HUGE, 1e6, "memory_per_task")
    with pytest.raises(TooLargeError, match=r"leaves 1\.0MB; use fewer ratings"):
        check_memory("NMF", ALGORITHMS["NMF"](), HUGE, 1e6, "memory_per_task")


def test_the_matrices_of_neighbours_outgrow_the_lists():
    items = KNNBasic(sim_options=Similarity(user_based=False))
    assert training_bytes(KNNBasic(), HUGE) - training_bytes(items, HUGE) == 24 * (
        10**10 - 4 * 10**8
    )


def test_more_work_takes_longer():
    for name, model in ALGORITHMS.items():
        of_sizes = [
            training_seconds(model(), Size(n, 100, 100, n * n, n * n), 5) for n in (1000, 10_000)
        ]
        assert 0 < of_sizes[0] < of_sizes[1], name
    steps = [training_seconds(SVD(n_epochs=n), HUGE, 5) for n in (10, 20)]
    np.testing.assert_allclose(2 * steps[0], steps[1])
