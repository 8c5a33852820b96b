"""Erasing an account: nothing that is decoded names it, kills are continued, readers go on."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import raypipe
from raypipe.cli import app
from raypipe.errors import UnknownAccountError
from raypipe.serving import erase as erasing
from raypipe.serving.erase import REMOVED, erase_from_runs, table_without, with_marker
from raypipe.storage import files
from raypipe.storage.runs.run import verify_run
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN

GONE = "mallory"
NAMES = ["ann", "bob", "cid", "dan", "eve", "mal", GONE, "ned", "oli", "pia", "quin", "rob"]
ROWS = [(a, NAMES[(i + step) % 12]) for i, a in enumerate(NAMES) for step in (1, 2, 3)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two nights, the second one published, and rejections by, of and about the account."""
    folder = tmp_path_factory.mktemp("erase")
    path = folder / "follows.csv"
    path.write_text("followerId,followingId\n" + "".join(f"{a},{b}\n" for a, b in ROWS))
    told = {
        "input.follows": str(path), "cluster": "none", "frames": "pandas", "ladder": "fixed",
        "recommendations.reserve": 3, "recommendations.per_account": 4,
    }  # fmt: skip
    for day in (1, 2):
        raypipe.run(PLAIN | told, runs_dir=folder / "runs", date=f"2026-03-0{day}")
        note = f"told by {GONE}" if day == 1 else "secret"
        raypipe.reject("ann", "eve", reason=note, runs_dir=folder / "runs")
        raypipe.reject(GONE, "ann", reason="private", runs_dir=folder / "runs")
        raypipe.reject("bob", GONE, reason="private", runs_dir=folder / "runs")
        raypipe.unreject("ann", "eve", runs_dir=folder / "runs")
    (folder / "evaluations" / "x").mkdir(parents=True)
    pq.write_table(
        pa.table({"accountId": ["ann", GONE], "ndcg": [0.5, 0.25]}),
        folder / "evaluations" / "x" / "accounts.parquet",
    )
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "all")
    return tmp_path / "all"


def decoded(folder: Path, word: str) -> list[str]:
    """The files whose decoded content, or bytes, hold a word."""
    found = []
    for name in files.list_tree(folder):
        path = folder / name
        held = word.encode() in path.read_bytes()
        if name.endswith(".parquet"):
            held |= word in json.dumps(pq.read_table(path).to_pylist())
        if name.endswith(".arrow"):
            held |= word in json.dumps(pa.ipc.open_file(str(path)).read_all().to_pylist())
        if held and name != "follows.csv":
            found.append(name)
    return found


def command(folder, *words):
    told = ["--runs-dir", str(folder / "runs"), "--evaluations", str(folder / "evaluations")]
    return CliRunner().invoke(app, ["erase", GONE, *told, *words])


def test_nothing_names_it_any_more(folder):
    store = RunStore(folder / "runs")
    before = decoded(folder, GONE)
    assert {Path(name).name for name in before} >= {
        "ids.arrow", "part-00000.parquet", "reputation.parquet", "feedback.sqlite",
        "accounts.parquet",
    }  # fmt: skip
    named = [
        row for row in store.current().table("recommendations").to_pylist() if GONE in row["reason"]
    ]
    assert named
    told = command(folder, "--json")
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert (answer["events"], len(answer["runs"]), answer["evaluations"]) == (
        4, 2, ["x/accounts.parquet"],
    )  # fmt: skip
    assert decoded(folder, GONE) == []
    assert b"private" not in (folder / "runs" / "feedback.sqlite").read_bytes()
    for run in store.runs():
        assert (run.problem, verify_run(run)) == (None, [])
        ids = pa.ipc.open_file(str(run.path / "graph" / "ids.arrow")).read_all()["id"].to_pylist()
        assert ids == sorted(ids)
        assert [ids.index(name) for name in ("mal", "ned")] == [5, 7]
        assert REMOVED in ids[6]
    # The others are as before, and the marker is shown to nobody, not even by a refill.
    with pytest.raises(UnknownAccountError):
        raypipe.recommendations(GONE, runs_dir=folder / "runs")
    for name in NAMES:
        if name != GONE:
            rows = raypipe.recommendations(name, runs_dir=folder / "runs")
            assert rows
            assert not any(REMOVED in row.candidate + row.reason for row in rows)
    following = raypipe.recommendations("new", following=["mal", "ned"], runs_dir=folder / "runs")
    assert following
    assert not any(REMOVED in row.candidate + row.reason for row in following)
    # Again: nothing to do. And the night after it goes on.
    assert json.loads(command(folder, "--json").stdout)["runs"] == {}
    lines = command(folder).stdout.splitlines()
    assert lines[0].startswith("erased from 0 events, 0 runs and 0 tables")
    assert "left: " in lines[1]


