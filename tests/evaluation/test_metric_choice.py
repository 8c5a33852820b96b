"""The registry of metrics: a new metric is one function and one row; the user's own is a name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.config import load_config
from raypipe.errors import ConfigError
from raypipe.evaluation import metrics
from raypipe.evaluation.metric_choice import choose_metrics
from raypipe.evaluation.metric_spec import MetricSpec
from raypipe.evaluation.plots import figure_of
from raypipe.storage.evaluations import RESULT, EvaluationResult
from raypipe.sweeps.follow_objective import FOLLOWS

OWN = """
import numpy as np
from raypipe.evaluation.metric_spec import MetricSpec

def first_hit(hits, relevant):
    return np.repeat(hits[:, :1], hits.shape[1], axis=1).astype(float)

def shown(codes, popularity):
    return np.cumsum(codes >= 0, axis=1).astype(float)

length = MetricSpec("length", shown, "entries of the list", None, "popularity", "entries")

def flat(hits, relevant):
    return hits[:, 0]

def broken(hits, relevant):
    raise ValueError("it is broken")
"""


def toy(hits, relevant):
    """1 where the first candidate is a hit."""
    return np.repeat(hits[:, :1], hits.shape[1], axis=1).astype(np.float64)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, MetricSpec("toy", toy, "a toy")))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def demo(elsewhere):
    assert CliRunner().invoke(app, ["demo", "--accounts", "300"]).exit_code == 0


def evaluate(chosen: str, *words: str):
    settings = ["cluster=none", "frames=pandas", "evaluation.bootstrap=100", "evaluation.k=[10]"]
    line = ["evaluate", "--follows", "demo/follows.csv", "--sources", "popular,similar"]
    for setting in (*settings, f"evaluation.metrics={chosen}"):
        line += ["--set", setting]
    return CliRunner().invoke(app, [*line, *words])


def test_evaluate_registered_metric_is_in_table_json_parquet_and_picture(registered, demo):
    shown = evaluate("[recall, toy]")
    assert shown.exit_code == 0, shown.output
    (row,) = (line for line in shown.stdout.splitlines() if line.startswith("│ toy@10 "))
    said = json.loads(evaluate("[recall, toy]", "--json").stdout)
    means = {
        (row["source"], row["metric"]): row for row in said["means"] if row["segment"] == "all"
    }
    values = pq.read_table(Path(said["folder"], "evaluation.parquet")).to_pandas()
    values = values[values.segment != "zero"]
    for source in ("popular", "similar"):
        some = values[(values.source == source) & (values.metric == "toy@10")]
        assert means[source, "toy@10"]["mean"] == pytest.approx(some.value.mean())
        assert f"{some.value.mean():.3f}".removeprefix("0") in row
    result = EvaluationResult.load(Path(said["folder"]) / RESULT, "")
    figure = figure_of(result, [metric for metric in result.metrics if metric.decides])
    assert [axes.get_title() for axes in figure.axes if axes.axison] == ["recall@10", "toy@10"]


def test_sweep_objective_may_be_a_registered_metric(registered):
    assert FOLLOWS.goals(load_config(None, {"sweep.objective": "toy@10"})).picks.metric == "toy@10"
    with pytest.raises(ConfigError, match=r"hit_rate, toy, lengths those of evaluation\.k"):
        FOLLOWS.goals(load_config(None, {"sweep.objective": "nothing@10"}))


def test_help_and_errors_list_a_registered_metric(registered):
    for command in ("evaluate", "sweep"):
        shown = " ".join(CliRunner().invoke(app, [command, "--help"]).stdout.split())
        assert "toy (a toy)" in shown
    with pytest.raises(ConfigError, match=r"no metric nothing; known: recall, .*, toy$"):
        choose_metrics(["nothing"])


def test_evaluate_own_metric_by_module_and_name(demo):
    Path("my_own.py").write_text(OWN)
    said = json.loads(evaluate("[recall, 'my_own:first_hit', 'my_own:length']", "--json").stdout)
    assert [metric["name"] for metric in said["metrics"]] == [
        "recall", "my_own:first_hit", "my_own:length",
    ]  # fmt: skip
    assert said["metrics"][2]["unit"] == "entries"
    means = {
        (row["source"], row["metric"]): row["mean"]
        for row in said["means"] if row["segment"] == "all"
    }  # fmt: skip
    assert 0 < means["similar", "my_own:first_hit@10"] < 1
    assert means["popular", "my_own:length@10"] == 10
    Path("my_own.py").write_text(OWN + "\n# changed\n")
    again = json.loads(evaluate("[recall, 'my_own:first_hit', 'my_own:length']", "--json").stdout)
    assert again["digest"] != said["digest"]
    assert again["means"] == said["means"]


def test_sweep_objective_may_be_a_metric_of_ones_own():
    Path("my_objective.py").write_text(OWN)
    config = load_config(None, {"sweep.objective": "my_objective:first_hit@20"})
    assert FOLLOWS.goals(config).picks.metric == "my_objective:first_hit@20"
    with pytest.raises(ConfigError, match="neither more nor less my_objective:length makes"):
        FOLLOWS.goals(load_config(None, {"sweep.objective": "my_objective:length@20"}))


@pytest.mark.parametrize(
    ("name", "exit_code", "message"),
    [
        ("none_such:metric", 78, "none_such:metric: found no module none_such in the current"),
        ("my_bad:none", 78, "my_bad:none: found no function none in "),
        ("my_bad:flat", 65, "my_bad:flat: returned shape ("),
        ("my_bad:broken", 65, "my_bad:broken: ValueError: it is broken"),
    ],
)
def test_evaluate_bad_metric_is_refused_in_one_line(name, exit_code, message, demo):
    Path("my_bad.py").write_text(OWN)
    result = evaluate(f"['{name}']")
    assert result.exit_code == exit_code
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("raypipe: ")]
    assert message in line
    assert "Traceback" not in result.output
