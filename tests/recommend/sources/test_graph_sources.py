"""Sources that only a follow graph has: follow back, two hops, co-followed."""

from __future__ import annotations

import pickle
from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import TwoStepConfig, load_config
from raypipe.config.sources import PageRankConfig
from raypipe.evaluation.neighbour_recall import walk_facts
from raypipe.follows import follows_dataframe
from raypipe.kernels.shards import cut
from raypipe.pipeline.run import run_night
from raypipe.recommend.ladder import BLENDS, LEARNED_RANKER, Tier, blend, strategies
from raypipe.recommend.shard import recommend_shard
from raypipe.recommend.sources import SourceInputs
from raypipe.recommend.sources.follow_back import follow_back
from raypipe.recommend.sources.pagerank import pagerank
from raypipe.recommend.sources.walks import co_followed, two_hop
from raypipe.recommend.work_estimate import estimate_ns
from raypipe.storage.runs.store import RunStore
from tests import naive
from tests.recommend._builders import prepare
from tests.recommend.filters.test_inputs import config_for, stands_on, write
from tests.strategies import graph_of, pairs

#: Only a and c follow each other.
BY_HAND = [
    *[("a", "b"), ("a", "c"), ("a", "z")],
    *[("b", "x"), ("c", "a"), ("c", "x"), ("c", "y")],
    *[("e", "a"), ("e", "z"), ("f", "a"), ("f", "e")],
]


def dumped(records):
    return {name: record.model_dump() for name, record in records.items()}


def retrieved(source, graph, account, wanted=99):
    """Candidate -> score."""
    found = source(np.array([graph.code(account)]), np.array([wanted]))
    assert found.indptr.tolist() == [0, len(found.codes)]
    return dict(zip([graph.ids[int(c)].as_py() for c in found.codes], found.scores, strict=True))


def test_follow_back_by_hand():
    graph = graph_of(BY_HAND)
    source = follow_back(graph)
    # c, e and f follow a, who follows c already. e: 1 follower, 2 follows; f: none, 2 follows.
    assert retrieved(source, graph, "a") == {"e": 1 / 3, "f": 0}
    assert retrieved(source, graph, "a", wanted=1) == {"e": 1 / 3}
    # a: 3 followers, 3 follows.
    assert retrieved(source, graph, "z") == {"a": 3 / 4, "e": 1 / 3}
    assert retrieved(follow_back(graph, None, SourceInputs(min_followers=2)), graph, "z") == {
        "a": 3 / 4
    }
    assert retrieved(source, graph, "f") == {}


def test_two_hop_by_hand():
    graph = graph_of(BY_HAND)
    # In the middle: b follows 1, c follows 3, z follows nobody.
    light, heavy = 1 / log(2 + 1), 1 / log(2 + 3)
    source = two_hop(graph, TwoStepConfig())
    assert retrieved(source, graph, "a") == {"x": light + heavy, "a": heavy, "y": heavy}
    assert retrieved(source, graph, "a", wanted=1) == {"x": light + heavy}
    plain = two_hop(graph, TwoStepConfig(intermediary_weight="none"))
    assert retrieved(plain, graph, "a") == {"x": 2, "a": 1, "y": 1}
    assert retrieved(two_hop(graph, TwoStepConfig(max_intermediary_follows=1)), graph, "a") == {
        "x": light
    }
    assert retrieved(two_hop(graph, TwoStepConfig(), SourceInputs(2)), graph, "a") == {
        "x": light + heavy,
        "a": heavy,
    }


def test_co_followed_by_hand():
    graph = graph_of(BY_HAND)
    # In the middle: c follows 3, e and f follow 2.
    three, two = 1 / log(2 + 3), 1 / log(2 + 2)
    source = co_followed(graph, TwoStepConfig())
    assert retrieved(source, graph, "a") == {
        "a": three + two + two, "x": three, "y": three, "z": two, "e": two,
    }  # fmt: skip
    plain = co_followed(graph, TwoStepConfig(intermediary_weight="none"))
    assert retrieved(plain, graph, "a", wanted=1) == {"a": 3}
    capped = co_followed(graph, TwoStepConfig(max_intermediary_follows=2))
    assert retrieved(capped, graph, "a") == {"a": two + two, "z": two, "e": two}
    assert retrieved(co_followed(graph, TwoStepConfig(), SourceInputs(2)), graph, "a").keys() == {
        "a",
        "x",
        "z",
    }


