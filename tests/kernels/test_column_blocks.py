"""Neighbours in column blocks: the same as in one index, to the last bit, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raypipe.kernels import column_blocks
from raypipe.kernels.column_blocks import ColumnBlocks, build_block, neighbours_in, unite
from raypipe.kernels.similarity_index import build_index, co_follow_pairs
from raypipe.kernels.tanimoto import Neighbours, top_neighbours
from tests.kernels.test_tanimoto import (
    SHAPES,
    THRESHOLDS,
    assert_equals_oracle,
    follows_of,
    graph_of,
    graphs,
    index_of,
    skewed,
)


def followees_of(pairs, n):
    return graph_of(pairs, n)[0]


def blocks_of(followees, parts):
    """Accounts with follows, dealt out to blocks; read-only, as Ray hands arrays out."""
    following = np.flatnonzero(followees.degrees)
    blocks = tuple(following[parts[following] == part].astype(np.int32) for part in range(7))
    for rows in blocks:
        rows.flags.writeable = False
    return ColumnBlocks(followees, tuple(rows for rows in blocks if len(rows)))


def by_size(followees, count):
    """Blocks of sets of similar size."""
    order = np.argsort(followees.degrees, kind="stable")
    parts = np.empty(len(order), int)
    parts[order] = np.arange(len(order)) * count // len(order)
    return blocks_of(followees, parts)


@given(
    graphs(), st.integers(1, 12), st.sampled_from(THRESHOLDS), st.sampled_from([1, 2, 7]), st.data()
)
@settings(max_examples=300)
def test_search_in_any_blocks_equals_the_oracle(graph, k, threshold, count, data):
    pairs, n = graph
    accounts = data.draw(st.lists(st.integers(0, n - 1), max_size=2 * n))
    parts = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=n, max_size=n)))
    blocks = blocks_of(followees_of(pairs, n), parts)
    near = neighbours_in(blocks, np.array(accounts, np.int32), k, threshold)
    assert_equals_oracle(near, follows_of(pairs, n), accounts, k, threshold)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_search_in_blocks_equals_one_index_on_graphs_that_take_every_way(shape, threshold, count):
    pairs = SHAPES[shape]
    n = int(pairs.max(initial=1)) + 1
    expected = top_neighbours(index_of(pairs, n), np.arange(n), 10, threshold)
    found = neighbours_in(by_size(followees_of(pairs, n), count), np.arange(n), 10, threshold)
    for one, other in zip(expected, found, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@pytest.mark.parametrize("size", [254, 255, 256, 300, 700])
@pytest.mark.parametrize("threshold", [(0, 1), (1, 10), (1, 2)])
def test_overlaps_around_and_beyond_a_byte(size, threshold):
    """In blocks by size, random ones, and one in which large sets meet no large set."""
    n = 1000
    rng = np.random.default_rng(size)
    sets = [np.arange(size) + shift for shift in (0, 0, 1, 2, 40)]
    sets += [rng.choice(n, rng.integers(1, 400), replace=False) for _ in range(60)]
    sets += [np.arange(5), np.arange(size - 30, size + 5), np.arange(0, size, 2)]
    pairs = [(900 + a, followee) for a, members in enumerate(sets) for followee in members]
    followees = followees_of(pairs, n)
    accounts = np.arange(900, 900 + len(sets))
    expected = top_neighbours(index_of(pairs, n), accounts, 10, threshold)
    for blocks in (
        by_size(followees, 2),
        by_size(followees, 7),
        blocks_of(followees, rng.integers(0, 3, n)),
        blocks_of(followees, (followees.degrees > 255).astype(int)),
    ):
        found = neighbours_in(blocks, accounts, 10, threshold)
        assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_overlaps_beyond_two_bytes():
    n = 70_010
    sets = {70_001: range(70_000), 70_002: range(10, 70_000), 70_003: range(66_000), 70_004: [3, 4]}
    pairs = np.concatenate(
        [np.column_stack([np.full(len(s), a), np.array(s)]) for a, s in sets.items()]
    )
    followees = followees_of(pairs, n)
    blocks = ColumnBlocks(followees, tuple(np.array([a], np.int32) for a in sets))
    near = neighbours_in(blocks, np.array(list(sets)), 10, (0, 1))
    assert near.overlaps.max() > 2**16
    follows = {account: set(members) for account, members in sets.items()}
    assert_equals_oracle(near, follows, list(sets), 10, (0, 1))


@pytest.mark.parametrize("at_a_time", [1, 30, 1000])
def test_batch_size_does_not_change_the_lists(at_a_time, monkeypatch):
    pairs = skewed(5, 300, 3000, 4, copies=80)
    blocks = by_size(followees_of(pairs, 300), 3)
    expected = top_neighbours(index_of(pairs, 300), np.arange(300), 10, (1, 10))
    monkeypatch.setattr(column_blocks, "_AT_A_TIME", at_a_time)
    found = neighbours_in(blocks, np.arange(300), 10, (1, 10))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_ten_thousand_equal_sets_over_several_blocks():
    n = 12_000
    pairs = np.array([(a, followee) for a in range(3, n) for followee in (0, 1, 2)])
    blocks = blocks_of(followees_of(pairs, n), np.arange(n) % 3)
    near = neighbours_in(blocks, np.arange(n), 3, (1, 10))
    assert near.counts[:3].tolist() == [0, 0, 0]
    assert near.codes[[3, 4, 5, 6]].tolist() == [[4, 5, 6], [3, 5, 6], [3, 4, 6], [3, 4, 5]]
    assert (near.codes[7:] == [3, 4, 5]).all()
    assert (near.overlaps[3:] == 3).all()


def test_bound_of_earlier_blocks_keeps_ties_with_lower_codes():
    """Account 9 follows 0 and 1; 8 and then 7 are as similar to it, and 7 comes first."""
    pairs = [(9, 0), (9, 1), (8, 0), (7, 1)]
    followees = followees_of(pairs, 10)
    blocks = ColumnBlocks(followees, tuple(np.array([a], np.int32) for a in (8, 7, 9)))
    near = neighbours_in(blocks, np.array([9]), 1, (1, 10))
    assert (near.codes.tolist(), near.scores.tolist()) == ([[7]], [[0.5]])


def test_later_blocks_start_from_the_bound_of_earlier_ones(monkeypatch):
    """A full list sets the bound; a shorter one does not."""
    bounds = []
    real = column_blocks._search_all

    def note(*arguments):
        bounds.append(arguments[-2].tolist())
        return real(*arguments)

    monkeypatch.setattr(column_blocks, "_search_all", note)
    pairs = [(9, 0), (9, 1), (8, 0), (7, 1), (6, 0), (6, 1)]
    followees = followees_of(pairs, 10)
    blocks = ColumnBlocks(followees, tuple(np.array([a], np.int32) for a in (8, 7, 6, 9)))
    neighbours_in(blocks, np.array([9]), 2, (1, 10))
    assert bounds == [[[0, 0]], [[0, 0]], [[1, 2]], [[1, 2]]]


@given(graphs(), st.data())
def test_build_block_of_all_accounts_equals_build_index(graph, data):
    pairs, n = graph
    followees = followees_of(pairs, n)
    if not len(followees.codes):
        return
    block = build_block(followees, np.arange(n, dtype=np.int32))
    for one, other in zip(build_index(*graph_of(pairs, n)), block.searched, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    ranked = np.argsort(block.rank_of, kind="stable")[
        np.count_nonzero(block.rank_of < 0) :
    ].tolist()
    lengths = np.bincount(followees.codes, minlength=n)
    assert ranked == [a for a in np.argsort(-lengths, kind="stable") if lengths[a]]


def lists(codes, overlaps, unions):
    counts = np.array([len(row) for row in codes], np.int32)
    k = 3
    near = Neighbours(
        counts,
        np.full((len(codes), k), -1, np.int32),
        np.zeros((len(codes), k), np.int32),
        np.zeros((len(codes), k)),
    )
    for i, row in enumerate(codes):
        near.codes[i, : len(row)] = row
        near.overlaps[i, : len(row)] = overlaps[i]
        near.scores[i, : len(row)] = np.array(overlaps[i]) / np.array(unions[i])
    return near


def test_merge_by_similarity_then_code():
    # Sizes: 0 follows 6, 1 and 2 follow 4, 3 and 4 follow 6, 5 follows 9.
    indptr = np.cumsum([0, 6, 4, 4, 6, 6, 9])
    one = lists([[1, 5], []], [[4, 5], []], [[6, 10], []])
    other = lists([[2, 3], [5]], [[4, 4], [5]], [[6, 8], [10]])
    union = unite(indptr, np.array([0, 0]), one, other)
    assert union.counts.tolist() == [3, 1]
    assert union.codes.tolist() == [[1, 2, 3], [5, -1, -1]]  # 2/3, 2/3, 1/2; 5 is 1/2 too
    assert union.overlaps.tolist() == [[4, 4, 4], [5, 0, 0]]
    assert union.scores.tolist() == [[4 / 6, 4 / 6, 4 / 8], [0.5, 0, 0]]
    turned = unite(indptr, np.array([0, 0]), other, one)
    assert all(np.array_equal(a, b) for a, b in zip(union, turned, strict=True))


def test_similarities_are_merged_as_integers():
    """As floats, x / (x + 1) is 1 for both; the larger x is the more similar."""
    size = 2**31 - 1
    indptr = np.array([0, size, 2 * size - 1, 3 * size - 1])
    one = lists([[1]], [[size - 2]], [[size + 1]])
    other = lists([[2]], [[size - 1]], [[size + 1]])
    one.scores[:], other.scores[:] = 1.0, 1.0
    assert unite(indptr, np.array([0]), one, other).codes[0, :2].tolist() == [2, 1]


@given(graphs())
def test_estimated_ns_grows_with_follows_and_blocks(graph):
    pairs, n = graph
    followees, followers = graph_of(pairs, n)
    rows = (np.flatnonzero(followees.degrees).astype(np.int32),)
    once, twice = (
        column_blocks.estimated_ns_in_blocks(ColumnBlocks(followees, blocks))
        for blocks in (rows, 2 * rows)
    )
    assert (once < twice).all()
    assert (once > 0).all()
    counted = co_follow_pairs(followees, followers.indptr) * column_blocks.COUNT
    assert np.allclose(2 * once - twice, counted)
