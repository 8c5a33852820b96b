"""Lists are those of the train graph, and their measures do not depend on the shards."""

from __future__ import annotations

from itertools import combinations
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import RunConfig, load_config
from raypipe.errors import ConfigError
from raypipe.evaluation.lists import check_sources, lists_of
from raypipe.evaluation.measuring import measure, measure_lists, measuring_of
from raypipe.evaluation.results import differences_by_segment, means_by_segment
from raypipe.evaluation.splits import SEGMENTS, hold_out_share, split_follows
from raypipe.recommend.shard import recommend_shard
from raypipe.recommend.work_estimate import estimate_ns
from raypipe.storage.evaluations import ALL, leaders, only
from tests import naive
from tests.strategies import PLAIN, graph_of, pairs

SOURCES = ("popular", "similar", "similar+popular", "ladder")


def split_of(rows, **settings):
    settings = {
        "evaluation.min_follows": 2,
        "evaluation.k": [2, 5],
        "evaluation.segments": {"cold": 2, "warm": 3, "hot": 5},
        **settings,
    }
    config = load_config(None, {**PLAIN, **settings})
    graph = graph_of(rows)
    held = hold_out_share(graph, (1, 3), 2, config.seed)
    everybody = np.arange(graph.accounts, dtype=np.int32)
    return config, split_follows(graph, held, everybody, config.evaluation, config.seed)


def as_pairs(split, rows):
    ids = split.train.ids.to_pylist()
    return [(ids[i], ids[c]) for i in range(len(ids)) for c in rows.row(i)]


def random_rows(accounts=40, rows=500):
    rng = np.random.default_rng(5)
    return [(f"{a:02}", f"{b:02}") for a, b in rng.integers(0, accounts, (rows, 2))]


@given(pairs, st.integers(0, 3))
def test_equals_the_oracle_on_train_alone(rows, min_followers):
    """Recommend in sets from the train follows; look in sets for the test follows."""
    graph = graph_of(rows)
    if graph.followees.degrees.max(initial=0) < 2:
        return
    config, split = split_of(rows, **{"candidates.min_followers": min_followers})
    train, test = as_pairs(split, split.train.followees), as_pairs(split, split.test)
    follows = naive.follow_sets(train)
    ids = split.train.ids.to_pylist()
    found = measure_lists(measuring_of(split, config, SOURCES))
    rows = {name: place for place, name in enumerate(found.metrics)}
    for i, account in enumerate(ids[code] for code in split.accounts):
        relevant = {b for a, b in test if a == account}
        for place, source in enumerate(SOURCES):
            whole = naive.recommend(
                follows, account, 5,
                min_follows={"ladder": 1, "popular": 99}.get(source, 0),
                min_followers=min_followers,
            )  # fmt: skip
            shown = [c for c, _, name in whole if source != "similar" or name == "similar"]
            values = found.values[place, :, i]
            for k in (2, 5):
                hits = [c in relevant for c in shown[:k]]
                assert values[rows[f"recall@{k}"]] == pytest.approx(sum(hits) / len(relevant))
                ideal = sum(1 / log2(j + 2) for j in range(min(k, len(relevant))))
                gain = sum(hit / log2(j + 2) for j, hit in enumerate(hits))
                assert values[rows[f"ndcg@{k}"]] == pytest.approx(gain / ideal)


def test_the_ladder_is_what_the_night_shows():
    config, split = split_of(random_rows(), **{"sources.similar.min_follows": 6})
    measuring = measuring_of(split, config, ["ladder", "similar+popular"])
    context = measuring.context
    for lists, ladder in zip(
        lists_of(context, measuring.ladders, context.accounts),
        measuring.ladders.values(),
        strict=True,
    ):
        tables = recommend_shard(context.with_ladder(*ladder), (0, len(context.accounts))).tables
        shown = tables["recommendations"]
        assert lists[lists >= 0].tolist() == shown["other"].to_pylist()
    assert len(set(split.segments)) > 1


