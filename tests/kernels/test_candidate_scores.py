from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from raypipe.kernels.candidate_scores import products, sampled_walks
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.factor_scores import Cooccurrence
from tests import naive
from tests.strategies import graph_of, pairs


def all_pairs(accounts):
    """Every account as a candidate of every account."""
    codes = np.tile(np.arange(accounts, dtype=np.int32), accounts)
    return Adjacency(np.arange(accounts + 1) * accounts, codes)


def network(accounts=150, follows=2500):
    """A graph with hubs, and weights of its accounts."""
    rng = np.random.default_rng(4)
    ends = rng.integers(0, accounts, follows), (accounts * rng.random(follows) ** 2).astype(int)
    graph = graph_of([(f"{i:03}", f"{j:03}") for i, j in zip(*ends, strict=True)])
    weights = rng.random((3, graph.accounts)).astype(np.float32) + 0.5
    return graph, Cooccurrence(graph.followees, graph.followers, *weights)


@pytest.mark.parametrize("width", [1, 3, 4, 9, 128])
def test_products_of_any_width_equal_a_plain_sum(width):
    factors, others = np.random.default_rng(0).standard_normal((2, 6, width)).astype(np.float32)
    expected = factors.astype(float) @ others.T.astype(float)
    found = products(factors, others, all_pairs(6))
    np.testing.assert_allclose(found.reshape(6, 6), expected, rtol=1e-12, atol=1e-12)


@given(rows=pairs.filter(len))
def test_walks_below_the_limit_are_counted_as_in_sets(rows):
    graph = graph_of(rows)
    follows, ids = naive.follow_sets(rows), graph.ids.to_pylist()
    weights = {name: 0.5 + place / 4 for place, name in enumerate(ids)}  # sums of them are exact
    of_codes = np.array(list(weights.values()), np.float32)
    walks = Cooccurrence(graph.followees, graph.followers, of_codes, of_codes, of_codes)
    n = graph.accounts
    for most in (1000, 1):
        found = sampled_walks(walks, np.arange(n), all_pairs(n), 10**6, most).reshape(n, n)
        expected = [[naive.cooccurrence(follows, a, c, weights, most) for c in ids] for a in ids]
        assert found.tolist() == expected


def test_a_sample_of_walks_is_weighted_so_that_its_sum_is_that_of_all():
    graph, walks = network()
    n = graph.accounts
    # Where all accounts follow as many, and weigh as much, each walk of two steps has a weight.
    ones = walks._replace(middle=1 / np.maximum(graph.followees.degrees, 1).astype(np.float32))
    ones = ones._replace(last=np.ones(n, np.float32))
    exact = sampled_walks(ones, np.arange(n), all_pairs(n), 10**6).reshape(n, n)
    for limit in (1, 10, 100):
        found = sampled_walks(ones, np.arange(n), all_pairs(n), limit).reshape(n, n)
        np.testing.assert_allclose(found.sum(axis=1), exact.sum(axis=1), rtol=1e-4)
        assert np.count_nonzero(found) < np.count_nonzero(exact) or limit > 50
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.9


def test_scores_do_not_depend_on_the_other_accounts_of_a_call():
    graph, walks = network()
    n = graph.accounts
    whole = sampled_walks(walks, np.arange(n), all_pairs(n), 20).reshape(n, n)
    candidates = Adjacency(np.array([0, 3, 4]), np.array([9, 2, 5, 7], np.int32))
    some = sampled_walks(walks, np.array([8, 3]), candidates, 20)
    assert some.tolist() == [*whole[8, [9, 2, 5]].tolist(), whole[3, 7]]