@given(
    pairs.filter(len),
    st.sampled_from([None, 0, 1, 2, 4]),
    st.sampled_from(["inverse_log", "none"]),
    st.integers(0, 3),
    st.integers(0, 4),
)
def test_bounded_sources_equal_the_oracle(rows, most, weight, least, wanted):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    config = TwoStepConfig(intermediary_weight=weight, max_intermediary_follows=most)
    followers = dict(naive.popularity(follows))
    weigh = naive.inverse_log if weight == "inverse_log" else (lambda *_: 1.0)
    for source, oracle in (
        (two_hop(graph, config, SourceInputs(least)), naive.two_hop),
        (co_followed(graph, config, SourceInputs(least)), naive.co_followed),
        (
            follow_back(graph, None, SourceInputs(least)),
            lambda *asked, **_: naive.follow_back(*asked),
        ),
    ):
        for account in follows:
            scores = oracle(follows, account, weight=weigh, most=most)
            may = {other: s for other, s in scores.items() if followers.get(other, 0) >= least}
            found = retrieved(source, graph, account, wanted)
            assert found == dict(naive.best_candidates(followers, account, may.items(), wanted))


def test_pagerank_by_hand():
    """A mutual follow is a step that weighs 1.5: a to c 1.5 of 4.5, to b and z 1."""
    graph = graph_of(BY_HAND)
    source = pagerank(graph, PageRankConfig(epsilon=0.1, alpha=0.8))
    # a is pushed, and its neighbours are left with .2 / 5.5 for each weight, below their limits.
    share = (1 - 0.8) * 1.0 / (3 + 0.5 * 3)
    assert retrieved(source, graph, "a") == {
        "a": 0.8, "b": 0.8 * share, "c": 0.8 * (share + 0.5 * share), "z": 0.8 * share,
        "e": 0.8 * (0.5 * share), "f": 0.8 * (0.5 * share),
    }  # fmt: skip
    assert retrieved(source, graph, "a", wanted=1) == {"a": 0.8}
    assert retrieved(pagerank(graph, None, SourceInputs(2)), graph, "a").keys() == {"a", "x", "z"}
    # An account with more than 1 / epsilon links, weighted.
    assert retrieved(pagerank(graph, PageRankConfig(epsilon=0.1)), graph, "a")
    many = graph_of([("hub", f"{other}") for other in range(11)])
    assert retrieved(pagerank(many, PageRankConfig(epsilon=0.1)), many, "hub") == {"hub": 0.5}


def test_pagerank_is_in_the_learned_ranker_and_not_in_rank_fusion():
    def blended(how, **settings):
        config = load_config(None, {"blend.method": how, **settings})
        return "pagerank" in blend(config, how).sources

    def alone(how):
        config = load_config(None, {"blend.method": how})
        return "pagerank" in [tier.name for tier in strategies(config)]

    assert [blended(how) for how in BLENDS] == [alone(how) for how in BLENDS] == [False, True]
    assert all(blended(how, **{"sources.pagerank.weight": 0.1}) for how in BLENDS)
    assert not blended(LEARNED_RANKER, **{"sources.pagerank.learned_ranker": False})


def random_graph(accounts=300, follows=4000):
    """With hubs: a few accounts follow many, others are followed by many."""
    rng = np.random.default_rng(0)
    ends = np.minimum(rng.pareto(1.2, (follows, 2)) * 12, accounts - 1).astype(int)
    return graph_of([(f"{a}", f"{b}") for a, b in ends])


def night_of(graph, **settings):
    config = load_config(None, {"candidates.min_followers": 2, **settings})
    context = prepare(graph, np.arange(graph.accounts, dtype=np.int32), config)
    names = ("follow_back", "two_hop", "co_followed", "pagerank")
    return context.with_ladder(*(Tier(10 * i, names[i:] + names[:i]) for i in range(len(names))))


def tables_of(results):
    """The rows of all shards, account by account."""
    results = list(results)
    return {
        name: [row for result in results for row in result.tables[name].to_pylist()]
        for name in ("neighbours", "recommendations")
    }