@pytest.mark.parametrize("least", [0, 7])
def test_coverage_by_hand(least):
    """Of three segments; "zz" has no followers, and is in no catalogue."""
    rows = [*random_rows(), ("zz", "01"), ("zz", "02")]
    config, split = split_of(rows, **{"candidates.min_followers": least})
    measuring = measuring_of(split, config, ["popular", "similar"])
    found = measure_lists(measuring, shards=7)
    followers = np.bincount(split.train.followees.codes, minlength=split.train.accounts)
    catalogue = set(np.flatnonzero(followers >= max(1, least)))
    assert 0 < len(catalogue) < split.train.accounts
    lists = lists_of(measuring.context, measuring.ladders, split.accounts)
    for source, codes in zip(found.sources, lists, strict=True):
        for k in (2, 5):
            for place, segment in enumerate(SEGMENTS):
                shown = set(codes[split.segments == place, :k].ravel()) - {-1}
                share = len(shown & catalogue) / len(catalogue)
                assert found.of_lists[source, f"coverage@{k}", segment] == share
            shown = set(codes[:, :k].ravel()) - {-1}
            share = len(shown & catalogue) / len(catalogue)
            assert found.of_lists[source, f"coverage@{k}", ALL] == share


def same(first, second):
    assert first.metrics == second.metrics
    assert np.array_equal(first.values, second.values, equal_nan=True)
    assert first.of_lists == second.of_lists


def test_shards_do_not_show():
    config, split = split_of(random_rows())
    measuring = measuring_of(split, config, SOURCES)
    whole = measure_lists(measuring)
    done = []
    backwards = measure_lists(measuring, lambda f, s: map(f, reversed(list(s))), 9, done.append)
    same(whole, backwards)
    assert len(done) > 3
    same(whole, measure_lists(measuring, shards=1000))


@pytest.mark.parametrize(
    ("sources", "asked"),
    [
        (["popular"], {"popular"}),
        (["two_hop+popular", "two_hop"], {"two_hop", "popular"}),
        (SOURCES, {"popular", "similar"}),
    ],
)
def test_work_is_that_of_the_sources_that_are_asked(sources, asked):
    config, split = split_of(random_rows())
    measuring = measuring_of(split, config, sources)
    assert measuring.source_names == asked
    done = []
    measure_lists(measuring, shards=4, advance=done.append)
    assert sum(done) == pytest.approx(estimate_ns(measuring.context, asked).sum() * 1e-9)


def test_ray_gives_the_same(local_ray):
    from raypipe.compute.ray_cluster import run_shards

    config, split = split_of(random_rows())
    measuring = measuring_of(split, config, SOURCES)
    same(measure_lists(measuring), measure_lists(measuring, run_shards, 3))


def test_only_the_metrics_that_are_asked_for():
    config, split = split_of(random_rows(), **{"evaluation.metrics": ["coverage"]})
    found = measure_lists(measuring_of(split, config, SOURCES))
    assert found.metrics == ()
    assert found.values.shape == (4, 0, len(split.accounts))
    assert len(found.of_lists) == 4 * 2 * (1 + len(SEGMENTS))
    assert {row.metric for row in means_by_segment(found, 100, 0)} == {
        "coverage@2",
        "coverage@5",
    }
    assert differences_by_segment(found, 100, 0) == ()
    config, split = split_of(random_rows(), **{"evaluation.metrics": ["mrr", "recall"]})
    found = measure_lists(measuring_of(split, config, ["popular"]))
    assert found.metrics == ("recall@2", "recall@5", "mrr@2", "mrr@5")
    assert found.of_lists == {}


