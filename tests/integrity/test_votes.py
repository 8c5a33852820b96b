"""Votes: fakes count for at most a stated share, twins for one, and islands among themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import IntegrityConfig, load_config
from raypipe.graph.follow_graph import with_more
from raypipe.integrity.votes import (
    ISLAND,
    TWIN_FOLLOWS,
    Bounds,
    EarlierVotes,
    count_votes,
    earlier_votes,
    load_votes,
    save_votes,
    speakers,
    votes_for_later,
)
from raypipe.kernels.splitmix import mix_pair
from raypipe.pipeline.run import run_night
from raypipe.storage.runs.store import RunStore
from tests.naive import tanimoto
from tests.strategies import PLAIN, graph_of, pairs

fractions = st.sampled_from([0, 0.25, 1, 2.5])
FIRST = EarlierVotes(np.zeros(20, np.int64), np.zeros(20, np.int64), "")


def config(times, newly=0.02):
    return IntegrityConfig(unproven_votes=times, new_unproven_votes=newly)


def followers_of(graph):
    return [set(graph.followers.row(code).tolist()) for code in range(graph.accounts)]


@given(
    pairs,
    st.sets(st.integers(0, 15)),
    fractions,
    fractions,
    st.none() | st.lists(st.integers(0, 3), min_size=20, max_size=20),
)
def test_all_proven_followers_count_and_a_share_of_the_others(rows, proven, times, newly, before):
    graph = graph_of(rows)
    trust = np.array([float(code in proven) for code in range(graph.accounts)])
    earlier = before and FIRST._replace(unproven=np.array(before[: graph.accounts], np.int64))
    votes = count_votes(graph, trust, config(times, newly), earlier)
    proven &= {*range(graph.accounts)}
    links = [{*graph.followees.row(a), *graph.followers.row(a)} for a in range(graph.accounts)]
    ids = graph.tie_rule.positions
    for account, kept in enumerate(followers_of(votes.graph)):
        near, more = {account}, {account}
        while more:
            more = {other for one in more for other in links[one]} - near
            near |= more
        every = followers_of(graph)[account]
        least = 0 if near & proven else ISLAND
        sure = len(every & proven)
        limit = int(sure * times)
        if before:
            limit = min(limit, before[account] + 1 + int(sure * newly))
        limit = max(least, limit)
        others = sorted(every - proven, key=lambda one: mix_pair(0, ids[one], ids[account]))
        assert kept == every & proven | {*others[:limit]}
    assert set(np.flatnonzero(votes.heard).tolist()) == proven


@pytest.mark.parametrize(
    ("before", "newly", "counted"), [(None, 0, 6), (0, 0, 3), (2, 0, 5), (0, 1, 5), (9, 9, 6)]
)
def test_of_unproven_followers_few_count_newly_in_a_night(before, newly, counted):
    graph = graph_of([(follower, "t") for follower in "abcdef"])  # a and b are proven
    earlier = None if before is None else FIRST._replace(unproven=np.full(7, before))
    votes = count_votes(graph, (np.arange(7) < 2) * 1.0, config(2, newly), earlier)
    assert len(votes.graph.followers.row(6)) == counted


@given(pairs, st.sets(st.integers(0, 15)), fractions, st.data())
def test_any_number_of_fakes_adds_at_most_the_share_and_none_of_them_is_counted(
    rows, proven, times, data
):
    graph = graph_of([*rows, ("z", "Z")])
    n = graph.accounts
    fakes = data.draw(st.integers(1, 12))
    ends = st.tuples(st.integers(n, n + fakes - 1), st.integers(0, n + fakes - 1))
    added = np.array(data.draw(st.lists(ends, min_size=1, max_size=60)))
    more = with_more(graph, [f"~{number:02}" for number in range(fakes)], *added.T)
    trust = np.array([float(code in proven) for code in range(n)])
    votes = count_votes(more, np.append(trust, np.zeros(fakes)), config(times))
    for account, kept in enumerate(followers_of(votes.graph)):
        sure = {one for one in followers_of(more)[account] if one < n and trust[one]}
        assert sure <= kept
        assert len(kept) <= max(len(sure) + int(len(sure) * times), ISLAND)
    assert not votes.heard[n:].any()
    before = count_votes(graph, trust, config(times))
    earlier = votes_for_later(before, "").padded(more.accounts)
    later = count_votes(more, np.append(trust, np.zeros(fakes)), config(times), earlier)
    grown = later.graph.followers.degrees[:n] - before.graph.followers.degrees
    proven_followers = [len(voters & proven) for voters in followers_of(more)[:n]]
    assert (grown <= np.maximum(1 + 0.02 * np.array(proven_followers), ISLAND)).all()


def test_no_vote_of_proven_accounts_leads_to_fakes_that_follow_them_and_each_other():
    rows = [(a, b) for a in "abcdef" for b in "abcdef" if a != b]
    ring = [("x", "y"), ("y", "x"), ("x", "a"), ("y", "b"), ("y", "a")]
    votes = Bounds(IntegrityConfig(unproven_votes=100), None).votes_of(graph_of([*rows, *ring]))
    assert votes.graph.followers.degrees.tolist() == [7, 6, 5, 5, 5, 5, 0, 0]
    assert votes.heard.tolist() == [True] * 6 + [False] * 2
    every = Bounds(IntegrityConfig(bounds=False), None).votes_of(graph_of([*rows, *ring]))
    assert every.graph.follows == 35
    assert every.heard.all()


@given(st.lists(st.sets(st.integers(0, 14), max_size=3), min_size=2, max_size=6))
def test_twins_have_one_voice(without):
    """Accounts that follow the same 15 others, less a few."""
    rows = [(i, j) for i, left in enumerate(without) for j in {*range(15)} - left]
    graph = graph_of([(f"a{follower}", f"b{followee:02}") for follower, followee in rows])
    trust = np.arange(graph.accounts) / 8.0
    speaks = speakers(graph, trust)
    sets = [graph.followees.row(code).tolist() for code in range(graph.accounts)]
    for silent in np.flatnonzero(~speaks):
        assert len(sets[silent]) >= TWIN_FOLLOWS
        assert any(
            tanimoto(sets[silent], sets[other]) >= 0.9 and other > silent
            for other in range(graph.accounts)
        )
    loud = [frozenset(sets[code]) for code in np.flatnonzero(speaks) if len(sets[code]) >= 10]
    assert len(loud) == len({*loud})  # equal sets are always found


def test_the_votes_of_an_earlier_run_belong_to_the_accounts_of_tonight(tmp_path):
    path = tmp_path / "follows.csv"
    path.write_text("followerId,followingId\na,b\nb,a\nb,c\nc,b\nx,a\ny,a\n")
    for bounds, counted, unproven in ((True, [2, 2, 1], [1, 0, 0]), (False, *[[3, 2, 1]] * 2)):
        settings = {**PLAIN, "integrity.bounds": bounds, "integrity.unproven_votes": 1}
        given = load_config(
            None, {**settings, "input.follows": str(path), "cluster": "none", "frames": "pandas"}
        )
        run = run_night(given, RunStore(tmp_path / f"runs-{bounds}"), "2026-03-01").run
        earlier = earlier_votes(run, graph_of([("a", "new"), ("c", "x"), ("~", "b")]))
        assert earlier.counted.tolist() == [*counted, 0, 0, 0]
        assert earlier.unproven.tolist() == [*unproven, 0, 0, 0]


def test_few_equal_follows_make_no_twins():
    rows = [(a, b) for a in "xyz" for b in "abcdefghi"]
    assert speakers(graph_of(rows), np.ones(12)).all()


@pytest.mark.parametrize("unproven", [0, 100])
def test_saved_votes_are_read_back(tmp_path, unproven):
    rows = [(a, b) for a in "abc" for b in "abc" if a != b] + [("x", "a"), ("y", "a")]
    graph = graph_of(rows)
    votes = Bounds(IntegrityConfig(unproven_votes=unproven), None).votes_of(graph)
    save_votes(votes, tmp_path)
    read = load_votes(graph, tmp_path)
    assert read.graph.fingerprint == votes.graph.fingerprint
    assert read.heard.tolist() == votes.heard.tolist()
    assert load_votes(graph, tmp_path / "none").graph is graph


def test_an_empty_graph_has_no_votes():
    votes = Bounds(IntegrityConfig(), None).votes_of(graph_of([]))
    assert (votes.graph.follows, len(votes.heard)) == (0, 0)
