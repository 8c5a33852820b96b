"""Peeling equals the naive one, and finds at least half of the densest block there is."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain, combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.peeling import densest_block
from tests import naive
from tests.strategies import graph_of, pairs

weights = st.lists(st.integers(1, 9), min_size=15, max_size=15)
few = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=12)


def block_of(graph, by_account):
    found = densest_block(graph.followees, np.array(by_account, np.int64))
    sides = [{graph.ids[code].as_py() for code in side.nonzero()[0].tolist()} for side in found[:2]]
    return *sides, found.weight


@given(pairs, weights)
def test_block_equals_the_naive_one(rows, numbers):
    graph = graph_of(rows)
    ids = graph.ids.to_pylist()
    named = dict(zip(ids, numbers, strict=False))
    expected = naive.densest_block(
        _sorted_by_code(naive.follow_sets(rows), ids), _by_code(named, ids)
    )
    followers, followees, weight = expected
    found = block_of(graph, numbers[: len(ids)])
    assert found == ({ids[one] for one in followers}, {ids[one] for one in followees}, weight)


def _sorted_by_code(follows, ids):
    code = {account: number for number, account in enumerate(ids)}
    return {code[one]: {code[other] for other in others} for one, others in follows.items()}


def _by_code(named, ids):
    return {number: named[account] for number, account in enumerate(ids)}


@given(few, weights)
def test_block_is_at_least_half_as_dense_as_the_densest(rows, numbers):
    graph = graph_of(rows)
    n = graph.accounts
    found = densest_block(graph.followees, np.array(numbers[:n], np.int64))
    size = int(found.followers.sum() + found.followees.sum())
    sets = [list(chain.from_iterable(combinations(range(n), k) for k in range(n + 1)))] * 2
    follows = [set(graph.followees.row(code).tolist()) for code in range(n)]
    densest = max(
        Fraction(
            sum(numbers[other] for one in some for other in follows[one] & set(others)),
            max(len(some) + len(others), 1),
        )
        for some in sets[0]
        for others in sets[1]
    )
    assert Fraction(found.weight, max(size, 1)) >= densest / 2


def test_a_ring_stands_out_of_a_popular_crowd():
    ring = [(a, b) for a in "abcdef" for b in "abcdef" if a != b]
    crowd = [(f"fan{i}", f"star{i % 3}") for i in range(60)]
    camouflage = [(a, f"star{i}") for a in "abcdef" for i in range(3)]
    graph = graph_of(ring + crowd + camouflage)
    scaled = np.round(1000 / np.log(graph.followers.degrees + 5)).astype(np.int64)
    followers, followees, _ = block_of(graph, scaled)
    assert followers == set("abcdef")
    assert followees >= set("abcdef")
