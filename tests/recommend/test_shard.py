"""One shard of the night, against the oracle; and what every source owes to the rest."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import TwoStepConfig, load_config
from raypipe.kernels.similarity_index import build_index
from raypipe.kernels.tanimoto import top_neighbours
from raypipe.recommend import shard
from raypipe.recommend.context import ShardContext
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import filters_of
from raypipe.recommend.ladder import Tier
from raypipe.recommend.models.model import FactorModel, FollowFactors
from raypipe.recommend.shard import recommend_shard
from raypipe.recommend.sources import SourceInputs
from raypipe.recommend.sources.factors import exact_factors
from raypipe.recommend.sources.follow_back import follow_back
from raypipe.recommend.sources.pagerank import pagerank
from raypipe.recommend.sources.popular import popular
from raypipe.recommend.sources.similar import similar
from raypipe.recommend.sources.walks import co_followed, two_hop
from tests import naive
from tests.recommend._builders import SOURCES, prepare
from tests.recommend.filters.test_inputs import inputs_of
from tests.strategies import IDS, PLAIN, graph_of, pairs


def night_on(graph, accounts=None, **settings) -> ShardContext:
    accounts = np.arange(graph.accounts) if accounts is None else accounts
    config = load_config(
        None, PLAIN | {key.replace("__", "."): value for key, value in settings.items()}
    )
    return prepare(graph, np.array(accounts, dtype=np.int32), config)


def lists_of(table, ids) -> dict[str, list[tuple]]:
    """Account -> [(other, score[, source])], from a shard's table of codes."""
    lists = defaultdict(list)
    for row in table.to_pylist():
        entry = (ids[row["other"]], row["score"])
        if "source" in row:
            entry += (SOURCES[row["source"]],)
        lists[ids[row["account"]]].append(entry)
        assert row["rank"] == len(lists[ids[row["account"]]])
    return lists


@given(
    pairs,
    st.integers(1, 12),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.1, 0.25, 0.5]),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sampled_from([None, 1, 2, 4]),
)
def test_equals_the_oracle(rows, n, k, threshold, min_follows, min_followers, cap):
    graph = graph_of(rows)
    work = night_on(
        graph,
        recommendations__per_account=n,
        sources__similar__neighbours=k,
        sources__similar__threshold=threshold,
        sources__similar__min_follows=min_follows,
        sources__similar__max_followers=cap,
        candidates__min_followers=min_followers,
    )
    if not graph.accounts:
        return
    tables = recommend_shard(work, (0, graph.accounts)).tables
    ids = graph.ids.to_pylist()
    follows = naive.follow_sets(rows)
    exact = Fraction(str(threshold))
    found = lists_of(tables["recommendations"], ids)
    near = lists_of(tables["neighbours"], ids)
    for account in ids:
        expected = naive.recommend(follows, account, n, k, exact, min_follows, min_followers, cap)
        assert found[account] == expected
        neighbours = naive.neighbours(follows, account, k, exact, cap)
        assert near[account] == [(other, float(score)) for other, score in neighbours]


@given(st.data())
def test_an_account_gets_the_same_whoever_is_asked_with_it(data):
    graph = graph_of(data.draw(pairs.filter(len)))
    accounts = data.draw(st.sets(st.integers(0, graph.accounts - 1), min_size=1))
    whole = recommend_shard(night_on(graph), (0, graph.accounts)).tables
    part = recommend_shard(night_on(graph, sorted(accounts)), (0, len(accounts))).tables
    for name in ("neighbours", "recommendations"):
        mine = np.isin(whole[name]["account"].to_numpy(), sorted(accounts))
        assert part[name].equals(whole[name].filter(mine))


def test_batches_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    graph = graph_of([(f"{a}", f"{b}") for a, b in rng.integers(0, 50, (600, 2))])
    whole = recommend_shard(night_on(graph), (0, graph.accounts)).tables
    monkeypatch.setattr(shard, "_BATCH", 50)
    assert recommend_shard(night_on(graph), (0, graph.accounts)).tables == whole


@given(pairs.filter(len))
def test_each_tier_asks_its_own_sources_in_their_order(rows):
    graph = graph_of(rows)
    tiers = (Tier(0, ("similar",)), Tier(1, ("popular", "similar")), Tier(2, ("popular",)))
    context = night_on(graph, recommendations__per_account=3).with_ladder(*tiers)
    found = lists_of(
        recommend_shard(context, (0, graph.accounts)).tables["recommendations"],
        graph.ids.to_pylist(),
    )
    follows = naive.follow_sets(rows)
    followers = dict(naive.popularity(follows))
    for account, mine in follows.items():
        names = tiers[min(len(mine), 2)].sources
        expected = []
        for name in names:
            scores = UNDER_CONTRACT[name][1](follows, account)
            taken = mine | {account} | {candidate for candidate, _, _ in expected}
            more = {other: score for other, score in scores.items() if other not in taken}
            best = naive.best_candidates(followers, account, more.items(), 3 - len(expected))
            expected += [(*pair, name) for pair in best]
        assert found[account] == expected


