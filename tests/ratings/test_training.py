from __future__ import annotations

import numpy as np
import pytest

from raypipe.config import load_config
from raypipe.errors import ConfigError, InputError
from raypipe.kernels.sgd import start_svd, svd_epoch
from raypipe.ratings.algorithms import ALGORITHMS, SVD, check_parameters
from raypipe.ratings.data import FoldedRatings, fold_ratings
from raypipe.ratings.evaluate import evaluate_fold, measure, measure_by_epoch
from raypipe.ratings.training import estimate_fold
from tests.ratings.small_ratings import random_ratings, ratings_of, surprise_dataset

CASES = [
    *((name, {}) for name in ALGORITHMS),
    ("SVD", {"n_factors": 7, "n_epochs": 3, "biased": False, "init_mean": 0.5}),
    ("SVD", {"lr_all": 0.02, "lr_bu": 0.1, "reg_all": 0.1, "reg_qi": 0.3, "reg_bi": 0.0}),
    ("SVDpp", {"n_factors": 3, "cache_ratings": True, "lr_yj": 0.1}),
    ("NMF", {"n_epochs": 3, "biased": True}),
    ("KNNBasic", {"k": 3, "min_k": 2, "sim_options": {"name": "cosine", "user_based": False}}),
    ("KNNWithMeans", {"sim_options": {"name": "pearson", "min_support": 3}}),
    (
        "KNNBaseline",
        {
            "sim_options": {"name": "pearson_baseline", "shrinkage": 10},
            "bsl_options": {"method": "sgd", "n_epochs": 4},
        },
    ),
    ("BaselineOnly", {"bsl_options": {"reg_u": 3}}),
]


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_the_same_numbers_as_cross_validate_of_scikit_surprise(name, parameters):
    import surprise
    from surprise.model_selection import KFold, cross_validate

    ratings = random_ratings()
    further = {"random_state": 5} if name in ("SVD", "SVDpp", "NMF", "CoClustering") else {}
    if name.startswith("KNN") or name == "BaselineOnly":
        further["verbose"] = False
    # scikit-surprise writes into the dicts that it is given
    given = {
        key: dict(value) if isinstance(value, dict) else value for key, value in parameters.items()
    }
    algorithm = getattr(surprise, name)(**given, **further)
    theirs = cross_validate(
        algorithm, surprise_dataset(ratings), ["rmse", "mae", "fcp"], KFold(3, random_state=5)
    )
    data, checked = fold_ratings(ratings, 3, 5), check_parameters(name, parameters)
    ours = [evaluate_fold(checked, data, fold, 5) for fold in range(3)]
    for each in ("rmse", "mae", "fcp"):
        np.testing.assert_allclose([fold[each] for fold in ours], theirs[f"test_{each}"], rtol=1e-9)


def test_svd_is_trained_to_what_scikit_surprise_trains():
    """On x86-64 to the last bit; elsewhere compilers may fuse a multiplication and an addition."""
    import surprise
    from surprise.model_selection import KFold

    ratings = random_ratings()
    training = fold_ratings(ratings, 2, 1).folds[0].training
    trainset, _ = next(KFold(2, random_state=1).split(surprise_dataset(ratings)))
    parameters = SVD(n_factors=9, lr_all=0.01, reg_all=0.05, lr_bi=0.2, reg_pu=0.3)
    theirs = surprise.SVD(**parameters.model_dump(), random_state=4).fit(trainset)
    state = start_svd(training.user_count, training.item_count, 9, 0.0, 0.1, 4)
    for _ in range(20):
        svd_epoch(
            state,
            training.users,
            training.items,
            training.values,
            np.mean(training.values),
            parameters.rates,
            parameters.penalties,
        )
    expected = (theirs.bu, theirs.bi, theirs.pu, theirs.qi)
    for mine, other in zip(state, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


def configured(algorithm, **parameters):
    return load_config(
        None,
        {
            "sources.factors.algorithm": algorithm,
            "sources.factors.parameters": parameters,
            "seed": 5,
        },
    )


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("SVD", {"n_factors": 4, "biased": False, "init_mean": 0.7}),
        ("NMF", {}),
        ("SVD", {"lr_all": 0.02}),
    ],
)
def test_stopped_and_gone_on_is_as_trained_at_once(name, parameters):
    data = fold_ratings(random_ratings(), 3, 5)
    found = dict(measure_by_epoch(configured(name, **parameters), data, [1, 2, 7]))
    assert list(found) == [1, 2, 7]
    for epochs, measured in found.items():
        assert measured == measure(configured(name, **parameters, n_epochs=epochs), data)
    assert found[1] != found[7]


