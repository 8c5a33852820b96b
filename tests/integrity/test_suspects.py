"""Detectors equal the naive ones, take nobody with standing, and catch what they are made for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.graph.follow_graph import graph_of_rows
from raypipe.integrity import suspects
from raypipe.integrity.reputation import reputation, trusted_accounts
from raypipe.integrity.suspects import DETECTORS, find_suspects
from tests import naive
from tests.integrity._builders import detected, real_graph
from tests.strategies import graph_of, pairs

flags = st.lists(st.booleans(), min_size=15, max_size=15)


@pytest.fixture
def eager(monkeypatch):
    """Detectors that report small groups too."""
    monkeypatch.setattr(suspects, "NATS", 0.05)
    monkeypatch.setattr(suspects, "MEMBERS", 2)
    monkeypatch.setattr(suspects, "TIMES", 2)


def case_of(rows, low):
    """The graph, the follows that count, and the same as sets."""
    graph = graph_of(rows)
    low = np.array(low[: graph.accounts], np.bool_)
    doubted = {graph.ids[code].as_py() for code in low.nonzero()[0].tolist()}
    follows = naive.follow_sets(rows)
    counted = suspects._doubtful_follows(graph, low)
    return graph, counted, follows, naive.doubtful_follows(follows, doubted)


def scores_of(graph, groups):
    found = [
        (graph.ids[code].as_py(), one.score) for one in groups for code in one.members.tolist()
    ]
    assert len(dict(found)) == len(found)  # at most one group
    return dict(found)


@given(pairs.filter(len), flags)
def test_counted_follows_equal_the_naive_ones(rows, low):
    graph, counted, _, expected = case_of(rows, low)
    found = graph_of_rows(graph.ids, counted)
    for account in graph.ids.to_pylist():
        others = found.followees.row(graph.code(account)).tolist()
        assert {graph.ids[code].as_py() for code in others} == expected[account]


@pytest.mark.usefixtures("eager")
@given(pairs.filter(len), flags)
def test_synchronised_followers_equal_the_naive_ones(rows, low):
    graph, counted, follows, doubtful = case_of(rows, low)
    if graph.follows:
        found = scores_of(graph, DETECTORS["synchronised"](graph, counted))
        expected = naive.synchronised(follows, doubtful, 0.05, 2, 2)
        assert found == pytest.approx(expected)


@pytest.mark.usefixtures("eager")
@given(pairs.filter(len), flags)
def test_unreturned_follows_equal_the_naive_ones(rows, low):
    graph, counted, follows, doubtful = case_of(rows, low)
    found = scores_of(graph, DETECTORS["unreturned"](graph, counted))
    assert found == pytest.approx(naive.unreturned(follows, doubtful, 0.05))


@pytest.mark.usefixtures("eager")
@given(pairs.filter(len), flags)
def test_dense_blocks_are_peeled_one_after_the_other(rows, low):
    graph, counted, follows, doubtful = case_of(rows, low)
    found = list(DETECTORS["dense_block"](graph, counted))
    ids = graph.ids.to_pylist()
    code = {account: number for number, account in enumerate(ids)}
    left = {code[one]: {code[other] for other in others} for one, others in doubtful.items()}
    weights = {
        code[one]: round((1 << 20) / np.log(len(naive.followers_of(follows, one)) + 5))
        for one in follows
    }
    for _ in range(suspects.BLOCKS):
        followers, followees, _ = naive.densest_block(left, weights)
        if len(followers) < 2:
            break
        inside = sum(len(left[one] & followees) for one in followers)
        out = sum(len(follows[ids[one]]) for one in followers)
        into = sum(len(naive.followers_of(follows, ids[one])) for one in followees)
        score = naive.nats(inside, out * into / graph.follows) / len(followers)
        if score >= 0.05:
            group = found.pop(0)
            assert set(group.members.tolist()) == followers
            assert group.score == pytest.approx(score)
        left = {one: set() if one in followers else others for one, others in left.items()}
    assert not found


@pytest.mark.usefixtures("eager")
@given(pairs.filter(len), flags)
def test_nobody_with_standing_is_a_suspect(rows, some):
    graph = graph_of(rows)
    trusted = np.flatnonzero(some[: graph.accounts]).astype(np.int32)
    standing = reputation(graph, trusted)
    found = find_suspects(graph, trusted, standing)
    assert not np.isin(found.codes, trusted).any()
    followers = graph.followers.degrees[found.codes]
    assert (standing[found.codes] * graph.follows <= 0.1 * followers).all()
    assert (found.scores[:-1] >= found.scores[1:]).all()
    assert len(set(zip(found.codes.tolist(), found.detectors, strict=True))) == len(found.codes)


def test_nobody_is_a_suspect_where_all_accounts_are_trusted_alike():
    graph = graph_of([(f"fan{i}", "star") for i in range(200)])
    trusted = trusted_accounts(graph).codes
    assert len(find_suspects(graph, trusted, reputation(graph, trusted)).codes) == 0


def test_an_account_with_a_returned_follow_is_not_reported_for_the_others(monkeypatch):
    monkeypatch.setattr(suspects, "NATS", 0.05)
    rows = [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "b")]
    graph, counted, _, _ = case_of(rows, [True, False, False])
    assert graph_of_rows(graph.ids, counted).followees.row(0).tolist() == [2]
    assert scores_of(graph, DETECTORS["unreturned"](graph, counted)) == {}


def test_two_rings_are_two_blocks():
    rings = [
        (f"{x}{a}", f"{x}{b}")
        for x, m in (("x", 60), ("y", 40))
        for a in range(m)
        for b in range(m)
        if a != b
    ]
    friends = [(f"f{a}", f"f{b}") for a in range(150) for b in range(150) if a != b]
    graph = graph_of([*friends, *rings, ("x0", "x1")])
    trusted = trusted_accounts(graph).codes
    found = find_suspects(graph, trusted, reputation(graph, trusted))
    assert found.detectors.count("dense_block") == 100


def test_members_of_several_groups_are_reported_in_the_strongest():
    fans = [(f"x{i}", name) for i in range(40) for name in ("s", "t") if name == "s" or i < 30]
    friends = [(f"f{a}", f"f{b}") for a in range(90) for b in range(90) if a != b]
    graph = graph_of([*friends, *fans, *((f"x{i}", "u") for i in range(30, 40))])
    trusted = trusted_accounts(graph).codes
    found = find_suspects(graph, trusted, reputation(graph, trusted))
    words = {
        words
        for words, name in zip(found.evidence, found.detectors, strict=True)
        if name == "synchronised"
    }
    assert {one[:32] for one in words} == {"40 of the 40 followers of 's' ha"}


def test_a_farm_of_trusted_accounts_is_not_suspicious():
    friends = [(f"f{a}", f"f{b}") for a in range(50) for b in range(50) if a != b]
    graph = graph_of(friends + [(f"x{i}", "f0") for i in range(40)])
    trusted = np.arange(graph.accounts, dtype=np.int32)
    assert not len(find_suspects(graph, trusted, np.zeros(graph.accounts)).codes)


def test_evidence_is_in_words():
    friends = [(f"f{a}", f"f{b}") for a in range(50) for b in range(50) if a != b]
    farm = [(f"x{i}", "f0") for i in range(40)]
    spam = [("s", f"f{i}") for i in range(30)]
    graph = graph_of(friends + farm + spam)
    trusted = trusted_accounts(graph).codes
    found = find_suspects(graph, trusted, reputation(graph, trusted))
    assert set(zip(found.detectors, found.evidence, strict=True)) == {
        (
            "synchronised",
            "40 of the 90 followers of 'f0' have 1 follow, 0 followers and no reputation; by "
            "chance it would be 0.04",
        ),
        (
            "unreturned",
            "no account with reputation returns any of its 30 follows; by the habits of those it "
            "follows, it would be 28",
        ),
    }


def test_a_ring_with_returned_follows_is_found(data):
    graph = real_graph(data, "advogato")
    for seed in range(3):
        assert detected(graph, "ring", seed, returned=5).auc >= 0.98


@pytest.mark.parametrize("network", ["advogato", "wiki-vote"])
@pytest.mark.parametrize("attack", ["ring", "follow_farm", "bandwagon"])
def test_fakes_of_a_hundredth_of_the_accounts_are_found(data, network, attack):
    graph = real_graph(data, network)
    for seed in range(3):
        record = detected(graph, attack, seed)
        assert record.auc >= 0.98
        assert record.false_positives <= 0.002