def test_rows_say_what_the_values_say():
    config, split = split_of(
        random_rows(60, 500), **{"evaluation.segments": {"cold": 4, "warm": 5, "hot": 7}}
    )
    found = measure_lists(measuring_of(split, config, SOURCES))
    means = means_by_segment(found, 200, 0)
    differences = differences_by_segment(found, 200, 0)
    assert len(means) == (1 + len(SEGMENTS)) * 4 * (len(found.metrics) + 2)
    pairs_of = [
        (segment, first, second)
        for segment in (ALL, *SEGMENTS)
        for first, second in combinations(SOURCES, 2)
        if not found.are_same(first, second, segment)
    ]
    assert 0 < len(pairs_of) < 4 * 6  # some make the same lists
    assert [(row.segment, row.first, row.second) for row in differences[:: len(found.metrics)]] == (
        pairs_of
    )
    for segment in (*SEGMENTS[2:], ALL):
        here = (
            np.ones(len(found.segments), bool)
            if segment == ALL
            else found.segments == SEGMENTS.index(segment)
        )
        assert here.sum() > 2
        for j, metric in enumerate(found.metrics):
            values = dict(zip(SOURCES, found.values[:, j, here], strict=True))
            for source in SOURCES:
                (row,) = only(means, segment=segment, source=source, metric=metric)
                known = values[source][~np.isnan(values[source])]
                assert row.accounts == len(known)
                assert row.mean == pytest.approx(known.mean())
                assert row.low <= row.mean <= row.high
            for row in only(differences, segment=segment, metric=metric):
                both = values[row.first] - values[row.second]
                both = both[~np.isnan(both)]
                assert row.difference == pytest.approx(both.mean())
                larger = row.first if row.low > 0 else row.second
                beyond = row.low > 0 or row.high < 0
                assert row.verdict == (larger if beyond else "neither")
        best = max(only(means, segment=segment, metric="ndcg@5"), key=lambda row: row.mean)
        (leader,) = only(leaders(means, differences, "ndcg@5"), segment=segment)
        assert leader.first == best.source
        assert leader.difference >= 0
        assert leader.low <= leader.difference <= leader.high


def test_segments_with_nobody_have_no_mean():
    config, split = split_of(random_rows(), **{"evaluation.segments": {"warm": 90, "hot": 99}})
    found = measure_lists(measuring_of(split, config, ["popular", "similar"]))
    means = means_by_segment(found, 100, 0)
    empty = [row for row in means if row.segment not in ("cold", ALL)]
    assert {(row.accounts, row.mean, row.low) for row in empty} == {(0, None, None)}
    rows = leaders(means, differences_by_segment(found, 100, 0), "ndcg@5")
    assert [row.segment for row in rows] == ["cold", ALL]


def test_the_objective_of_a_sweep_is_the_mean_of_the_lists():
    config, split = split_of(random_rows())
    found = measure_lists(measuring_of(split, config, ["ladder"]))
    rows = only(means_by_segment(found, 100, 0), segment=ALL)
    means = measure(config, split)
    assert means == pytest.approx({row.metric: row.mean for row in rows})
    assert measure(config, split, "popular") != means


KNOWN = (
    "known: ladder, rank_fusion, learned_ranker, and similar, popular, factors, follow_back, "
    "two_hop, co_followed, pagerank; join several with +"
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("similr", "no source 'similr'; did you mean similar?"),
        ("ladder+popular", f"no source 'ladder'; {KNOWN}"),
        ("similar+", f"no source ''; {KNOWN}"),
        ("two_hop+follow", "no source 'follow'; did you mean follow_back?"),
        ("two_hops", "no source 'two_hops'; did you mean two_hop?"),
        ("zzz", f"no source 'zzz'; {KNOWN}"),
    ],
)
def test_unknown_sources(name, message):
    with pytest.raises(ConfigError) as error:
        check_sources(["popular", name], RunConfig())
    assert str(error.value) == message


def test_factors_without_a_model_are_refused_with_the_cure():
    with pytest.raises(ConfigError) as error:
        check_sources(["factors+popular"], RunConfig())
    assert str(error.value) == (
        "source factors: this config trains no model; set sources.factors.algorithm, for example "
        "--set sources.factors.algorithm=TruncatedSVD"
    )
    trained = load_config(None, {**PLAIN, "sources.factors.algorithm": "SVD"})
    assert check_sources(["factors+popular"], trained) == ("factors+popular",)


def test_nothing_is_prepared_for_a_search_that_nobody_asks_for(monkeypatch):
    config, split = split_of([(f"a{i}", f"b{j}") for i in range(9) for j in range(6)])
    monkeypatch.setattr("raypipe.recommend.search.build_index", None)
    found = measure_lists(measuring_of(split, config, ["popular"]))
    assert found.sources == ("popular",)
    with pytest.raises(TypeError):
        measuring_of(split, config, ["popular", "similar+popular"])
