"""Reputation equals the naive walk; nobody gains by following, and a ring does not trust itself."""

from __future__ import annotations

from math import ceil, log2

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import IntegrityConfig
from raypipe.errors import InputError
from raypipe.graph.follow_graph import build_graph, with_more
from raypipe.integrity.reputation import read_trusted, reputation, trusted_accounts
from tests import naive
from tests.strategies import graph_of, pairs

groups = st.sets(st.integers(0, 14), min_size=1)


def ids_of(graph, codes):
    return {graph.ids[int(code)].as_py() for code in codes}


def some_of(graph, positions):
    return np.unique(np.array(sorted(positions)) % graph.accounts).astype(np.int32)


@given(pairs.filter(len), groups)
def test_reputation_equals_the_naive_walk(rows, positions):
    graph = graph_of(rows)
    trusted = some_of(graph, positions)
    found = reputation(graph, trusted)
    steps = ceil(log2(graph.accounts))
    expected = naive.reputation(naive.follow_sets(rows), ids_of(graph, trusted), steps)
    for account, value in zip(graph.ids.to_pylist(), found.tolist(), strict=True):
        assert value == pytest.approx(float(expected[account]), abs=1e-14)
        assert (value == 0) == (expected[account] == 0)
    assert found.sum() == pytest.approx(1)


@given(pairs.filter(len), groups, st.lists(st.integers(0, 14), max_size=8))
def test_reputation_of_fakes_that_nobody_follows_is_0_and_changes_no_other(rows, known, followed):
    graph = graph_of(rows)
    trusted, n = some_of(graph, known), graph.accounts
    followees = np.array(followed, np.int64) % n
    # One fake for each of a hundred names; a ring among them too.
    ring = np.arange(n, n + 100)
    followers = np.concatenate([np.resize(ring, len(followees)), ring])
    more = with_more(
        graph, [f"~{i}" for i in range(100)], followers, np.append(followees, np.roll(ring, 1))
    )
    found = reputation(more, trusted)
    assert not found[n:].any()
    steps = ceil(log2(n + 100))
    expected = naive.reputation(naive.follow_sets(rows), ids_of(graph, trusted), steps)
    for account, value in zip(graph.ids.to_pylist(), found[:n].tolist(), strict=True):
        assert value == pytest.approx(float(expected[account]), abs=1e-14)


@given(pairs.filter(len), groups, groups)
def test_warm_start_goes_on_and_forgets_accounts_that_no_walk_reaches(rows, positions, earlier):
    graph = graph_of(rows)
    trusted = some_of(graph, positions)
    start = np.zeros(graph.accounts)
    start[some_of(graph, earlier)] = 3.0
    cold, warm = reputation(graph, trusted), reputation(graph, trusted, start)
    assert (warm[cold == 0] == 0).all()
    assert (warm >= 0).all()
    assert warm.sum() <= 1 + 1e-12
    assert reputation(graph, trusted, start * 0).tolist() == cold.tolist()


def test_warm_start_forgets_a_ring_that_was_trusted():
    graph = graph_of([("a", "b"), ("b", "a"), ("x", "y"), ("y", "x")])
    found = reputation(graph, graph.codes(["a"]).astype(np.int32), np.full(4, 0.25))
    assert found[graph.codes(["x", "y"])].tolist() == [0, 0]


def test_warm_start_of_a_longer_walk_comes_nearer_to_its_end():
    graph = graph_of([(str(i), str(i * i % 97)) for i in range(97)] + [("1", "2"), ("2", "1")])
    trusted = graph.codes(["1", "2", "3"]).astype(np.int32)
    nights = [reputation(graph, trusted)]
    for _ in range(40):
        nights.append(reputation(graph, trusted, nights[-1]))
    away = [float(np.abs(night - nights[-1]).sum()) for night in nights[:3]]
    assert away[0] > 2 * away[1] > 0


@given(pairs.filter(len))
def test_trusted_accounts_are_the_largest_group_of_returned_follows(rows):
    graph = graph_of(rows)
    found = naive.mutual_groups(naive.follow_sets(rows))
    largest = max(map(len, found))
    trusted = ids_of(graph, trusted_accounts(graph).codes)
    if not graph.follows:
        assert trusted == set()
        return
    if largest < 2:
        found = naive.circles(naive.follow_sets(rows))
        largest = max(map(len, found))
    if largest < 2:
        assert trusted == set(graph.ids.to_pylist())
    else:
        assert trusted == min(
            (one for one in found if len(one) == largest), key=lambda one: min(map(graph.code, one))
        )


