"""The reason of a recommendation: by hand, and against the oracle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import load_config
from raypipe.kernels import ties
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import no_neighbours
from raypipe.kernels.ties import Asked
from raypipe.pipeline.run import run_night
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import filters_of
from raypipe.recommend.ladder import Tier
from raypipe.recommend.reasons import Reasons, reasons_of, sentences
from raypipe.recommend.shard import recommend_shard
from raypipe.storage.runs.store import RunStore
from tests import naive
from tests.recommend._builders import SOURCES, prepare
from tests.recommend.filters.test_inputs import (
    config_for,
    excluded_to,
    inputs_of,
    some_pairs,
    write,
)
from tests.strategies import IDS, graph_of, pairs

#: Of "me", who follows b1 to b5; b1 follows most of them, b5 fewest.
MINE = ["b1", "b2", "b3", "b4", "b5"]
BY_HAND = {
    "follows you": [("c", "me"), ("x", "c")],
    "followed by b3, whom you follow": [("b3", "c")],
    "followed by b4 and b2, whom you follow": [("b2", "c"), ("b4", "c"), ("b2", "z")],
    "followed by b1 and b2, whom you follow": [("b2", "c"), ("b1", "c")],
    "followed by b5, b2 and 1 other you follow": [
        ("b1", "c"), ("b1", "y"), ("b1", "z"), ("b2", "c"), ("b2", "z"), ("b5", "c"),
    ],
    "followed by b2, b3 and 3 others you follow": [
        *((b, "c") for b in MINE), ("b1", "x"), ("b4", "x"), ("b5", "x"),
    ],
    "people who follow like you follow it": [("twin", "c"), *(("twin", b) for b in MINE)],
    "people who follow you follow it": [("fan", "me"), ("fan", "c")],
    "popular": [("x", "c"), ("y", "c")],
}  # fmt: skip


def reasons_in(tables, ids):
    """(account, candidate) -> sentence, from a shard's tables of codes."""
    table = tables["recommendations"]
    found = sentences(Reasons(*(table[name].to_numpy() for name in Reasons._fields)), ids)
    accounts, others = (ids.take(table[name]).to_pylist() for name in ("account", "other"))
    return dict(zip(zip(accounts, others, strict=True), found.to_pylist(), strict=True))


def night_of(rows, exclusions=None, names=("similar", "popular"), **settings):
    graph = graph_of(rows)
    config = load_config(None, {key.replace("__", "."): value for key, value in settings.items()})
    everybody = np.arange(graph.accounts, dtype=np.int32)
    context = prepare(graph, everybody, config, ladder=(Tier(0, names),), exclusions=exclusions)
    return graph, context


@pytest.mark.parametrize("sentence", BY_HAND)
def test_by_hand(sentence):
    graph, context = night_of([*(("me", b) for b in MINE), *BY_HAND[sentence]])
    tables = recommend_shard(context, (0, graph.accounts)).tables
    assert reasons_in(tables, graph.ids)["me", "c"] == sentence


def test_popular_are_only_the_popular():
    """Ten accounts are popular; an eleventh with as many followers as the twelfth is not."""
    ranks = {f"c{i:02}": 14 - i for i in range(11)} | {"c11": 4, "c12": 1}
    rows = [(f"f{i:02}", name) for name, count in ranks.items() for i in range(count)]
    graph, context = night_of([*rows, ("me", "alone")], names=("popular",))
    context = replace(context, lists=replace(context.lists, per_account=20))
    found = reasons_in(recommend_shard(context, (0, graph.accounts)).tables, graph.ids)
    told = {name: found["me", name] for name in ranks}
    assert {name for name, reason in told.items() if reason == "popular"} == {*list(ranks)[:10]}
    assert [told[name] for name in ("c10", "c11", "c12")] == [
        "has 4 followers",
        "has 4 followers",
        "has 1 follower",
    ]


def test_the_strongest_tie_is_told_whatever_source_led():
    """Everything above at once; each time the strongest is taken away, the next is told."""
    ties_of_c = [
        [("c", "me")],
        [("b3", "c")],
        [("twin", "c"), *(("twin", b) for b in MINE)],
        [("fan", "me"), ("fan", "c")],
        [("x", "c"), ("y", "c")],
    ]
    told = []
    for weakest in range(len(ties_of_c)):
        rows = [*(("me", b) for b in MINE), *(row for tie in ties_of_c[weakest:] for row in tie)]
        graph, context = night_of(rows, names=("popular", "similar"))
        tables = recommend_shard(context, (0, graph.accounts)).tables
        told.append(reasons_in(tables, graph.ids)["me", "c"])
    assert told == [
        "follows you",
        "followed by b3, whom you follow",
        "people who follow like you follow it",
        "people who follow you follow it",
        "popular",
    ]


