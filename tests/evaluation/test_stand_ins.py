"""Accounts that stand in for those without follows: with as many followers, none of their own."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe.config import EvaluationConfig
from raypipe.evaluation.stand_ins import draw_stand_ins, hide_all_follows, split_of_idle
from tests.strategies import graph_of


@pytest.fixture(scope="module")
def graph():
    """60 accounts without follows have one follower, 20 have five; of 900 others a third each."""
    followers = {f"idle-{i:02}": 1 if i < 60 else 5 for i in range(80)}
    followers |= {f"some-{i:03}": (0, 1, 5)[i % 3] for i in range(900)}
    rows = [(f"some-{i:03}", "hub") for i in range(900)] + [("hub", "some-001")]
    rng = np.random.default_rng(0)
    for account, count in followers.items():
        drawn = rng.choice(900, count, replace=False)
        rows += [(f"some-{i:03}", account) for i in drawn if f"some-{i:03}" != account]
    return graph_of(rows)


def everybody(graph):
    return np.arange(graph.accounts, dtype=np.int32)


def test_followers_are_those_of_accounts_without_follows(graph):
    drawn = draw_stand_ins(graph, everybody(graph), None, seed=0)
    followers = graph.followers.degrees_of(drawn)
    # A tenth of 901 accounts with follows: three quarters with one follower, as of the idle ones.
    assert np.count_nonzero(followers == 1) == 90 * 60 // 80
    assert np.count_nonzero((followers >= 4) & (followers <= 7)) == 90 * 20 // 80
    assert len(drawn) == 67 + 22
    assert graph.followees.degrees_of(drawn).all()
    assert (np.diff(drawn) > 0).all()
    assert np.array_equal(drawn, draw_stand_ins(graph, everybody(graph), None, seed=0))
    assert not np.array_equal(drawn, draw_stand_ins(graph, everybody(graph), None, seed=1))
    assert len(draw_stand_ins(graph, everybody(graph), 40, seed=0)) == 40


def test_all_their_follows_are_held_out_and_no_others(graph):
    split = split_of_idle(graph, everybody(graph), EvaluationConfig(max_accounts=40), 0)
    assert split.segments.tolist() == [0] * 40
    assert not split.train.followees.degrees_of(split.accounts).any()
    others = np.setdiff1d(everybody(graph), split.accounts)
    before, after = graph.followees.degrees_of(others), split.train.followees.degrees_of(others)
    assert np.array_equal(before, after)
    assert len(split.test.codes) == graph.follows - split.train.follows
    again = hide_all_follows(graph, split.accounts, EvaluationConfig(), 0)
    assert again.train.fingerprint == split.train.fingerprint


def test_nobody_stands_in_where_everybody_follows(graph):
    active = everybody(graph)[graph.followees.degrees > 0]
    assert not len(draw_stand_ins(graph, active, None, seed=0))
    assert split_of_idle(graph, active, EvaluationConfig(), 0) is None
    assert not len(draw_stand_ins(graph, active[:0], None, seed=0))
