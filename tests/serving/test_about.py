"""What an account may be told about itself: all that stands against it, and nobody's name."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from typer.testing import CliRunner

import raypipe
from raypipe.cli import app
from raypipe.config.feedback_url import store_url
from raypipe.errors import UnknownAccountError
from raypipe.storage.feedback.store import FeedbackStore
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN

FRIENDS = [f"f{a:02}" for a in range(50)]
FANS = [f"x{i:02}" for i in range(40)]


@pytest.fixture
def night(tmp_path, monkeypatch):
    """A function that runs a night, and returns what ``about`` prints of an account."""
    monkeypatch.chdir(tmp_path)
    rows = [(a, b) for a in FRIENDS for b in FRIENDS if a != b] + [(fan, "star") for fan in FANS]
    (tmp_path / "follows.csv").write_text(
        "\n".join(["followerId,followingId", *map(",".join, rows)]) + "\n"
    )

    def run(account, *words, **settings):
        asked = {"input.follows": "follows.csv", "cluster": "none", "ladder": "fixed", **settings}
        raypipe.run(PLAIN | asked, date="2026-03-01")
        result = CliRunner().invoke(app, ["explain", "--about", account, *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def test_suspicions_come_with_their_evidence(night):
    said = night("x07")
    assert "reputation: 0; 55% of the accounts have more" in said
    assert "suspicion: 40 of the 40 followers of 'star' have 1 follow, 0 followers" in said
    assert "(synchronised, " in said
    assert "shown to nobody: it has 0 followers, but candidates.min_followers is 1" in said
    assert "shown to nobody: it is a suspect" in night("x07", **{"filters.suspects": True})


def test_an_account_in_good_standing_has_nothing_against_it(night):
    bounded = {"integrity.bounds": True}
    said = night("f01", **bounded).splitlines()
    assert said[1].startswith("reputation: 0.02; ")
    assert said[2:] == [
        "followers: 49; 1 count as votes",  # they are near-twins
        "suspicion: none",
        "excluded from the lists of fewer than 5 accounts",
        "new lists in the next night: at most 0, and one for each that it leaves",
    ]
    said = night("star", **bounded, **{"integrity.new_entries_per_follower": 5.83}).splitlines()
    assert said[2] == "followers: 40; 3 count as votes"  # nobody proven is near
    assert said[-1] == "new lists in the next night: at most 7, and one for each that it leaves"
    assert "new lists" not in night("star", **{"integrity.bounds": False})


def test_who_excludes_an_account_is_not_told_and_few_are_not_counted(night, tmp_path):
    store = FeedbackStore(store_url(None, RunStore(tmp_path / "runs").root))
    (tmp_path / "runs").mkdir()
    found = {}
    for count, account in ((4, "f00"), (5, "f01"), (12, "f02")):
        with closing(store):
            for other in FANS[:count]:
                store.reject(other, account)
        found[account] = json.loads(night(account, "--json"))
    assert [one["excluded_by"] for one in found.values()] == [0, 5, 10]
    assert not any(fan in json.dumps(found) for fan in FANS)


def test_filters_about_the_account_are_named(night, tmp_path):
    (tmp_path / "bots.csv").write_text("accountId\nf03\n")
    assert "shown to nobody: it is a bot" in night("f03", **{"filters.bots": "bots.csv"})


def test_words_that_make_no_question_are_refused(night):
    night("f00")
    for words in (["f00"], ["f00", "f01", "--about", "f00"], []):
        result = CliRunner().invoke(app, ["explain", *words])
        assert result.exit_code == 2
        assert "expected ACCOUNT and CANDIDATE, or --about ACCOUNT" in result.output
    with pytest.raises(UnknownAccountError, match="'nobody' is not in run"):
        raypipe.about("nobody")
