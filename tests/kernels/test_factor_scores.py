from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels import factor_scores
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.factor_scores import Cooccurrence, best_columns, walk
from raypipe.kernels.topk import TieRule
from tests import naive
from tests.strategies import graph_of, pairs


def rows_of(lists):
    counts = [len(row) for row in lists]
    codes = np.array([code for row in lists for code in sorted(row)], np.int32)
    return Adjacency(np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]), codes)


#: Those with the larger codes have more followers.
RULE = TieRule(np.arange(300, dtype=np.int32), np.zeros(300, np.uint32))


def best_of(factors, column_factors, columns, masked, wanted, walks=None):
    accounts = np.arange(len(factors))
    return best_columns(factors, column_factors, columns, masked, wanted, accounts, RULE, walks)


def expected(x, factors, columns, masked, want, walked=None):
    """Sums in Python floats, from the first factor to the last; ties by RULE."""
    scored = []
    for place, code in enumerate(columns.tolist()):
        score = 0.0
        for mine, theirs in zip(x.tolist(), factors[place].tolist(), strict=True):
            score += mine * theirs
        if walked is not None:
            score += float(walked[place])
        if code not in masked:
            scored.append((code, score))
    return sorted(scored, key=lambda entry: (-entry[1], -entry[0]))[:want]


def lists_of(found):
    indptr, codes, scores = found
    return [
        list(zip(codes[a:b].tolist(), scores[a:b].tolist(), strict=True))
        for a, b in pairwise(indptr)
    ]


@st.composite
def problems(draw):
    """Few values, so that many scores are equal, or differ by a rounding of float32."""
    m, c, d = draw(st.integers(1, 5)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    value = st.sampled_from([0.0, 1.0, -1.0, 0.1, 1e-4, 1 + 2.0**-20, 3.3])
    of = st.lists(value, min_size=(m + c) * d, max_size=(m + c) * d)
    numbers = np.array(draw(of), np.float32).reshape(m + c, d)
    columns = np.sort(draw(st.permutations(range(20)))[:c]).astype(np.int32)
    masked = [draw(st.sets(st.integers(0, 19), max_size=6)) for _ in range(m)]
    wanted = np.array(draw(st.lists(st.integers(0, c + 2), min_size=m, max_size=m)))
    return numbers[:m], numbers[m:], columns, masked, wanted


@given(problems())
def test_best_columns_equal_a_sum_in_fixed_order(problem):
    accounts, of_columns, columns, masked, wanted = problem
    found = best_of(accounts, of_columns, columns, rows_of(masked), wanted)
    assert lists_of(found) == [
        expected(x, of_columns, columns, row, want)
        for x, row, want in zip(accounts, masked, wanted.tolist(), strict=True)
    ]
    assert found[0].dtype == np.int64
    assert found[1].dtype == np.int32
    assert found[2].dtype == np.float64


def test_best_columns_separates_scores_that_are_equal_in_float32():
    """200 columns whose scores differ by less than the rounding of a product of 64 factors."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 64)).astype(np.float32)
    one = rng.standard_normal(64).astype(np.float32)
    columns = np.arange(200, dtype=np.int32)
    nearly = (one * (1 + rng.integers(-3, 4, (200, 64)) * 1e-7)).astype(np.float32)
    nobody = rows_of([[], [], []])
    found = best_of(x, nearly, columns, nobody, np.array([7, 7, 7]))
    in_float32 = x @ nearly.T
    for place, mine in enumerate(lists_of(found)):
        assert mine == expected(x[place], nearly, columns, set(), 7)
        # Not even the same seven are the best in float32.
        seventh = np.sort(in_float32[place])[-7]
        assert min(in_float32[place, code] for code, _ in mine) < seventh


@pytest.mark.parametrize("block", [1, 700, 10**6])
def test_block_size_and_other_accounts_do_not_change_a_bit(monkeypatch, block):
    rng = np.random.default_rng(1)
    accounts = rng.standard_normal((40, 33)).astype(np.float32)
    of_columns = rng.standard_normal((300, 33)).astype(np.float32)
    columns = np.arange(300, dtype=np.int32)
    graph = graph_of([(f"{i:03}", f"{j:03}") for i, j in rng.integers(0, 300, (900, 2))])
    n = graph.accounts
    walks = Cooccurrence(graph.followees, graph.followers, *rng.random((3, n)).astype(np.float32))
    masked = take(graph.followees, np.arange(40))
    columns, of_columns = columns[:n], of_columns[:n]
    wanted = np.full(40, 9)
    whole = lists_of(best_of(accounts, of_columns, columns, masked, wanted, walks))
    monkeypatch.setattr(factor_scores, "_BLOCK", block)
    for some in (np.arange(40), np.array([39, 3, 4]), np.array([7])):
        found = best_of(
            accounts[some], of_columns, columns, take(masked, some), wanted[some], walks
        )
        assert lists_of(found) == [whole[place] for place in some]


@pytest.mark.parametrize("pushes", [1, 10**9], ids=["near", "far"])
@given(rows=pairs.filter(len))
def test_walks_are_counted_as_in_sets(pushes, rows):
    graph = graph_of(rows)
    follows, ids = naive.follow_sets(rows), graph.ids.to_pylist()
    weights = {name: 0.5 + place / 4 for place, name in enumerate(ids)}  # sums of them are exact
    of_codes = np.array(list(weights.values()), np.float32)
    columns = np.flatnonzero(graph.followers.degrees).astype(np.int32)
    weighted = Cooccurrence(graph.followees, graph.followers, of_codes, of_codes, of_codes)
    with patch.object(factor_scores, "_PUSHES", pushes):
        found = walk(weighted, graph.followees, columns)
    for account, name in enumerate(ids):
        for place, code in enumerate(columns.tolist()):
            assert found[account, place] == sum(
                weights[i] * weights[b] * weights[ids[code]]
                for i in follows[name]
                for b in follows
                if i in follows[b] and ids[code] in follows[b]
            )


def test_walk_near_and_far_are_equal_to_the_bit():
    rng = np.random.default_rng(5)
    graph = graph_of([(f"{i:03}", f"{j:03}") for i, j in rng.integers(0, 200, (1500, 2))])
    weights = rng.random((3, graph.accounts)).astype(np.float32)
    walks = Cooccurrence(graph.followees, graph.followers, *weights)
    columns = np.arange(0, graph.accounts, 2, dtype=np.int32)
    found = []
    for pushes in (1, 3, 10**9):
        with patch.object(factor_scores, "_PUSHES", pushes):
            found.append(walk(walks, graph.followees, columns).tobytes())
    assert found[0] == found[1] == found[2]


def test_walks_add_to_the_product():
    rng = np.random.default_rng(2)
    graph = graph_of([(f"{i:02}", f"{j:02}") for i, j in rng.integers(0, 30, (120, 2))])
    n, columns = graph.accounts, np.arange(graph.accounts, dtype=np.int32)
    factors = rng.standard_normal((n, 5)).astype(np.float32)
    walks = Cooccurrence(graph.followees, graph.followers, *rng.random((3, n)).astype(np.float32))
    walked = walk(walks, graph.followees, columns)
    found = lists_of(best_of(factors, factors, columns, graph.followees, np.full(n, 6), walks))
    for code in range(n):
        masked = set(graph.followees.row(code).tolist())
        assert found[code] == expected(factors[code], factors, columns, masked, 6, walked[code])
    assert found != lists_of(best_of(factors, factors, columns, graph.followees, np.full(n, 6)))
