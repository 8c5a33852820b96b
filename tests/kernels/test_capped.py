"""Neighbours with and without hubs, counted plainly and searched, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.capped import capped_neighbours, without_hubs
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.exact_scores import best_candidates, best_of_all
from raypipe.kernels.similarity_index import build_index
from raypipe.kernels.tanimoto import Neighbours, top_neighbours
from tests import naive
from tests.kernels.test_tanimoto import (
    SHAPES,
    THRESHOLDS,
    assert_equals_oracle,
    follows_of,
    frozen,
    graph_of,
    graphs,
    skewed,
)


def sides_of(pairs, n):
    return graph_of(pairs, n)


def search(pairs, n, cap, accounts, k, threshold):
    followees, followers = sides_of(pairs, n)
    capped = without_hubs(followees, frozen([followers.degrees > cap])[0])
    index = frozen(build_index(*capped))
    return capped_neighbours(index, followees, np.array(accounts, np.int32), k, threshold)


@given(graphs(), st.integers(0, 6))
def test_without_hubs_drops_only_the_follows_of_hubs(graph, cap):
    pairs, n = graph
    followees, followers = sides_of(pairs, n)
    capped, transposed = without_hubs(followees, followers.degrees > cap)
    expected = naive.without_hubs(follows_of(pairs, n), cap)
    assert [capped.row(account).tolist() for account in range(n)] == [
        sorted(expected[account]) for account in range(n)
    ]
    assert [transposed.row(account).tolist() for account in range(n)] == [
        [other for other in range(n) if account in expected[other]] for account in range(n)
    ]


@given(graphs(), st.integers(0, 6), st.integers(1, 5), st.sampled_from(THRESHOLDS))
def test_capped_search_equals_the_oracle(graph, cap, k, threshold):
    pairs, n = graph
    near = search(pairs, n, cap, range(n), k, threshold)
    assert_equals_oracle(near, follows_of(pairs, n), range(n), k, threshold, cap)


@given(graphs(), st.integers(1, 12), st.sampled_from(THRESHOLDS), st.data())
def test_best_of_all_equals_the_oracle(graph, k, threshold, data):
    pairs, n = graph
    accounts = data.draw(st.lists(st.integers(0, n - 1), max_size=2 * n))
    near = best_of_all(*sides_of(pairs, n), np.array(accounts, np.int32), k, threshold)
    assert_equals_oracle(near, follows_of(pairs, n), accounts, k, threshold)


@pytest.mark.parametrize("shape", SHAPES)
def test_best_of_all_equals_the_pruned_search(shape):
    """Two independent ways to compute the same lists."""
    pairs = SHAPES[shape]
    n = int(pairs.max(initial=1)) + 1
    followees, followers = sides_of(pairs, n)
    searched = top_neighbours(build_index(followees, followers), np.arange(n), 10, (1, 10))
    counted = best_of_all(followees, followers, np.arange(n), 10, (1, 10))
    for ours, theirs in zip(searched, counted, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("cap", [3, 20, 100])
def test_capped_search_equals_the_oracle_on_a_graph_with_hubs(cap):
    n = 300
    pairs = skewed(5, n, 4000, 3, copies=40)
    asked = range(0, n, 7)
    near = search(pairs, n, cap, asked, 10, (1, 10))
    assert_equals_oracle(near, follows_of(pairs, n), asked, 10, (1, 10), cap)


@given(graphs(), st.integers(1, 12), st.sampled_from(THRESHOLDS))
def test_capped_search_with_a_cap_above_all_followers_is_exact(graph, k, threshold):
    pairs, n = graph
    followees, followers = sides_of(pairs, n)
    exact = top_neighbours(build_index(followees, followers), np.arange(n), k, threshold)
    most = followers.degrees.max()
    capped = search(pairs, n, most, range(n), k, threshold)
    for ours, theirs in zip(capped, exact, strict=True):
        assert np.array_equal(ours, theirs)


def test_capped_neighbours_by_hand():
    """Accounts 1, 2, 3 follow the hub 9; 1 and 2 also share 8, 1 and 4 share 7."""
    pairs = [(1, 9), (2, 9), (3, 9), (1, 8), (2, 8), (1, 7), (4, 7), (4, 6), (5, 9), (6, 9)]
    near = search(pairs, 10, 4, [1, 3], 10, (1, 10))
    # Of 1: {7, 8, 9}. With 2, {8, 9}: 2 of 3, not 1 of 2. With 4, {6, 7}: 1 of 4. Never 3.
    assert near.codes[0, :3].tolist() == [2, 4, -1]
    assert near.scores[0, :3].tolist() == [2 / 3, 1 / 4, 0]
    assert near.overlaps[0, :3].tolist() == [2, 1, 0]
    assert near.counts.tolist() == [2, 0]  # 3 follows nobody but the hub


def test_capped_neighbours_are_chosen_by_the_similarity_of_whole_sets():
    """Two candidates for k = 1: without the hub 9 the first is more similar, with it the second."""
    followees = Adjacency(
        np.array([0, 3, 5, 9, 9, 9, 9, 9, 9, 9, 9]), np.array([7, 8, 9, 7, 8, 6, 7, 8, 9], np.int32)
    )
    candidates = Neighbours(np.array([2]), np.array([[1, 2]], np.int32), None, None)
    near = best_candidates(followees, np.array([0]), candidates, 1, (1, 10))
    assert (near.codes.tolist(), near.scores.tolist()) == ([[2]], [[3 / 4]])
    near = best_candidates(followees, np.array([0]), candidates, 2, (2, 3))  # more than 2 of 3
    assert near.codes.tolist() == [[2, -1]]
