"""A factor model that scores the candidates of the other sources, against the oracle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from raypipe.config import load_config
from raypipe.recommend.ladder import RANK_FUSION, Tier, blend
from raypipe.recommend.models.model import FactorModel, FollowFactors
from raypipe.recommend.shard import recommend_shard
from raypipe.recommend.work_estimate import estimate_ns
from tests import naive
from tests.recommend._builders import SOURCES, prepare
from tests.recommend.test_shard import integers
from tests.strategies import graph_of, pairs

PARTS = ("follow_back", "two_hop", "co_followed", "similar", "popular")
N, LENGTH = 3, 4


def night_of(graph, how, **told):
    """A night whose lists are made by the model alone, or by a blend with it."""
    shown = {
        "sources.factors.algorithm": "SVD",
        "sources.factors.retrieval": "candidates",
        "sources.similar.threshold": 0,
        "recommendations.per_account": N,
        "candidates.min_followers": 0,
        "blend.method": "rank_fusion",
        "blend.candidates_per_source": LENGTH,
        "blend.max_share_per_source": 1,
    }
    config = load_config(None, shown | told)
    factors = FollowFactors(integers(graph.accounts, 3), integers(graph.accounts, 5))
    followers = graph.followers.degrees.astype(np.int32)
    model = FactorModel(factors, followers, "SVD", {}, 0, graph.fingerprint)
    alone = Tier(0, ("factors", "popular"))
    ladder = (alone if how == "alone" else blend(config, RANK_FUSION, trained=True),)
    accounts = np.arange(graph.accounts, dtype=np.int32)
    return prepare(graph, accounts, config, model=model, ladder=ladder)


def retrieved_by_each(follows, account):
    """The best candidates of each source, best first."""
    found = (
        naive.follow_back(follows, account),
        naive.two_hop(follows, account),
        naive.co_followed(follows, account),
        naive.similar(follows, account, threshold=0),
        dict(naive.popularity(follows)),
    )
    never = follows[account] | {account}
    return [
        in_order(follows, account, {c: s for c, s in some.items() if c not in never})[:LENGTH]
        for some in found
    ]


def in_order(follows, account, scores):
    followers = dict(naive.popularity(follows))
    return [c for c, _ in naive.best_candidates(followers, account, scores.items(), None)]


def by_the_model(follows, account):
    """The union of these candidates, by the score of the model."""
    ids = sorted(follows)
    mine, theirs = integers(len(ids), 3)[ids.index(account)], integers(len(ids), 5)
    union = dict.fromkeys(c for some in retrieved_by_each(follows, account) for c in some)
    scores = {c: float(mine @ theirs[ids.index(c)]) for c in union} if follows[account] else {}
    return scores, in_order(follows, account, scores)


def lists_of(graph, context, shards=1):
    """Account -> [(candidate, score, source)]."""
    found = {name: [] for name in graph.ids.to_pylist()}
    bounds = np.linspace(0, graph.accounts, shards + 1).astype(int).tolist()
    for shard in pairwise(bounds):
        for row in recommend_shard(context, shard).tables["recommendations"].to_pylist():
            account, other = (graph.ids[row[key]].as_py() for key in ("account", "other"))
            found[account].append((other, row["score"], SOURCES[row["source"]]))
    return found


@given(pairs.filter(bool))
@settings(max_examples=40)
def test_the_model_alone_ranks_what_the_others_retrieve(rows):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    context = night_of(graph, "alone")
    assert context.sources["factors"].scores == PARTS
    for account, found in lists_of(graph, context).items():
        scores, _ = by_the_model(follows, account)
        best = [(c, scores[c], "factors") for c in in_order(follows, account, scores)[:N]]
        taken = follows[account] | {account} | {c for c, _, _ in best}
        popular = {c: float(s) for c, s in naive.popularity(follows) if c not in taken}
        more = [(c, popular[c], "popular") for c in in_order(follows, account, popular)]
        assert found == (best + more)[:N]


@given(pairs.filter(bool))
@settings(max_examples=40)
def test_in_a_blend_the_model_ranks_the_union(rows):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    context = night_of(graph, RANK_FUSION)
    weights = context.lists.blend.weights
    names = context.lists.ladder[0].sources
    assert set(names) == {*PARTS, "factors"}
    for account, found in lists_of(graph, context).items():
        lists = dict(zip(PARTS, retrieved_by_each(follows, account), strict=True))
        lists["factors"] = by_the_model(follows, account)[1][:LENGTH]
        of_sources = [lists[name] for name in names]
        scores = naive.rank_fusion(of_sources, [weights[name] for name in names])
        followers = dict(naive.popularity(follows))
        expected = naive.best_of_blend(followers, account, of_sources, scores, N, N)
        assert [(c, names.index(source)) for c, _, source in found] == expected


def random_graph():
    rng = np.random.default_rng(7)
    return graph_of([(f"{i:03}", f"{j:03}") for i, j in rng.integers(0, 300, (2000, 2))])


@pytest.mark.parametrize("how", ["alone", RANK_FUSION])
def test_shards_do_not_change_lists(how):
    graph = random_graph()
    context = night_of(graph, how)
    assert lists_of(graph, context) == lists_of(graph, context, shards=7)


def test_without_weights_all_sources_retrieve():
    none = {f"sources.{name}.weight": 0 for name in PARTS}
    graph = random_graph()
    alone = night_of(graph, "alone", **none)
    assert set(alone.sources["factors"].scores) == set(SOURCES) - {"factors"}
    blended = night_of(graph, RANK_FUSION, **none)
    assert blended.lists.ladder[0].sources == ("factors",)
    assert {source for row in lists_of(graph, blended).values() for _, _, source in row} == {
        "factors"
    }


def test_the_model_alone_costs_what_its_sources_cost_too():
    graph = random_graph()
    alone, blended = (night_of(graph, how) for how in ("alone", RANK_FUSION))
    own = alone.sources["factors"].source.estimated_ns(alone.accounts)
    walks = sum(
        alone.sources[name].source.estimated_ns(alone.accounts)
        for name in ("two_hop", "co_followed", "follow_back")
    )
    assert (estimate_ns(alone) >= own + walks).all()
    np.testing.assert_allclose(estimate_ns(alone), estimate_ns(blended))
    np.testing.assert_allclose(estimate_ns(alone, ["factors"]), estimate_ns(blended))


def test_the_cost_of_a_score_does_not_depend_on_the_network():
    def ring(n):
        return graph_of([(f"{i:04}", f"{(i + d) % n:04}") for i in range(n) for d in (1, 2)])

    small, large = (night_of(ring(n), "alone").sources["factors"].source for n in (50, 3000))
    assert small.estimated_ns(np.array([0])) == large.estimated_ns(np.array([0]))
