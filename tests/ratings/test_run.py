from __future__ import annotations

import pytest

from raypipe.cli.output.report import print_report
from raypipe.config import load_config
from raypipe.errors import ConfigError, InputError, TooLargeError
from raypipe.ratings.data import fold_ratings
from raypipe.ratings.evaluate import measure
from raypipe.ratings.run import chosen_algorithms, evaluate_ratings, plan_ratings
from raypipe.serving.reports.ratings import rating_plan_report, rating_report
from raypipe.storage.ratings import RatingResult
from tests.conftest import ROOT
from tests.ratings.small_ratings import random_ratings, rows_of


@pytest.fixture
def place(tmp_path):
    """Random ratings, one of them out of scale and one there twice."""
    rows = [("u0", "rare", 1.0), *rows_of(random_ratings()), ("u1", "i1", 7.0)]
    lines = [f"{user},{item},{rating}" for user, item, rating in rows]
    path = tmp_path / "r.csv"
    path.write_text("\n".join(["userId,itemId,rating", *lines]))
    return path


def configured(place, **settings):
    return load_config(
        None,
        {
            "input.ratings": str(place),
            "cluster": "none",
            "evaluation.folds": 3,
            "sources.factors.algorithm": "SVD",
            "sources.factors.parameters": {"n_factors": 4},
            **settings,
        },
    )


def without_times(result):
    times = {"fit_seconds", "test_seconds"}
    algorithms = [
        {
            **found.model_dump(exclude={*times, "folds"}),
            "folds": [fold.model_dump(exclude=times) for fold in found.folds],
        }
        for found in result.algorithms
    ]
    return {**result.model_dump(include={"counts", "folds", "seed", "scale"}), "of": algorithms}


def test_rows_add_up_and_every_fold_of_every_algorithm_is_there(place):
    found = evaluate_ratings(configured(place, **{"evaluation.algorithms": ["BaselineOnly"]}))
    ratings = random_ratings()
    assert found.result.counts.model_dump() == {
        "dropped_by_transform": 0,
        "rows_in": len(ratings.values) + 2,
        "quarantined": 1,
        "duplicates": 1,
        "rows_used": len(ratings.values),
        "users": len(ratings.user_ids),
        "items": len(ratings.item_ids),
    }
    assert found.quarantine.to_pylist() == [
        {
            "file": str(place),
            "row": len(ratings.values) + 2,
            "reason": "column rating is outside 1 to 5",
        }
    ]
    rows = found.table.to_pylist()
    assert [(row["algorithm"], row["fold"]) for row in rows] == [
        (name, fold) for name in ("SVD", "BaselineOnly") for fold in (1, 2, 3)
    ]
    svd = found.result.algorithms[0]
    assert svd.rmse == pytest.approx(sum(row["rmse"] for row in rows[:3]) / 3)
    assert svd.parameters["n_factors"] == 4
    assert svd.fit_seconds == pytest.approx(sum(row["fit_seconds"] for row in rows[:3]), abs=0.01)
    assert RatingResult.from_json(found.result.to_json()) == found.result


def test_a_sweep_measures_what_evaluate_shows(place):
    config = configured(place)
    shown = evaluate_ratings(config).result.algorithms[0]
    measured = measure(config, fold_ratings(random_ratings(), 3, config.seed))
    assert {name: getattr(shown, name) for name in measured} == measured


def test_tasks_change_nothing(place, local_ray):
    settings = {"evaluation.algorithms": ["NMF", "KNNBasic", "SVDpp"]}
    alone = evaluate_ratings(configured(place, **settings))
    in_tasks = evaluate_ratings(configured(place, **settings, cluster="local"))
    assert without_times(in_tasks.result) == without_times(alone.result)
    assert "CPUs" in in_tasks.result.engines.cluster


