"""Neighbours against the oracle: every graph shape, every way through the search, any question."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raypipe.kernels import similarity_index
from raypipe.kernels import tanimoto_search as searching
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.read_only import freeze
from raypipe.kernels.search_cost import estimated_ns
from raypipe.kernels.similarity_index import build_index, co_follow_pairs
from raypipe.kernels.tanimoto import top_neighbours
from tests import naive

THRESHOLDS = [(0, 1), (1, 10), (1, 3), (1, 2), (99, 100)]
EMPTY = np.empty((0, 2), dtype=np.int32)


def frozen(arrays):
    """Read-only, as the arrays that Ray hands out."""
    freeze(arrays)
    return arrays


def rows_of(pairs, n):
    """Rows of sorted codes, without repeats and self-follows."""
    pairs = np.unique(np.asarray(pairs, dtype=np.int32).reshape(-1, 2), axis=0)
    followers, followees = pairs[pairs[:, 0] != pairs[:, 1]].T
    return Adjacency(np.searchsorted(followers, np.arange(n + 1)), followees.copy())


def graph_of(pairs, n):
    """Followees and followers of every account."""
    turned = np.asarray(pairs, dtype=np.int32).reshape(-1, 2)[:, ::-1]
    return frozen((rows_of(pairs, n), rows_of(turned, n)))


def index_of(pairs, n):
    return frozen(build_index(*graph_of(pairs, n)))


def follows_of(pairs, n):
    follows = {account: set() for account in range(n)}
    for follower, followee in np.asarray(pairs).reshape(-1, 2).tolist():
        if follower != followee:
            follows[follower].add(followee)
    return follows


def assert_equals_oracle(near, follows, accounts, k, threshold, cap=None):
    for place, account in enumerate(accounts):
        expected = naive.neighbours(follows, account, k, Fraction(*threshold), cap)
        count = near.counts[place]
        codes = near.codes[place, :count].tolist()
        assert codes == [other for other, _ in expected]
        assert near.scores[place, :count].tolist() == [float(score) for _, score in expected]
        overlaps = [len(follows[account] & follows[other]) for other in codes]
        assert near.overlaps[place, :count].tolist() == overlaps
        assert (near.codes[place, count:] == -1).all()


def skewed(seed, accounts, pairs, skew, copies=0):
    """Random follows: the larger the skew, the more go to a few hubs; some sets copied."""
    rng = np.random.default_rng(seed)
    followers = (accounts * rng.random(pairs) ** 2).astype(np.int32)
    followees = (accounts * rng.random(pairs) ** skew).astype(np.int32)
    found = [np.column_stack([followers, followees])]
    for _ in range(copies):
        source, target = rng.integers(0, accounts, 2)
        copied = found[0][found[0][:, 0] == source]
        # A copy that would follow itself differs by that follow; both kinds are wanted.
        found.append(np.column_stack([np.full(len(copied), target), copied[:, 1]]))
    return np.concatenate(found).astype(np.int32)


@st.composite
def graphs(draw):
    n = draw(st.integers(2, 24))
    account = st.integers(0, n - 1)
    hub = st.integers(0, min(2, n - 1))
    pairs = draw(st.lists(st.tuples(account, st.one_of(account, hub)), max_size=120))
    for source, target in draw(st.lists(st.tuples(account, account), max_size=8)):
        pairs += [(target, followee) for follower, followee in pairs if follower == source]
    return pairs, n


@given(graphs(), st.integers(1, 12), st.sampled_from(THRESHOLDS), st.data())
@settings(max_examples=300)
def test_top_neighbours_of_any_accounts_equals_the_oracle(graph, k, threshold, data):
    pairs, n = graph
    accounts = data.draw(st.lists(st.integers(0, n - 1), max_size=2 * n))
    near = top_neighbours(index_of(pairs, n), np.array(accounts, np.int32), k, threshold)
    assert_equals_oracle(near, follows_of(pairs, n), accounts, k, threshold)


def ties_in_many_lists():
    """Account 0 follows 1, 2, 3: ties on each list, codes interleaved, the best on the last two."""
    ties = [(10 + i, 1 + i % 3) for i in range(60)] + [(90 + i, 3) for i in range(20)]
    best = [(110 + i, followee) for i in range(4) for followee in (2, 3)]
    apart = [(account, 1000 + account) for account, _ in [*ties, *best]]
    others = [(200 + i, 2000 + i + step) for i in range(1200) for step in (0, 1)]
    return np.array([(0, 1), (0, 2), (0, 3), *ties, *best, *apart, *others])


SHAPES = {
    "ties in many lists": ties_in_many_lists(),
    "dense with hubs": skewed(1, 150, 6000, 3),
    "long ties": skewed(2, 300, 500, 6, copies=60),
    "sparse": skewed(3, 4000, 9000, 2),
    "many lists longer than SHORT": skewed(4, 600, 30000, 1),
    "one hub": np.column_stack([np.arange(1, 300), np.zeros(299, np.int64)]),
    "two hubs": np.array([(a, a % 2) for a in range(2, 300)] + [(a, 1) for a in range(2, 9)]),
    "nested sets": np.array([(300 + a, b) for a in range(250) for b in range(a + 1)]),
    "nobody follows": EMPTY,
}


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_top_neighbours_equals_the_oracle_on_graphs_that_take_every_way(shape, threshold):
    pairs = SHAPES[shape]
    n = int(pairs.max(initial=1)) + 1
    asked = np.unique(np.linspace(0, n - 1, 25).astype(np.int32))
    near = top_neighbours(index_of(pairs, n), np.arange(n), 10, threshold)
    chosen = type(near)(*(array[asked] for array in near))
    assert_equals_oracle(chosen, follows_of(pairs, n), asked.tolist(), 10, threshold)


def test_the_shapes_take_every_way():
    ways = set()
    for pairs in SHAPES.values():
        index = index_of(pairs, int(pairs.max(initial=1)) + 1)
        for group in range(len(index.set_ptr) - 1):
            row = index.sets[index.set_ptr[group] : index.set_ptr[group + 1]]
            starts, stops = np.empty((2, len(row)), np.int64)
            plane_work = np.zeros(len(index.planes), np.int64)
            groups = len(index.set_ptr) - 1
            entries = searching._clip(index, row, 0, groups, starts, stops, plane_work)
            by_lists = searching._choose(entries, groups, plane_work)
            ways.add("lists" if by_lists else "planes" if plane_work.any() else "tiles")
            ways.update(
                "long" if length > searching.SHORT else "short" for length in stops - starts
            )
            ways.add("many tiles" if groups > searching.TILE else "one tile")
    assert ways == {"lists", "planes", "tiles", "long", "short", "many tiles", "one tile"}


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 31))
def test_lower_bound_is_where_the_value_would_go(values, value):
    array = np.array([0, *sorted(values), 99], np.uint32)
    found = searching._lower_bound(array, 1, len(array) - 1, value)
    assert found == 1 + np.searchsorted(array[1:-1], value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_tile_top_reads_every_counter(dtype):
    for place in range(searching.TILE):
        counters = np.zeros(searching.TILE, dtype)
        counters[place] = 255
        assert searching._tile_top(counters) == 255
        assert searching._block_top(counters[: searching.BLOCK]) == 255 * (place < searching.BLOCK)


@pytest.mark.parametrize("size", [254, 255, 256, 300, 700])
@pytest.mark.parametrize("threshold", [(0, 1), (1, 10), (1, 2)])
def test_overlaps_around_and_beyond_a_byte(size, threshold):
    n = 1000
    rng = np.random.default_rng(size)
    sets = [np.arange(size) + shift for shift in (0, 0, 1, 2, 40)]
    sets += [rng.choice(n, rng.integers(1, 400), replace=False) for _ in range(60)]
    sets += [np.arange(5), np.arange(size - 30, size + 5), np.arange(0, size, 2)]
    pairs = [(900 + a, followee) for a, members in enumerate(sets) for followee in members]
    accounts = [900 + a for a in range(len(sets))]
    near = top_neighbours(index_of(pairs, n), np.array(accounts), 10, threshold)
    assert_equals_oracle(near, follows_of(pairs, n), accounts, 10, threshold)


def test_overlaps_beyond_two_bytes():
    n = 70_010
    sets = {70_001: range(70_000), 70_002: range(10, 70_000), 70_003: range(66_000), 70_004: [3, 4]}
    pairs = np.concatenate(
        [np.column_stack([np.full(len(s), a), np.array(s)]) for a, s in sets.items()]
    )
    near = top_neighbours(index_of(pairs, n), np.array(list(sets)), 10, (0, 1))
    assert near.overlaps.max() > 2**16
    follows = {account: set(members) for account, members in sets.items()}
    assert_equals_oracle(near, follows, list(sets), 10, (0, 1))


def test_ten_thousand_equal_sets_and_fifty_thousand_followers_of_one_hub():
    n = 60_000
    pairs = np.concatenate(
        [
            np.column_stack([np.arange(1, 50_000), np.zeros(49_999, np.int64)]),
            np.array([(a, followee) for a in range(50_000, n) for followee in (0, 1, 2)]),
        ]
    )
    near = top_neighbours(index_of(pairs, n), np.arange(n), 3, (1, 10))
    assert near.counts[0] == 0
    assert near.codes[[1, 2, 3, 4]].tolist() == [[2, 3, 4], [1, 3, 4], [1, 2, 4], [1, 2, 3]]
    assert near.codes[50_001].tolist() == [50_000, 50_002, 50_003]
    assert (near.codes[5:50_000] == [1, 2, 3]).all()
    assert (near.scores[1:] == 1).all()


@given(st.integers(0, 5), st.data())
@settings(max_examples=30)
def test_a_list_does_not_depend_on_the_others(seed, data):
    n = 400
    index = index_of(skewed(seed, n, 3000, 4, copies=40), n)
    everyone = top_neighbours(index, np.arange(n), 10, (1, 10))
    some = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=60)), np.int32)
    for whole, part in zip(everyone, top_neighbours(index, some, 10, (1, 10)), strict=True):
        assert np.array_equal(whole[some], part)


def test_colliding_hashes_do_not_join_sets(monkeypatch):
    pairs = skewed(7, 40, 200, 2, copies=20)
    indptr, indices = rows_of(pairs, 40)
    sets = similarity_index._equal_sets.py_func
    expected, _ = sets(indptr[:-1], indptr[1:], indices)
    monkeypatch.setattr(similarity_index, "_hash", lambda row: np.uint64(3))
    found, first = sets(indptr[:-1], indptr[1:], indices)
    assert np.array_equal(found, expected)
    follows = follows_of(pairs, 40)
    for number, account in enumerate(first):
        equal = [other for other in range(40) if follows[other] == follows[account]]
        assert np.flatnonzero(found == number).tolist() == equal
        assert account == equal[0]


@given(graphs())
def test_co_follow_pairs_are_the_follows_of_the_followees(graph):
    pairs, n = graph
    follows = follows_of(pairs, n)
    followers = dict(naive.popularity(follows))
    followees, (followers_indptr, _) = graph_of(pairs, n)
    found = co_follow_pairs(followees, followers_indptr)
    assert found.tolist() == [sum(followers[f] for f in follows[a]) for a in range(n)]


@given(graphs(), st.sampled_from(THRESHOLDS))
def test_estimated_ns_is_positive_and_smallest_without_follows(graph, threshold):
    pairs, n = graph
    index = index_of(pairs, n)
    cost = estimated_ns(index, threshold)
    assert cost.shape == (n,)
    assert (cost > 0).all()
    idle = index.group_of < 0
    assert cost[idle].max(initial=0) < cost[~idle].min(initial=np.inf)


def test_estimated_ns_grows_with_the_lists_and_is_shared_by_equal_sets():
    pairs = [(a, 0) for a in range(1, 90)] + [(1, 2), (2, 3), (97, 99), (98, 99)]
    cost = estimated_ns(index_of(pairs, 100))
    assert cost[1] > cost[97] == cost[98] > cost[3]


@pytest.mark.parametrize(
    ("k", "threshold"), [(0, (1, 10)), (1, (1, 1)), (1, (-1, 10)), (1, (1, 2**31 + 1))]
)
def test_top_neighbours_refuses_invalid_k_and_threshold(k, threshold):
    with pytest.raises(ValueError, match=r"k must|threshold must"):
        top_neighbours(index_of([(0, 1)], 2), np.array([0]), k, threshold)


def test_build_index_refuses_sides_of_different_graphs():
    with pytest.raises(ValueError, match="transpose"):
        build_index(rows_of([(0, 1)], 2), rows_of([(0, 1)], 3))
