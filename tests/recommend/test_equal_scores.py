"""Candidates with equal scores: nobody is preferred for the text of an id."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import load_config
from raypipe.graph.follow_graph import build_graph, encode
from raypipe.recommend.ladder import Tier
from raypipe.recommend.shard import recommend_shard
from tests import naive
from tests.recommend._builders import prepare
from tests.strategies import IDS, PLAIN, frame_of, graph_of, pairs

SOURCES = ["popular", "similar", "two_hop", "co_followed", "pagerank"]


def lists_of(graph, source, n=5):
    """Account -> its candidates in order, from one source."""
    config = load_config(None, PLAIN | {"recommendations.per_account": n})
    accounts = np.arange(graph.accounts, dtype=np.int32)
    context = prepare(graph, accounts, config).with_ladder(Tier(0, (source,)))
    found = {name: [] for name in graph.ids.to_pylist()}
    rows = recommend_shard(context, (0, graph.accounts)).tables["recommendations"]
    for row in rows.to_pylist():
        found[graph.ids[row["account"]].as_py()].append(graph.ids[row["other"]].as_py())
    return found


def test_positions_are_those_of_the_oracle():
    graph = graph_of([(name, "someone") for name in IDS])
    expected = [naive.position(name) for name in graph.ids.to_pylist()]
    assert graph.tie_rule.positions.tolist() == expected
    assert naive.position("foobar") == naive.mix(0x85944171F73967E8) >> 32  # published for FNV-1a


def ring(name_of, n=300):
    """Everybody follows the next three: all accounts are alike."""
    return [(name_of(i), name_of((i + step) % n)) for i in range(n) for step in (1, 2, 3)]


@pytest.mark.parametrize("name_of", [lambda i: f"{i:03}", lambda i: f"{999 - i}"])
def test_among_equals_everybody_is_shown_about_as_often(name_of):
    """To the 5 before it on the circle, without its followers, but then to others before them."""
    graph = graph_of(ring(name_of))
    ids = graph.ids.to_pylist()
    shown = Counter(c for some in lists_of(graph, "popular").values() for c in some)
    assert sum(shown.values()) == 5 * 300
    assert {shown[name] for name in ids} <= set(range(3, 8))


@given(pairs.filter(len), st.sampled_from(SOURCES))
def test_unrelated_accounts_change_no_list(rows, source):
    """One that sorts first moves the index of every other account, and no candidate."""
    graph = graph_of(rows)
    more, _ = build_graph([encode(frame_of(rows))], ["!", "~"])
    before, after = lists_of(graph, source), lists_of(more, source)
    assert {name: after[name] for name in before} == before


def test_more_followers_win_a_tie():
    """b follows x and y, of which y has more followers; z is followed by another intermediary."""
    rows = [("a", "b"), ("b", "x"), ("b", "y"), ("e", "y"), ("e", "z")]
    assert lists_of(graph_of(rows), "two_hop")["a"] == ["y", "x"]
    swapped = [(a, {"x": "y", "y": "x"}.get(b, b)) for a, b in rows]
    assert lists_of(graph_of(swapped), "two_hop")["a"] == ["x", "y"]
