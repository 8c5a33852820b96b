"""Follows that are new since an earlier run: which decide, and that nothing of them is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.compute.engines import Runner
from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages
from raypipe.config import EvaluationConfig, load_config
from raypipe.evaluation import blending, since
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.evaluation.measuring import measure_lists, measuring_of
from raypipe.evaluation.since import Past, since_earlier_run
from raypipe.evaluation.splits import SEGMENTS, split_of
from raypipe.graph.follow_graph import save_graph
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.ladder import strategies
from raypipe.recommend.negative_feedback import rejections_of
from raypipe.storage.runs.manifest import Manifest
from raypipe.storage.runs.run import Run
from tests.strategies import PLAIN, graph_of, pairs

CONFIG = EvaluationConfig()


def run_of(graph, folder, run_id="2026-03-01-aa"):
    save_graph(graph, folder / run_id / "graph")
    manifest = Manifest.model_construct(fingerprint=graph.fingerprint)
    return Run(run_id, folder / run_id, manifest)


def everybody(graph):
    return np.arange(graph.accounts, dtype=np.int32)


def since_of(rows, earlier, folder, config=CONFIG):
    graph = graph_of(rows)
    return graph, since_earlier_run(
        [run_of(graph_of(earlier), folder)], graph, everybody(graph), config
    )


def pairs_of(graph, rows):
    ids = graph.ids.to_pylist()
    return {(ids[a], ids[b]) for a in range(len(ids)) for b in rows.row(a)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@given(later=pairs, earlier=pairs.filter(len), min_follows=st.integers(2, 4))
def test_new_follows_by_sets(later, earlier, min_follows, folder):
    """What is gone stays in the past; follows of or to later accounts are counted alone."""
    config = EvaluationConfig(min_follows=min_follows)
    rows = later + earlier[: len(earlier) // 2]
    now, before = ({(a, b) for a, b in some if a != b} for some in (rows, earlier))
    known = {one for row in earlier for one in row}
    _, found = since_of(rows, earlier, folder, config)
    if found.past is None:
        present = {one for row in rows for one in row}
        assert now == before or 2 * len(known & present) < len(known)
        return
    new = {(a, b) for a, b in now - before if {a, b} <= known}
    past, record = found.past, found.record
    assert pairs_of(past.graph, past.graph.followees) == before
    assert pairs_of(past.graph, past.new) == new
    assert (record.follows, record.left_out) == (len(new), len(now - before - new))
    groups = dict(zip(SEGMENTS, past.measurable(config), strict=True))
    expected = {}
    for account in known & {one for row in rows for one in row}:
        kept, held = (sum(a == account for a, _ in some) for some in (before, new))
        if held and (kept == 0 or kept + held >= min_follows):
            name = "zero" if kept == 0 else "few" if kept < 3 else "cold" if kept < 10 else "warm"
            expected.setdefault(name, set()).add(account)
    ids = past.graph.ids.to_pylist()
    assert {name: {ids[a] for a in some} for name, some in groups.items() if len(some)} == expected
    assert record.accounts == sum(map(len, expected.values()))
    train, test = past.at_random(seed=3)
    kept, held = pairs_of(train, train.followees), pairs_of(train, test)
    assert (kept | held, kept & held) == (before | new, set())
    assert np.array_equal(test.degrees, past.new.degrees)


def ring(n, skip, prefix="x"):
    """Every account follows the next one, and each that is not skipped the one after it."""
    rows = [(f"{prefix}{i:03}", f"{prefix}{(i + 1) % n:03}") for i in range(n)]
    return rows + [(f"{prefix}{i:03}", f"{prefix}{(i + 2) % n:03}") for i in range(skip, n)]


@pytest.mark.parametrize(
    ("earlier", "decides", "why"),
    [
        (ring(400, 300), True, "300 accounts have 300 follows that are new since run {}"),
        (
            ring(400, 299),
            False,
            "299 accounts have 299 follows that are new since run {}; 300 accounts are needed, "
            "100 of them in a segment",
        ),
        (ring(400, 0), False, "run {} has the same follows"),
        ([*ring(400, 0), ("y", "x000")], False, "0 accounts have 0 follows that are new since run"),
        (ring(400, 0, "y"), False, "run {} is of another network: 0 of its 400 accounts exist"),
    ],
)
def test_which_runs_decide(earlier, decides, why, tmp_path):
    _, found = since_of(ring(400, 0), earlier, tmp_path)
    assert found.record.decides == decides
    assert found.record.why.startswith(why.format("2026-03-01-aa"))
    assert (found.past is None) == why.startswith("run")


def test_the_newest_run_that_has_enough(tmp_path):
    graph = graph_of(ring(400, 0))
    runs = [
        run_of(graph_of(ring(400, skip)), tmp_path, f"2026-03-0{9 - number}-aa")
        for number, skip in enumerate((0, 40, 310, 350))
    ]

    def chosen(some):
        found = since_earlier_run(some, graph, everybody(graph), CONFIG)
        return found and found.record.run

    assert chosen(runs) == runs[2].id
    assert chosen(runs[:2]) == runs[1].id
    assert chosen(runs[:1]) == runs[0].id
    assert chosen([]) is None
    assert chosen([*runs[:1] * since.MAX_RUNS, runs[2]]) == runs[0].id
    (runs[2].path / "graph" / "ids.arrow").write_bytes(b"none")
    assert chosen(runs) == runs[3].id
    alone = since_earlier_run(runs[2:3], graph, everybody(graph), CONFIG)
    assert alone.past is None
    assert f"run {runs[2].id} cannot be read: " in alone.record.why


def test_rejections_are_carried_by_id(tmp_path):
    """b's rejection of new accounts is gone; the counts of the lists move with the accounts."""
    graph, found = since_of([*ring(4, 0, "m"), ("a", "m000")], ring(4, 4, "m"), tmp_path)
    rows = Adjacency(np.array([0, 1, 2, 2, 2, 2]), np.array([2, 4], np.int32))
    carried = found.past.carry(rejections_of(rows, graph, np.arange(5) * 10))
    assert carried.rows.degrees.tolist() == [1, 0, 0, 0]
    assert carried.rows.codes.tolist() == [3]
    assert carried.shown.tolist() == [10, 20, 30, 40]
    assert found.past.carry(None) is None


