from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from raypipe.config import load_config, with_settings
from raypipe.errors import ConfigError, RunError, TooLargeError
from raypipe.kernels.csr import Adjacency, take
from raypipe.recommend.models.algorithms import (
    ALGORITHMS,
    check_factors,
    check_memory,
    fold_in,
    train,
    train_by_epoch,
    training_bytes,
)
from raypipe.recommend.models.implicit_models import AlsParameters
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.sources import SourceInputs
from raypipe.recommend.sources.factors import exact_factors
from tests.strategies import graph_of

#: Few factors and enough passes for two communities.
QUICK = {
    "TruncatedSVD": {"n_factors": 4},
    "SVD": {"n_factors": 8, "n_epochs": 60},
    "ALS": {"factors": 8, "iterations": 5},
    "BPR": {"factors": 8, "iterations": 200, "learning_rate": 0.1},
}


def config_of(algorithm, **parameters):
    parameters = {**QUICK.get(algorithm, {}), **parameters}
    return load_config(
        None,
        {
            "sources.factors.algorithm": algorithm,
            "sources.factors.parameters": parameters,
            "seed": 5,
        },
    )


@pytest.fixture(scope="module")
def communities():
    """Two communities of 30 that follow half of their own; who follows nobody, whom nobody does."""
    rng = np.random.default_rng(0)
    rows = [
        (f"a{i:02}", f"a{j:02}")
        for i in range(60)
        for j in range(60)
        if i // 30 == j // 30 and rng.random() < 0.5
    ]
    return graph_of([*rows, ("a00", "silent"), *(("fan", f"a{i:02}") for i in range(9))])


@pytest.fixture(scope="module")
def trained(communities):
    return {name: train(communities, config_of(name), 1e9) for name in ALGORITHMS}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_who_takes_rejections_and_whether_it_is_asked_to(communities, trained, name):
    n = communities.accounts
    rows = Adjacency(np.minimum(np.arange(n + 1), 30), np.full(30, 40, np.int32))
    rejections = Rejections(rows, np.zeros(n, np.int64))
    before = trained[name].factors
    told = train(communities, config_of(name), 1e9, rejections).factors
    without = with_settings(config_of(name), {"feedback.negative.factors": False})
    off = train(communities, without, 1e9, rejections).factors
    same = [np.array_equal(told[i], before[i]) for i in (0, 1)]
    assert same == [not ALGORITHMS[name].takes_rejections] * 2
    assert all(np.array_equal(off[i], before[i]) for i in (0, 1))
    if ALGORITHMS[name].by_epoch:
        ((_, looked_at),) = train_by_epoch(
            communities, config_of(name), 1e9, [list(QUICK[name].values())[1]], rejections
        )
        assert all(np.array_equal(looked_at.factors[i], told[i]) for i in (0, 1))


