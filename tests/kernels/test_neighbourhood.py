"""The weighted union of the rows of neighbours."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.csr import Pairs, adjacency
from raypipe.kernels.neighbourhood import union_sizes, weighted_union


@given(st.data())
def test_weighted_union_equals_the_sum_over_sets(data):
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


def test_weighted_union_of_rows_that_fill_the_hash_table_is_complete():
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