def test_a_night_hands_each_source_its_own_config():
    graph = graph_of(BY_HAND)
    config = load_config(
        None,
        {
            "candidates.min_followers": 2,
            "sources.two_hop.intermediary_weight": "none",
            "sources.co_followed.max_intermediary_follows": 2,
            "sources.pagerank.alpha": 0.2,
            "sources.pagerank.backward_weight": 0.3,
        },
    )
    prepared = prepare(graph, np.arange(graph.accounts, dtype=np.int32), config).sources
    sources = {name: one.source for name, one in prepared.items()}
    for name in ("follow_back", "two_hop", "co_followed", "pagerank"):
        assert sources[name].retrieved.tolist() == [code in "axz" for code in graph.ids.to_pylist()]
    assert set(sources["two_hop"].weights) == {1.0}
    assert sources["pagerank"].walk[-3:] == (0.3, 0.2, 1e-4)
    assert sources["co_followed"].weights[graph.code("c")] == 0  # follows 3
    assert sources["co_followed"].weights[graph.code("e")] == 1 / log(2 + 2)


@given(pairs.filter(len), st.integers(1, 4), st.integers(0, 3))
def test_lists_equal_the_oracle(rows, n, least):
    """Whom a source refuses does not leave a list shorter than it could be."""
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    settings = {"candidates.min_followers": least, "recommendations.per_account": n}
    context = night_of(graph, **settings)
    followers = dict(naive.popularity(follows))
    ids = graph.ids.to_pylist()
    for name in ("follow_back", "two_hop", "co_followed", "pagerank"):
        alone = context.with_ladder(Tier(0, (name,)))
        found = {account: [] for account in ids}
        rows_found = recommend_shard(alone, (0, graph.accounts)).tables["recommendations"]
        for row in rows_found.to_pylist():
            found[ids[row["account"]]].append((ids[row["other"]], row["score"]))
        for account, mine in follows.items():
            may = {
                other: score
                for other, score in getattr(naive, name)(follows, account).items()
                if other not in mine | {account} and followers.get(other, 0) >= least
            }
            assert found[account] == naive.best_candidates(followers, account, may.items(), n)


