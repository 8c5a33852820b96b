"""Lists of several sources: exact against the oracle, the same however they are cut."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.registry import CPUDispatcher

from raypipe.compute import ray_cluster
from raypipe.config import load_config
from raypipe.errors import ConfigError
from raypipe.kernels.candidate_union import CandidateUnion, unite
from raypipe.kernels.pair_features import GraphFeatures
from raypipe.kernels.shards import cut
from raypipe.recommend.blend.scores import feature_names, features
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import filters_of
from raypipe.recommend.ladder import LEARNED_RANKER, RANK_FUSION, blend, fixed_ladder
from raypipe.recommend.shard import recommend_shard
from raypipe.recommend.work_estimate import estimate_ns
from tests import naive
from tests.recommend._builders import SOURCES, prepare
from tests.recommend.blend.stumps import stumps
from tests.recommend.filters.test_inputs import inputs_of, some_pairs
from tests.recommend.sources.test_graph_sources import BY_HAND, random_graph
from tests.strategies import graph_of, pairs

#: All that are not trained, in the order of their weights in a config.
PARTS = ("follow_back", "two_hop", "co_followed", "similar", "popular")
SETTINGS = {
    "blend.method": "learned_ranker",
    "sources.similar.neighbours": 10,
    "sources.similar.threshold": 0,
    "recommendations.per_account": 5,
}


def night_of(graph, how, exclusions=None, **settings):
    config = load_config(None, {**SETTINGS, **settings})
    tier = blend(config, how)
    accounts = np.arange(graph.accounts, dtype=np.int32)
    return prepare(
        graph, accounts, config, ladder=(tier,), exclusions=exclusions, ranker=stumps(tier.sources)
    )


def lists_of(graph, results, table="recommendations"):
    """Account -> [(candidate, source, score)], by id, of some shards."""
    found = {name: [] for name in graph.ids.to_pylist()}
    for result in results:
        for row in result.tables[table].to_pylist():
            names = [graph.ids[row[key]].as_py() for key in ("account", "other")]
            found[names[0]].append((names[1], SOURCES[row["source"]], row["score"]))
    return found


def whole(context):
    return [recommend_shard(context, (0, len(context.accounts)))]


@given(pairs.filter(bool), some_pairs, some_pairs, st.integers(1, 6), st.sampled_from([1, 2, 4]))
def test_a_blend_by_weights_equals_the_oracle(rows, rejected, blocked, length, most):
    graph = graph_of(rows)
    follows = naive.follow_sets(rows)
    exclusions = exclusions_of(filters_of(inputs_of(rejected, blocked), graph))
    n, wanted = 4, max(length, 4)
    context = night_of(
        graph,
        RANK_FUSION,
        exclusions,
        **{
            "blend.candidates_per_source": length,
            "blend.max_share_per_source": most / n,
            "recommendations.per_account": n,
            "feedback.negative.votes": 0,
        },
    )
    weights = context.lists.blend.weights
    made = whole(replace(context, lists=replace(context.lists, reserve=3)))
    assert made[0].tables["recommendations"] == whole(context)[0].tables["recommendations"]
    reserve = lists_of(graph, made, "reserve")
    both = {*rejected, *blocked, *((b, a) for a, b in blocked)}
    followers = dict(naive.popularity(follows))
    best = partial(naive.best_candidates, followers)
    for account, found in lists_of(graph, made).items():
        retrieved = (
            naive.follow_back(follows, account),
            naive.two_hop(follows, account),
            naive.co_followed(follows, account),
            dict(naive.similar(follows, account, threshold=0)),
            followers,
        )
        may = followers.keys() - {account, *follows[account]}
        may -= {b for a, b in both if a == account}
        lists = [
            [c for c, _ in best(account, ((c, s) for c, s in some.items() if c in may), wanted)]
            for some in retrieved
        ]
        scores = naive.rank_fusion(lists, [weights[part] for part in PARTS])
        expected = naive.best_of_blend(followers, account, lists, scores, n, most)
        assert [(c, PARTS.index(source)) for c, source, _ in found] == expected
        assert [scores[c] for c, _, score in found] == [score for _, _, score in found]
        left = {c: score for c, score in scores.items() if c not in dict(expected)}
        more = naive.best_of_blend(followers, account, lists, left, 3, max(1, 3 * most // n))
        kept = [(c, PARTS.index(source)) for c, source, _ in reserve[account]]
        assert kept == (more if len(expected) == n else [])


@given(pairs.filter(bool), *[st.sampled_from([None, 0, 1, 3])] * 2)
def test_what_is_shared_equals_the_oracle(rows, most, most_back):
    graph = graph_of(rows)
    follows = naive.follow_sets(rows)
    n = graph.accounts
    names = graph.ids.to_pylist()
    graph_features = GraphFeatures.of(graph.followees, graph.followers, most, most_back)
    others = np.concatenate([np.delete(np.arange(n), a) for a in range(n)]).astype(np.int32)
    everybody = np.arange(n, dtype=np.int32)
    no_source = np.empty((len(others), 0))
    union = CandidateUnion(
        np.arange(n + 1) * (n - 1), others, no_source, no_source.astype(np.int32), 50
    )
    shared = features(graph_features, everybody, union)[:, -5:]
    assert [tuple(row) for row in shared.tolist()] == [
        naive.between(follows, names[a], names[c], most, most_back)
        for a in range(n)
        for c in range(n)
        if a != c
    ]


def test_features_by_hand():
    """a follows b and c; c, e and f follow a, who is asked about e and x."""
    graph = graph_of(
        [
            ("a", "b"),
            ("a", "c"),
            ("b", "x"),
            ("c", "a"),
            ("c", "x"),
            ("e", "a"),
            ("e", "c"),
            ("f", "a"),
        ]
    )
    asked = np.array([graph.code("a")], np.int32)
    codes = np.array([[[graph.code("x"), -1]], [[graph.code("e"), graph.code("x")]]], np.int32)
    scores = np.array([[[4.0, 0.0]], [[2.0, 0.5]]])
    union = unite(np.array([[1], [2]]), codes, scores, graph.accounts)
    found = features(GraphFeatures.of(graph.followees, graph.followers), asked, union)
    rows = [dict(zip(feature_names(["two_hop", "follow_back"]), row, strict=True)) for row in found]
    assert [graph.ids[int(code)].as_py() for code in union.codes] == ["x", "e"]
    account = {"follows": 2, "followers": 3, "follows_returned": 1 / 2, "followers_returned": 1 / 3}
    for row in rows:
        assert {key: row[f"account.{key}"] for key in account} == account
    x, e = rows
    assert [x[f"two_hop.{key}"] for key in ("score", "relative", "rank")] == [4, 1, 0]
    assert [x[f"follow_back.{key}"] for key in ("score", "relative", "rank")] == [0.5, 0.25, 1]
    assert [e[f"two_hop.{key}"] for key in ("score", "relative", "rank")] == [0, 0, 2]
    assert (x["candidate.follows"], x["candidate.followers"]) == (0, 2)
    assert (e["candidate.follows"], e["candidate.followers_returned"]) == (2, 0)
    # b and c follow x, of whom c follows a too; e follows a, and c as a does.
    assert [x[key] for key in feature_names([])[-5:]] == [0, 2, 1, 0, 0]
    assert [e[key] for key in feature_names([])[-5:]] == [1, 0, 0, 1, 1]


@pytest.mark.parametrize("how", [RANK_FUSION, LEARNED_RANKER])
def test_shards_do_not_show(how):
    context = night_of(random_graph(), how)
    expected = lists_of(graph := random_graph(), whole(context))
    assert {source for found in expected.values() for _, source, _ in found} >= set(PARTS[:3])
    for shards in (
        [(0, 1), (1, 130), (130, len(context.accounts))],
        cut(estimate_ns(context), 7),
    ):
        assert lists_of(graph, (recommend_shard(context, shard) for shard in shards)) == expected


def test_ray_does_not_show(local_ray):
    graph = random_graph()
    context = night_of(graph, LEARNED_RANKER)
    expected = lists_of(graph, whole(context))
    results = ray_cluster.run_shards(
        partial(recommend_shard, context), cut(estimate_ns(context), 4)
    )
    assert lists_of(graph, results) == expected


def compiled():
    """How many versions of each kernel there are."""
    return {
        (name, key): len(kernel.signatures)
        for name, module in list(sys.modules.items())
        if name.startswith("raypipe.")
        for key, kernel in vars(module).items()
        if isinstance(kernel, CPUDispatcher)
    }


@pytest.mark.parametrize("how", [RANK_FUSION, LEARNED_RANKER])
def test_a_task_compiles_nothing_that_is_compiled_here(how):
    """Arrays that come out of the object store are read-only: for numba, of another type."""
    graph = random_graph()
    context = night_of(graph, how)
    expected, here = lists_of(graph, whole(context)), compiled()
    assert here
    buffers = []
    stored = pickle.dumps(context, protocol=5, buffer_callback=buffers.append)
    there = pickle.loads(stored, buffers=[buffer.raw().toreadonly() for buffer in buffers])
    assert lists_of(graph, whole(there)) == expected
    assert compiled() == here


@pytest.mark.parametrize("how", [RANK_FUSION, LEARNED_RANKER])
@pytest.mark.parametrize("rows", [[("a", "b")], [("a", "b"), ("b", "a")], BY_HAND])
def test_accounts_without_a_candidate_have_empty_lists(rows, how):
    context = night_of(graph_of(rows), how, **{"candidates.min_followers": 50})
    assert not any(lists_of(graph_of(rows), whole(context)).values())


@pytest.mark.parametrize("how", [RANK_FUSION, LEARNED_RANKER])
def test_at_most_so_many_of_a_source(how):
    graph = random_graph()
    free = lists_of(graph, whole(night_of(graph, how)))
    assert any(len({s for _, s, _ in found}) == 1 < len(found) for found in free.values())
    capped = lists_of(graph, whole(night_of(graph, how, **{"blend.max_share_per_source": 0.4})))
    for account, found in capped.items():
        sources = [source for _, source, _ in found]
        assert all(sources.count(source) <= 2 for source in sources)
        assert {c for c, _, _ in free[account][:1]} <= {c for c, _, _ in found}


def test_a_source_without_weight_is_not_asked():
    graph = random_graph()
    context = night_of(graph, RANK_FUSION, **{"sources.two_hop.weight": 0.0})
    silent = replace(context, sources={k: v for k, v in context.sources.items() if k != "two_hop"})
    assert lists_of(graph, whole(silent)) == lists_of(graph, whole(context))


def test_a_fixed_ladder_blends_for_everybody():
    config = load_config(None, {"blend.method": "rank_fusion", "ladder": "fixed"})
    assert [(tier.min_follows, tier.name) for tier in fixed_ladder(config)] == [(0, "rank_fusion")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"blend.method": "learned_ranker", "ladder": "fixed"},
            "config: blend.method: learned_ranker needs held-out follows, but ladder is fixed; set "
            "ladder: holdout, or blend.method: rank_fusion",
        ),
        (
            {f"sources.{name}.weight": 0 for name in (*PARTS, "factors")},
            "config: sources: every weight is 0; expected at least one source with a weight",
        ),
        (
            {"blend.method": "rank_fusion", **{f"sources.{name}.weight": 0 for name in PARTS}},
            "config: sources: only factors has a weight, but no model is trained; set "
            "sources.factors.algorithm, or the weight of another source",
        ),
    ],
)
def test_blends_that_cannot_be(settings, message):
    with pytest.raises(ConfigError) as error:
        load_config(None, settings)
    assert str(error.value) == message