def test_a_ring_of_fakes_is_not_trusted_beside_a_larger_group():
    friends = [(a, b) for a in "abcde" for b in "abcde" if a != b]
    ring = [(a, b) for a in "wxyz" for b in "wxyz" if a != b]
    graph = graph_of(friends + ring + [("w", "a"), ("x", "b")])
    assert ids_of(graph, trusted_accounts(graph).codes) == set("abcde")
    assert not reputation(graph, trusted_accounts(graph).codes)[graph.codes(list("wxyz"))].any()


def test_a_ring_of_fakes_is_not_trusted_because_a_real_account_follows_one_back():
    circle = [(a, (a + b) % 3000) for a in range(3000) for b in (-3, -2, -1, 1, 2, 3)]
    rows = [(f"f{a:04}", f"f{b:04}") for a, b in circle]
    ring = [(f"x{a}", f"x{b}") for a in range(60) for b in range(60) if a != b]
    graph = graph_of([*rows, *ring, ("x0", "f0000"), ("f0000", "x0")])
    assert ids_of(graph, trusted_accounts(graph).codes) == {one for one, _ in rows}


def test_a_ring_of_fakes_is_not_trusted_where_no_real_follow_is_returned():
    rows = [(f"user{i}", f"place{j}") for i in range(40) for j in range(i % 3 + 1)]
    graph = graph_of([*rows, ("x", "y"), ("y", "x")])
    trusted = trusted_accounts(graph)
    assert len(trusted.codes) == graph.accounts
    assert trusted.why == (
        "all accounts alike: follows lead to nobody who follows; name some in integrity.trusted"
    )


def test_a_circle_is_trusted_where_hardly_a_follow_is_returned():
    circle = [(f"c{i}", f"c{(i + 1) % 60}") for i in range(60)]
    graph = graph_of([*circle, ("x", "y"), ("y", "x"), ("x", "c0"), ("c1", "d")])
    trusted = trusted_accounts(graph)
    assert ids_of(graph, trusted.codes) == {one for one, _ in circle}
    why = "60 accounts that reach each other along follows; hardly a follow is returned"
    assert trusted.why == why


def test_nobody_is_trusted_in_an_empty_graph():
    for graph in (build_graph([])[0], build_graph([], list("ab"))[0]):
        trusted = trusted_accounts(graph)
        assert trusted.why == "nobody: there are no follows"
        assert reputation(graph, trusted.codes).tolist() == [0.0] * graph.accounts


def test_a_table_names_the_trusted_accounts(tmp_path):
    path = tmp_path / "trusted.csv"
    path.write_text("accountId\nb\nnobody\nb\nc\na\n")
    graph = graph_of([("a", "b"), ("a", "c")])
    trusted = trusted_accounts(graph, read_trusted(IntegrityConfig(trusted=str(path))))
    assert ids_of(graph, trusted.codes) == {"b", "c"}
    assert trusted.why == (
        "2 accounts in integrity.trusted, without 1 unknown ('nobody'), 1 that nobody follows ('a')"
    )


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        (["x", "y"], "found 2 unknown ('x', 'y')"),
        (["a"], "found 1 that nobody follows ('a')"),
        (["x", "a"], "found 1 unknown ('x'), 1 that nobody follows ('a')"),
        ([], "found no account"),
    ],
)
def test_a_table_without_an_account_to_trust_is_refused(ids, found):
    with pytest.raises(InputError) as caught:
        trusted_accounts(graph_of([("a", "b")]), pa.array(ids, pa.large_string()))
    assert str(caught.value) == (
        f"integrity.trusted: {found}, expected accounts that others follow; name some, or leave "
        "integrity.trusted out"
    )


def test_trusted_accounts_that_are_suspects_are_refused():
    friends = [(f"f{a}", f"f{b}") for a in range(90) for b in range(90) if a != b]
    ring = [(f"x{a}", f"x{b}") for a in range(40) for b in range(40) if a != b]
    graph = graph_of(friends + ring)
    named = pa.array([f"x{a}" for a in range(40)], pa.large_string())
    with pytest.raises(
        InputError, match=r"integrity.trusted: found 40 suspects \('x0', 'x1', 'x2'\),"
    ):
        trusted_accounts(graph, named)
    one = trusted_accounts(graph, pa.array(["x0", "f1"], pa.large_string()))
    assert one.why == "1 accounts in integrity.trusted, without 1 suspects ('x0')"
