"""Why a candidate is recommended, or why not: asked of a run, as the night itself would say."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.errors import UnknownAccountError
from raypipe.pipeline.run import run_night
from raypipe.serving.explain import explain
from raypipe.serving.explanation import Share
from raypipe.serving.lookup import Lookup
from raypipe.storage.runs.store import RunStore
from tests.recommend.filters.test_inputs import ROWS, config_for, reject, write

#: Everybody is recommended to everybody that may be: the longest list that a config can ask for.
LONGEST = {"recommendations__per_account": 1000}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("RAYPIPE_RUNS_DIR", "RAYPIPE_FEEDBACK_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Rows of a small network, and its runs with short and with long lists, of three phases."""
    from raypipe.graph.demo import demo_follows

    folder = tmp_path_factory.mktemp("demo")
    rows = [(a, b) for a, b in demo_follows(accounts=120) if a and b and a != b]
    before = os.getcwd()
    os.chdir(folder)
    write(rows)
    model = {
        "sources__factors__algorithm": "TruncatedSVD",
        "sources__factors__parameters": {"n_factors": 8},
    }
    told = {**model, "sources__factors__min_follows": 12, "sources__similar__min_follows": 3}
    told["input__follows"] = str(folder / "follows.csv")
    runs = [
        run_night(config_for(**told, **more), RunStore(folder / name), "2026-03-01").run
        for name, more in (("short", {}), ("long", LONGEST))
    ]
    os.chdir(before)
    return sorted(set(rows)), *runs


