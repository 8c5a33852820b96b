"""What an account sees now: no face names an account that is excluded from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.errors import FeedbackError, UnknownAccountError
from raypipe.pipeline.run import run_night
from raypipe.recommend.reason_words import NAMELESS
from raypipe.storage.runs.store import RunStore
from tests.recommend.filters.test_inputs import config_for, lists_in, reject, write

#: me, and others who follow what it follows: everybody is similar to everybody.
NAMES = ["me", "plain", "ann", "blocked", "blocker", "out", "bot", "rejected", "far"]
HIDDEN = ["blocked", "blocker", "out", "bot", "rejected"]
ROWS = [(name, star) for name in NAMES for star in ("s1", "s2")]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("RAYPIPE_RUNS_DIR", "RAYPIPE_FEEDBACK_URL"):
        monkeypatch.delenv(name, raising=False)


def filters():
    Path("blocks.csv").write_text("accountId,candidateId\nme,blocked\nblocker,me\n")
    Path("out.csv").write_text("accountId\nout\n")
    Path("bots.csv").write_text("accountId\nbot\n")
    files = {"blocks": "blocks.csv", "opted_out": "out.csv", "bots": "bots.csv"}
    return {f"filters__{key}": value for key, value in files.items()}


def night(rows, day=1, **settings):
    write(rows)
    config = config_for(sources__similar__threshold=0, **settings)
    return run_night(config, RunStore(Path("runs")), f"2026-02-0{day}").run


def said(*words, code=0):
    done = CliRunner().invoke(app, [*words])
    assert done.exit_code == code, done.output
    return done.output


def asked(*words):
    return json.loads(said(*words, "--json"))


def neighbours(account):
    return [row["neighbourId"] for row in asked("similar", account)]


def recommended(account):
    return {row["candidateId"]: row["reason"] for row in asked("recommend", account)}


def test_similar_names_nobody_who_is_hidden():
    night(ROWS)
    assert {*HIDDEN} <= {*neighbours("me")}
    night(ROWS, day=2, **filters())
    assert {*HIDDEN} & {*neighbours("me")} == {"rejected"}
    said("reject", "me", "rejected")
    assert not {*HIDDEN} & {*neighbours("me")}
    assert {"plain", "ann", "far"} <= {*neighbours("me")}
    shown = said("similar", "me")
    assert not [name for name in HIDDEN if f" {name} " in shown]
    assert "me" not in neighbours("blocked") + neighbours("blocker")


def test_similar_keeps_published_ranks_and_fills_the_limit():
    night(ROWS)
    before = {row["neighbourId"]: row["rank"] for row in asked("similar", "me")}
    first, *others = before
    said("reject", "me", first)
    after = asked("similar", "me", "--limit", "2")
    assert [(row["neighbourId"], row["rank"]) for row in after] == [
        (name, before[name]) for name in others[:2]
    ]
    assert [*after[0]] == ["accountId", "rank", "neighbourId", "score"]


#: me follows all; those whom it follows follow the candidates c1 and c2.
TIED = [("me", name) for name in NAMES[1:]]
TIED += [(name, c) for name in NAMES[1:] for c in ("c1", "c2")]


def test_a_reason_names_nobody_who_was_rejected_after_the_night():
    night(TIED, sources__similar__min_follows=1)
    before = recommended("me")["c1"]
    assert before == "followed by ann, blocked and 6 others you follow"
    reject(("me", "blocked"))
    assert recommended("me") == {"c1": NAMELESS, "c2": NAMELESS}
    assert asked("explain", "me", "c1")["reason"] == NAMELESS
    assert asked("explain", "me", "c1", "--as-account")["reason"] == NAMELESS
    reject(("me", "far"))  # nobody who is named
    said("unreject", "me", "blocked")
    assert recommended("me")["c1"] == before


@pytest.mark.parametrize("hidden", [("blocked",), ("blocker",), ("out",), ("bot",)])
def test_after_a_rollback_nobody_who_is_hidden_by_now_is_named(hidden):
    rows = [("me", "ann"), ("me", *hidden), (*hidden, "c1"), ("ann", "c1"), ("x", "y")]
    rows += [("other", "ann"), ("other", *hidden), ("z", "c1"), ("me", "s1"), ("other", "s1")]
    one = night(rows)
    named = recommended("me")["c1"]
    assert hidden[0] in named
    assert "ann" in named
    without = [pair for pair in rows if pair != ("me", *hidden)]
    night(without, day=2, **filters(), filters__previously_followed=False)
    said("runs", "rollback", one.id)
    assert recommended("me")["c1"] == NAMELESS
    assert asked("explain", "me", "c1")["reason"] == NAMELESS
    assert hidden[0] not in neighbours("me")
    assert "other" in neighbours("me")
    assert hidden[0] not in recommended("other") if hidden[0] in ("out", "bot") else True


def test_ranks_of_recommendations_count_what_is_seen():
    night(TIED)
    before = asked("recommend", "me")
    reject(("me", before[0]["candidateId"]))
    after = asked("recommend", "me")
    assert [row["rank"] for row in after] == [*range(1, len(before))]
    assert [*after[0]] == ["accountId", "rank", "candidateId", "score", "source", "reason"]


@pytest.mark.parametrize(
    "words",
    [("recommend", "me"), ("similar", "me"), ("explain", "me", "c1"),
     ("explain", "me", "c1", "--as-account")],
)  # fmt: skip
def test_an_unreadable_store_shows_nothing(words):
    night(TIED)
    Path("runs/feedback.sqlite").write_bytes(b"not a database at all" * 100)
    output = said(*words, code=FeedbackError.exit_code)
    assert output.startswith("raypipe: ")
    assert "c1" not in output
    assert len(output.splitlines()) == 1


EXPLAINED = [
    ("me", "s1"), ("me", "s2"), ("other", "s1"), ("other", "s2"), ("shy", "s1"),
    *[("other", name) for name in
      ("mine", "theirs", "both", "out", "bot", "gone", "left", "rejected", "late", "shown")],
]  # fmt: skip


@pytest.fixture
def explained():
    """Two nights, so that there are unfollows: me has unfollowed gone, left and both."""
    told = [("mine", "me"), ("me", "mine"), ("theirs", "me"), ("both", "me"), ("left", "me")]
    rows = "\n".join(f"{a},{b}" for a, b in told if a != "mine")
    Path("blocks.csv").write_text(f"accountId,candidateId\n{rows}\n")
    Path("out.csv").write_text("accountId\nout\n")
    Path("bots.csv").write_text("accountId\nbot\n")
    night([*EXPLAINED, ("me", "gone"), ("me", "left"), ("me", "both")])
    reject(("me", "rejected"), ("me", "both"))
    settings = {
        "filters__blocks": "blocks.csv",
        "filters__opted_out": "out.csv",
        "filters__bots": "bots.csv",
        "candidates__min_followers": 1,
    }
    night(EXPLAINED, day=2, **settings)
    said("reject", "me", "late", "--reason", "no, thanks")


def as_account(candidate):
    words = ["explain", "me", candidate, "--as-account"]
    return asked(*words), said(*words)


def test_an_account_is_told_its_own_reasons(explained):
    expected = {
        "rejected": ("REJECTED", "you rejected it at 20"),
        "late": ("REJECTED", "you rejected it at 20"),
        "mine": ("BLOCKED", "you have blocked it"),
        "gone": ("PREVIOUSLY_FOLLOWED", "you used to follow it"),
        # These have blocked me, of which I am told nothing.
        "left": ("PREVIOUSLY_FOLLOWED", "you used to follow it"),
        "both": ("REJECTED", "you rejected it at 20"),
    }
    for candidate, (name, words) in expected.items():
        found, text = as_account(candidate)
        assert (found["recommended"], found["why_not"]) == (False, name)
        assert found["because"].startswith(words)
        assert f"not recommended: {words}" in text
        assert (found["reason"], found["sources"], found["shares"]) == (None, [], [])
    assert as_account("late")[0]["because"].endswith(": no, thanks")
    assert as_account("gone") == tuple(
        type(answer)(json.loads(json.dumps(answer).replace("left", "gone")))
        for answer in as_account("left")
    )


def test_an_account_is_told_nothing_of_others(explained):
    """Blocked by it, opted out, a bot, unknown, not retrieved, followed: one answer."""
    answers = set()
    for candidate in ("theirs", "out", "bot", "nobody knows", "shy", "other", "s1", "me"):
        found, text = as_account(candidate)
        assert found.pop("candidate") == candidate
        assert text.startswith(f"{candidate} to me, ")
        answers.add((json.dumps(found), text.removeprefix(candidate)))
    ((found, text),) = answers
    assert json.loads(found)["because"] == "not available"
    assert json.loads(found)["why_not"] == "NOT_AVAILABLE"
    assert text.splitlines()[1:] == ["not recommended: not available"]


def test_an_operator_is_told_the_filter(explained):
    for candidate, why_not in (("theirs", "BLOCKED"), ("out", "OPTED_OUT"), ("bot", "BOT")):
        assert asked("explain", "me", candidate)["why_not"] == why_not


def test_an_account_is_told_of_what_it_sees(explained):
    found, text = as_account("shown")
    (row,) = [row for row in asked("recommend", "me") if row["candidateId"] == "shown"]
    names = ("rank", "score", "source", "reason")
    assert [found[name] for name in names] == [row[name] for name in names]
    assert found["recommended"]
    assert f"recommended at rank {row['rank']}" in text


def test_an_unknown_account_is_refused_as_account_too(explained):
    output = said("explain", "nobody", "c1", "--as-account", code=UnknownAccountError.exit_code)
    assert output.startswith("raypipe: account 'nobody' is not in run ")


def test_lists_hold_what_is_shown():
    run = night(TIED)
    assert {("me", name) for name in recommended("me")} == {
        pair for pair in lists_in(run) if pair[0] == "me"
    }


def test_one_account_is_read_without_heavy_imports():
    night(TIED)
    reject(("me", "far"))
    code = (
        "import sys; from typer.testing import CliRunner; from raypipe.cli import app\n"
        "for words in (['recommend', 'me'], ['similar', 'me'], "
        "['explain', 'me', 'out', '--as-account']):\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0, words\n"
        "print(*{'ray', 'numba', 'sqlalchemy', 'pandas', 'modin'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
