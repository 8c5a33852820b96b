"""What a sweep on follows looks for, what it may try, and what its trials are shown."""

from __future__ import annotations

import copy
from contextlib import ExitStack

import numpy as np
import pytest

from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages
from raypipe.config import load_config
from raypipe.errors import ConfigError, TooLargeError
from raypipe.evaluation.measuring import measure
from raypipe.recommend.models.algorithms import train
from raypipe.recommend.models.svd import rmse
from raypipe.sweeps.follow_objective import FOLLOWS
from raypipe.sweeps.run import check_sweep
from raypipe.sweeps.trials import Goal
from tests.strategies import PLAIN

SVD = {"algorithm": "SVD", "parameters": {"n_factors": 3, "n_epochs": 4}}


def config_of(**told):
    settings = {
        "input.follows": "follows.csv",
        "evaluation.k": [3, 5],
        "sweep.space": {"sources.factors.parameters.n_factors": {"int": [2, 3]}},
        "sources.factors": SVD,
        **told,
    }
    return load_config(None, copy.deepcopy(settings))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """30 accounts in two circles; the test file holds some of each account's follows."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    rows = {
        f"{a:02},{(a + 2 * step) % 30:02}"
        for a in range(30)
        for step in rng.choice(14, 2 + a % 10, replace=False) + 1
    }
    header = "followerId,followingId,at\n"
    lines = [f"{row},{rng.integers(100)}\n" for row in sorted(rows)]
    (tmp_path / "follows.csv").write_text(header + "".join(lines))
    (tmp_path / "train.csv").write_text(header + "".join(lines[::2] + lines[1::4]))
    (tmp_path / "test.csv").write_text(header + "".join(lines[3::4]))
    return tmp_path


def read(config):
    with ExitStack() as stack:
        return FOLLOWS.read(config, Stages(Silent()), stack)


def reports(config, epochs=()):
    return list(FOLLOWS.reports(config, FOLLOWS.cut(config, read(config)), epochs))


def pairs(rows):
    return {(i, c) for i in range(len(rows.indptr) - 1) for c in rows.row(i).tolist()}


@pytest.mark.parametrize(
    ("objective", "metric"),
    [(None, "ndcg@5"), ("recall@3", "recall@3"), ("map@5", "map@5"), ("hit_rate@3", "hit_rate@3")],
)
def test_more_of_what_is_asked_for(objective, metric):
    assert FOLLOWS.goals(config_of(**{"sweep.objective": objective})) == (
        Goal(metric, True),
        None,
        None,
    )


def test_rmse_is_shown_and_does_not_pick():
    found = FOLLOWS.goals(config_of(**{"sweep.objective": "rmse"}))
    assert found[:2] == (Goal("ndcg@5", more=True), Goal("rmse", more=False))
    assert found.warning.startswith("sweep.objective: rmse does not tell good lists")
    assert "ndcg@5 picks" in found.warning
    assert "\n" not in found.warning


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"sweep.objective": "ndgc@3"},
            "have no 'ndgc@3'; did you mean ndcg@3? Metrics are recall",
        ),
        ({"sweep.objective": "recall@4"}, "have no 'recall@4'; did you mean recall@3?"),
        ({"sweep.objective": "recall@9"}, "have no 'recall@9'; did you mean recall@5?"),
        ({"sweep.objective": "hitrate"}, "have no 'hitrate'; did you mean hit_rate@5?"),
        ({"sweep.objective": "xyz@q"}, "have no 'xyz@q'; did you mean ndcg@5?"),
        (
            {"sweep.objective": "fcp"},
            "fcp needs ratings, and a follow has none; did you mean ndcg@5",
        ),
        ({"sweep.objective": "novelty@5"}, "neither more nor less novelty makes lists better; did"),
        ({"sweep.objective": "coverage@3"}, "neither more nor less coverage makes lists better"),
        (
            {"evaluation.metrics": ["recal"]},
            "evaluation.metrics: no metric recal; did you mean rec",
        ),
        (
            {"sweep.space": {"sources.similar.neighbour": {"int": [2, 3]}}},
            "sweep.space.sources.similar.neighbour: makes no list of follows better; did you mean ",
        ),
        (
            {"sweep.space": {"shards": {"int": [2, 3]}}},
            "sweep.space.shards: makes no list of follows better; expected "
            "sources.factors.parameters.*, ",
        ),
        (
            {"sweep.space": {"sources.similar.neighbours": {"int": [2, 3]}}},
            "sweep.space.sources.similar.neighbours: changes nothing where a model is trained",
        ),
        (
            {"sources.factors": {"algorithm": "none"}},
            "sweep.space.sources.factors.parameters.n_factors: no model is trained; leave it out, ",
        ),
        (
            {"sweep.space": {"sources.factors.parameters.n_factor": {"int": [2, 3]}}},
            "sweep.space: sources.factors.parameters.n_factor: unknown key; did you mean "
            "n_factors?",
        ),
        (
            {"sweep.space": {"sources.factors.parameters.lr_all": {"float": [0, 1]}}},
            "sweep.space: sources.factors.parameters.lr_all: found 0; input should be greater "
            "than 0",
        ),
        (
            {
                "sources.factors": {"algorithm": "none"},
                "sweep.space": {"sources.similar.threshold": {"float": [0, 1]}},
            },
            "sweep.space: sources.similar.threshold: found 1; input should be less than 1",
        ),
        (
            {"sweep.space": {"sources.factors.algorithm": {"choice": ["SVD", "NMF"]}}},
            "sources.factors.algorithm: unknown algorithm 'NMF' for follows",
        ),
        (
            {"sources.factors.parameters.n_epoch": 3},
            "sources.factors.parameters.n_epoch: unknown key; did you mean",
        ),
        (
            {
                "sweep.space": {"sources.factors.parameters.n_epochs": {"int": [2, 3]}},
                "sweep.scheduler": "asha",
            },
            "sweep.space.sources.factors.parameters.n_epochs: not allowed with scheduler: asha, ",
        ),
        (
            {"sources.factors": {"algorithm": "TruncatedSVD"}, "sweep.scheduler": "asha"},
            "sweep.scheduler: asha needs epochs, which TruncatedSVD has not",
        ),
        (
            {
                "sources.factors": {"algorithm": "none"},
                "sweep.space": {"sources.factors.algorithm": {"choice": ["BPR", "none"]}},
                "sweep.scheduler": "asha",
            },
            "which BPR or similar has not; set scheduler: none",
        ),
        ({"input.follows": None}, "input: found no data; set input.follows or input.ratings"),
    ],
)
def test_what_cannot_be_swept_is_told_in_one_line_before_the_data_is_read(told, message):
    with pytest.raises(ConfigError) as caught:
        check_sweep(config_of(**told))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trial_has_only_what_can_change_it():
    space = {
        "sources.factors.parameters.n_factors": {"int": [2, 3]},
        "sources.factors.parameters.lr_all": {"float": [0.01, 0.02]},
        "sources.similar.neighbours": {"int": [2, 9]},
        "candidates.min_followers": {"int": [0, 1]},
        "sources.factors.algorithm": {"choice": ["TruncatedSVD", "SVD", "none"]},
    }
    checked = check_sweep(config_of(**{"sweep.space": space}))
    seen = {}
    for number in range(checked.trials):
        point = checked.ask(number, [], [])
        words = {key.rpartition(".")[2] for key in point} - {"algorithm", "min_followers"}
        seen[point["sources.factors.algorithm"]] = words
        assert "candidates.min_followers" in point
        FOLLOWS.resolved(config_of(), point, None)
    assert seen == {
        "TruncatedSVD": {"n_factors"},
        "SVD": {"n_factors", "lr_all"},
        "none": {"neighbours"},
    }


@pytest.mark.parametrize(
    "told",
    [
        {"evaluation.split": "share", "evaluation.share": 0.4},
        {"evaluation.split": "time", "input.columns.timestamp": "at"},
        {"evaluation.split": "file", "evaluation.test": "test.csv", "input.follows": "train.csv"},
    ],
    ids=lambda told: told["evaluation.split"],
)
def test_trials_see_nothing_of_test(told, place):
    config = config_of(**told)
    held = read(config)
    seen = FOLLOWS.cut(config, held)
    hidden, train, test = pairs(held.split.test), pairs(seen.train.followees), pairs(seen.test)
    assert hidden
    assert test
    assert not hidden & (train | test)
    assert not train & test
    assert train | test == pairs(held.split.train.followees)
    assert np.array_equal(
        seen.train.followers.degrees, np.bincount([c for _, c in train], None, 30)
    )


def test_trials_measure_the_accounts_that_an_evaluation_does(place):
    """With 5 follows, the fewest that are measured, one is held out, and one more for trials."""
    config = config_of(**{"evaluation.min_follows": 5})
    held = read(config)
    seen = FOLLOWS.cut(config, held)
    assert seen.accounts.tolist() == held.split.accounts.tolist()
    assert seen.accounts.tolist() == np.flatnonzero(seen.test.degrees).tolist()
    all_follows = held.split.train.followees.degrees + held.split.test.degrees
    assert all_follows[seen.accounts].min() == 5


def test_only_the_audience_is_measured(place):
    (place / "some.csv").write_text("accountId\n09\n08\n01\n")
    config = config_of(**{"audience.accounts": "some.csv", "evaluation.min_follows": 5})
    assert FOLLOWS.cut(config, read(config)).accounts.tolist() == [8, 9]


@pytest.mark.parametrize("algorithm", ["SVD", "ALS"])
def test_looks_are_those_of_trainings_of_so_many_epochs(algorithm, place):
    width = {"SVD": "n_factors", "ALS": "factors"}[algorithm]
    if algorithm == "ALS":
        pytest.importorskip("implicit")
    config = config_of(**{"sources.factors": {"algorithm": algorithm, "parameters": {width: 3}}})
    found = reports(config, (1, 3))
    assert [report.epochs for report in found] == [1, 3]
    assert found[0].measures != found[1].measures
    for report in found:
        (alone,) = reports(FOLLOWS.resolved(config, {}, report.epochs))
        assert alone.measures == pytest.approx(report.measures, rel=1e-6)


def test_an_algorithm_without_epochs_is_looked_at_once(place):
    config = config_of(
        **{"sources.factors": {"algorithm": "TruncatedSVD", "parameters": {"n_factors": 3}}}
    )
    assert reports(config, (1, 3)) == reports(config)
    (report,) = reports(config)
    assert report.epochs is None
    assert "rmse" not in report.measures
    assert FOLLOWS.resolved(config, {}, 7) == config


def test_measures_are_those_of_factors_alone_and_rmse(place):
    config = config_of(**{"sweep.objective": "map@3", "evaluation.metrics": ["recall", "coverage"]})
    seen = FOLLOWS.cut(config, read(config))
    model = train(seen.votes.graph, config, 1e9)
    (report,) = reports(config)
    alone = load_config(None, {**PLAIN, "evaluation.k": [3], "sources.factors": SVD})
    expected = measure(alone, seen, "factors", model)
    names = ["map@3", "recall@3", "coverage@3", "rmse"]
    assert list(report.measures) == names
    assert [report.measures[name] for name in names[:3]] == [expected[name] for name in names[:3]]
    assert report.measures["rmse"] == rmse(model.factors, seen.test)


def test_without_a_model_what_the_night_shows(place):
    found = []
    for neighbours, threshold in ((9, 0.2), (1, 0.5)):
        told = {"sources.similar.neighbours": neighbours, "sources.similar.threshold": threshold}
        config = config_of(**told, **{"sources.factors": {"algorithm": "none"}})
        (report,) = reports(config)
        seen = FOLLOWS.cut(config, read(config))
        expected = measure(config, seen, "similar+popular")
        assert report.measures["ndcg@5"] == expected["ndcg@5"]
        assert "rmse" not in report.measures
        found.append(report.measures["ndcg@5"])
    assert found[0] != found[1]
    assert found[1] > measure(config, seen, "similar")["ndcg@5"]  # filled up


def test_what_has_no_value_is_none(place):
    """Nobody has so many followers: all lists are empty, and an empty one has no novelty."""
    (report,) = reports(config_of(**{"candidates.min_followers": 99}))
    assert report.measures["novelty@5"] is None
    assert report.measures["ndcg@5"] == 0.0


@pytest.mark.parametrize("epochs", [(), (1, 3)])
def test_a_training_that_does_not_fit_is_refused(epochs, place):
    told = r"SVD: training on .* needs about .*; lower sources.factors.parameters.n_factors, or"
    with pytest.raises(TooLargeError, match=told):
        reports(config_of(**{"memory_per_task": "3kB"}), epochs)


def test_another_input_has_another_digest(place):
    before = FOLLOWS.digest(read(config_of()))
    assert FOLLOWS.digest(read(config_of())) == before
    assert FOLLOWS.digest(read(config_of(seed=1))) != before
    told = {"evaluation.split": "file", "evaluation.test": "test.csv", "input.follows": "train.csv"}
    before = FOLLOWS.digest(read(config_of(**told)))
    lines = (place / "test.csv").read_text().splitlines(keepends=True)
    (place / "test.csv").write_text("".join(lines[:-1]))
    assert FOLLOWS.digest(read(config_of(**told))) != before
