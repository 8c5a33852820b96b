"""The public API: ``import raypipe``, in a notebook and from a thread."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import raypipe
from raypipe.config import RunConfig
from raypipe.errors import ConfigError, RunError, UnknownAccountError
from raypipe.graph.demo import write_demo

DATE = "2026-03-01"
LOCAL = {"cluster": "none", "frames": "pandas", "ladder": "fixed"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the demo network and one night, which was run in a thread."""
    path = tmp_path_factory.mktemp("api")
    write_demo(path / "follows.csv", accounts=200)
    config = {**LOCAL, "input.follows": str(path / "follows.csv")}
    with ThreadPoolExecutor(1) as pool:
        night = pool.submit(raypipe.run, config, runs_dir=path / "runs", date=DATE).result()
    return path, config, night


@pytest.fixture
def runs(folder, monkeypatch):
    monkeypatch.delenv("RAYPIPE_FEEDBACK_URL", raising=False)
    return {"runs_dir": folder[0] / "runs"}


def test_run_again_is_the_same_run(folder, runs):
    _, config, night = folder
    assert night.new
    again = raypipe.run(config, **runs, date=DATE)
    assert not again.new
    assert again.run.id == night.run.id


def test_run_result_is_a_frame_of_all_lists(folder):
    lists = folder[2].to_pandas()
    assert list(lists) == ["accountId", "rank", "candidateId", "score", "source", "reason"]
    counts = folder[2].run.manifest.counts
    assert len(lists) == sum(counts.recommendations.values())
    assert lists["accountId"].nunique() == counts.audience


def test_a_config_is_a_file_a_mapping_or_a_config(folder, runs, tmp_path):
    config = folder[1]
    written = tmp_path / "night.yaml"
    written.write_text(f"input: {{follows: '{config['input.follows']}'}}\n")
    loaded = raypipe.load_config(written, LOCAL)
    assert isinstance(loaded, RunConfig)
    assert not raypipe.run(loaded, **runs, date=DATE).new
    assert raypipe.load_config(str(written), LOCAL) == loaded
    with pytest.raises(ConfigError, match=r"^config: similar.neighbours: renamed; write sources"):
        raypipe.run({"similar.neighbours": 3}, **runs)


def test_lists_are_rows_and_frames(folder, runs):
    rows = raypipe.recommendations("star-01", limit=3, **runs)
    assert [row.rank for row in rows] == [1, 2, 3]
    published = folder[2].to_pandas().query("accountId == 'star-01'").head(3)
    pd.testing.assert_frame_equal(
        rows.to_pandas(), published.reset_index(drop=True), check_dtype=False
    )
    assert json.loads(json.dumps(rows.to_json()))[0]["candidateId"] == rows[0].candidate
    near = raypipe.neighbours("star-01", **runs)
    assert list(near.to_pandas()) == ["accountId", "rank", "neighbourId", "score"]
    with pytest.raises(UnknownAccountError):
        raypipe.recommendations("nobody", **runs)


def test_a_rejection_holds_until_it_is_taken_back(runs):
    first = raypipe.recommendations("star-01", **runs)[0].candidate
    assert raypipe.reject("star-01", first, reason="spam", **runs).changed
    assert first not in [row.candidate for row in raypipe.recommendations("star-01", **runs)]
    found = raypipe.explain("star-01", first, **runs)
    assert (found.recommended, found.why_not, found.rejected.reason) == (False, "REJECTED", "spam")
    assert raypipe.explain("star-01", first, as_account=True, **runs).why_not == "REJECTED"
    assert raypipe.unreject("star-01", first, **runs).changed
    assert raypipe.recommendations("star-01", **runs)[0].candidate == first


def test_the_environment_names_the_store(runs, monkeypatch, tmp_path):
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    monkeypatch.setenv("RAYPIPE_FEEDBACK_URL", url)
    first = raypipe.recommendations("star-01", **runs)[0].candidate
    raypipe.reject("star-01", first, **runs)
    assert (tmp_path / "elsewhere.sqlite").exists()
    assert raypipe.load_config().feedback.url == url
    monkeypatch.delenv("RAYPIPE_FEEDBACK_URL")
    assert raypipe.recommendations("star-01", **runs)[0].candidate == first
    assert first not in [
        r.candidate for r in raypipe.recommendations("star-01", feedback=url, **runs)
    ]


def test_evaluate_and_plan_are_typed_and_become_frames(folder):
    _, config, _ = folder
    told = {**config, "evaluation.metrics": ["recall"], "evaluation.k": [5]}
    found = raypipe.evaluate(told, sources=["popular", "similar"])
    assert found.sources == ("popular", "similar")
    means = found.to_pandas().query("segment == 'all'").set_index("source")["mean"]
    assert 0 < means["popular"] < 1
    planned = raypipe.plan(config, nodes=2, cpus=4)
    assert (planned.nodes, planned.cpus) == (2, 4)
    assert planned.to_pandas()["seconds"].ge(0).all()


def test_sweep_needs_no_terminal(tmp_path, local_ray):
    write_demo(tmp_path / "follows.csv", accounts=300)
    told = {"input.follows": str(tmp_path / "follows.csv"), "cluster": "local", "sweep.trials": 2}
    told |= {"sweep.space": {"sources.similar.neighbours": {"int": [2, 20]}}}
    found = raypipe.sweep(told, sweeps_dir=tmp_path / "sweeps", date=DATE)
    assert len(found.to_pandas()) == 2
    assert raypipe.sweep(told, sweeps_dir=tmp_path / "sweeps", date=DATE, resume=True) == found


def test_nothing_published_is_one_line(tmp_path):
    with pytest.raises(RunError, match=r"^[^\n]+$"):
        raypipe.recommendations("ann", runs_dir=tmp_path / "none")


def test_importing_is_light_and_everything_is_there():
    code = (
        "import sys, raypipe\n"
        "heavy = {'ray', 'modin', 'pandas', 'numpy', 'numba', 'pydantic', 'pyarrow'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "assert all(callable(getattr(raypipe, name)) for name in raypipe.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
