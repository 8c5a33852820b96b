"""The push equals the naive one bit for bit, and keeps its bound to the exact PageRank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.push import (
    Walk,
    best_by_push,
    count_steps,
    max_steps,
    weighted_degrees,
)
from raypipe.kernels.topk import TieRule
from tests import naive
from tests.strategies import graph_of, pairs

alphas = st.sampled_from([0.15, 0.5, 0.9])
epsilons = st.sampled_from([0.3, 0.03, 1e-3, 1e-4])
weights = st.sampled_from([0.1, 0.5, 1.0, 2.0])


def walk_on(graph, alpha=0.5, epsilon=1e-4, weight=0.5):
    sides = graph.followees, graph.followers
    return Walk(*sides, weighted_degrees(*sides, weight), weight, alpha, epsilon)


def pushed(walk, accounts):
    """float64[m, n]: the score of every account, 0 for those that are not reached."""
    n = len(walk.degrees)
    accounts = np.asarray(accounts, np.int32)
    rule = TieRule(np.zeros(n, np.int32), np.arange(n, dtype=np.uint32))
    found = best_by_push(walk, np.ones(n, bool), accounts, np.full(len(accounts), n), rule)
    scores = np.zeros((len(accounts), n))
    rows = np.repeat(np.arange(len(accounts)), np.diff(found.indptr))
    scores[rows, found.codes] = found.scores
    return scores


def steps_between(graph, weight):
    """float64[n, n]: the weight A(u, v) of a step from u to v."""
    steps = np.zeros((graph.accounts, graph.accounts))
    for account in range(graph.accounts):
        steps[account, graph.followees.row(account)] += 1
        steps[account, graph.followers.row(account)] += weight
    return steps


def exact_pagerank(steps, alpha):
    """float64[n, n]: row a is the PageRank personalised for a, by a dense solve."""
    degrees = steps.sum(axis=1, keepdims=True)
    moves = np.divide(steps, degrees, out=np.zeros_like(steps), where=degrees > 0)
    return alpha * np.linalg.inv(np.eye(len(steps)) - (1 - alpha) * moves)


@given(pairs.filter(len), alphas, epsilons, weights)
def test_push_equals_the_naive_one(rows, alpha, epsilon, weight):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    walk = walk_on(graph, alpha, epsilon, weight)
    accounts = np.arange(graph.accounts, dtype=np.int32)
    ids = graph.ids.to_pylist()
    for account, scores in zip(ids, pushed(walk, accounts), strict=True):
        expected = naive.pagerank(follows, account, alpha, epsilon=epsilon, weight=weight)
        assert scores.tolist() == [expected.get(other, 0.0) for other in ids]
    assert count_steps(walk, accounts).tolist() == [
        naive.push(follows, account, alpha, epsilon, weight)[2] for account in ids
    ]


@given(pairs.filter(len), alphas, epsilons, weights)
def test_push_keeps_its_bound_to_the_exact_pagerank(rows, alpha, epsilon, weight):
    graph = graph_of(rows)
    walk = walk_on(graph, alpha, epsilon, weight)
    steps = steps_between(graph, weight)
    linked = walk.degrees > 0
    np.testing.assert_allclose(steps.sum(axis=1), walk.degrees)
    exact = exact_pagerank(steps, alpha)[linked]
    missing = exact - pushed(walk, np.flatnonzero(linked))
    spread = walk.degrees[linked] @ exact
    assert np.all(missing >= -1e-12)
    assert np.all(missing <= epsilon * spread + 1e-12)
    if weight == 1:
        np.testing.assert_allclose(spread, walk.degrees)
    growth, total = (1 - alpha) * max(weight, 1 / weight), walk.degrees.sum()
    for terms in range(5):
        bound = alpha * walk.degrees * sum(growth**k for k in range(terms))
        assert np.all(spread <= (bound + (1 - alpha) ** terms * total) * (1 + 1e-12))


@given(pairs.filter(len), alphas, epsilons, weights)
def test_no_residual_reaches_its_limit(rows, alpha, epsilon, weight):
    follows = naive.follow_sets(rows)
    for account in follows:
        _, residuals, steps = naive.push(follows, account, alpha, epsilon, weight)
        for other, residual in residuals.items():
            degree = naive.degree(follows, other, weight)
            assert residual < epsilon * degree or degree == 0
        assert steps <= max_steps(alpha, epsilon, weight)


def random_rows(accounts=400, follows=6000):
    """With hubs: a few accounts follow many, others are followed by many."""
    rng = np.random.default_rng(0)
    ends = np.minimum(rng.pareto(1.2, (follows, 2)) * 15, accounts - 1).astype(int)
    return [(f"{a:03}", f"{b:03}") for a, b in ends]


@pytest.mark.parametrize("epsilon", [1e-2, 1e-4, 1e-5])
def test_bound_and_steps_on_a_graph_with_hubs(epsilon):
    graph = graph_of(random_rows())
    walk = walk_on(graph, epsilon=epsilon)
    accounts = np.arange(graph.accounts, dtype=np.int32)
    exact = exact_pagerank(steps_between(graph, 0.5), 0.5)
    missing = exact - pushed(walk, accounts)
    assert np.all(missing >= -1e-12)
    assert np.all(missing <= epsilon * (walk.degrees @ exact) + 1e-12)
    assert count_steps(walk, accounts).max() <= max_steps(0.5, epsilon, 0.5)


def test_scores_do_not_depend_on_the_other_accounts_of_a_call():
    walk = walk_on(graph_of(random_rows()))
    together = pushed(walk, np.arange(len(walk.degrees)))
    for account in range(0, len(walk.degrees), 7):
        assert pushed(walk, [account])[0].tolist() == together[account].tolist()
    backwards = pushed(walk, np.arange(len(walk.degrees))[::-1])
    assert backwards[::-1].tolist() == together.tolist()


def test_a_walk_costs_the_same_on_a_larger_graph():
    """The same neighbourhood, with 20,000 further accounts that it does not reach."""
    rows = random_rows()
    small = graph_of(rows)
    large = graph_of([*rows, *((f"9{a:04}", f"9{a + 1:04}") for a in range(20_000))])
    accounts = np.arange(small.accounts, dtype=np.int32)
    steps = [count_steps(walk_on(graph), accounts).tolist() for graph in (small, large)]
    assert steps[0] == steps[1]