def test_another_seed_gives_other_folds(place):
    first, second = (evaluate_ratings(configured(place, seed=seed)).result for seed in (0, 1))
    assert first.algorithms[0].rmse != second.algorithms[0].rmse


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["SVD"]),
        ({"evaluation.algorithms": ["NMF", "SVD"]}, ["SVD", "NMF"]),
        (
            {"sources.factors.algorithm": "none", "evaluation.algorithms": ["NMF", "SVD"]},
            ["NMF", "SVD"],
        ),
    ],
)
def test_which_algorithms_are_measured(settings, names):
    chosen = chosen_algorithms(configured("r.csv", **settings))
    assert list(chosen) == names
    own = settings.get("sources.factors.algorithm") != "none"
    assert chosen["SVD"].n_factors == (4 if own else 100)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"sources.factors.algorithm": "none"},
            ConfigError,
            "sources.factors.algorithm: not set; expected for ratings one of SVD, SVDpp",
        ),
        (
            {"evaluation.algorithms": ["KNNBasics"]},
            ConfigError,
            "evaluation.algorithms: unknown algorithm 'KNNBasics' for ratings; did you mean KNNBas",
        ),
        (
            {"sources.factors.parameters": {"n_factor": 3}},
            ConfigError,
            "sources.factors.parameters.n_factor: unknown key; did you mean n_factors?",
        ),
        (
            {"evaluation.metrics": ["rmse", "ndcg@10"]},
            ConfigError,
            "evaluation.metrics: ratings have no 'ndcg@10'; known: rmse, mae, fcp",
        ),
        (
            {"evaluation.metrics": ["fpc"]},
            ConfigError,
            "evaluation.metrics: ratings have no 'fpc'; did you mean fcp?",
        ),
        (
            {"evaluation.folds": 1000},
            InputError,
            "found 503 ratings, expected at least one for each of 1000 folds",
        ),
        (
            {"evaluation.algorithms": ["SVDpp"], "memory_per_task": "80kB"},
            TooLargeError,
            "SVDpp: training on 503 ratings of 39 users and 32 items needs about",
        ),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(place, settings, error, message):
    with pytest.raises(error) as caught:
        evaluate_ratings(configured(place, **settings))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_says_what_will_be_refused(place, monkeypatch):
    settings = {"evaluation.algorithms": ["SlopeOne"], "memory_per_task": "100kB"}
    planned = plan_ratings(configured(place, **settings))
    assert [(found.algorithm, not found.refusal) for found in planned.algorithms] == [
        ("SVD", True),
        ("SlopeOne", False),
    ]
    assert planned.memory.limited_by == "memory_per_task"
    monkeypatch.setattr("raypipe.ratings.run.memory_available", lambda: 60_000)
    planned = plan_ratings(configured(place, **{"evaluation.algorithms": ["SlopeOne"]}))
    assert [not found.refusal for found in planned.algorithms] == [True, False]
    assert planned.memory.limited_by.startswith("the memory of this machine, for 1 at")


def test_tables_for_people(place, capsys):
    print_report(rating_report(evaluate_ratings(configured(place)).result, "here"))
    shown = capsys.readouterr().out
    for text in ("SVD", "rmse", "mae", "fcp", "mean of 3 folds, seed 0", "+ quarantined", "503"):
        assert text in shown
    print_report(rating_plan_report(plan_ratings(configured(place))))
    shown = capsys.readouterr().out
    assert "MB that all tasks share" in shown
    assert "use SVD" not in shown


def test_only_the_metrics_that_are_named_are_shown(place, capsys):
    facts = evaluate_ratings(configured(place, **{"evaluation.metrics": ["fcp", "mae"]})).result
    print_report(rating_report(facts, "here"))
    shown = capsys.readouterr().out
    svd = facts.algorithms[0]
    for value in (svd.mae, svd.fcp, *(fold.mae for fold in svd.folds)):
        assert f"{value:.4f}" in shown
    assert "mae by fold" in shown
    assert "rmse" not in shown


def test_a_plan_refuses_in_the_words_of_an_evaluation(place, capsys):
    config = configured(place, **{"evaluation.algorithms": ["NMF"], "memory_per_task": "50kB"})
    with pytest.raises(TooLargeError) as caught:
        evaluate_ratings(config)
    print_report(rating_plan_report(plan_ratings(config)))
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == str(caught.value)
    assert shown.splitlines()[-1].endswith("leaves 50.0KB; use fewer ratings")


#: Scikit-surprise's README, 5-fold RMSE and MAE on MovieLens 100K; SVDpp (.919) takes minutes.
PUBLISHED = {
    "SVD": (0.934, 0.737),
    "NMF": (0.963, 0.758),
    "SlopeOne": (0.946, 0.743),
    "KNNBasic": (0.98, 0.774),
    "KNNWithMeans": (0.951, 0.749),
    "KNNBaseline": (0.931, 0.733),
    "CoClustering": (0.963, 0.753),
    "BaselineOnly": (0.944, 0.748),
}


def test_the_published_table_is_reproduced(data):
    config = load_config(
        ROOT / "configs" / "movielens-100k.yaml",
        {
            "input.ratings": str(data / "ml-100k" / "ratings.csv.gz"),
            "cluster": "none",
            "evaluation.algorithms": ["BaselineOnly"],
        },
    )
    for found in evaluate_ratings(config).result.algorithms:
        rmse, mae = PUBLISHED[found.algorithm]
        assert found.rmse == pytest.approx(rmse, abs=0.005), found.algorithm
        assert found.mae == pytest.approx(mae, abs=0.005), found.algorithm


def test_the_config_names_every_published_algorithm():
    config = load_config(ROOT / "configs" / "movielens-100k.yaml")
    assert set(chosen_algorithms(config)) == {*PUBLISHED, "SVDpp"}
