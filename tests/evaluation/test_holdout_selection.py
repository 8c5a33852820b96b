"""Who is measured by a night, and the same ladder however it is measured."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest

from raypipe.compute import engines
from raypipe.compute.engines import Runner
from raypipe.compute.frames import PandasEngine
from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages
from raypipe.config import load_config
from raypipe.errors import TooLargeError
from raypipe.evaluation import holdout_selection
from raypipe.evaluation.holdout_selection import choose_ladder, segments_if_measured
from raypipe.evaluation.leading import decide
from raypipe.evaluation.measuring import measure_lists, measuring_of
from raypipe.evaluation.results import differences_by_segment, means_by_segment
from raypipe.evaluation.splits import SEGMENTS, hold_out_share, split_follows
from raypipe.recommend.ladder import fixed_ladder, ladder_of, strategies
from raypipe.recommend.shard import warm_up
from raypipe.storage.evaluations import difference_of, only
from tests.strategies import PLAIN, graph_of


def config_of(**settings):
    return load_config(
        None, PLAIN | {key.replace("__", "."): value for key, value in settings.items()}
    )


@pytest.mark.parametrize(
    ("settings", "segments"),
    [
        # Of these follows 1, 1, 1, 2, 2, 11, 12 are held out: 1, 2, 3, 9, 10, 45, 50 are left.
        ({}, [-1, -1, 1, 1, 2, 2, 3, 3, 4]),
        ({"evaluation__min_follows": 12}, [-1, -1, -1, -1, -1, -1, 3, 3, 4]),
        # With a share of .5, 1, 2, 2, 6, 6, 28 and 31 are left.
        ({"evaluation__share": 0.5}, [-1, -1, 1, 1, 1, 2, 2, 3, 3]),
        ({"evaluation__segments": {"warm": 46, "hot": 50}}, [-1, -1, 1, 1, 2, 2, 2, 2, 4]),
    ],
)
def test_segments_if_measured(settings, segments):
    follows = np.array([0, 1, 2, 3, 4, 11, 12, 56, 62])
    assert segments_if_measured(follows, config_of(**settings)).tolist() == segments


@pytest.fixture(scope="module")
def graph():
    """Two segments with enough accounts, and ten hot ones; each follows in its own half."""
    rng = np.random.default_rng(3)
    rows = []
    for account in range(270):
        half = account % 2
        follows = 6 if account < 130 else 20 if account < 260 else 200
        drawn = (rng.random(follows) ** 2 * 120).astype(int) * 2 + half
        rows += [(f"{account:03}", f"{followee:03}") for followee in drawn]
        rows += [(f"{account:03}", f"{int(rng.integers(260)):03}")]
    return graph_of(rows)


SETTINGS = {"evaluation.min_follows": 3, "evaluation.bootstrap": 100}


def in_this_process(_: float) -> Runner:
    return Runner(map, 1, "")


def chosen(graph, run_on=in_this_process, **settings):
    config = load_config(None, {**PLAIN, **SETTINGS, **settings})
    stages = Stages(Silent())
    everybody = np.arange(graph.accounts, dtype=np.int32)
    facts = choose_ladder(graph, everybody, config, stages, run_on).ladder
    return facts, [stage.stage for stage in stages.measured]


def test_the_table_is_what_evaluate_measures(graph):
    """The same split, sources and intervals, by the way of the evaluation."""
    facts, stages = chosen(graph, **{"recommendations.per_account": 3})
    assert (facts.decided_by, facts.metric, stages) == ("holdout", "ndcg@3", ["holdout"])
    config = load_config(None, {**PLAIN, **SETTINGS, "evaluation.k": [3]})
    held = hold_out_share(graph, (1, 5), 3, config.seed)
    everybody = np.arange(graph.accounts, dtype=np.int32)
    split = split_follows(graph, held, everybody, config.evaluation, config.seed)
    alone = ["+".join(tier.sources) for tier in strategies(config)[1:]]
    found = measure_lists(measuring_of(split, config, ["popular", *alone]))
    means = means_by_segment(found, 100, config.seed)
    differences = differences_by_segment(found, 100, config.seed)
    measured = [row for row in facts.table if row.accounts]
    names = {"popular": "popular"} | {name.partition("+")[0]: name for name in alone}
    assert [(row.segment, row.strategy) for row in measured] == [
        (segment, name) for segment in ("cold", "warm") for name in names
    ]
    for row in measured:
        about = {"segment": row.segment, "metric": "ndcg@3"}
        (mean,) = only(means, **about, source="+".join(row.sources))
        assert (row.accounts, row.ndcg) == (mean.accounts, mean.mean)
        assert (row.low, row.high) == (mean.low, mean.high)
        this, other = names[row.strategy], names[row.against]
        by = difference_of(differences, *about.values(), this, other)
        shown = [getattr(row, key) for key in ("difference", "difference_low", "difference_high")]
        assert shown == pytest.approx([by.difference, by.low, by.high])
    of_segment = {
        segment: found.values[:, 0, found.segments == SEGMENTS.index(segment)]
        for segment in ("cold", "warm")
    }
    work = {segment: np.ones(len(strategies(config))) for segment in of_segment}
    tiers, _ = decide(of_segment, [0, 0, 130, 130, 10], strategies(config), config, work)
    assert ladder_of(facts.tiers) == tiers


@pytest.mark.parametrize("cap", [None, 20])
@pytest.mark.parametrize(
    ("settings", "shards", "blocks"),
    [({"shards": 7}, 7, 0), ({"memory_per_task": "300.02MB"}, 3, 2)],
)
def test_the_same_however_it_is_cut(settings, shards, blocks, cap, graph, monkeypatch):
    monkeypatch.setattr("raypipe.recommend.memory._MIN_SHARD_ACCOUNTS", 260)
    capped = {"sources.similar.max_followers": cap}
    expected, _ = chosen(graph, **capped)
    seen = []

    def run_shards(function, todo):
        (measuring,) = function.args
        seen.append(
            (
                len(todo),
                len(measuring.context.search.blocks),
                measuring.context.search.hubs_left_out,
            )
        )
        return map(function, reversed(todo))

    assert chosen(graph, lambda _: Runner(run_shards, 3, ""), **settings, **capped)[0] == expected
    ((cut, built, left_out),) = seen
    assert cut >= shards
    assert (built >= blocks) if blocks else (built == 0)
    assert (left_out > 0) == (cap is not None)


def test_the_same_over_ray(graph, local_ray):
    with ExitStack() as stack:
        config = config_of(cluster="local")
        run_on = partial(engines.runner, config, PandasEngine(), stack=stack, warm_up=warm_up)
        assert chosen(graph, run_on)[0] == chosen(graph)[0]


def raise_nothing_is_measured(*args, **kwargs):
    raise AssertionError("something is measured")


@pytest.mark.parametrize(
    ("settings", "by", "why"),
    [
        ({"ladder": "fixed"}, "fixed", "ladder: fixed (config)"),
        (
            {"evaluation.min_follows": 1000},
            "too few",
            "ladder: as fixed (0 zero, 0 few, 0 cold, 0 warm, 0 hot accounts could be measured; "
            "100 of a segment are needed)",
        ),
    ],
)
def test_what_is_not_decided_by_evidence_costs_nothing(settings, by, why, graph, monkeypatch):
    monkeypatch.setattr(holdout_selection, "hold_out_share", raise_nothing_is_measured)
    monkeypatch.setattr(holdout_selection, "measuring_of", raise_nothing_is_measured)
    facts, stages = chosen(graph, **settings)
    assert (facts.decided_by, facts.why, stages) == (by, why, [])
    assert ladder_of(facts.tiers) == fixed_ladder(config_of())
    assert not any(row.accounts for row in facts.table)


def test_at_most_so_many_of_a_segment_are_measured(graph, monkeypatch):
    monkeypatch.setattr(holdout_selection, "MAX_ACCOUNTS", 110)
    facts, _ = chosen(graph)
    assert {row.accounts for row in facts.table} == {110, 0}
    assert chosen(graph)[0] == facts
    assert chosen(graph, **{"seed": 1})[0] != facts


def test_too_little_memory_names_the_fixed_ladder(graph, monkeypatch):
    """Enough for the night, and too little for what is built beside it."""
    free = iter([10**9, 1000])
    monkeypatch.setattr(holdout_selection, "memory_available", lambda: next(free))
    with pytest.raises(
        TooLargeError, match=r"^hold-out selection for the ladder: .* or set ladder: fixed$"
    ):
        chosen(graph)


def test_what_is_refused_for_the_night_is_refused_first(graph, monkeypatch):
    monkeypatch.setattr(holdout_selection, "memory_available", lambda: 1000)
    monkeypatch.setattr(holdout_selection, "hold_out_share", raise_nothing_is_measured)
    with pytest.raises(TooLargeError, match=r"^the similarity index takes up to"):
        chosen(graph)