@pytest.fixture(scope="module")
def timed():
    """Follows within ten groups, popular accounts first: the new ones are the less popular."""
    rng = np.random.default_rng(1)
    earlier, later = set(), set()
    for account in range(400):
        group = account % 10
        for follow in range(12):
            other = int(40 * rng.random() ** (3 if follow < 9 else 1)) * 10 + group
            if other != account:
                (earlier if follow < 9 else later).add((f"{account:03}", f"{other:03}"))
    return sorted(earlier), sorted(earlier | later)


def decided(graph, found, run_shards=map, **settings):
    config = load_config(None, PLAIN | {"evaluation.bootstrap": 100, **settings})
    told = (config, Stages(Silent()), lambda _: Runner(run_shards, 1, ""))
    return config, choose_ladder(graph, everybody(graph), *told, None, found)


def test_the_table_is_of_the_new_follows(timed, tmp_path):
    """As `evaluate` measures both splits, and with less recovered than at random."""
    earlier, rows = timed
    graph, found = since_of(rows, earlier, tmp_path)
    config, decision = decided(graph, found)
    past, ladder = found.past, decision.ladder
    assert ladder.since == found.record
    assert ladder.why == "ladder: by ndcg on new follows"
    lists = config.evaluation.model_copy(update={"k": [10], "metrics": ["ndcg"]})
    names = ["+".join(tier.sources) for tier in strategies(config)]
    config = config.model_copy(update={"evaluation": lists})
    means = []
    for train, test in ((past.graph, past.new), past.at_random(config.seed)):
        split = split_of(train, test, past.audience, lists, config.seed)
        values = measure_lists(measuring_of(split, config, names)).values[:, 0]
        of_segment = split.segments == SEGMENTS.index("cold")
        means.append(dict(zip(names, values[:, of_segment].mean(axis=1).tolist(), strict=True)))
    measured = [row for row in ladder.table if row.segment == "cold"]
    assert [row.ndcg for row in measured] == pytest.approx(list(means[0].values()))
    assert [row.at_random for row in measured] == pytest.approx(list(means[1].values()))
    leader = next(row for row in measured if row.leads)
    assert leader.at_random > 1.2 * leader.ndcg


def test_the_ranker_learns_from_the_past_alone(timed, tmp_path, monkeypatch):
    """No list that decides, and no example of the ranker, is made from a new follow.

    The only lists that know some are those of the random hold-out, which teach nothing.
    """
    monkeypatch.setattr(blending, "MIN_FOLLOWS", 100)
    monkeypatch.setattr("raypipe.recommend.blend.training._TREES", 20)
    earlier, rows = timed
    graph, found = since_of(rows, earlier, tmp_path)
    past, seen = found.past, []
    new = pairs_of(past.graph, past.new)

    def watched(function, todo):
        measuring = function.args[0]
        known = pairs_of(past.graph, measuring.context.follows.followees)
        seen.append((function.func.__name__, len(known & new), len(known)))
        return map(function, todo)

    _, decision = decided(graph, found, watched, **{"blend.method": "learned_ranker"})
    assert decision.ranker.facts["follows"] >= 100
    examples = [row[1:] for row in seen if row[0] == "examples_of_shard"]
    # features of the past, labels the new follows
    assert examples[0] == examples[1] == (0, past.graph.follows)
    assert {known for known, _ in examples} == {0}
    assert len(examples) == 2 + blending.ROUNDS  # two halves
    lists = [known for name, known, _ in seen if name == "measure_shard"]
    assert [known > 0 for known in lists] == [False, True] * 3
    # whatever the present follows are, the decision is the same
    other = graph_of([*earlier, ("000", "399")])
    _, again = decided(other, found, **{"blend.method": "learned_ranker"})
    assert again.ladder == decision.ladder
    assert again.ranker.trees[2].tobytes() == decision.ranker.trees[2].tobytes()


def test_too_few_new_follows_leave_the_random_hold_out(timed, tmp_path):
    earlier, rows = timed
    graph, found = since_of([*earlier, *rows[:900]], earlier, tmp_path)
    assert not found.record.decides
    _, decision = decided(graph, found)
    _, plain = decided(graph, None)
    assert decision.ladder.since == found.record
    assert decision.ladder.model_copy(update={"since": None}) == plain.ladder
    assert plain.ladder.decided_by == "holdout"


def test_past_is_what_the_audience_knows(timed, tmp_path):
    """Accounts outside the audience are not measured; those that came later are not either."""
    earlier, rows = timed
    graph = graph_of([*rows, ("zz", "000")])
    members = everybody(graph)[::2]
    found = since_earlier_run([run_of(graph_of(earlier), tmp_path)], graph, members, CONFIG)
    assert isinstance(found.past, Past)
    ids = found.past.graph.ids.take(found.past.audience).to_pylist()
    assert ids == [one for one in graph.ids.take(members).to_pylist() if one != "zz"]
