"""Degree tables: what they say, what is refused, how they grow, and what is drawn from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from raypipe.config import load_config
from raypipe.errors import ConfigError, InputError, MissingInputError, RunError
from raypipe.graph.degree_table import (
    Degrees,
    distribution,
    grown,
    read_degrees,
    without_hubs,
    write_degrees,
)
from raypipe.graph.statistics import co_follow_pairs
from raypipe.kernels.similarity_index import build_index
from raypipe.pipeline.cost.sample_degrees import (
    HOLD_OUT_SECONDS,
    PREPARE_SECONDS,
    draw_sample,
    holdout_of_degrees,
    measure_degrees,
    seconds_of_sources,
)
from raypipe.pipeline.plan import plan_degrees, sizes_of_degrees
from raypipe.recommend.memory import index_bytes
from raypipe.recommend.sources import SourceInputs
from raypipe.recommend.sources.registry import sources_of
from tests.strategies import PLAIN, graph_of, pairs

HEADER = "follows,followers,accounts\n"
WHOLE = "expected a whole number from 0 to 2,147,483,647"
COLUMNS = "a degree table has the columns follows, followers and, if wanted, accounts"


@dataclass(frozen=True)
class BadTable:
    """A degree table that is refused, and the words; ``content`` None for no file at all."""

    name: str
    content: str | bytes | dict | None
    words: str
    error: type[Exception] = InputError

    def write(self, folder: Path) -> Path:
        path = folder / ("d.parquet" if isinstance(self.content, dict) else "d.csv")
        if isinstance(self.content, dict):
            pq.write_table(pa.table(self.content), path)
        elif self.content is not None:
            data = self.content
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


BAD_TABLES = [
    BadTable("no file", None, f"found no such file or folder; {COLUMNS}", MissingInputError),
    BadTable("empty", "", f"is empty (0 bytes); {COLUMNS}"),
    BadTable("no rows", HEADER, "found no rows; expected numbers of follows and followers"),
    BadTable("no column", "a,follows\n1,2\n", f"no column followers; found a, follows; {COLUMNS}"),
    BadTable("column twice", "follows,follows,followers\n1,1,1\n", "found column follows 2 times"),
    BadTable("negative", HEADER + "1,1,1\n-1,1,1\n", f"row 2: follows is '-1'; {WHOLE}"),
    BadTable("fractional", HEADER + "1,1.5,2\n", f"row 1: followers is '1.5'; {WHOLE}"),
    BadTable("no number", HEADER + "1,x,2\n", f"row 1: followers is 'x'; {WHOLE}"),
    BadTable("infinite", HEADER + "1,inf,2\n", f"row 1: followers is 'inf'; {WHOLE}"),
    BadTable("missing", HEADER + "2,2,\n", f"row 1: accounts is missing; {WHOLE}"),
    BadTable("too large", HEADER + "1,1,3000000000\n", f"row 1: accounts is '3000000000'; {WHOLE}"),
    BadTable(
        "too many",
        HEADER + "1,1,2000000000\n0,0,2000000000\n",
        "found 4,000,000,000 accounts, expected at most 2,147,483,647",
    ),
    BadTable(
        "sums differ",
        HEADER + "1,2,3\n",
        "found 3 follows but 6 followers in all; expected equal sums",
    ),
    BadTable("no follows", HEADER + "0,0,5\n", "found no follows; expected at least one"),
    BadTable(
        "follows more than there are",
        HEADER + "5,0,1\n0,1,3\n0,2,1\n",
        "row 1: follows is 5, but only 4 accounts have followers",
    ),
    BadTable(
        "followed by more than there are",
        HEADER + "2,0,2\n0,3,1\n0,1,1\n",
        "row 2: followers is 3, but only 2 accounts have follows",
    ),
    BadTable(
        "ragged",
        HEADER + "1,1\n",
        "1 of 1 rows hold no numbers of an account (row 1: found 2 values",
    ),
    BadTable(
        "not UTF-8",
        HEADER.encode() + b"\xff,1,1\n",
        "1 of 1 rows hold no numbers of an account (row 1: column follows is not UTF-8",
    ),
    BadTable("no Parquet type", {"follows": [True], "followers": [1]}, "column follows is bool"),
    BadTable(
        "only nulls",
        {"follows": [1], "followers": [1], "accounts": pa.array([None], pa.int64())},
        "row 1: accounts is missing",
    ),
    BadTable("null", {"follows": [1, None], "followers": [1, 0]}, "row 2: follows is missing"),
]


def degrees_of(graph) -> Degrees:
    ones = np.ones(graph.accounts, np.int64)
    return Degrees(
        *(distribution(side.degrees, ones) for side in (graph.followees, graph.followers))
    )


def same(one: Degrees, other: Degrees) -> bool:
    return all(
        np.array_equal(ours, theirs)
        for mine, their in (
            (one.of_follows, other.of_follows),
            (one.of_followers, other.of_followers),
        )
        for ours, theirs in zip(mine, their, strict=True)
    )


@pytest.mark.parametrize("bad", BAD_TABLES, ids=lambda bad: bad.name)
def test_bad_tables_are_refused_in_one_line(bad, tmp_path):
    path = bad.write(tmp_path)
    with pytest.raises(bad.error) as error:
        read_degrees(path)
    assert type(error.value) is bad.error
    assert str(error.value).startswith(f"{path}: {bad.words}")
    assert "\n" not in str(error.value)


def test_a_table_by_hand(tmp_path):
    """Three accounts follow 2 each: one hub has 3 followers, three accounts have 1."""
    path = tmp_path / "d.csv"
    path.write_text("since,followers,accounts,follows\nx,1,3,2\ny,3,1,0\nz,7,0,9\n")
    degrees = read_degrees(path)
    assert (degrees.accounts, degrees.follows, degrees.co_follow_pairs) == (4, 6, 3 * 3 + 3)
    path.write_text("follows,followers\n2,1\n2,1.0\n 2,1\n0,3\n")
    assert same(read_degrees(path), degrees)
    path.write_text("follows,followers,accounts\n2,1,6\n0,3,2\n")
    assert (read_degrees(path).accounts, read_degrees(path).follows) == (8, 12)


def test_co_follow_pairs_do_not_overflow():
    degrees = Degrees(distribution([8], [10**9]), distribution([0, 10**9], [10**9 - 8, 8]))
    assert degrees.co_follow_pairs == 8 * 10**18
    assert grown(degrees, 2 * 10**9).co_follow_pairs > 2**63


@pytest.mark.parametrize("name", ["d.csv", "d.parquet"])
@given(rows=pairs)
def test_what_a_graph_writes_says_what_it_is(name, rows, tmp_path_factory):
    graph = graph_of(rows)
    if not graph.follows:
        return
    path = tmp_path_factory.mktemp("degrees") / name
    write_degrees(graph, path)
    degrees = read_degrees(path)
    assert same(degrees, degrees_of(graph))
    assert degrees.accounts == graph.accounts
    assert degrees.follows == graph.follows
    assert degrees.co_follow_pairs == co_follow_pairs(graph)


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(RunError, match=r"d\.csv: cannot be written"):
        write_degrees(graph_of([("a", "b")]), tmp_path / "no" / "d.csv")


def test_growth():
    degrees = Degrees(distribution([0, 3], [40, 20]), distribution([0, 2, 40], [49, 10, 1]))
    assert same(grown(degrees, 60), degrees)
    large = grown(degrees, 60 * 4)
    assert large.of_follows.accounts.tolist() == [160, 80]
    assert large.of_followers.numbers.tolist() == [0, 4, 80]
    assert large.of_followers.accounts.tolist() == [218, 20, 2]
    assert large.of_followers.total == large.follows == 4 * degrees.follows
    assert large.co_follow_pairs == 8 * degrees.co_follow_pairs
    for accounts in (59, 2**31):
        with pytest.raises(ConfigError, match="accounts to grow to; expected 60, as there are, to"):
            grown(degrees, accounts)


def test_without_hubs():
    degrees = Degrees(distribution([0, 1, 4], [2, 4, 4]), distribution([1, 2, 10], [4, 3, 1]))
    assert without_hubs(degrees, None) is degrees
    assert without_hubs(degrees, 10) is degrees
    left = without_hubs(degrees, 9)
    assert left.of_follows.numbers.tolist() == [0, 0, 2]  # half of the follows go to the hub
    assert (left.accounts, left.co_follow_pairs) == (10, 4 + 3 * 4)


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(0)
    ends = 400 * rng.random((8000, 2)) ** np.array([1.5, 3])
    return graph_of([(f"{a}", f"{b}") for a, b in ends.astype(int)])


def sample_of(degrees, classes, **settings):
    config = load_config(
        None, PLAIN | {key.replace("__", "."): value for key, value in settings.items()}
    )
    return draw_sample(degrees, classes, config)


def test_equal_seeds_draw_equal_networks(graph):
    degrees = degrees_of(graph)
    classes = np.arange(len(degrees.of_follows.numbers)) * 8 // len(degrees.of_follows.numbers)
    one, two = sample_of(degrees, classes, seed=3), sample_of(degrees, classes, seed=3)
    for ours, theirs in zip(one.context.search.index, two.context.search.index, strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(one.context.accounts, two.context.accounts)
    other = sample_of(degrees, classes, seed=4)
    assert not np.array_equal(
        one.context.search.index.lists[:1000], other.context.search.index.lists[:1000]
    )


def test_a_drawn_part_has_the_degrees_that_were_asked_for(graph):
    """Follow sets and lists of the accounts that are searched for are as long as they should be."""
    degrees = degrees_of(graph)
    sizes = degrees.of_follows.numbers
    context, rows, share = sample_of(degrees, np.zeros(len(sizes), np.int64))
    assert share == 1
    assert len(set(rows)) > len(sizes) / 3
    index = context.search.index
    assert np.array_equal(context.follows.followees.degrees_of(context.accounts), sizes[rows])
    for account in context.accounts:
        mine = context.follows.followees.row(account)
        assert (np.diff(mine) > 0).all()
        assert np.array_equal(np.diff(index.list_ptr)[mine], context.follows.follower_counts[mine])
    for rank in np.flatnonzero(np.diff(index.list_ptr)):
        members = index.lists[index.list_ptr[rank] : index.list_ptr[rank + 1]].astype(np.int64)
        assert (np.diff(members) > 0).all()
        assert members[-1] < len(index.sizes)
    kinds = [array.dtype for array in build_index(graph.followees, graph.followers)]
    assert [array.dtype for array in index] == kinds  # or the search would be compiled again


def test_a_network_too_large_to_be_drawn_is_thinned(graph, monkeypatch):
    from raypipe.pipeline.cost import sample_degrees

    monkeypatch.setattr(sample_degrees, "_ACCOUNTS", 100)
    degrees = degrees_of(graph)
    context, _, share = sample_of(degrees, np.zeros(len(degrees.of_follows.numbers), np.int64))
    following = degrees.of_follows.accounts[degrees.of_follows.numbers > 0].sum()
    assert share == 100 / following
    assert len(context.search.index.sizes) in (99, 100)
    hub = int(degrees.of_followers.numbers[-1] * share + 0.5)
    assert np.diff(context.search.index.list_ptr)[0] == hub


def test_the_prediction_is_the_truth_where_the_clock_knows_it(graph, monkeypatch):
    """Each account takes 30 us a unit of expected work, each call half a second."""
    from raypipe.pipeline.cost import sample_degrees

    degrees, config = degrees_of(graph), load_config(None, PLAIN)
    expected = sample_degrees.expected_cost(degrees, config)
    size_of = {}

    def clock(context, positions):
        sizes = context.follows.followees.degrees_of(context.accounts[np.asarray(positions)])
        rows = np.searchsorted(degrees.of_follows.numbers, sizes)
        size_of.update(zip(sizes.tolist(), rows.tolist(), strict=True))
        return 3e-5 * expected[rows].sum() + 0.5

    monkeypatch.setattr(sample_degrees, "seconds_of", clock)
    seconds = measure_degrees(degrees, config)
    total = seconds @ degrees.of_follows.accounts
    assert total == pytest.approx(3e-5 * expected @ degrees.of_follows.accounts, rel=0.25)
    assert len(size_of) > 20


def test_the_audience_alone_costs(graph):
    degrees = degrees_of(graph)
    config = load_config(None, {**PLAIN, "audience.min_follows": 20})
    planned = plan_degrees(config, degrees, 1, 2)
    assert planned.counts.audience == np.count_nonzero(graph.followees.degrees >= 20)
    seconds = measure_degrees(degrees, config)
    assert ((seconds > 0) == (degrees.of_follows.numbers >= 20)).all()
    nobody = plan_degrees(
        load_config(None, {**PLAIN, "audience.min_follows": 10**6}), degrees, 1, 2
    )
    assert nobody.seconds["recommend"] == nobody.seconds["write"] == 0


def test_a_cap_leaves_hubs_out(graph):
    degrees = degrees_of(graph)
    cap = int(np.median(graph.followers.degrees))
    planned = plan_degrees(
        load_config(None, {**PLAIN, "sources.similar.max_followers": cap}), degrees, 1, 2
    )
    facts = planned.similarity
    followers = graph.followers.degrees
    assert facts.hubs_left_out == np.count_nonzero(followers > cap)
    left = followers[followers <= cap]
    assert facts.share_of_co_follow_pairs_left == round(
        float(left @ left / (followers @ followers)), 4
    )
    assert facts.recall is None
    assert planned.counts.co_follow_pairs == co_follow_pairs(graph)


@pytest.mark.parametrize(
    ("settings", "lists"),
    [
        # 1,000 cold accounts of 1 ms, 3,000 of 6,000 warm ones of 2 ms; 50 hot ones are too few.
        ({}, 1000 * 0.001 + 3000 * 0.002),
        ({"audience.min_follows": 20}, 3000 * 0.002),
        ({"audience.min_follows": 21}, None),
        ({"ladder": "fixed"}, None),
    ],
)
def test_what_evidence_will_cost(settings, lists):
    of_follows = distribution([0, 1, 5, 20, 100], [9000, 300, 1000, 6000, 50])
    degrees = Degrees(of_follows, distribution([10], [13_030]))
    cost = np.array([0.5, 0.4, 0.001, 0.002, 7.0])
    found = holdout_of_degrees(degrees, cost, load_config(None, {**PLAIN, **settings}), 8)
    if lists is None:
        assert found is None
    else:
        splits = 1 if "audience.min_follows" in settings else 2  # one for those without follows
        before = 130_300 * (splits * HOLD_OUT_SECONDS + 0.8 * PREPARE_SECONDS)
        assert found == pytest.approx(before + lists / 8)


def test_bytes_of_the_index():
    """As many as the real one has, where no two accounts have the same follow set."""
    graph = graph_of([("a", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("e", "b"), ("e", "d")])
    index = build_index(graph.followees, graph.followers)
    sizes = sizes_of_degrees(degrees_of(graph), load_config(None, PLAIN))
    assert index_bytes(sizes) == sum(array.nbytes for array in index)


def test_an_audience_of_ids_is_refused(graph):
    config = load_config(None, {**PLAIN, "audience.accounts": "vips.csv"})
    with pytest.raises(
        ConfigError, match=r"audience\.accounts: names accounts, but a degree table"
    ):
        plan_degrees(config, degrees_of(graph), 1, 1)


def with_steps(graph) -> Degrees:
    """With the mean number of follows of a followee, as a table has it."""
    follows, followers = graph.followees.degrees, graph.followers.degrees
    return replace(degrees_of(graph), followee_follows=follows @ followers / graph.follows)


def test_a_table_knows_the_follows_of_followees(graph, tmp_path):
    path = tmp_path / "degrees.csv"
    write_degrees(graph, path)
    read, expected = read_degrees(path), with_steps(graph).followee_follows
    assert read.followee_follows == pytest.approx(expected)
    assert grown(read, 2 * read.accounts).followee_follows == read.followee_follows


@pytest.mark.parametrize("name", ["two_hop", "co_followed"])
@pytest.mark.parametrize("limit", [None, 30])
def test_walks_are_estimated_from_degrees(graph, name, limit):
    """All together; exact without a limit."""
    key = f"sources.{name}.max_intermediary_follows"
    config, degrees = load_config(None, {**PLAIN, key: limit}), with_steps(graph)
    source = sources_of(config)[name]
    prepared = source.spec.prepare(graph, source.section, SourceInputs())
    actual = prepared.estimated_ns(np.arange(graph.accounts)).sum()
    found = source.spec.estimate_from_degrees(degrees, config) @ degrees.of_follows.accounts
    assert found == pytest.approx(actual, rel=1e-9 if limit is None else 0.5)


def test_blends_and_models_are_planned_from_degrees(graph):
    """Each step that a config adds is among the seconds and the memory."""
    degrees, planned = with_steps(graph), {}
    model = {"sources.factors.algorithm": "TruncatedSVD"}
    bounded = model | {"sources.factors.retrieval": "candidates"}
    for name, settings in {
        "plain": {},
        "fusion": {"blend.method": "rank_fusion"},
        "learned": {"blend.method": "learned_ranker"},
        "model": {"blend.method": "learned_ranker", **model},
        "bounded": {"blend.method": "learned_ranker", **bounded},
    }.items():
        config = load_config(None, {**PLAIN, **settings})
        planned[name] = plan_degrees(config, degrees, 1, 2), seconds_of_sources(degrees, config)
    total = {name: ns @ degrees.of_follows.accounts for name, (_, ns) in planned.items()}
    assert total["plain"] < total["fusion"] < total["learned"] < total["model"]
    plans = {name: plan for name, (plan, _) in planned.items()}
    assert plans["plain"].memory_bytes.keys() < plans["learned"].memory_bytes.keys()
    assert "blend" in plans["fusion"].memory_bytes
    assert plans["learned"].seconds["holdout"] > plans["fusion"].seconds["holdout"]
    assert "train" not in plans["learned"].seconds
    assert plans["model"].seconds["train"] > 0
    assert plans["model"].seconds["holdout"] > plans["learned"].seconds["holdout"]
    assert plans["bounded"].memory_bytes["model"] < plans["model"].memory_bytes["model"]
    assert plans["learned"].factors is None
    found = plans["model"].factors, plans["bounded"].factors
    assert [(one.retrieval, one.recall) for one in found] == [("exact", 1.0), ("candidates", None)]
    alone = load_config(
        None, {**PLAIN, **bounded, "ladder": "fixed", "sources.factors.min_follows": 3}
    )
    walks = load_config(None, {**PLAIN, "blend.method": "rank_fusion"})
    assert seconds_of_sources(degrees, alone).max() > seconds_of_sources(degrees, walks).max()
