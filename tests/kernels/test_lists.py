"""The kernels that make lists: weighted union, best of rows, fill up; and cutting shards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.candidates import BestLists, Candidates
from raypipe.kernels.csr import Pairs, adjacency
from raypipe.kernels.neighbourhood import union_sizes, weighted_union
from raypipe.kernels.shards import cut, heaviest_first
from raypipe.kernels.topk import best_of_rows, fill_up, keep_best
from tests import naive


@given(st.data())
def test_weighted_union_is_the_sum_over_sets(data):
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60))
    array = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    rows, _, _ = adjacency([Pairs(array[:, 0], array[:, 1], np.arange(10))], 10)
    lists = data.draw(st.lists(st.lists(st.integers(0, 9), max_size=4, unique=True), max_size=5))
    counts = np.array([len(one) for one in lists], dtype=np.int32)
    neighbours = np.zeros((len(lists), 4), dtype=np.int32)
    weights = np.zeros((len(lists), 4))
    for place, one in enumerate(lists):
        neighbours[place, : len(one)] = one
        weights[place, : len(one)] = [1 / (1 + code) for code in one]

    indptr, codes, scores = weighted_union(rows, counts, neighbours, weights)

    sizes = union_sizes(rows, counts, neighbours)
    for place, one in enumerate(lists):
        expected = {}
        for code in one:
            for followee in rows.row(code).tolist():
                expected[followee] = expected.get(followee, 0.0) + 1 / (1 + code)
        entries = slice(indptr[place], indptr[place + 1])
        found = dict(zip(codes[entries].tolist(), scores[entries].tolist(), strict=True))
        assert found == expected
        assert len(codes[entries]) == len(expected) <= sizes[place]


def test_weighted_union_of_rows_that_fill_the_table():
    everyone = np.arange(5000, dtype=np.int32)
    hubs = np.repeat(np.int32([5000, 5001]), 5000)
    rows, _, _ = adjacency([Pairs(hubs, np.tile(everyone, 2), np.arange(5002))], 5002)
    indptr, codes, scores = weighted_union(
        rows, np.array([2, 1]), np.int32([[5000, 5001], [5001, 0]]), np.array([[0.5, 0.25], [1, 0]])
    )
    assert indptr.tolist() == [0, 5000, 10000]
    assert sorted(codes[:5000].tolist()) == everyone.tolist()
    assert set(scores[:5000].tolist()) == {0.75}
    assert set(scores[5000:].tolist()) == {1.0}


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.0, 0.5, 1.0]), st.booleans())),
        max_size=5,
    ),
    st.integers(1, 4),
)
def test_best_of_rows_follows_the_tie_rule(rows, n):
    rows = [list({code: (code, score, keep) for code, score, keep in row}.values()) for row in rows]
    flat = [entry for row in rows for entry in row]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    candidates = Candidates(
        indptr.astype(np.int64),
        np.array([code for code, _, _ in flat], dtype=np.int32),
        np.array([score for _, score, _ in flat], dtype=np.float64),
    )
    keep = np.array([keep for _, _, keep in flat], dtype=bool)
    counts, codes, scores = best_of_rows(candidates, keep, n)
    for place, row in enumerate(rows):
        expected = naive.best([(code, score) for code, score, keep in row if keep], n)
        found = list(zip(codes[place].tolist(), scores[place].tolist(), strict=True))
        assert found[: counts[place]] == expected
        assert (codes[place, counts[place] :] == -1).all()


@given(
    st.lists(st.integers(0, 9), max_size=4, unique=True),
    st.lists(st.integers(0, 9), max_size=4, unique=True),
)
def test_fill_up_appends_what_is_not_there(first, second):
    def lists(values):
        padded = [values + [-1] * (4 - len(values))]
        return BestLists(np.array([len(values)]), np.array(padded, np.int32), np.zeros((1, 4)))

    counts, codes, _ = fill_up(lists(first), lists(second))
    expected = (first + [code for code in second if code not in first])[:4]
    assert codes[0, : counts[0]].tolist() == expected


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 12))
def test_shards_cover_everything_once_in_order(work, shards):
    ranges = cut(np.array(work), shards)
    assert [place for start, stop in ranges for place in range(start, stop)] == list(
        range(len(work))
    )
    assert all(start < stop for start, stop in ranges)
    assert len(ranges) <= shards or not work
    heavy = heaviest_first(ranges, np.array(work))
    costs = [sum(work[start:stop]) for start, stop in heavy]
    assert sorted(heavy) == ranges
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("shards", [2, 7, 50])
def test_shards_are_even(shards):
    work = np.random.default_rng(0).integers(1, 100, 10_000)
    costs = [work[start:stop].sum() for start, stop in cut(work, shards)]
    assert len(costs) == shards
    assert max(costs) < 1.1 * min(costs)


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=30),
    st.integers(0, 35),
    st.randoms(use_true_random=False),
)
def test_keep_best_follows_the_tie_rule(scores, n, random):
    codes = list(range(len(scores)))
    random.shuffle(codes)
    entries = list(zip(codes, scores, strict=True))
    spare = [99, 98], [2.0, 2.0]  # behind the entries that count
    kept_codes, kept_scores = np.array(codes + spare[0], np.int32), np.array(scores + spare[1])
    count = keep_best(kept_codes, kept_scores, len(entries), n)
    kept = zip(kept_codes[:count].tolist(), kept_scores[:count].tolist(), strict=True)
    assert sorted(kept) == sorted(naive.best(entries, n))
