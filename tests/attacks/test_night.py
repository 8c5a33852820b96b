"""The attacked graph holds the real follows and the injected ones, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raypipe.attacks.attacks import Injection
from raypipe.attacks.night import attacked, fake_ids
from raypipe.config import EvaluationConfig, RunConfig
from raypipe.evaluation.splits import Split, split_follows
from raypipe.integrity.votes import EarlierVotes
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.filters.inputs import read_named_filters
from raypipe.recommend.negative_feedback import rejections_of
from tests.strategies import IDS, graph_of

NO_FILTERS = read_named_filters(RunConfig())
NO_VOTES = EarlierVotes(np.zeros(4, np.int64), np.zeros(4, np.int64), "")
ROWS = [("a", "b"), ("a", "c"), ("b", "a"), ("c", "a"), ("d", "a")]


def split_of(rows=ROWS, held=1) -> Split:
    graph = graph_of(rows)
    mask = np.arange(graph.follows) == held
    everybody = np.arange(graph.accounts, dtype=np.int32)
    return split_follows(graph, mask, everybody, EvaluationConfig(), seed=0)


def pairs(*rows):
    return np.array(rows, np.int64).reshape(-1, 2)


def follows_of(graph):
    ids = graph.ids.to_pylist()
    return {(ids[row], ids[code]) for row in range(len(ids)) for code in graph.followees.row(row)}


@given(st.lists(st.sampled_from(IDS), min_size=1, unique=True), st.integers(1, 30))
def test_ids_of_fakes_clash_with_none_and_sort_after_all(names, count):
    ids = pa.array(sorted(names, key=str.encode), pa.large_string())
    found = fake_ids(ids, count)
    assert len({*names, *found}) == len(names) + count
    every = [*ids.to_pylist(), *found]
    assert every == sorted(every, key=str.encode)


def test_fakes_come_after_real_accounts_and_hidden_follows_stay_hidden():
    split = split_of()
    injection = Injection(2, (pairs((4, 0), (4, 5), (5, 1)), pairs((1, 4))))
    first, both = (attacked(split, NO_FILTERS, injection, night, NO_VOTES) for night in (1, 2))
    one, two = fake_ids(split.train.ids, 2)
    assert both.train.ids.to_pylist() == [*"abcd", one, two]
    assert follows_of(first.train) == {*ROWS} - {("a", "c")} | {(one, "a"), (one, two), (two, "b")}
    assert follows_of(both.train) == follows_of(first.train) | {("b", one)}
    assert both.test.degrees.tolist() == [1, 0, 0, 0, 0, 0]
    assert both.test.row(0).tolist() == [2]
    assert both.rejections is None
    assert both.accounts.tolist() == split.accounts.tolist()


def test_newcomers_keep_their_follows_and_lose_their_followers_but_one():
    found = attacked(
        split_of(), NO_FILTERS, Injection(0, (pairs((3, 0)),), newcomers=np.array([0])), 1, NO_VOTES
    )
    assert follows_of(found.train) == {("a", "b"), ("d", "a")}
    assert found.train.accounts == 4


def test_fake_rejections_come_in_the_last_night_beside_the_real_ones():
    split = split_of()
    real = Adjacency(np.array([0, 0, 1, 1, 1]), np.array([3], np.int32))
    split = replace(split, rejections=rejections_of(real, split.train))
    injection = Injection(1, (pairs((4, 1)), pairs()), pairs((4, 0)), target=0, demotes=True)
    first, last = (
        attacked(split, NO_FILTERS, injection, night, NO_VOTES).rejections for night in (1, 2)
    )
    assert first is not None
    assert last is not None
    assert first.rows.degrees.tolist() == [0, 1, 0, 0, 0]
    assert last.rows.degrees.tolist() == [0, 1, 0, 0, 1]
    assert last.rows.row(4).tolist() == [0]
    assert last.shown.tolist() == [0] * 5