def test_withdrawn_notes_are_gone(folder):
    connection = sqlite3.connect(folder / "runs" / "feedback.sqlite")
    notes = [note for (note,) in connection.execute("SELECT reason FROM events")]
    connection.close()
    assert set(notes) == {None, "private"}
    assert b"secret" not in (folder / "runs" / "feedback.sqlite").read_bytes()


@pytest.mark.parametrize("step", range(1, 12))
def test_a_kill_at_any_step_is_continued(step, folder, monkeypatch):
    """Killed at the n-th rename or write; readers see a whole run; the next call finishes."""
    store, count = RunStore(folder / "runs"), 0

    def killed(real):
        def call(*words, **more):
            nonlocal count
            count += 1
            if count == step:
                raise KeyboardInterrupt
            return real(*words, **more)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(erasing.files, "rename", killed(files.rename))
        patch.setattr(erasing.files, "write_atomic", killed(files.write_atomic))
        try:
            erase_from_runs(store, GONE)
        except KeyboardInterrupt:
            for run in store.runs():
                assert run.problem is None
                assert run.recommendations("ann").num_rows
    erase_from_runs(store, GONE)
    assert [verify_run(run) for run in store.runs()] == [[], []]
    assert decoded(folder / "runs", GONE) == ["feedback.sqlite"]


def test_a_reader_with_the_old_manifest_goes_on(folder):
    store = RunStore(folder / "runs")
    reader = store.current()
    erase_from_runs(store, GONE)
    rows = reader.recommendations("ann").to_pylist()
    assert rows
    assert GONE not in json.dumps(rows)


@given(st.sets(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=8), st.data())
def test_markers_keep_the_order(names, data):
    ids = pa.array(sorted(names), pa.large_string())
    gone = data.draw(st.lists(st.sampled_from(sorted(names)), max_size=8, unique=True))
    for name in gone:
        ids = with_marker(ids, name)
        assert with_marker(ids, name) is None
    found = ids.to_pylist()
    assert found == sorted(set(found))
    assert [name for name in found if REMOVED not in name] == sorted(names - {*gone})
    for marker in found:
        assert marker.partition("\0")[0] not in gone


def test_tables_without_the_account_stay_as_they_are():
    table = pa.table({"accountId": ["annual"], "evidence": ["annual follows"]})
    assert table_without(table, "ann") is None
    safe = table_without(pa.table({"file": ["f"], "reason": ["id ann is twice"]}), "ann")
    assert safe.to_pylist() == [{"file": "f", "reason": "erased"}]


def test_prune_by_age(folder):
    store = RunStore(folder / "runs")
    told = ["runs", "prune", "--runs-dir", str(store.root)]
    assert CliRunner().invoke(app, told).exit_code == 78
    assert store.prune(1, before="2026-03-01") == []
    # The published run and the one before it are always kept.
    assert CliRunner().invoke(app, [*told, "--older-than", "0"]).exit_code == 0
    assert len(store.runs()) == 2
