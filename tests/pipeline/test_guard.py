"""The guard: what is held back, what is released, and what a second command does."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.config import load_config
from raypipe.config.guard import GuardConfig
from raypipe.errors import HeldError, RunError
from raypipe.pipeline import run as pipeline
from raypipe.pipeline.guard import breaches
from raypipe.pipeline.run import run_night
from raypipe.storage.runs.manifest import ChangeRecord
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN

#: 30 accounts on a circle: each follows the next three.
CIRCLE = [(f"a{i:02}", f"a{(i + step) % 30:02}") for i in range(30) for step in (1, 2, 3)]
DATES = ["2026-03-01", "2026-03-02", "2026-03-03"]


def night(store, rows, date, **settings):
    path = store.root.parent / "follows.csv"
    path.write_text("followerId,followingId\n" + "".join(f"{a},{b}\n" for a, b in rows))
    told = {"input.follows": str(path), "cluster": "none", "frames": "pandas", "ladder": "fixed"}
    given = {key.replace("__", "."): value for key, value in settings.items()}
    return run_night(load_config(None, PLAIN | told | given), store, date)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def command(store, *words):
    return CliRunner().invoke(app, [*words, "--runs-dir", str(store.root)])


def test_half_an_input_is_held_back_and_released(store, monkeypatch):
    first = night(store, CIRCLE, DATES[0])
    assert first.run.manifest.guard.breaches == ()
    with pytest.raises(HeldError) as held:
        night(store, CIRCLE[:30], DATES[1])
    assert held.value.exit_code == 77
    assert store.current_id() == first.run.id
    run = store.runs()[0]
    _, accounts, follows, *_ = str(held.value).splitlines()
    assert accounts.strip() == "accounts: 13, before 30; expected at least 21 (guard.max_loss)"
    assert follows.strip() == "follows: 30, before 90; expected at least 63 (guard.max_loss)"
    assert f"raypipe runs publish {run.id} --force" in str(held.value)

    # The same command again says the same, and computes nothing.
    monkeypatch.setattr(pipeline, "_make_run", None)
    with pytest.raises(HeldError) as again:
        night(store, CIRCLE[:30], DATES[1])
    assert str(again.value) == str(held.value)
    assert [row["problem"] for row in json.loads(command(store, "runs", "list", "--json").stdout)]
    assert "held" in command(store, "runs", "list").stdout

    # With other limits, the finished run is inside.
    assert command(store, "runs", "publish", run.id).exit_code == 77
    released = command(store, "runs", "publish", run.id, "--force")
    assert (released.exit_code, released.stdout) == (0, f"published: {run.id}\n")
    assert store.current_id() == run.id
    assert not night(store, CIRCLE[:30], DATES[1]).new


def test_other_limits_publish_the_finished_run(store, monkeypatch):
    night(store, CIRCLE, DATES[0])
    with pytest.raises(HeldError):
        night(store, CIRCLE[:30], DATES[1])
    monkeypatch.setattr(pipeline, "_make_run", None)
    wide = {"guard__max_loss": None, "guard__min_top": None, "guard__min_overlap": None}
    assert night(store, CIRCLE[:30], DATES[1], **wide).run.id == store.current_id()


def test_a_night_without_a_list_is_held_back(store):
    with pytest.raises(HeldError, match="recommendations: 0, before -; expected at least 1"):
        night(store, [("a", "b")], DATES[0], candidates__min_followers=5)
    assert store.current_id() is None


def test_an_older_run_is_finished_but_not_published(store):
    newer = night(store, CIRCLE, DATES[2]).run
    older = night(store, CIRCLE, DATES[1])
    assert (older.newer, older.new, store.current_id()) == (newer.id, True, newer.id)
    again = night(store, CIRCLE, DATES[1])
    assert (again.newer, again.new, store.current_id()) == (newer.id, False, newer.id)
    assert command(store, "runs", "publish", older.run.id).exit_code == 0
    assert store.current_id() == older.run.id


def test_another_network_is_refused(store):
    night(store, CIRCLE, DATES[0])
    others = [(f"x{a}", f"x{b}") for a, b in CIRCLE]
    with pytest.raises(RunError, match=r"found 0.0% of the accounts in common .* --runs-dir"):
        night(store, others, DATES[1])
    # Truncated input is of the same network: the guard speaks.
    with pytest.raises(HeldError):
        night(store, CIRCLE[:3], DATES[1])


def test_names_tell_networks_apart(store):
    night(store, CIRCLE, DATES[0], network="a")
    with pytest.raises(RunError, match="is of network 'a', found network 'b'; use another"):
        night(store, CIRCLE, DATES[1], network="b")
    renamed = [(f"x{a}", f"x{b}") for a, b in CIRCLE]
    limits = {"guard__min_top": None}
    assert night(store, renamed, DATES[1], network="a", **limits).run.id == store.current_id()


def test_diff(store):
    first = night(store, CIRCLE, DATES[0]).run
    second = night(store, [*CIRCLE, ("a00", "a05"), ("a29", "b")], DATES[1]).run
    found = json.loads(command(store, "runs", "diff", first.id, "--json").stdout)
    assert (found["before"], found["now"]) == (first.id, second.id)
    values = {row["name"]: (row["before"], row["now"]) for row in found["changes"]}
    assert values["accounts"] == (30, 31)
    assert values["follows"] == (90, 92)
    assert values["with_lists"] == (1, 1)
    assert values["quality"] == (None, None)
    assert values["top"][1] == 1
    old, new = (
        {row["accountId"]: set() for row in run.table("recommendations").to_pylist()}
        for run in (first, second)
    )
    for lists, run in ((old, first), (new, second)):
        for row in run.table("recommendations").to_pylist():
            lists[row["accountId"]].add(row["candidateId"])
    shares = [len(old[name] & new[name]) / len(new[name]) for name in new if name in old]
    assert values["overlap"][1] == pytest.approx(sum(shares) / len(shares))
    text = command(store, "runs", "diff", first.id, second.id).stdout
    assert "follows" in text
    assert "guard: compared with run" in command(store, "runs", "show").stdout


@pytest.mark.parametrize(
    ("name", "before", "now", "key"),
    [
        ("accounts", 100, 69, "max_loss"),
        ("accounts", 100, 70, None),
        ("accounts", 100, 201, "max_growth"),
        ("follows", 100, 200, None),
        ("with_lists", 0.9, 0.79, "max_lists_loss"),
        ("from_popular", 0.2, 0.51, "max_popular_rise"),
        ("quality", 0.4, 0.19, "max_quality_loss"),
        ("overlap", None, 0.04, "min_overlap"),
        ("top", None, 0.4, "min_top"),
        ("suspects", 0.1, 0.21, "max_suspects_rise"),
        ("quality", None, 0.1, None),
        ("overlap", None, None, None),
    ],
)
def test_limits(name, before, now, key):
    rows = [ChangeRecord(name="accounts", before=20, now=20, is_share=False)]
    rows = rows if name != "accounts" else []
    changes = (*rows, ChangeRecord(name=name, before=before, now=now, is_share=False))
    lines = breaches(GuardConfig(), changes)
    assert [f"(guard.{key})" in line for line in lines] == ([True] if key else [])
    if key:
        assert breaches(GuardConfig(**{key: None}), changes) == ()
    assert breaches(GuardConfig(min_accounts=101), changes) == ()


def test_the_default_date_is_utc_and_said(store, monkeypatch):
    path = store.root.parent / "follows.csv"
    path.write_text("followerId,followingId\n" + "".join(f"{a},{b}\n" for a, b in CIRCLE))
    found = command(store, "run", "--follows", str(path), "--set", "cluster=none")
    assert found.exit_code == 0
    assert f"date {store.current().date}, today in UTC" in found.stderr
