"""Inputs with traits of public bug reports, from the command line: a right result, or one line.

Each stands for a kind; ``tests/storage/intake/kinds.py`` has the kinds one by one.
"""

from __future__ import annotations

import bz2
import gzip
import json

import pytest
from typer.testing import CliRunner

from raypipe.cli import app

HEAD = "followerId,followingId\n"
#: 120 accounts with 8 follows each.
PAIRS = [(1000 + a, 1000 + (a * 7 + 5 * n * n + n) % 120) for a in range(120) for n in range(1, 9)]
PAIRS = [(a, b) for a, b in dict.fromkeys(PAIRS) if a != b]
ROWS = [f"{a},{b}\n" for a, b in PAIRS]
QUICK = ("--set", "cluster=none", "--set", "frames=pandas", "--set", "ladder=fixed")


def raypipe(*words, code=0):
    done = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "300"})
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def night(*words):
    raypipe("run", *words, *QUICK)
    shown = json.loads(raypipe("runs", "show", "--json").stdout)
    return shown, raypipe("runs", "show").stdout


def test_a_night_says_what_it_repaired_and_left_out(here):
    (here / "in").mkdir()
    half = len(ROWS) // 2
    text = HEAD + "".join(ROWS[:half]) + HEAD + "1000,\\N\n"
    (here / "in" / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    (here / "in" / "b.csv.bz2").write_bytes(bz2.compress((HEAD + "".join(ROWS[half:])).encode()))
    (here / "in" / "c.csv").write_bytes(b"")
    (here / "in" / "notes.md").write_text("x")
    (here / "out.csv").write_text("accountId,since\n1064.0,x\n1001 ,x\n1002,x\n")
    (here / "who.csv").write_text("accountId\n1003\nnobody\n")
    lists = "--set", "filters.opted_out=out.csv", "--set", "audience.accounts=who.csv"
    manifest, shown = night("--follows", "in", *lists)
    rows = manifest["counts"]["rows"]
    assert rows["rows_used"] == len(ROWS)
    assert rows["quarantined"] == 1
    assert sum(rows.values()) == 2 * rows["rows_in"]
    assert manifest["counts"]["lines_not_rows"] == 1
    expected = [
        "1 files of the folder are left out, by their endings, such as 1 .md (input.format)",
        "1 files without rows are left out, such as in/c.csv",
        "1 lines repeat the header, and are no rows, such as followerId,followingId",
        "audience.accounts: 1 of 2 ids are in no follow, such as nobody (input.normalise)",
        "filters.opted_out: 2 of 3 ids are unknown: without effect, such as 1064.0 "
        "(input.normalise)",
    ]
    for line in expected:
        assert f"notice: {line}" in shown
    assert len(manifest["notices"]) == len(expected)
    assert {"kind", "count", "total", "where", "example", "key"} == set(manifest["notices"][0])
    joined, _ = night("--follows", "in", *lists, "--set", "input.normalise=[trim, numbers]")
    assert joined["counts"]["filters"]["opted_out"] == 3


def test_followees_with_another_spelling_stop_the_night(here):
    (here / "a.csv").write_text(HEAD + "".join(f"{a},{b}.0\n" for a, b in PAIRS))
    stopped = raypipe("run", "--follows", "a.csv", *QUICK, code=65)
    assert "ids equal another id after normalisation, such as 10" in stopped.stderr
    assert "set input.normalise: [numbers] to join them" in stopped.stderr
    manifest, _ = night("--follows", "a.csv", "--set", "input.normalise=[numbers]")
    assert manifest["counts"]["graph"]["accounts"] == 120


def test_events_that_were_taken_back_are_no_follows(here):
    events = "".join(f"{a},{b},follow,{n}\n" for n, (a, b) in enumerate(PAIRS))
    gone = "".join(f"{a},{b},unfollow,9999\n" for a, b in PAIRS[::16])
    (here / "a.csv").write_text("followerId,followingId,action,at\n" + gone + events)
    for command in (["run"], ["config", "check"]):
        refused = raypipe(*command, "--follows", "a.csv", code=65)
        assert "set input.columns.action: action" in refused.stderr
    columns = "--set", "input.columns.action=action", "--set", "input.columns.timestamp=at"
    manifest, shown = night("--follows", "a.csv", *columns)
    rows = manifest["counts"]["rows"]
    assert rows["rows_used"] == len(PAIRS) - len(PAIRS[::16])
    assert rows["superseded"] == 2 * len(PAIRS[::16])
    assert "+ superseded" in shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("semicolon.csv", "followerId;followingId\n1;2\n"),
        ("utf16.csv", (HEAD + "1,2\n").encode("utf-16")),
        ("follows.json", b'[{"followerId": "1", "followingId": "2"}]'),
        ("out.follows", "1000\t1007 1 1700000000\n"),
        ("signed.csv", "followerId,followingId,sign\n1,2,-1\n"),
    ],
)
def test_config_check_says_what_run_says(name, text, here):
    (here / name).write_bytes(text.encode() if isinstance(text, str) else text)
    run = raypipe("run", "--follows", name, *QUICK, code=65)
    check = raypipe("config", "check", "--follows", name, code=65)
    assert run.stderr.splitlines()[-1] == check.stderr.splitlines()[-1]


@pytest.mark.parametrize("place", ["category.parquet", "LIST.PARQUET", "semicolon.csv", "folder"])
def test_lists_may_be_what_follows_may_be(place, here):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (here / "a.csv").write_text(HEAD + "".join(ROWS))
    (here / "folder").mkdir()
    (here / "folder" / "a.csv").write_text("accountId\n1000\n")
    (here / "semicolon.csv").write_text("accountId;name\n1000;x\n")
    ids = pa.array(["1000"]).dictionary_encode()
    pq.write_table(pa.table({"accountId": ids}), here / "category.parquet")
    pq.write_table(pa.table({"accountId": pa.array(["1000"])}), here / "LIST.PARQUET")
    raypipe("config", "check", "--follows", "a.csv", "--set", f"audience.accounts={place}")
