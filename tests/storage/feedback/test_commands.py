"""Rejections on the command line."""

from __future__ import annotations

import csv
import json
import sqlite3

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.graph.demo import write_demo
from raypipe.storage.feedback.quick_read import feedback_of


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RAYPIPE_RUNS_DIR", "RAYPIPE_FEEDBACK_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def raypipe(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


def as_json(*words):
    return json.loads(raypipe(*words, "--json").stdout)


@pytest.fixture
def night(elsewhere):
    write_demo(elsewhere / "follows.csv", accounts=120)
    raypipe(
        *("run", "--follows", "follows.csv", "--date", "2026-03-01"),
        *("--set", "cluster=none", "--set", "frames=pandas", "--set", "ladder=fixed"),
    )


def test_a_rejection_holds_at_once(night):
    before = as_json("recommend", "star-01")
    refused = before[1]["candidateId"]
    assert "not be shown to star-01 again" in raypipe("reject", "star-01", refused).stdout
    after = as_json("recommend", "star-01")
    shown = [row["candidateId"] for row in before if row["candidateId"] != refused]
    assert [row["candidateId"] for row in after][:-1] == shown  # the last one is from the reserve
    assert [row["rank"] for row in after] == list(range(1, len(before) + 1))
    assert after[-1]["candidateId"] not in [row["candidateId"] for row in before]
    assert len(as_json("recommend", "star-01", "--limit", 3)) == 3
    assert "may be shown" in raypipe("unreject", "star-01", refused).stdout
    assert as_json("recommend", "star-01") == before


def test_an_unreadable_store_shows_nothing(night):
    raypipe("reject", "star-01", "star-02")
    with open("runs/feedback.sqlite", "r+b") as file:
        file.write(b"x" * 4096)
    done = raypipe("recommend", "star-01", code=74)
    assert done.stdout == ""
    assert "the store cannot be used" in done.stderr


def test_a_repeated_request_says_so():
    first = as_json("reject", "ann", "bob", "--request-id", "r1")
    assert first == {"request_id": "r1", "repeated": False, "changed": True}
    assert "processed before" in raypipe("reject", "ann", "bob", "--request-id", "r1").stdout
    assert "nothing changed" in raypipe("reject", "ann", "bob").stdout


def test_list(monkeypatch):
    assert "no rejections" in raypipe("rejections", "list").stdout
    raypipe("reject", "ann", "bob", "--reason", "dull [red]")
    raypipe("reject", "cid", "bob")
    assert "dull [red]" in raypipe("rejections", "list").stdout
    rows = as_json("rejections", "list", "ann")
    assert [(row["accountId"], row["candidateId"], row["reason"]) for row in rows] == [
        ("ann", "bob", "dull [red]")
    ]
    assert len(as_json("rejections", "list", "--limit", 1)) == 1


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_export_then_import(name, elsewhere):
    raypipe("reject", "ann", "bob", "--reason", 'two\nlines, "quoted"')
    raypipe("reject", "0012", "漢")
    raypipe("rejections", "export", name)
    other = f"sqlite:///{elsewhere}/other.sqlite"
    facts = as_json("rejections", "import", name, "--feedback", other)
    assert facts == {"rows": 2, "added": 2, "already_rejected": 0, "quarantined": 0}
    keys = ("accountId", "candidateId", "reason")
    tables = [as_json("rejections", "list"), as_json("rejections", "list", "--feedback", other)]
    one, two = ([[row[key] for key in keys] for row in table] for table in tables)
    assert one == two


def test_formulas_are_counted_and_made_text_for_a_spreadsheet(elsewhere):
    formulas = ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1"]
    for n, reason in enumerate([*formulas, "a=b", ""]):
        raypipe("reject", "ann", f"c{n}", "--reason", reason)
    raypipe("reject", "=ann", "bob")
    assert as_json("rejections", "export", "exact.csv")["formulas"] == 8
    assert "takes 8 cells for formulas (--spreadsheet)" in (
        raypipe("rejections", "export", "exact.csv").stdout
    )
    raypipe("rejections", "export", "--spreadsheet", "sheet.csv")
    with open("sheet.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["accountId"] == "'=ann"
    assert [row["reason"] for row in rows[1:]] == [*("'" + text for text in formulas), "a=b", ""]
    assert "formulas (" not in raypipe("rejections", "export", "--spreadsheet", "sheet.csv").stdout


def test_an_export_of_nothing_can_be_imported(elsewhere):
    raypipe("rejections", "export", "none.parquet")
    assert as_json("rejections", "import", "none.parquet")["rows"] == 0


def test_bad_rows_go_to_quarantine(elsewhere):
    (elsewhere / "in.csv").write_bytes(
        b"candidateId,accountId\nbob,ann\n,ann\nbob,bob\nbob\nx\xff,ann\ncid,ann\nbob,\n"
    )
    facts = as_json("rejections", "import", "in.csv")
    assert facts == {"rows": 7, "added": 2, "already_rejected": 0, "quarantined": 5}
    assert pq.read_table("rejections.quarantine.parquet").to_pylist() == [
        {"file": "in.csv", "row": row, "reason": reason}
        for row, reason in (
            (2, "empty id in column candidateId"),
            (3, "account and candidate are the same"),
            (4, "found 1 values, expected 2"),
            (5, "column candidateId is not UTF-8"),
            (7, "empty id in column accountId"),
        )
    ]
    assert feedback_of("sqlite:///runs/feedback.sqlite", "ann").rejected.keys() == {"bob", "cid"}


@pytest.mark.parametrize(
    ("content", "exit_code", "message"),
    [
        (None, 66, "in.csv: found no such file or folder; expected a CSV or Parquet file"),
        ("a,b\n1,2\n", 65, "in.csv: no column accountId, candidateId; found a, b"),
    ],
)
def test_a_file_that_is_no_table_of_rejections(content, exit_code, message, elsewhere):
    if content:
        (elsewhere / "in.csv").write_text(content)
    assert message in raypipe("rejections", "import", "in.csv", code=exit_code).stderr


def test_an_import_that_fails_leaves_nothing(elsewhere):
    raypipe("reject", "ann", "bob")
    connection = sqlite3.connect("runs/feedback.sqlite")
    connection.execute(
        "CREATE TRIGGER t BEFORE INSERT ON rejections WHEN NEW.\"candidateId\" = 'c1' "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    connection.commit()
    connection.close()
    (elsewhere / "in.csv").write_text("accountId,candidateId\nann,c0\nann,c1\n")
    assert "free space" in raypipe("rejections", "import", "in.csv", code=74).stderr
    assert [row["candidateId"] for row in as_json("rejections", "list")] == ["bob"]


QUICK = ("--set", "cluster=none", "--set", "frames=pandas", "--set", "ladder=fixed")


def test_every_command_looks_in_the_same_place(elsewhere, monkeypatch):
    """The command line, then the environment, then the config; and readers where the run looked."""
    write_demo(elsewhere / "follows.csv", accounts=120)
    (elsewhere / "c.yaml").write_text("feedback: {url: sqlite:///config.sqlite}\n")
    run = ("run", "c.yaml", "--follows", "follows.csv", *QUICK)
    for day, name in enumerate(("config", "environment", "line"), 1):
        raypipe("reject", "star-01", f"star-0{day + 1}", "--feedback", f"sqlite:///{name}.sqlite")
    monkeypatch.setenv("RAYPIPE_FEEDBACK_URL", "sqlite:///environment.sqlite")
    made = as_json(*run, "--date", "2026-03-01")
    assert made["feedback"]["url"] == "sqlite:///environment.sqlite"
    assert made["counts"]["filters"]["rejections"] == 1
    shown = {row["candidateId"] for row in as_json("recommend", "star-01")}
    assert {"star-02", "star-03", "star-04"} - shown == {"star-03"}
    monkeypatch.delenv("RAYPIPE_FEEDBACK_URL")  # readers go on where the run has looked
    assert [row["candidateId"] for row in as_json("rejections", "list")] == ["star-03"]
    monkeypatch.setenv("RAYPIPE_FEEDBACK_URL", "sqlite:///environment.sqlite")
    told = ("--set", "feedback.url=sqlite:///line.sqlite")
    other = raypipe(*run, *told, "--date", "2026-03-02", code=74)
    assert "runs/line.sqlite: found another store; expected the store that run" in other.stderr
    raypipe("rejections", "accept", "--feedback", "sqlite:///line.sqlite")
    made = as_json(*run, *told, "--date", "2026-03-02")
    assert made["feedback"]["url"] == "sqlite:///line.sqlite"
    monkeypatch.delenv("RAYPIPE_FEEDBACK_URL")
    raypipe("rejections", "accept", "--feedback", "sqlite:///config.sqlite")
    made = as_json(*run, "--date", "2026-03-03")
    assert made["feedback"]["url"] == "sqlite:///config.sqlite"
    assert [row["candidateId"] for row in as_json("rejections", "list")] == ["star-02"]


def test_a_password_is_refused_and_not_repeated(elsewhere, monkeypatch):
    write_demo(elsewhere / "follows.csv", accounts=120)
    monkeypatch.setenv("RAYPIPE_FEEDBACK_URL", "postgresql+psycopg://me:secret@db/x")
    done = raypipe("run", "--follows", "follows.csv", code=78)
    assert done.stderr.endswith(": leave the password out; set PGPASSWORD, or use ~/.pgpass\n")
    assert "secret" not in done.stderr
    monkeypatch.setenv("RAYPIPE_FEEDBACK_URL", "mysql://me:secret@db/x")
    done = raypipe("run", "--follows", "follows.csv", code=78)
    assert done.stderr.endswith(
        "feedback.url: expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME\n"
    )