@given(pairs.filter(len), some_pairs, st.sets(st.sampled_from(IDS), max_size=2), st.integers(1, 8))
def test_equal_the_oracle(rows, rejected, bots, n):
    """By every source without a model; who is refused or hidden is neither named nor counted."""
    graph = graph_of(rows)
    exclusions = exclusions_of(filters_of(inputs_of(rejected, bots=sorted(bots)), graph))
    names = tuple(name for name in SOURCES if name != "factors")
    settings = {"recommendations__per_account": n, "sources__similar__neighbours": 2}
    graph, context = night_of(rows, exclusions, names, **settings)
    tables = recommend_shard(context, (0, graph.accounts)).tables
    follows, ids = naive.follow_sets(rows), graph.ids.to_pylist()
    near = {account: [] for account in ids}
    for row in tables["neighbours"].to_pylist():
        near[ids[row["account"]]].append(ids[row["other"]])
    for (account, candidate), sentence in reasons_in(tables, graph.ids).items():
        unseen = excluded_to(account, rejected, [], bots)
        assert sentence == naive.reason(follows, account, candidate, near[account], unseen)


def test_every_way_of_counting_finds_the_same():
    rng = np.random.default_rng(0)
    graph = graph_of([(f"{a}", f"{b}") for a, b in rng.integers(0, 40, (500, 2))])
    followees, followers = graph.followees, graph.followers
    for account in range(graph.accounts):
        mine = graph.followees.row(account)
        entries = np.setdiff1d(np.arange(graph.accounts), [*mine, account]).astype(np.int32)
        role = np.zeros(graph.accounts, np.int16)
        role[mine[1:]] = -1  # the first one does not count
        role[entries] = np.arange(1, len(entries) + 1)
        by_walk, by_scan, by_search = (
            ties._Common(*(np.full(len(entries), start, np.int32) for start in (0, -1, -1)))
            for _ in range(3)
        )
        ties.walk(mine, role, followees, by_walk)
        for j, entry in enumerate(entries):
            ties.scan(followers.row(entry), role, j, followees.indptr, by_scan)
            ties.search(mine, followers.row(entry), role, j, followees.indptr, by_search)
        counts = [len(np.intersect1d(mine[1:], followers.row(entry))) for entry in entries]
        for found in (by_walk, by_scan, by_search):
            assert found[0].tolist() == counts
            assert np.array_equal(found, by_walk)


def test_hubs_are_counted_like_all_others():
    """Where a list, or who is followed, holds a hub, other ways are taken than by walks."""
    some = [f"b{i:03d}" for i in range(300)]
    rows = [("me", b) for b in some[:4]] + [(b, "hub") for b in some] + [("x", b) for b in some]
    rows += [(b, f"c{i:03d}") for b in some[:4] for i in range(200)]
    graph, context = night_of(rows, names=("popular",), recommendations__per_account=300)
    found = reasons_in(recommend_shard(context, (0, graph.accounts)).tables, graph.ids)
    assert found["me", "hub"] == "followed by b000, b001 and 2 others you follow"
    assert found["me", "c007"] == "followed by b000, b001 and 2 others you follow"
    assert found["x", "c007"] == "followed by b000, b001 and 2 others you follow"
    assert found["x", "hub"] == "followed by b004, b005 and 298 others you follow"


def test_a_newcomer_who_is_not_in_the_graph():
    graph = graph_of([("b", "c"), ("d", "b")])
    b, c = graph.code("b"), graph.code("c")
    mine = Adjacency(np.array([0, 1]), np.array([b], np.int32))
    nobody = Adjacency(np.zeros(2, np.int64), np.empty(0, np.int32))
    asked = Asked(np.array([-1]), np.array([0]), mine, nobody)
    found = reasons_of(
        asked, np.array([2]), np.array([[c, graph.code("d")]], np.int32), no_neighbours(1, 0),
        graph.followees, graph.followers, np.zeros(graph.accounts, np.uint8),
    )  # fmt: skip
    assert sentences(found, graph.ids).to_pylist() == [
        "followed by b, whom you follow",
        "popular",
    ]


def test_no_lists_at_all():
    none = Reasons(*(np.empty(0, kind) for kind in (np.uint8, np.int32, np.int32, np.int32)))
    assert sentences(none, pa.array([], pa.large_string())).to_pylist() == []


def test_published_as_text_whatever_the_shards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    rows = [(f"a{a:02d}", f"a{b:02d}") for a, b in rng.integers(0, 60, (400, 2))]
    write(rows)
    runs = [
        run_night(config_for(shards=shards), RunStore(Path(f"runs{shards}")), "2026-03-01").run
        for shards in (1, 7)
    ]
    digests = [
        {name: f.sha256 for name, f in run.manifest.files.items() if "part-" in name}
        for run in runs
    ]
    assert digests[0] == digests[1]
    found = pq.read_table(runs[0].path / "recommendations").to_pylist()
    near = pq.read_table(runs[0].path / "neighbours").to_pylist()
    follows = naive.follow_sets(rows)
    for row in found:
        mine = [n["neighbourId"] for n in near if n["accountId"] == row["accountId"]]
        expected = naive.reason(follows, row["accountId"], row["candidateId"], mine)
        assert row["reason"] == expected
    assert len({row["reason"].split()[0] for row in found}) > 2