def with_reserve(context, reserve):
    return replace(context, lists=replace(context.lists, reserve=reserve))


@given(pairs.filter(len), st.lists(st.sampled_from(sorted(SOURCES))), st.integers(1, 4))
def test_reserve_continues_the_published_lists(rows, sources, n):
    """Published and reserved rows together are the list of n + 3."""
    graph = graph_of(rows)
    ladder = (Tier(0, tuple(dict.fromkeys([*(set(sources) - {"factors"}), "popular"]))),)
    short, longer = (
        night_on(graph, recommendations__per_account=length).with_ladder(*ladder)
        for length in (n, n + 3)
    )
    short, both, longer = (
        recommend_shard(context, (0, graph.accounts)).tables
        for context in (short, with_reserve(short, 3), longer)
    )
    assert both["recommendations"] == short["recommendations"]
    assert len(short["reserve"]) == 0
    rest = longer["recommendations"].filter(longer["recommendations"]["rank"].to_numpy() > n)
    assert both["reserve"] == rest.drop_columns(["rank"])


@given(
    pairs.filter(len),
    st.sampled_from(["popular", "similar", "two_hop", "co_followed", "follow_back", "pagerank"]),
    st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=20),
)
def test_refilled_list_of_one_source_equals_the_list_with_these_exclusions(rows, source, rejected):
    graph = graph_of(rows)
    n, reserve, ids = 3, 4, graph.ids.to_pylist()
    excluded = exclusions_of(filters_of(inputs_of(rejected), graph))
    accounts = np.arange(graph.accounts, dtype=np.int32)
    config = load_config(None, PLAIN | {"recommendations.per_account": n})
    before, now = (
        prepare(graph, accounts, config, ladder=(Tier(0, (source,)),), exclusions=exclusions)
        for exclusions in (None, excluded)
    )
    tables = recommend_shard(with_reserve(before, reserve), (0, graph.accounts)).tables
    expected = lists_of(recommend_shard(now, (0, graph.accounts)).tables["recommendations"], ids)
    found = lists_of(tables["recommendations"], ids)
    for row in tables["reserve"].to_pylist():
        entry = (ids[row["other"]], row["score"], SOURCES[row["source"]])
        found[ids[row["account"]]].append(entry)
    for account, rows in found.items():
        visible = [row for row in rows if (account, row[0]) not in rejected]
        if len(rows) - len(visible) <= reserve:
            assert visible[:n] == expected[account]
        else:
            assert visible == expected[account][: len(visible)]


def test_every_refusal_is_counted():
    # a and b are alike; a's candidates from b: x, y (followed), a itself, z (one follower).
    rows = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("b", "a"), ("b", "z"), ("c", "a")]
    graph = graph_of(rows)
    work = night_on(
        graph, [graph.code("a")], sources__similar__min_follows=2, candidates__min_followers=2,
        recommendations__per_account=1,
    )  # fmt: skip
    excluded = recommend_shard(work, (0, 1)).tables["excluded"].to_pylist()
    counts = {(row["source"], row["reason"]): row["candidates"] for row in excluded}
    assert counts["similar", "SELF"] == 1
    assert counts["similar", "ALREADY_FOLLOWED"] == 2
    assert counts["similar", "TOO_FEW_FOLLOWERS"] == 1
    # popular brings 1 + at most 3 refused: a, x, y (2 followers each), z.
    assert counts["popular", "SELF"] == 1
    assert counts["popular", "ALREADY_FOLLOWED"] == 2
    assert counts["popular", "TOO_FEW_FOLLOWERS"] == 1


def make_popular(graph, accounts):
    return popular(graph)


def make_similar(graph, accounts):
    index = build_index(graph.followees, graph.followers)
    near = top_neighbours(index, accounts, 10, (1, 10))
    return partial(similar(graph), near=near)


def integers(n, of):
    """float32[n, 3]: small whole numbers, whose products are exact, and often equal."""
    return (np.arange(3 * n).reshape(n, 3) * of % 7 - 2).astype(np.float32)


def make_factors(graph, accounts):
    of_accounts, of_followees = integers(graph.accounts, 3), integers(graph.accounts, 5)
    followers = graph.followers.degrees.astype(np.int32)
    learned = FollowFactors(of_accounts, of_followees)
    model = FactorModel(learned, followers, "SVD", {}, 0, graph.fingerprint)
    return exact_factors(graph, SourceInputs(model=model))


