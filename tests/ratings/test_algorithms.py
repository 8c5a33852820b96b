from __future__ import annotations

import inspect

import pytest
from pydantic_core import PydanticUndefined

from raypipe.errors import ConfigError
from raypipe.ratings.algorithms import ALGORITHMS, Baselines, Similarity, check_parameters

#: Not ours to set: the config's seed, and silence.
RESERVED = {"self", "kwargs", "random_state", "verbose"}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_parameters_and_defaults_are_those_of_scikit_surprise(name):
    import surprise

    signature = inspect.signature(getattr(surprise, name).__init__).parameters
    theirs = {key: each.default for key, each in signature.items() if key not in RESERVED}
    fields = ALGORITHMS[name].model_fields
    ours = {key: field.default for key, field in fields.items()}
    if "kwargs" in signature:  # where KNNBasic and KNNWithMeans take it
        ours.pop("bsl_options") if "bsl_options" not in theirs else None
    for options in ("sim_options", "bsl_options"):
        if options in ours:
            assert theirs[options] == {}
            assert ours[options] == type(ours[options])()
            ours[options] = {}
    assert ours == theirs
    assert all(field.description for field in fields.values())
    assert PydanticUndefined not in ours.values()


def test_defaults_of_options_are_those_that_scikit_surprise_falls_back_to():
    """Named in full, the options give what an empty dict gives."""
    from surprise import BaselineOnly, KNNBaseline

    from tests.ratings.small_ratings import random_ratings, surprise_dataset

    trainset = surprise_dataset(random_ratings()).build_full_trainset()

    def of(algorithm):
        fitted = algorithm.fit(trainset)
        return [fitted.predict(u, i).est for u in ("u1", "u2") for i in ("i1", "i2", "i3")]

    msd = {"name": "msd", "user_based": True, "min_support": 1}
    assert Similarity().model_dump(exclude_none=True) == msd
    assert of(KNNBaseline(verbose=False)) == of(KNNBaseline(sim_options=msd, verbose=False))
    shrunk = {"name": "pearson_baseline"}
    assert of(KNNBaseline(sim_options=dict(shrunk), verbose=False)) == of(
        KNNBaseline(sim_options={**shrunk, "shrinkage": 100}, verbose=False)
    )
    assert Baselines().model_dump(exclude_none=True) == {"method": "als"}
    als = {"method": "als", "n_epochs": 10, "reg_u": 15, "reg_i": 10}
    assert of(BaselineOnly(verbose=False)) == of(BaselineOnly(als, verbose=False))
    sgd = {"method": "sgd", "n_epochs": 20, "reg": 0.02, "learning_rate": 0.005}
    assert of(BaselineOnly({"method": "sgd"}, verbose=False)) == of(
        BaselineOnly(sgd, verbose=False)
    )


@pytest.mark.parametrize(
    ("algorithm", "parameters", "message"),
    [
        (
            "Svd",
            {},
            "sources.factors.algorithm: unknown algorithm 'Svd' for ratings; did you mean SVD?",
        ),
        (
            "knn",
            {},
            "sources.factors.algorithm: unknown algorithm 'knn' for ratings; known: SVD, SVDpp, ",
        ),
        ("SVD++", {}, "did you mean SVDpp?"),
        ("KNNWithMean", {}, "did you mean KNNWithMeans?"),
        (
            "SVD",
            {"factors": 3},
            "sources.factors.parameters.factors: unknown key; did you mean n_factors?",
        ),
        (
            "SVD",
            {"lr": 3},
            "sources.factors.parameters.lr: unknown key; known: n_factors, n_epochs, ",
        ),
        (
            "SVD",
            {"n_factors": 0},
            "sources.factors.parameters.n_factors: found 0; input should be greater",
        ),
        ("SVD", {"random_state": 1}, "random_state: is the config's seed; set seed instead"),
        ("SlopeOne", {"k": 1}, "sources.factors.parameters.k: unknown key; known: none"),
        (
            "KNNBasic",
            {"sim_options": {"name": "cosin"}},
            "sources.factors.parameters.sim_options.name: found 'cosin'; input should be "
            "'msd', 'cosine'",
        ),
        (
            "KNNBasic",
            {"sim_options": {"shrinkage": 10}},
            "sources.factors.parameters.sim_options: shrinkage is for name: pearson_baseline",
        ),
        (
            "BaselineOnly",
            {"bsl_options": {"method": "sgd", "reg_u": 3}},
            "sources.factors.parameters.bsl_options: reg_u is not for method: sgd",
        ),
        (
            "BaselineOnly",
            {"bsl_options": {"learning_rate": 3}},
            "sources.factors.parameters.bsl_options: learning_rate is not for method: als",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_the_nearest(algorithm, parameters, message):
    with pytest.raises(ConfigError) as caught:
        check_parameters(algorithm, parameters)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_steps_for_all_hold_where_none_is_named():
    found = check_parameters("SVD", {"lr_all": 0.5, "lr_qi": 0.1, "reg_bu": 0.0})
    assert found.rates == (0.5, 0.5, 0.5, 0.1)
    assert found.penalties == (0.0, 0.02, 0.02, 0.02)
