"""Bots and suspended accounts: no vote, no follower, no list; inactive accounts: no candidates."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from raypipe.config import load_config
from raypipe.errors import InputError, LeakError, RaypipeError
from raypipe.evaluation.evaluate import evaluate
from raypipe.pipeline.run import run_night
from raypipe.recommend.filters.inputs import FilterInputs
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN

PEOPLE = [(f"u{i}", f"u{(i + step) % 8}") for i in range(8) for step in (1, 2)]
BOTS = [(f"bot{i:02}", "spam") for i in range(20)]


@pytest.fixture
def night(tmp_path):
    def run(rows, date="2026-03-01", folder="runs", **settings):
        path = tmp_path / "follows.csv"
        names = ("followerId", "followingId", "at")[: len(rows[0])]
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in [names, *rows]))
        told = {"input.follows": str(path), "cluster": "none", "frames": "pandas"}
        given = {key.replace("__", "."): value for key, value in settings.items()}
        config = load_config(None, PLAIN | told | {"ladder": "fixed"} | given)
        return run_night(config, RunStore(tmp_path / folder), date).run

    return run


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def lists_of(run):
    rows = run.table("recommendations").to_pylist()
    return [(row["accountId"], row["rank"], row["candidateId"]) for row in rows]


def test_bots_neither_vote_nor_get_lists_nor_are_shown(night, tmp_path):
    bots = table(tmp_path / "bots.csv", "accountId", *(bot for bot, _ in BOTS))
    rows = [*PEOPLE, *BOTS, ("bot00", "u1"), ("bot00", "u1")]
    run = night(rows, filters__bots=bots)
    counts = run.manifest.counts
    assert (counts.rows.of_bots, counts.rows.duplicates) == (21, 1)
    assert counts.rows.rows_in == counts.rows.rows_used + 22
    assert counts.audience == 9  # eight people, and spam, who follows nobody
    # The lists are those of a night without the follows of bots, where nobody follows spam.
    alone = night(PEOPLE, folder="alone")
    wanted = [row for row in lists_of(run) if row[0] != "spam"]
    assert wanted == lists_of(alone)
    assert run.recommendations("bot00").num_rows == 0
    assert not any(name.startswith(("bot", "spam")) for _, _, name in lists_of(run))


def test_the_gate_finds_a_list_of_a_bot(night, tmp_path, monkeypatch):
    bots = table(tmp_path / "bots.csv", "accountId", "u0")
    monkeypatch.setattr(FilterInputs, "silent", lambda _, graph: np.zeros(graph.accounts, bool))
    with pytest.raises(LeakError, match="to 'u0': the recommended account is shown to one that is"):
        night(PEOPLE, filters__bots=bots)


def test_an_evaluation_does_not_count_bots(tmp_path, night):
    bots = table(tmp_path / "bots.csv", "accountId", *(bot for bot, _ in BOTS))
    more = [(f"u{i}", f"u{(i + 3) % 8}") for i in range(8)]
    night([*PEOPLE, *more, *BOTS])
    told = {"input.follows": str(tmp_path / "follows.csv"), "cluster": "none", "frames": "pandas"}
    results = [
        evaluate(load_config(None, PLAIN | told | {"ladder": "fixed", **given}), ["popular"]).result
        for given in ({}, {"filters.bots": bots})
    ]
    counts = [(found.split.follows.train, found.split.follows.test) for found in results]
    assert sum(counts[0]) - sum(counts[1]) == 20


def test_inactive_accounts_are_no_candidates(night, tmp_path):
    times = table(tmp_path / "t.csv", "accountId,lastActive", "u1,2025-12-31", "u2,2026-02-28")
    told = {"filters__inactive__table": times, "filters__inactive__days": 60}
    run = night(PEOPLE, **told)
    shown = {candidate for _, _, candidate in lists_of(run)}
    assert ("u1" in shown, "u2" in shown) == (True, True)  # 60 days before March 1: December 31
    late = night(PEOPLE, "2026-03-02", **told)
    shown = {candidate for _, _, candidate in lists_of(late)}
    assert ("u1" in shown, "u2" in shown) == (False, True)
    assert late.manifest.counts.filters["inactive"] == 1
    assert late.recommendations("u1").num_rows


def test_a_last_activity_that_is_no_date(night, tmp_path):
    times = table(tmp_path / "t.csv", "accountId,lastActive", "u1,yesterday")
    with pytest.raises(InputError, match=r"found 'yesterday' in column lastActive \(row 1\)"):
        night(PEOPLE, filters__inactive__table=times)


def test_the_latest_activity_counts(night, tmp_path):
    rows = ["u1,2026-02-28", "u1,2019-01-01", "u2,2019-01-01", "u2,2018-01-01"]
    times = table(tmp_path / "t.csv", "accountId,lastActive", *rows)
    run = night(PEOPLE, filters__inactive__table=times)
    assert run.manifest.counts.filters["inactive"] == 1
    assert "u2" not in {candidate for _, _, candidate in lists_of(run)}


@pytest.mark.parametrize("unit", ["dates", 1, 1000, 1_000_000_000])
def test_accounts_without_a_follow_since_are_no_candidates(night, tmp_path, unit):
    def at(day):
        if unit == "dates":
            return day
        return int(datetime.fromisoformat(f"{day}+00:00").timestamp()) * unit

    old, new = "2025-12-30", "2025-12-31"
    rows = [(a, b, at(old if a == "u1" or b == "u4" else new)) for a, b in PEOPLE]
    rows += [("u2", "star", at(old)), ("u3", "star", at(new))]
    told = {"filters__inactive__by_follows": True, "filters__inactive__days": 60}
    told |= {"input__columns__timestamp": "at"}
    run = night(rows, **told)
    shown = {candidate for _, _, candidate in lists_of(run)}
    # u1 followed last on the day before; the star follows nobody; 60 days before March 1.
    assert {"u2", "u4", "star"} <= shown
    assert "u1" not in shown
    assert run.manifest.counts.filters["inactive"] == 1
    assert run.recommendations("u1").num_rows
    more = table(tmp_path / "t.csv", "accountId,lastActive", "u4,2019-01-01")
    both = night(rows, **told, filters__inactive__table=more)
    assert both.manifest.counts.filters["inactive"] == 2


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (PEOPLE, {}, "by_follows: needs the times of follows; set input.columns.timestamp"),
        (
            [(*pair, n) for n, pair in enumerate(PEOPLE)],
            {"input__columns__timestamp": "at"},
            "16 numbers are no times since 1970, such as 0; filters.inactive.by_follows needs",
        ),
    ],
)
def test_follows_without_times_show_nobody_as_inactive(night, rows, settings, message):
    with pytest.raises(RaypipeError, match=message):
        night(rows, filters__inactive__by_follows=True, **settings)
