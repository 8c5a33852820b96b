"""raypipe evaluate and raypipe plan on ratings, as commands."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raypipe.cli import app


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [f"u{user},i{item},{rng.integers(1, 6)}" for user in range(20) for item in range(10)]
    text = "\n".join(["userId,itemId,rating", *rows, "u0,i99,7", ""])
    (tmp_path / "ratings.csv").write_text(text)
    (tmp_path / "config.yaml").write_text(
        "input: {ratings: ratings.csv}\ncluster: none\n"
        "sources: {factors: {algorithm: BaselineOnly}}\nevaluation: {folds: 3, algorithms: [SVD]}\n"
    )
    return tmp_path


def call(*words: str):
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "80", "NO_COLOR": "1"})
    return done.exit_code, done.stdout, done.stderr


def test_evaluate_leaves_what_it_says(place):
    code, out, _ = call("evaluate", "config.yaml", "--json")
    assert code == 0
    said = json.loads(out)
    folder = place / said["folder"]
    assert json.loads((folder / "evaluation.json").read_text()).items() <= said.items()
    assert said["counts"]["rows_in"] == 201
    assert pq.read_table(folder / "quarantine.parquet").num_rows == 1
    folds = pq.read_table(folder / "evaluation.parquet").to_pandas()
    assert folds.groupby("algorithm")["rmse"].mean().to_dict() == {
        found["algorithm"]: pytest.approx(found["rmse"]) for found in said["algorithms"]
    }
    assert (folder / "rmse.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_is_of_the_first_metric_also_where_an_algorithm_has_none(place):
    (place / "ratings.csv").write_text("userId,itemId,rating\na,x,1\na,y,1\nb,x,1\nb,y,1\n")
    code, out, _ = call("evaluate", "config.yaml", "--set", "evaluation.metrics=[fcp]", "--json")
    assert code == 0
    said = json.loads(out)
    assert [found["fcp"] for found in said["algorithms"]] == [None, None]
    assert [path.name for path in (place / said["folder"]).glob("*.png")] == ["fcp.png"]


def test_tables_fit_a_terminal(place):
    for command, shown in (("evaluate", "BaselineOnly"), ("plan", "MB of a task")):
        code, out, _ = call(command, "config.yaml")
        assert code == 0
        assert shown in out
        assert max(map(len, out.splitlines())) <= 80


def test_a_plan_of_ratings_is_of_this_machine(place):
    for option in (["--nodes", "4"], ["--cpus", "2"], ["--degrees", "d.csv"]):
        code, out, err = call("plan", "config.yaml", *option)
        assert (code, out) == (78, "")
        assert err.startswith("raypipe: --nodes, --cpus, --degrees: not available for ratings")
        assert err.count("\n") == 1


def test_sources_are_for_follows(place):
    assert call("evaluate", "config.yaml", "--sources", "popular") == (
        78,
        "",
        "raypipe: --sources: not available for ratings; set evaluation.algorithms instead\n",
    )