def share_of_own(found):
    """Of whom the 60 are brought, how many are of their own community."""
    own = [
        np.mean(found.codes[found.indptr[code] : found.indptr[code + 1]] // 30 == code // 30)
        for code in range(60)
    ]
    return float(np.mean(own))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_finds_communities(communities, trained, name):
    source = exact_factors(communities, SourceInputs(2, model=trained[name]))
    asked = np.arange(60, dtype=np.int32)
    found = source(asked, np.full(60, 6))
    assert np.diff(found.indptr).tolist() == [6] * 60
    assert share_of_own(found) > 0.9
    for code in range(60):
        mine = found.codes[found.indptr[code] : found.indptr[code + 1]]
        assert not np.isin(mine, communities.followees.row(code)).any()
    silent = np.array([communities.code("silent")])
    assert len(source(silent, np.array([6])).codes) == 0


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if ALGORITHMS[name].fold_in])
def test_an_account_that_came_later_is_scored_from_its_follows(communities, trained, name):
    model = trained[name]
    newcomers = take(communities.followees, np.array([40, 3]))
    source = replace(
        exact_factors(communities, SourceInputs(2, model=model)),
        account_factors=fold_in(model, newcomers),
        followees=newcomers,
    )
    found = source(np.array([0, 1]), np.array([6, 6]))
    assert (found.codes[:6] // 30 == 1).all()
    assert (found.codes[6:] // 30 == 0).all()


def test_followees_that_came_later_are_left_out(communities, trained):
    model, known = trained["TruncatedSVD"], np.array([3, 7], np.int32)
    later = np.array([3, 7, communities.accounts], np.int32)
    found, expected = (
        fold_in(model, Adjacency(np.array([0, len(codes)]), codes)) for codes in (later, known)
    )
    np.testing.assert_array_equal(found, expected)


def test_who_cannot_is_refused_with_who_can(communities, trained):
    with pytest.raises(
        ConfigError, match=r"BPR cannot score accounts that are newer .*: TruncatedSVD, SVD, ALS$"
    ):
        fold_in(trained["BPR"], communities.followees)


def test_folding_in_is_one_more_step_of_als(communities):
    """Of implicit itself, which solves it by conjugate gradients."""
    import threadpoolctl
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    parameters = AlsParameters(factors=6, alpha=5.0)
    model = train(communities, config_of("ALS", **parameters.model_dump()), 1e9)
    with threadpoolctl.threadpool_limits(1, "blas"):
        theirs = AlternatingLeastSquares(**parameters.model_dump())
    theirs.item_factors = np.array(model.factors.followee_factors)
    codes, indptr = communities.followees.codes, communities.followees.indptr
    follows = csr_matrix((np.ones(len(codes)), codes, indptr), (communities.accounts,) * 2)
    some = np.arange(20)
    expected = theirs.recalculate_user(some, follows[some])
    found = fold_in(model, take(communities.followees, some))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_equal_seeds_give_equal_bytes(communities, trained, name):
    again = train(communities, config_of(name), 1e9).factors
    for mine, theirs in zip(again[:2], trained[name].factors[:2], strict=True):
        assert mine.dtype == np.float32
        assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_graph_without_follows_trains_nothing(name):
    graph = graph_of([("a", "a"), ("b", "b")])
    model = train(graph, config_of(name), 1e9)
    source = exact_factors(graph, SourceInputs(model=model))
    assert len(source(np.array([0, 1]), np.array([3, 3])).codes) == 0


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_does_not_fit_is_refused_before_it_is_trained(communities, name):
    config = config_of(name)
    needed = training_bytes(config, communities.accounts, communities.follows)
    with pytest.raises(TooLargeError, match=rf"^{name}: training on [\d,]+ follows of 62 acc"):
        train(communities, config, needed - 1)
    assert training_bytes(load_config(None), 10, 10) == 0


def test_where_no_width_fits_the_cure_is_another():
    parameters = ALGORITHMS["SVD"].parameters()
    with pytest.raises(
        TooLargeError, match=r"8\.0KB are free; set sources\.factors\.algorithm: none, or"
    ):
        check_memory("SVD", parameters, 10**6, 10**7, 8000)


@pytest.mark.parametrize(
    ("algorithm", "parameters", "message"),
    [
        ("truncated_svd", {}, "unknown algorithm 'truncated_svd' for follows; did you mean Trunc"),
        ("KNNBasic", {}, "for follows; known: TruncatedSVD, SVD, ALS, BPR, none"),
        (
            "ALS",
            {"n_factors": 3},
            "sources.factors.parameters.n_factors: unknown key; did you mean fact",
        ),
        (
            "TruncatedSVD",
            {"n_factors": 0},
            "sources.factors.parameters.n_factors: found 0; input should",
        ),
    ],
)
def test_bad_algorithms_and_parameters(communities, algorithm, parameters, message):
    with pytest.raises(ConfigError) as caught:
        train(communities, config_of(algorithm, **parameters), 1e9)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("algorithm", "parameters"),
    [("ALS", {"alpha": 1e38}), ("BPR", {"learning_rate": 50, "regularization": 10})],
)
def test_a_training_that_diverges_is_told(communities, algorithm, parameters):
    with pytest.raises(ConfigError, match=r"training diverged .*; lower alpha"):
        train(communities, config_of(algorithm, **parameters), 1e9)


def test_what_can_never_be_trained_is_told_before_there_is_a_graph(monkeypatch):
    with pytest.raises(ConfigError, match="non_follows_per_follow: found 0, and there are no rej"):
        check_factors(config_of("SVD", non_follows_per_follow=0))
    monkeypatch.setitem(sys.modules, "implicit", None)
    for name in ("ALS", "BPR"):
        with pytest.raises(ConfigError, match=f"{name} needs the package implicit"):
            check_factors(config_of(name))
    check_factors(config_of("TruncatedSVD"))


def test_the_number_of_blas_threads_changes_no_byte(communities):
    import threadpoolctl

    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads, "blas"):
            model = train(communities, config_of("TruncatedSVD", n_factors=15), 1e9)
            found.append(model.factors.followee_factors.tobytes())
    assert found[0] == found[1]


def test_a_model_of_another_graph_is_refused(communities, trained):
    other = graph_of([("a", "b"), ("b", "c")])
    with pytest.raises(RunError, match="model: was trained on another graph; run the night again"):
        exact_factors(other, SourceInputs(model=trained["SVD"]))


def test_without_implicit_it_is_said_how_to_get_it(communities, monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit", None)
    for name in ("ALS", "BPR"):
        with pytest.raises(ConfigError, match=rf"{name} needs the package implicit.*\[implicit\]"):
            train(communities, config_of(name), 1e9)