def test_ranks_are_those_of_a_longer_list(demo):
    """Of some accounts on every tier, each candidate: as published, or as a longer list has it."""
    rows, short, long = demo
    follows = {}
    for a, b in rows:
        follows.setdefault(a, set()).add(b)
    by_size = sorted(follows, key=lambda account: (len(follows[account]), account))
    led = set()
    for account in (by_size[0], by_size[len(by_size) // 2], by_size[-1]):
        shown = {row["candidateId"]: row for row in short.recommendations(account).to_pylist()}
        listed = {row["candidateId"]: row for row in long.recommendations(account).to_pylist()}
        led.add(listed[min(listed, key=lambda name: listed[name]["rank"])]["source"])
        assert len(shown) == 10
        for candidate in sorted({b for _, b in rows} - {account}):
            found = explain(Lookup(account, short), candidate)
            row = listed.get(candidate)
            if candidate in follows[account]:
                assert found.why_not == "ALREADY_FOLLOWED"
            elif candidate in shown:
                assert found.recommended
                assert found.because == f"at rank {row['rank']} of 10"
                assert (found.rank, found.score, found.source) == (
                    row["rank"], row["score"], row["source"],
                )  # fmt: skip
                assert found.shares == (Share(row["source"], 1.0),)
            else:
                assert not found.recommended
                assert (found.why_not, found.rank) == ("TOO_LOW", None)
                assert str(row["rank"]) in found.because
            if row:
                assert found.rank_if_longer == row["rank"]
                assert found.reason == row["reason"]
    assert led == {"popular", "similar", "factors"}


def test_shares_of_a_blend_by_weights(demo):
    """Each source's weight / (10 + its rank), as part of their sum; ranks as they are published."""
    rows, *_ = demo
    write(rows)
    blends = {
        "blend__method": "rank_fusion",
        "blend__candidates_per_source": 12,
        "blend__max_share_per_source": 0.5,
    }
    run = run_night(
        config_for(**blends, sources__similar__min_follows=1), RunStore(Path("runs")), "2026-03-01"
    )
    weights = {"follow_back": 1, "two_hop": 0.2, "co_followed": 0.1, "similar": 0.5, "popular": 0.1}
    account = follows_most(rows)
    shown = run.run.recommendations(account).to_pylist()
    for row in shown:
        found = explain(Lookup(account, run.run), row["candidateId"])
        assert (found.rank, found.rank_if_longer) == (row["rank"], row["rank"])
        ranks = {of.source: of.rank for of in found.sources}
        parts = {
            name: weight / (10 + ranks[name])
            for name, weight in weights.items()
            if ranks[name] and ranks[name] <= 12
        }
        assert sum(parts.values()) == pytest.approx(row["score"])
        assert {of.source: of.share for of in found.shares} == {
            name: pytest.approx(part / row["score"]) for name, part in parts.items()
        }
    names = {row["candidateId"] for row in shown}
    theirs = {b for a, b in rows if a == account} | {account}
    said = [
        explain(Lookup(account, run.run), name)
        for name in sorted({b for _, b in rows} - names - theirs)
    ]
    words = {found.because for found in said if found.rank_if_longer is None}
    assert words == {
        "the list already has blend.max_share_per_source candidates of its source",
        "it is not among the 12 best candidates of follow_back, two_hop, co_followed, similar, "
        "popular, which the blend ranks",
    }
    assert {found.why_not for found in said} == {"TOO_LOW"}


def test_what_rejections_teach_is_known(demo):
    """A rejection that changes another account's list is there when that list is explained."""
    rows, *_ = demo
    told = {
        "feedback__negative__votes": 1000,
        "feedback__negative__popular": 1000,
        "sources__similar__neighbours": 50,
    }
    write(rows)
    plain = run_night(config_for(**told), RunStore(Path("runs")), "2026-03-01").run
    account = follows_most(rows)
    first = plain.recommendations(account).to_pylist()[0]["candidateId"]
    neighbours = {row["neighbourId"] for row in plain.neighbours(account).to_pylist()}
    for neighbour in sorted(neighbours - {first}):
        reject((neighbour, first))
    taught = run_night(config_for(**told), RunStore(Path("runs")), "2026-03-02").run
    shown = taught.recommendations(account).to_pylist()
    assert first not in {row["candidateId"] for row in shown}
    for row in shown:
        assert explain(Lookup(account, taught), row["candidateId"]).rank_if_longer == row["rank"]
    found = explain(Lookup(account, taught), first)
    assert not found.recommended
    assert next(of.rank for of in found.sources if of.source == "similar") is None


def test_each_source_by_itself(demo):
    """What a run on that source alone would publish."""
    rows, short, _ = demo
    write(rows)
    alone = run_night(
        config_for(**LONGEST, sources__similar__min_follows=500),
        RunStore(Path("popular")),
        "2026-03-01",
    ).run
    account = follows_most(rows)
    popular = {row["candidateId"]: row for row in alone.recommendations(account).to_pylist()}
    for candidate, row in popular.items():
        found = {row.source: row for row in explain(Lookup(account, short), candidate).sources}
        assert list(found) == [
            "factors", "similar", "popular", "follow_back", "two_hop", "co_followed", "pagerank",
        ]  # fmt: skip
        assert [row.place for row in found.values()] == [1, 2, 3, *[None] * 4]
        assert (found["popular"].rank, found["popular"].score) == (row["rank"], row["score"])
        assert not found["popular"].deep
        follows_back = (candidate, account) in rows
        assert (found["follow_back"].rank is not None) == follows_back


def follows_most(rows):
    """Of accounts that follow as many, the one that stands first."""
    (account, _), *_ = Counter(account for account, _ in rows).most_common(1)
    return account


def run_on(day, rows=ROWS, **settings):
    write(rows)
    return run_night(config_for(**settings), RunStore(Path("runs")), f"2026-03-0{day}").run


def asked(account, candidate, *words):
    done = CliRunner().invoke(app, ["explain", account, candidate, "--json", *words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_each_filter_reason():
    Path("blocks.csv").write_text("accountId,candidateId\nblocked,a\n")
    Path("out.csv").write_text("accountId\nopted_out\n")
    Path("bots.csv").write_text("accountId\nbot\n")
    files = {"blocks": "blocks.csv", "opted_out": "out.csv", "bots": "bots.csv"}
    told = {f"filters__{key}": value for key, value in files.items()}
    liked = ["blocked", "opted_out", "bot", "rejected", "later", "undone", "before", "shown"]
    rows = [*ROWS, *((other, name) for name in liked for other in "bcd"), ("d", "few")]
    run_on(1, [*rows, ("a", "before")])
    reject(("a", "rejected"), ("a", "undone"))
    run_on(2, rows, candidates__min_followers=2, **told)
    reject(("a", "later"))
    CliRunner().invoke(app, ["unreject", "a", "undone"])
    CliRunner().invoke(app, ["reject", "a", "d", "--reason", "no, thanks"])
    expected = {
        "a": ("SELF", "it is the account itself"),
        "x": ("ALREADY_FOLLOWED", "the account follows it already"),
        "rejected": ("REJECTED", "it was rejected at 20"),
        "later": ("REJECTED", "it was rejected at 20"),
        "undone": ("REJECTED", "later runs may show it again"),
        "blocked": ("BLOCKED", "one of the two has blocked the other"),
        "before": ("PREVIOUSLY_FOLLOWED", "it used to be followed, in an earlier run"),
        "opted_out": ("OPTED_OUT", "it has opted out"),
        "bot": ("BOT", "it is a bot"),
        "few": ("TOO_FEW_FOLLOWERS", "it has 1 followers, but candidates.min_followers is 2"),
    }
    for candidate, (name, words) in expected.items():
        found = asked("a", candidate)
        assert (found["recommended"], found["why_not"]) == (False, name)
        assert words in found["because"]
        assert (found["reason"], found["sources"]) == (None, [])
    assert asked("a", "shown")["recommended"]
    assert asked("a", "later")["rank"]  # as published; readers do not see it
    assert asked("a", "d")["rejected"]["reason"] == "no, thanks"
    assert asked("a", "d")["because"].endswith(": no, thanks")


def test_after_a_rollback():
    one = run_on(1, [*ROWS, ("e", "z")], candidates__min_followers=0)
    assert asked("a", "z")["recommended"]
    Path("bots.csv").write_text("accountId\nz\n")
    Path("blocks.csv").write_text("accountId,candidateId\ny,b\n")
    files = {"filters__bots": "bots.csv", "filters__blocks": "blocks.csv"}
    two = run_on(2, [*ROWS, ("e", "z")], **files)
    assert asked("a", "z")["because"] == "it is a bot"
    RunStore(Path("runs")).rollback(one.id)
    found = asked("a", "z")
    assert (found["run"], found["why_not"], found["rank"]) == (one.id, "BOT", 1)
    assert found["because"] == f"it is a bot, according to the later run {two.id}"
    found = asked("b", "y")
    assert (found["why_not"], found["rank"]) == ("BLOCKED", 1)
    assert asked("a", "b")["why_not"] == "NOT_RETRIEVED"


def test_who_gets_no_list_and_whom_no_source_brings():
    run_on(1, audience__min_follows=2, candidates__min_followers=0)
    found = asked("d", "z")
    assert (found["why_not"], found["list_length"]) == ("NO_LIST", 0)
    assert found["because"] == ("d is not in the audience of this run (audience.min_follows is 2)")
    found = asked("a", "d")
    assert found["why_not"] == "NOT_RETRIEVED"
    assert found["because"] == "none of the sources of the list retrieves it: similar, popular"
    assert [row["rank"] for row in found["sources"]] == [*[None] * 5, 3]  # walks go back, too


def test_people_read_it():
    run_on(1)
    shown = CliRunner().invoke(app, ["explain", "a", "z"])
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1:3] == [
        "recommended at rank 1 of 1",
        "reason: people who follow like you follow it",
    ]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert cells[:2] == [
        ["similar", "1", "1", "0.667", "1.000"],
        ["popular", "2", "1", "2.000", "-"],
    ]
    assert cells[2] == ["follow_back", "-", "does not bring it", "-", "-"]
    excluded = CliRunner().invoke(app, ["explain", "a", "x"]).stdout.splitlines()
    assert excluded[1:] == ["not recommended: the account follows it already"]


@pytest.mark.parametrize("pair", [("nobody", "z"), ("a", "nobody")])
def test_unknown_ids(pair):
    run = run_on(1)
    done = CliRunner().invoke(app, ["explain", *pair])
    assert done.exit_code == UnknownAccountError.exit_code
    assert done.stderr.startswith(f"raypipe: account 'nobody' is not in run {run.id}; no id")
