"""A sweep on follows, from its config to a best.yaml that runs and evaluates."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.cli.output.report import print_report
from raypipe.config import load_config
from raypipe.evaluation.evaluate import evaluate
from raypipe.serving.reports.sweep import sweep_report
from raypipe.storage.evaluations import only
from raypipe.sweeps.record import NAME
from raypipe.sweeps.run import BEST, run_sweep
from tests.paths import ROOT
from tests.sweeps.trying import Kept

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    assert command("demo", "--accounts", "300").exit_code == 0


def command(*words: object):
    return CliRunner().invoke(app, list(map(str, words)))


class Said:
    """Keeps what a progress bar would say."""

    def __init__(self):
        self.lines = []

    def stage(self, name, total=None):
        self.lines.append(name)

    def advance(self, work):
        """Nothing is counted."""

    def say(self, text):
        self.lines.append(text)


@contextmanager
def watch(goal, count, ended):
    yield Kept()


def sweep(progress=None, **told):
    config = load_config(
        None,
        {
            "input.follows": "demo/follows.csv",
            "cluster": "local",
            "evaluation.k": [5, 10],
            "evaluation.bootstrap": 100,
            **told,
        },
    )
    return run_sweep(config, Path("sweeps"), "2026-03-01", watch, progress=progress)


def failed_trials(result):
    return [trial for trial in result.trials if trial.state == "failed"]


def evaluated(path, source, **told):
    """Means over all accounts, by metric."""
    config = load_config(path, {"cluster": "none", "frames": "pandas", **told})
    rows = only(evaluate(config, [source]).result.means, segment="all", source=source)
    return {row.metric: row.mean for row in rows}


def test_rmse_does_not_pick_and_is_shown(local_ray, capsys):
    said = Said()
    found = sweep(
        said,
        **{
            "sources.factors": {"algorithm": "SVD", "parameters": {"lr_all": 0.1}},
            "sweep.objective": "rmse",
            "sweep.search": "grid",
            "sweep.scheduler": "asha",
            "sweep.asha": {"min_epochs": 2, "max_epochs": 20, "reduction": 2},
            "sweep.space": {
                "sources.factors.parameters.non_follows_per_follow": {"grid": [0, 1, 4]},
                "sources.factors.parameters.n_factors": {"grid": [4, 12]},
            },
        },
    )
    facts = found.result
    assert "rmse does not tell good lists of follows from bad ones" in said.lines[0]
    assert facts.objective == "ndcg@10"
    assert facts.states["failed"] == 2
    for failed in failed_trials(facts):
        assert failed.settings["sources.factors.parameters.non_follows_per_follow"] == 0
        assert "trained on ones alone, SVD predicts 1 for every account" in failed.error

    events = [json.loads(line) for line in (found.folder / NAME).read_text().splitlines()]
    reports = [
        (measures, event["ended"]["number"], epochs)
        for event in events
        if "ended" in event
        for epochs, measures in event["ended"]["reports"]
    ]
    assert facts.misled.objective == "rmse"
    best, misled = facts.best, facts.misled.picks
    chosen = max(reports, key=lambda report: report[0]["ndcg@10"])
    assert (best.measures, best.trial, best.epochs) == chosen
    wrong = min(reports, key=lambda report: report[0]["rmse"])
    assert (misled.measures, misled.trial, misled.epochs) == wrong
    assert misled.measures["ndcg@10"] < best.measures["ndcg@10"]

    print_report(sweep_report(found.result, found.folder.name, str(found.folder / BEST), found.new))
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("│ ndcg@10")]
    assert [cell.strip() for cell in line.split("│")[2:-1]] == [
        f"{measures['ndcg@10']:.4f}"
        for measures in (best.measures, facts.measured_again, misled.measures)
    ]
    assert f"rmse would have picked trial {misled.trial} after {misled.epochs} epochs" in out

    path = found.folder / "best.yaml"
    assert load_config(path).sources.factors.parameters["n_epochs"] == best.epochs
    means = evaluated(path, "factors")
    for metric, value in facts.measured_again.items():
        if metric != "rmse":
            assert means[metric] == pytest.approx(value, rel=1e-6), metric


def test_best_yaml_of_models_and_of_none_runs_and_evaluates(local_ray, capsys):
    found = sweep(
        **{
            "sources.factors": {
                "algorithm": "TruncatedSVD",
                "parameters": {"followee_exponent": 0.4},
            },
            "sweep.objective": "recall@5",
            "sweep.search": "grid",
            "sweep.space": {
                "sources.factors.algorithm": {"grid": ["none", "TruncatedSVD", "SVD"]},
                "sources.factors.parameters.n_factors": {"grid": [8]},
                "sources.factors.parameters.lr_all": {"grid": [1e6]},
                "sources.similar.neighbours": {"grid": [1, 20]},
            },
        }
    )
    facts = found.result
    rows = pq.read_table(found.folder / "trials.parquet").to_pylist()
    assert [
        (row["sources.similar.neighbours"], row["sources.factors.parameters.n_factors"])
        for row in rows
    ] == [
        (1, None),
        (20, None),
        (None, 8),
        (None, 8),
    ]
    assert [row["state"] for row in rows] == ["finished", "finished", "finished", "failed"]
    assert "training SVD diverged (non-finite values)" in failed_trials(facts)[0].error
    assert "rmse" not in rows[0]
    assert facts.misled is None
    values = [row["recall@5"] for row in rows[:3]]
    assert len(set(values)) == 3
    assert facts.best.trial == values.index(max(values))

    path = found.folder / "best.yaml"
    chosen = load_config(path).sources.factors.algorithm
    source = "similar+popular" if chosen == "none" else "factors"
    means = evaluated(path, source)
    assert means["recall@5"] == pytest.approx(facts.measured_again["recall@5"], rel=1e-6)
    assert f"lists of {source} made from all of train" in path.read_text().partition("input:")[0]
    ran = command("run", path, "--set", "cluster=none", "--set", "frames=pandas")
    assert ran.exit_code == 0, ran.output
    print_report(sweep_report(found.result, found.folder.name, str(found.folder / BEST), found.new))
    assert "rmse" not in capsys.readouterr().out


def test_where_no_trial_has_an_rmse(local_ray, capsys):
    found = sweep(
        **{
            "sources.factors.algorithm": "TruncatedSVD",
            "sweep.objective": "rmse",
            "sweep.trials": 1,
            "sweep.space": {"sources.factors.parameters.n_factors": {"int": [4, 8]}},
        }
    )
    misled = found.result.misled
    assert (misled.objective, misled.picks) == ("rmse", None)
    print_report(sweep_report(found.result, found.folder.name, str(found.folder / BEST), found.new))
    assert "rmse: no trial has one; only the scores of SVD are" in capsys.readouterr().out


def test_the_config_for_newcomers_sweeps(local_ray):
    done = command("sweep", ROOT / "configs" / "sweep-follows.yaml", "--set", "sweep.trials=2")
    assert done.exit_code == 0, done.output
    assert "2 finished" in done.output
    assert list(Path("sweeps").glob("*/best.yaml"))