def oracle_factors(follows, account):
    """Of whom somebody follows, but the account does not; none for who follows nobody."""
    ids = sorted(follows)
    of_accounts, of_followees = (integers(len(ids), of).tolist() for of in (3, 5))
    followed = {other for other, _ in naive.popularity(follows)}
    return {
        other: sum(
            x * y for x, y in zip(of_accounts[ids.index(account)], of_followees[code], strict=True)
        )
        for code, other in enumerate(ids)
        if follows[account] and other in followed - follows[account]
    }


def oracle_popular(follows, account):
    return {other: float(count) for other, count in naive.popularity(follows)}


def make_follow_back(graph, accounts):
    return follow_back(graph)


def make_two_hop(graph, accounts):
    return two_hop(graph, TwoStepConfig())


def make_co_followed(graph, accounts):
    return co_followed(graph, TwoStepConfig())


def make_pagerank(graph, accounts):
    return pagerank(graph)


UNDER_CONTRACT = {
    "popular": (make_popular, oracle_popular),
    "similar": (make_similar, naive.similar),
    "factors": (make_factors, oracle_factors),
    "follow_back": (make_follow_back, naive.follow_back),
    "two_hop": (make_two_hop, naive.two_hop),
    "co_followed": (make_co_followed, naive.co_followed),
    "pagerank": (make_pagerank, naive.pagerank),
}


@pytest.mark.parametrize("name", UNDER_CONTRACT)
@given(st.data())
def test_contract_of_every_source(name, data):
    """Scores are the oracle's; none comes twice; the ``wanted`` best are there."""
    make, oracle = UNDER_CONTRACT[name]
    rows = data.draw(pairs.filter(len))
    graph = graph_of(rows)
    follows, ids = naive.follow_sets(rows), graph.ids.to_pylist()
    accounts = np.array(
        data.draw(st.lists(st.integers(0, graph.accounts - 1), min_size=1, unique=True)), np.int32
    )
    wanted = np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=len(accounts), max_size=len(accounts)))
    )

    source = make(graph, accounts)
    found = source(accounts, wanted)

    estimated_ns = getattr(source, "func", source).estimated_ns(accounts)
    assert estimated_ns.shape == accounts.shape
    assert estimated_ns.dtype == np.float64
    assert np.all(estimated_ns >= 0)

    assert found.codes.dtype == np.int32
    assert found.scores.dtype == np.float64
    assert len(found.indptr) == len(accounts) + 1
    for place, account in enumerate(accounts):
        entries = slice(found.indptr[place], found.indptr[place + 1])
        scores = dict(
            zip([ids[c] for c in found.codes[entries]], found.scores[entries].tolist(), strict=True)
        )
        expected = oracle(follows, ids[account])
        assert len(scores) == entries.stop - entries.start
        assert scores.items() <= expected.items()
        best = naive.best_candidates(
            dict(naive.popularity(follows)), ids[account], expected.items(), int(wanted[place])
        )
        assert dict(best).items() <= scores.items()


def test_every_source_is_under_contract():
    assert set(UNDER_CONTRACT) == set(SOURCES)


def test_every_reason_but_eligible_is_refused_somewhere():
    assert FilterReason.ELIGIBLE == 0
    assert [reason.name for reason in FilterReason][1:] == [
        "SELF",
        "ALREADY_FOLLOWED",
        "REJECTED",
        "BLOCKED",
        "PREVIOUSLY_FOLLOWED",
        "OPTED_OUT",
        "BOT",
        "TOO_FEW_FOLLOWERS",
        "SUSPECT",
        "RESTING",
        "FOLLOW_CHANGED",
        "INACTIVE",
        "ERASED",
    ]


@pytest.mark.parametrize(
    ("name", "some"),
    [("wiki-vote/follows.csv", 20), ("advogato/follows.csv", 20), ("slashdot/follows.csv.gz", 3)],
)
def test_real_accounts_equal_the_oracle(data, name, some):
    """Some accounts, from the smallest to the largest follow set, get what the sets say."""
    from raypipe.follows import follows_dataframe

    frame = follows_dataframe(data / name)
    rows = list(frame.itertuples(index=False, name=None))
    graph = graph_of(rows)
    follows, ids = naive.follow_sets(rows), graph.ids.to_pylist()
    by_size = np.argsort(graph.followees.degrees, kind="stable")
    asked = np.unique(np.append(by_size[:: len(by_size) // some], by_size[-1]))
    tables = recommend_shard(night_on(graph, asked), (0, len(asked))).tables
    found = lists_of(tables["recommendations"], ids)
    near = lists_of(tables["neighbours"], ids)
    for account in map(ids.__getitem__, asked):
        expected = naive.neighbours(follows, account)
        assert near[account] == [(other, float(score)) for other, score in expected]
        assert found[account] == naive.recommend(follows, account)
