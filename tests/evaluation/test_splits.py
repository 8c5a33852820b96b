"""Train and test never overlap, and what is in test is known to no stage."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import EvaluationConfig, SegmentsConfig
from raypipe.errors import InputError
from raypipe.evaluation.splits import SEGMENTS, hold_out_newest, hold_out_share, split_follows
from raypipe.graph.follow_graph import build_graph, encode
from tests.strategies import frame_of, graph_of, pairs


def everybody(graph):
    return np.arange(graph.accounts, dtype=np.int32)


def follows_of(graph, rows=None):
    """(follower, followee) of a graph, or of other rows of its accounts, as ids."""
    rows = rows or graph.followees
    ids = graph.ids.to_pylist()
    return [(ids[i], ids[c]) for i in range(len(ids)) for c in rows.row(i)]


@given(pairs.filter(len), st.sampled_from([(1, 5), (1, 2), (29, 100), (9, 10)]), st.integers(2, 6))
def test_a_share_of_each_account_that_has_enough(rows, share, min_follows):
    graph = graph_of(rows)
    held = hold_out_share(graph, share, min_follows, seed=7)
    numerator, denominator = share
    for account in range(graph.accounts):
        at = slice(*graph.followees.indptr[account : account + 2])
        follows = at.stop - at.start
        out = max(1, follows * numerator // denominator) if follows >= min_follows else 0
        assert held[at].sum() == out < max(1, follows)
    assert np.array_equal(held, hold_out_share(graph, share, min_follows, seed=7))


@given(pairs.filter(len), st.data())
def test_a_split_is_a_partition_of_the_follows(rows, data):
    graph = graph_of(rows)
    bools = st.lists(st.booleans(), min_size=graph.follows, max_size=graph.follows)
    held = np.array(data.draw(bools), bool)
    config = EvaluationConfig(min_follows=2, segments=SegmentsConfig(cold=2, warm=3, hot=4))
    try:
        split = split_follows(graph, held, everybody(graph), config, 0)
    except InputError:
        assert all(
            stop - start < 2 or not held[start:stop].any()
            for start, stop in pairwise(graph.followees.indptr)
        )
        return
    train, test = follows_of(split.train), follows_of(graph, split.test)
    assert not set(train) & set(test)
    assert sorted(train + test) == sorted(follows_of(graph))
    assert split.train.ids.equals(graph.ids)
    # degrees, popularity and the index of neighbours are those of a graph that never had the test
    again, _ = build_graph([encode(frame_of(train))], graph.ids)
    assert split.train.fingerprint == again.fingerprint
    for side in ("followees", "followers"):
        ours, theirs = getattr(split.train, side), getattr(again, side)
        assert np.array_equal(ours.indptr, theirs.indptr)
        assert np.array_equal(ours.codes, theirs.codes)
    counts = split.record.accounts.model_dump()
    assert sum(counts.values()) == graph.accounts
    assert counts["measured"] == len(split.accounts)
    assert split.record.follows.model_dump() == {"train": len(train), "test": len(test)}
    for account, segment in zip(split.accounts, split.segments, strict=True):
        assert split.test.degrees[account] >= 1
        follows = split.train.followees.degrees[account]
        assert SEGMENTS[segment] == dict(enumerate(("zero", "few", "cold", "warm"))).get(
            follows, "hot"
        )


def test_who_is_measured_by_hand():
    """a has five follows, b two, c one, d none; one of a's and all of c's are held out."""
    follows = [("a", x) for x in "bcdef"] + [("b", "a"), ("b", "c"), ("c", "a")]
    graph = graph_of(follows)
    held = np.array([True] + 6 * [False] + [True])
    config = EvaluationConfig(min_follows=3, segments=SegmentsConfig(cold=2, warm=3, hot=4))
    split = split_follows(graph, held, everybody(graph), config, 0)
    # c has no follow left: one held-out follow is enough
    assert [graph.ids[int(code)].as_py() for code in split.accounts] == ["a", "c"]
    assert split.segments.tolist() == [4, 0]
    assert split.record.accounts.model_dump() == {
        "measured": 2,
        "not_drawn": 0,
        "without_follows": 3,
        "too_few_follows": 1,
        "nothing_held_out": 0,
    }
    both = EvaluationConfig(min_follows=2)
    assert (
        split_follows(graph, held, everybody(graph), both, 0).record.accounts.nothing_held_out == 1
    )
    assert follows_of(graph, split.test) == [("a", "b"), ("c", "a")]


def test_seeds_and_the_number_of_other_accounts():
    rng = np.random.default_rng(0)
    rows = [(f"{a:02}", f"{b:02}") for a, b in rng.integers(0, 60, (2000, 2))]
    graph = graph_of(rows)
    one, same, other = (hold_out_share(graph, (1, 5), 5, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    config = EvaluationConfig(max_accounts=10)
    split = split_follows(graph, one, everybody(graph), config, 0)
    assert len(split.accounts) == 10
    assert split.record.accounts.not_drawn == 50
    assert (np.diff(split.accounts) > 0).all()
    more = split_follows(graph, one, everybody(graph), EvaluationConfig(max_accounts=20), 0)
    assert set(split.accounts) < set(more.accounts)
    assert set(split.accounts) != set(
        split_follows(graph, one, everybody(graph), config, 1).accounts
    )


def test_every_follow_is_as_likely_to_be_held_out():
    graph = graph_of([("a", f"{i:02}") for i in range(20)])
    times = sum(hold_out_share(graph, (1, 4), 5, seed).astype(int) for seed in range(2000))
    # binomial, 2000 times 1/4: five standard deviations
    assert np.abs(times - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.sampled_from([(1, 5), (1, 2)]))
def test_the_newest_are_newer_than_all_others(times, share):
    times = np.array(times, float)
    held, last = hold_out_newest(times, share)
    assert last == times[~held].max()
    assert (times[held] > last).all()
    most = len(times) * share[0] // share[1]
    assert held.sum() <= most
    # as many as ties allow: with those of the last time it would be too many
    assert (times >= last).sum() > most


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (
            [("a", "b"), ("b", "a"), ("c", "a")],
            {"min_follows": 5},
            "no account can be measured: none of 3 accounts has a held-out follow and at least 5 "
            "follows in total; found at most 1 per account; lower evaluation.min_follows, or "
            "provide more follows",
        ),
        (
            [("a", "b"), ("b", "a")],
            {"split": "time"},
            "the test set is empty: no follow is newer than those in train; raise "
            "evaluation.share, or set evaluation.split: share",
        ),
    ],
)
def test_nobody_to_measure(rows, settings, message):
    graph = graph_of(rows)
    with pytest.raises(InputError) as error:
        split_follows(
            graph,
            np.zeros(graph.follows, bool),
            everybody(graph),
            EvaluationConfig(**settings),
            0,
        )
    assert str(error.value) == message
