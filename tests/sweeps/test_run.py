"""A sweep from its config to best.yaml; killed, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pyarrow.parquet as pq
import pytest

from raypipe.cli.output.report import print_report
from raypipe.config import load_config, to_yaml
from raypipe.errors import ConfigError, InputError, RunError, RunsLockedError
from raypipe.ratings.run import evaluate_ratings
from raypipe.serving.reports.sweep import sweep_report
from raypipe.sweeps.record import NAME
from raypipe.sweeps.run import BEST, _lock, check_sweep, run_sweep
from tests.paths import ROOT
from tests.ratings.small_ratings import random_ratings, rows_of
from tests.sweeps.trying import Kept

DATE = "2026-03-01"
SPACE = {
    "sources.factors.algorithm": {"choice": ["SVD", "BaselineOnly"]},
    "sources.factors.parameters.n_factors": {"int": [2, 8]},
    "sources.factors.parameters.lr_all": {"float": [0.005, 0.02], "log": True},
}


def settings_of(folder, **told):
    return {
        "input.ratings": str(folder / "r.csv"),
        "sources.factors.algorithm": "SVD",
        "sources.factors.parameters": {"n_epochs": 5},
        "evaluation.folds": 2,
        "cluster": "local",
        "sweep.space": SPACE,
        "sweep.trials": 6,
        **told,
    }


@pytest.fixture
def place(tmp_path):
    lines = [f"{user},{item},{rating}" for user, item, rating in rows_of(random_ratings())]
    (tmp_path / "r.csv").write_text("\n".join(["userId,itemId,rating", *lines]))
    return tmp_path


@contextmanager
def watch(goal, count, ended):
    yield Kept()


def sweep(place, resume=False, **told):
    config = load_config(None, settings_of(place, **told))
    return run_sweep(config, place / "sweeps", DATE, watch, resume)


def test_best_yaml_evaluates_to_the_figures_shown(place, local_ray, capsys):
    found = sweep(place)
    facts = found.result
    assert found.new
    assert sorted(path.name for path in found.folder.iterdir() if path.name != ".lock") == [
        *("best.yaml", "parameters.png", "progress.png", NAME, "sweep.json", "trials.parquet")
    ]
    for seed, shown in ((0, facts.best.measures), (1, facts.measured_again)):
        config = load_config(found.folder / "best.yaml", {"cluster": "none", "seed": seed})
        (evaluated,) = evaluate_ratings(config).result.algorithms
        assert {name: getattr(evaluated, name) for name in ("rmse", "mae", "fcp")} == {
            name: shown[name] for name in ("rmse", "mae", "fcp")
        }
    rows = pq.read_table(found.folder / "trials.parquet").to_pylist()
    assert [row["trial"] for row in rows] == list(range(6))
    assert min(row["rmse"] for row in rows) == facts.best.measures["rmse"]
    for row in rows:
        assert (row["sources.factors.parameters.n_factors"] is None) == (
            row["sources.factors.algorithm"] == "BaselineOnly"
        )
    print_report(sweep_report(found.result, found.folder.name, str(found.folder / BEST), found.new))
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("│ rmse")]
    shown = [cell.strip() for cell in line.split("│")[2:-1]]
    assert shown == [f"{m['rmse']:.4f}" for m in (facts.best.measures, facts.measured_again)]
    assert "again: folds of seed 1 that no trial saw" in out
    for value in facts.best.settings.values():
        assert (f"{value:.4g}" if isinstance(value, float) else str(value)) in out
    again = sweep(place)
    assert not again.new
    assert again.result == facts


KILLED = """
import json, os, signal, sys
from pathlib import Path
from contextlib import contextmanager
from raypipe.config import load_config
from raypipe.sweeps.run import run_sweep

class Kill:
    ended = 0
    def begin(self, number, settings): pass
    def report(self, number, report): pass
    def end(self, trial):
        self.ended += 1
        if self.ended == 3:
            os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def watch(goal, count, ended):
    yield Kill()