def test_what_has_no_epochs_is_measured_once():
    data = fold_ratings(random_ratings(), 3, 5)
    config = configured("SlopeOne")
    assert list(measure_by_epoch(config, data, [1, 2, 7])) == [(7, measure(config, data))]


def test_measure_is_the_mean_of_the_folds():
    data = fold_ratings(random_ratings(), 4, 5)
    config = configured("SVD", n_factors=3)
    folds = [evaluate_fold(SVD(n_factors=3), data, fold, 5) for fold in range(4)]
    found = measure(config, data)
    for name in ("rmse", "mae", "fcp"):
        assert found[name] == pytest.approx(np.mean([fold[name] for fold in folds]))
    assert set(found) == {"rmse", "mae", "fcp"}


def test_read_only_arrays_as_ray_hands_them_out():
    data = fold_ratings(random_ratings(), 2, 5)
    for name in ALGORITHMS:
        free = evaluate_fold(ALGORITHMS[name](), data, 0, 5)
        for fold in data.folds:
            for array in (*fold.training[2:], *fold.held_out):
                array.flags.writeable = False
        locked = evaluate_fold(ALGORITHMS[name](), data, 0, 5)
        assert {k: v for k, v in free.items() if "seconds" not in k} == {
            k: v for k, v in locked.items() if "seconds" not in k
        }


@pytest.mark.parametrize("name", ["SlopeOne", "CoClustering"])
def test_half_stars_are_refused_where_scikit_surprise_would_cut_them(name):
    ratings = ratings_of([("a", "x", 3.5), ("a", "y", 1.0), ("b", "x", 2.0), ("b", "y", 4.5)])
    fold = fold_ratings(ratings, 2, 0).folds[0]
    with pytest.raises(InputError, match=rf"^{name}: found the rating \d\.5, expected whole num"):
        estimate_fold(ALGORITHMS[name](), fold, ratings.scale, 0)


def test_half_stars_are_learned_from_by_the_others():
    rows = [("a", "x", 3.5), ("a", "y", 1.0), ("b", "x", 2.0), ("b", "y", 4.5)]
    ratings = ratings_of(rows, scale=(0.5, 5.0))
    fold = fold_ratings(ratings, 2, 0).folds[0]
    for name in set(ALGORITHMS) - {"SlopeOne", "CoClustering"}:
        found = estimate_fold(ALGORITHMS[name](), fold, ratings.scale, 0).estimates
        assert ((found >= 0.5) & (found <= 5)).all()


def test_a_training_that_diverges_is_told():
    data = fold_ratings(random_ratings(), 2, 0)
    config = configured("SVD", lr_all=50.0)
    for attempt in (
        lambda: measure(config, data),
        lambda: list(measure_by_epoch(config, data, [20])),
    ):
        with pytest.raises(ConfigError, match=r"training SVD diverged .*; lower"):
            attempt()


def test_estimates_stay_on_the_scale():
    data = fold_ratings(random_ratings(), 2, 0)
    narrow = FoldedRatings(data.folds, (2.0, 3.0))
    found = estimate_fold(SVD(), narrow.folds[0], narrow.scale, 0).estimates
    assert found.min() >= 2.0
    assert found.max() <= 3.0
    assert 2.0 in found or 3.0 in found
