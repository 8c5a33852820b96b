"""Which share of the exact neighbours a capped search finds, and how sure that is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import load_config
from raypipe.evaluation import neighbour_recall
from raypipe.evaluation.neighbour_recall import (
    interval,
    measure_recall,
    shares_found,
    similarity_facts,
)
from raypipe.kernels.tanimoto import Neighbours
from tests import naive
from tests.recommend.test_shard import night_on
from tests.strategies import graph_of, pairs


def lists(*scores):
    counts = np.array([np.count_nonzero(row) for row in scores], dtype=np.int32)
    return Neighbours(counts, None, None, np.array(scores, dtype=np.float64))


def capped(graph, cap, **settings):
    return night_on(graph, sources__similar__max_followers=cap, **settings)


def config_of(cap):
    return load_config(None, {"sources.similar.max_followers": cap})


def with_hub():
    """a and b share x and y; c shares only the hub with them; d and e share only the hub."""
    follows = {"a": "xyh", "b": "xyh", "c": "zh", "d": "h", "e": "h"}
    return graph_of([(account, other) for account, those in follows.items() for other in those])


def recall_by(context, seed):
    found = measure_recall(context, seed)
    return found.recall, found.low, found.high, found.sample


def test_by_hand():
    """Hub h has 5 followers. Exact neighbours, at most 3:

    a: b 1, d 1/3, e 1/3; then c 1/4. Found: b alone, 1 of 3; for b the same.
    c: d 1/2, e 1/2, a 1/4; then b 1/4. Found: nobody, z has no other follower.
    d: e 1, c 1/2, a 1/3; then b 1/3. Found: nobody, without h its set is empty; for e the same.
    """
    graph = with_hub()
    context = capped(graph, 4, sources__similar__neighbours=3)
    assert recall_by(context, 0) == pytest.approx((2 / 15, 2 / 15, 2 / 15, 5), abs=5e-5)
    facts = similarity_facts(graph, context, config_of(4))
    assert facts.model_dump() == {
        "max_followers": 4, "hubs_left_out": 1, "share_of_co_follow_pairs_left": round(9 / 34, 4),
        "recall": 0.1333, "low": 0.1333, "high": 0.1333, "sample": 5,
    }  # fmt: skip


@pytest.mark.parametrize("cap", [5, None])
def test_a_search_that_leaves_nobody_out_is_exact(cap):
    graph = with_hub()
    facts = similarity_facts(graph, capped(graph, cap), config_of(cap))
    assert facts.model_dump() == {
        "max_followers": cap, "hubs_left_out": 0, "share_of_co_follow_pairs_left": 1.0,
        "recall": 1.0, "low": 1.0, "high": 1.0, "sample": 0,
    }  # fmt: skip


@given(pairs, st.sampled_from([1, 2, 4]), st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.5]))
def test_equals_the_oracle(rows, cap, k, threshold):
    graph = graph_of(rows)
    context = capped(
        graph, cap, sources__similar__neighbours=k, sources__similar__threshold=threshold
    )
    follows, least = naive.follow_sets(rows), Fraction(str(threshold))
    shares = []
    for account in follows:
        exact = naive.neighbours(follows, account, k, least)
        if exact:
            found = naive.neighbours(follows, account, k, least, cap)
            shares.append(naive.recall(exact, found))
    found = recall_by(context, 0)
    if shares:
        mean = float(sum(shares) / len(shares))
        asked = mean, mean, mean, len(shares)  # everybody was asked
        assert found == pytest.approx(asked, abs=5.1e-5)
    else:
        assert found == (None, 0.0, 1.0, 0)


@pytest.mark.parametrize(
    ("exact", "found", "share"),
    [
        ([0.9, 0.5, 0.4], [0.9, 0.5, 0.4], 1),
        ([0.9, 0.5, 0.4], [0.9, 0.4, 0.0], 2 / 3),
        ([0.9, 0.5, 0.4], [0.9, 0.3, 0.2], 1 / 3),  # others, less similar than the last
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], 1),  # perhaps others, as similar
        ([0.5, 0.0, 0.0], [0.5, 0.0, 0.0], 1),
        ([0.5, 0.0, 0.0], [0.0, 0.0, 0.0], 0),
    ],
)
def test_share_found(exact, found, share):
    assert shares_found(lists(exact), lists(found)).tolist() == [share]


def test_who_has_no_exact_neighbours_does_not_count():
    assert shares_found(lists([0, 0], [0.5, 0.3]), lists([0, 0], [0.5, 0])).tolist() == [0.5]


@pytest.mark.parametrize(
    ("successes", "size", "low", "high"),
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", Table I.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_interval_as_published(successes, size, low, high):
    assert interval(successes / size, size, 0.0) == pytest.approx((low, high), abs=5e-5)


def test_interval_narrows_to_a_point_as_everybody_is_asked():
    widths = [high - low for low, high in (interval(0.8, 100, f) for f in (0, 0.5, 0.9, 1))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0
    low, high = interval(1.0, 100, 0.0)
    assert (high, 0.95 < low < 0.97) == (1.0, True)


@pytest.mark.parametrize("misses", [0.01, 0.1, 0.5])
def test_interval_covers(misses):
    """Of samples of a skewed audience, 95 in 100 intervals hold its mean; 93 leaves room."""
    rng = np.random.default_rng(0)
    audience = np.where(rng.random(5000) < misses, rng.integers(0, 10, 5000) / 10, 1.0)
    held = 0
    for _ in range(500):
        sample = rng.choice(audience, 100, replace=False)
        low, high = interval(sample.mean(), 100, 100 / 5000)
        held += low <= audience.mean() <= high
    assert held / 500 >= 0.93


@pytest.fixture
def larger():
    rng = np.random.default_rng(0)
    return graph_of([(f"{a}", f"{b}") for a, b in (400 * rng.random((4000, 2)) ** 2).astype(int)])


def test_sample_is_drawn_by_seed_alone(larger, monkeypatch):
    monkeypatch.setattr(neighbour_recall, "_MAX_SAMPLE", 50)
    first, second, other = (measure_recall(capped(larger, 30), seed) for seed in (0, 0, 1))
    assert first == second != other
    assert 0 < first.low < first.recall < first.high < 1
    assert first.sample <= 50


def test_fewer_accounts_are_asked_the_more_co_follow_pairs_they_have(larger, monkeypatch):
    context = capped(larger, 30)
    asked = context.accounts[context.follows.followees.degrees > 0]
    monkeypatch.setattr(neighbour_recall, "_MIN_SAMPLE", 7)
    per_account = 4 * naive_co_follow_pairs(larger) // len(asked)
    assert len(neighbour_recall._draw(context.follows, asked, 0)) == len(asked)
    for co_follow_pairs, least, most in [
        (0, 7, 7),
        (40 * per_account, 120, 200),
        (10**12, 300, 400),
    ]:
        monkeypatch.setattr(neighbour_recall, "_CO_FOLLOW_PAIRS", co_follow_pairs)
        drawn = neighbour_recall._draw(context.follows, asked, 0)
        assert least <= len(drawn) <= most
        assert set(drawn) <= set(asked)
        assert (np.diff(drawn) > 0).all()


def naive_co_follow_pairs(graph):
    return sum(int(count) ** 2 for count in graph.followers.degrees)


def test_only_the_audience_is_asked():
    graph = with_hub()
    context = night_on(graph, [graph.code("a"), graph.code("x")], sources__similar__max_followers=4)
    assert recall_by(context, 0) == (1 / 4, 1 / 4, 1 / 4, 1)


def test_the_interval_of_a_sample_holds_the_recall_of_all(larger, monkeypatch):
    whole = measure_recall(capped(larger, 30), 0)
    monkeypatch.setattr(neighbour_recall, "_MAX_SAMPLE", 60)
    held = []
    for seed in range(20):
        part = measure_recall(capped(larger, 30), seed)
        held.append(part.low <= whole.recall <= part.high)
    assert sum(held) >= 17