place, told = Path(sys.argv[1]), json.loads(sys.argv[2])
run_sweep(load_config(None, told), place / "sweeps", "2026-03-01", watch)
"""


def events(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.long
@pytest.mark.parametrize("search", ["random", "optuna"])
def test_a_killed_sweep_goes_on_and_repeats_no_trial_that_ended(search, place, local_ray):
    told = settings_of(place, **{"sweep.search": search, "sweep.trials": 7})
    command = [sys.executable, "-c", KILLED, str(place), json.dumps(told)]
    environment = {key: v for key, v in os.environ.items() if not key.startswith("RAY_")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, env=environment, cwd=place, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    (record,) = (place / "sweeps").glob(f"*/{NAME}")
    before = record.read_bytes()
    ended = [event["ended"] for event in events(record) if "ended" in event]
    assert len(ended) == 3
    with open(record, "ab") as file:
        file.write(b'{"ended": {"numb')

    with pytest.raises(RunError, match="holds an unfinished sweep; continue it with --resume"):
        sweep(place, **told)
    found = sweep(place, resume=True, **told)
    after = events(record)
    assert record.read_bytes().startswith(before)
    assert sorted(e["ended"]["number"] for e in after if "ended" in e) == list(range(7))
    assert sorted(e["began"] for e in after if "began" in e) == list(range(7))
    points = {e["began"]: e["settings"] for e in after if "began" in e}
    for event in after:
        if "ended" in event:
            assert event["ended"]["settings"] == points[event["ended"]["number"]]
    if search == "random":
        whole = sweep(place, **{**told, "sweep.trials": 6})
        theirs = pq.read_table(whole.folder / "trials.parquet").drop(["seconds"]).to_pylist()
        ours = pq.read_table(found.folder / "trials.parquet").drop(["seconds"]).to_pylist()
        assert ours[:6] == theirs


def test_other_data_is_no_resume(place, local_ray):
    folder = sweep(place, **{"sweep.trials": 1}).folder
    (folder / "sweep.json").unlink()
    with open(place / "r.csv", "a") as file:
        file.write("\nnew,i1,3")
    with pytest.raises(RunError, match="holds a sweep with another data; restore it"):
        sweep(place, resume=True, **{"sweep.trials": 1})


def test_a_failed_trial_is_shown_and_asha_finds_the_epochs(place, local_ray, capsys):
    found = sweep(
        place,
        **{
            "sources.factors.parameters": {"n_factors": 4, "reg_all": 0.0},
            "sweep.space": {"sources.factors.parameters.lr_all": {"grid": [0.01, 90.0, 0.02]}},
            "sweep.search": "grid",
            "sweep.trials": None,
            "sweep.scheduler": "asha",
            "sweep.asha": {"min_epochs": 2, "max_epochs": 8, "reduction": 2},
            "sweep.concurrency": 1,
        },
    )
    (failed,) = (t for t in found.result.trials if t.state == "failed")
    assert failed.settings == {"sources.factors.parameters.lr_all": 90.0}
    assert failed.error.startswith("sources.factors.parameters: training SVD diverged")
    best = load_config(found.folder / "best.yaml", {"cluster": "none"})
    assert best.sources.factors.parameters["n_epochs"] == found.result.best.epochs
    (evaluated,) = evaluate_ratings(best).result.algorithms
    assert evaluated.rmse == found.result.best.measures["rmse"]
    print_report(sweep_report(found.result, found.folder.name, str(found.folder / BEST), found.new))
    assert "training SVD diverged" in capsys.readouterr().out


def test_a_sweep_without_a_value_is_told(place, local_ray):
    with pytest.raises(RunError, match=r"none of 1 trials has a rmse; the first error: sources"):
        sweep(
            place,
            **{
                "sources.factors.parameters": {"reg_all": 0.0},
                "sweep.space": {"sources.factors.parameters.lr_all": {"choice": [90.0]}},
            },
        )


def test_data_that_cannot_be_read_begins_no_sweep(place):
    (place / "r.csv").write_text("userId,itemId,rating\n")
    for _ in range(2):  # nothing is left behind, so the second attempt starts anew
        with pytest.raises(InputError, match="found no rows"):
            sweep(place)
    assert not (place / "sweeps").exists()


def test_nothing_to_resume(place):
    with pytest.raises(RunError, match="holds no sweep of this config; start one without --resume"):
        sweep(place, resume=True)


def test_one_process_at_a_time(tmp_path):
    with _lock(tmp_path), pytest.raises(RunsLockedError, match="another process runs this sweep"):
        _lock(tmp_path)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"cluster": "none"}, "cluster: found none, but a sweep runs on Ray Tune; set cluster: lo"),
        ({"sweep.space": {}}, "sweep.space: has no points"),
        ({"sweep.objective": "rmsd"}, "sweep.objective: ratings have no 'rmsd'; did you mean rmse"),
        (
            {"sweep.objective": "ndcg@10"},
            "sweep.objective: ratings have no 'ndcg@10'; known: rmse, mae, fcp",
        ),
        (
            {"sweep.space": {"sources.factors.parameters.n_factor": {"int": [2, 3]}}},
            "sweep.space: sources.factors.parameters.n_factor: unknown key; did you mean "
            "n_factors?",
        ),
        (
            {"sweep.space": {"sources.factors.parameters.n_factors": {"int": [0, 3]}}},
            "sweep.space: sources.factors.parameters.n_factors: found 0; input should be "
            "greater than",
        ),
        (
            {"sweep.space": {"sources.factors.parameters.n_factors": {"float": [1.5, 3]}}},
            "sweep.space: sources.factors.parameters.n_factors: found 1.5; input should be a "
            "valid int",
        ),
        (
            {"sweep.space": {"sources.factors.parameters.n_factors": {"float": [2, 8]}}},
            "number with a fractional part",
        ),
        (
            {"evaluation.metrics": ["recall"]},
            "evaluation.metrics: ratings have no 'recall'; known: rmse, mae, fcp",
        ),
        (
            {"sweep.space": {"sources.factors.algorithm": {"choice": ["SVD", "NFM"]}}},
            "unknown algorithm 'NFM' for ratings; did you mean NMF?",
        ),
        (
            {"sweep.space": {"sources.similar.neighbours": {"int": [2, 3]}}},
            "sweep.space.sources.similar.neighbours: is no parameter of a training on ratings; ",
        ),
        (
            {
                "sweep.space": {"sources.factors.parameters.n_epochs": {"int": [2, 3]}},
                "sweep.scheduler": "asha",
            },
            "sweep.space.sources.factors.parameters.n_epochs: not allowed with scheduler: asha",
        ),
        (
            {
                "sources.factors": {"algorithm": "KNNBasic"},
                "sweep.space": {"sources.factors.parameters.k": {"int": [2, 3]}},
                "sweep.scheduler": "asha",
            },
            "sweep.scheduler: asha needs epochs, which KNNBasic has not; set scheduler: none",
        ),
        (
            {"sources.factors.algorithm": "none", "sources.factors.parameters": {}},
            "unknown algorithm 'none' for",
        ),
        ({"sweep.serach": "grid"}, "sweep.serach: unknown key; did you mean search?"),
        ({"sweep.asha.min_epoch": 3}, "sweep.asha.min_epoch: unknown key; did you mean min_epochs"),
        ({"sweep.asha.min_epochs": 300}, "sweep.asha: min_epochs is above max_epochs, 100; lower"),
        ({"input.ratings": None}, "input: found no data; set input.follows or input.ratings"),
    ],
)
def test_what_cannot_be_swept_is_told_in_one_line_before_the_data_is_read(told, message, tmp_path):
    defaults = {"sweep.space": {"sources.factors.parameters.n_factors": {"int": [2, 3]}}}
    with pytest.raises(ConfigError) as caught:
        check_sweep(load_config(None, settings_of(tmp_path, **{**defaults, **told})))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_config_of_movielens_can_be_swept():
    config = load_config(ROOT / "configs" / "sweep-movielens.yaml")
    assert check_sweep(config).trials <= 60


def test_a_sweep_changes_no_night(tmp_path):
    base = load_config(None, {})
    told = load_config(None, {"sweep.trials": 3})
    assert told.digest() == base.digest()
    assert load_config(None, {"seed": 1}).digest() != base.digest()
    path = tmp_path / "c.yaml"
    path.write_text(to_yaml(told))
    assert load_config(path) == told