@pytest.mark.parametrize("name", ["wiki-vote", "advogato"])
def test_real_accounts_equal_the_oracle(data, name):
    """Some accounts, from the smallest to the largest follow set, and the one most followed."""
    frame = follows_dataframe(data / name / "follows.csv")
    rows = list(frame.itertuples(index=False, name=None))
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    by_size = np.argsort(graph.followees.degrees, kind="stable")
    most_followed = graph.followers.degrees.argmax()
    followers = dict(naive.popularity(follows))
    for code in {*by_size[:: len(by_size) // 10].tolist(), by_size[-1], most_followed}:
        account = graph.ids[int(code)].as_py()
        for source, oracle in (
            (follow_back(graph), naive.follow_back),
            (two_hop(graph, TwoStepConfig()), naive.two_hop),
            (co_followed(graph, TwoStepConfig()), naive.co_followed),
            (pagerank(graph), naive.pagerank),
        ):
            scores = oracle(follows, account)
            expected = naive.best_candidates(followers, account, scores.items(), 200)
            assert retrieved(source, graph, account, 200) == dict(expected)


def test_shards_do_not_show():
    context = night_of(random_graph())
    m = len(context.accounts)
    whole = tables_of([recommend_shard(context, (0, m))])
    assert {row["source"] for row in whole["recommendations"]} == {3, 4, 5, 6}
    for shards in ([(0, 1), (1, 200), (200, m)], cut(estimate_ns(context), 7)):
        assert tables_of(recommend_shard(context, shard) for shard in shards) == whole


def test_ray_does_not_show(local_ray):
    from functools import partial

    from raypipe.compute import ray_cluster

    context = night_of(random_graph())
    shards = cut(estimate_ns(context), 4)
    results = ray_cluster.run_shards(partial(recommend_shard, context), shards)
    over_ray = sorted(results, key=lambda result: result.shard)
    assert tables_of(over_ray) == tables_of([recommend_shard(context, (0, len(context.accounts)))])


def test_what_sources_share_travels_once():
    graph = random_graph()
    bare = prepare(graph, np.arange(graph.accounts, dtype=np.int32), load_config())
    context = night_of(graph)
    sizes = {}
    for name, some in (("bare", replace(bare, sources={})), ("all", context)):
        buffers: list[pickle.PickleBuffer] = []
        pickle.dumps(some, protocol=5, buffer_callback=buffers.append)
        sizes[name] = sum(buffer.raw().nbytes for buffer in buffers)
    n = graph.accounts
    source = context.sources["popular"].source
    popular = source.order.nbytes + source.keys.nbytes + source.scores.nbytes
    # Follows and followers are there already: two weights, a ratio and a degree of 8 bytes, and
    # four flags.
    assert sizes["all"] - sizes["bare"] == popular + 4 * 8 * n + 4 * n


def test_what_a_bound_leaves_out():
    graph = graph_of(BY_HAND)
    accounts = np.arange(graph.accounts, dtype=np.int32)
    both = {
        "sources.two_hop.max_intermediary_follows": 2,
        "sources.co_followed.max_intermediary_follows": 0,
    }
    config = load_config(None, both)
    context = prepare(graph, accounts, config)
    # followers x follows, by a to f: 3 x 3, 1 x 1, 1 x 3, 1 x 2, 0 x 2; of a and c too many.
    assert dumped(walk_facts(context.follows, config)) == {
        "two_hop": {"max_intermediary_follows": 2, "left_out": 2, "share_of_walks_left": 0.2},
        "co_followed": {"max_intermediary_follows": 0, "left_out": 5, "share_of_walks_left": 0.0},
    }
    # follows x follows: 9, 1, 9, 4, 4; of a and c too many.
    config = load_config(None, {"sources.co_followed.max_intermediary_follows": 2})
    assert dumped(walk_facts(context.follows, config)) == {
        "co_followed": {
            "max_intermediary_follows": 2,
            "left_out": 2,
            "share_of_walks_left": round(9 / 27, 4),
        }
    }


def test_a_run_says_what_a_bound_leaves_out(tmp_path, monkeypatch):
    """Of the sources that its lists are made of."""
    monkeypatch.chdir(tmp_path)
    write(BY_HAND)
    bounds = {
        "sources__two_hop__max_intermediary_follows": 2,
        "sources__co_followed__max_intermediary_follows": 0,
    }
    plain = run_night(config_for(**bounds), RunStore(tmp_path / "plain"), "2026-03-01").run
    assert plain.manifest.walks == {}
    stands_on(monkeypatch, "two_hop", "popular")
    walked = run_night(config_for(**bounds), RunStore(tmp_path / "walked"), "2026-03-01").run
    about = {"max_intermediary_follows": 2, "left_out": 2, "share_of_walks_left": 0.2}
    assert dumped(walked.manifest.walks) == {"two_hop": about}


@pytest.mark.parametrize("name", ["two_hop", "co_followed"])
def test_work_is_what_is_walked(name):
    graph = graph_of(BY_HAND)
    of = {"two_hop": two_hop, "co_followed": co_followed}[name]
    asked = np.array([graph.code("a"), graph.code("f")])
    # a through b, c, z or through c, e, f; f through a and e or through nobody.
    steps = {"two_hop": ([1 + 3 + 0, 3 + 2], [1 + 0, 2]), "co_followed": ([3 + 2 + 2, 0], [4, 0])}
    for most, expected in zip((None, 2), steps[name], strict=True):
        work = of(graph, TwoStepConfig(max_intermediary_follows=most)).estimated_ns(asked)
        unit = of(graph, TwoStepConfig()).estimated_ns(asked).max() / max(steps[name][0])
        assert (work / unit).round(6).tolist() == expected


def test_work_of_follow_back_is_what_is_read():
    graph = graph_of(BY_HAND)
    work = follow_back(graph).estimated_ns(np.array([graph.code("a"), graph.code("y")]))
    assert work[0] == 6 * work[1] > 0  # a: three followees, three followers; y: one follower


def test_only_sources_that_are_asked_are_work():
    context = night_of(random_graph())
    context = context.with_ladder(Tier(0, ("popular",)))
    of_list = estimate_ns(context, ["popular"])
    assert np.ptp(of_list) == 0
    two = estimate_ns(context, ["popular", "two_hop"])
    walked = context.sources["two_hop"].source.estimated_ns(context.accounts)
    np.testing.assert_allclose(two, 2 * of_list + walked)
    searched = estimate_ns(context, ["popular", "similar"]) - 2 * of_list
    np.testing.assert_allclose(estimate_ns(context), of_list + searched)
    leads = context.with_ladder(Tier(0, ("popular",)), Tier(20, ("two_hop", "popular")))
    follows = context.follows.followees.degrees
    of_leaders = np.where(follows >= 20, walked, 0)
    np.testing.assert_allclose(estimate_ns(leads), estimate_ns(context) + of_leaders)
