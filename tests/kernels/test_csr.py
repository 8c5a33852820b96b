from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.csr import Adjacency, Pairs, adjacency, find, subset, take, transpose

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=80)


def as_sets(rows: Adjacency) -> set[tuple[int, int]]:
    return {(row, int(code)) for row in range(len(rows.indptr) - 1) for code in rows.row(row)}


def build(pairs):
    array = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    array.flags.writeable = False  # as Ray hands arrays out
    cut = len(array) // 3
    numbers = np.arange(10, dtype=np.int32)
    backwards = array * -1 + 9  # a part may number its codes in its own way
    return adjacency(
        [
            Pairs(array[:cut, 0], array[:cut, 1], numbers),
            Pairs(backwards[cut:, 0], backwards[cut:, 1], numbers[::-1].copy()),
        ],
        10,
    )


@given(PAIRS)
def test_adjacency_keeps_the_pairs_and_counts_those_dropped(pairs):
    rows, self_pairs, repeats = build(pairs)
    assert as_sets(rows) == {(a, b) for a, b in pairs if a != b}
    assert self_pairs == sum(a == b for a, b in pairs)
    assert len(rows.codes) + self_pairs + repeats == len(pairs)
    assert rows.codes.dtype == np.int32
    assert rows.indptr.dtype == np.int64
    for row in range(10):
        assert (np.diff(rows.row(row)) > 0).all()


@given(PAIRS)
def test_transpose_turns_every_pair_around_and_back(pairs):
    rows, _, _ = build(pairs)
    turned = transpose(rows)
    assert as_sets(turned) == {(b, a) for a, b in as_sets(rows)}
    again = transpose(turned)
    assert np.array_equal(again.codes, rows.codes)
    assert np.array_equal(again.indptr, rows.indptr)


@given(PAIRS, st.data())
def test_subset_and_take_select_codes_and_rows(pairs, data):
    rows, _, _ = build(pairs)
    n = len(rows.codes)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    some = subset(rows, keep)
    owner = np.repeat(np.arange(10), rows.degrees)
    kept = {(int(a), int(b)) for a, b, k in zip(owner, rows.codes, keep, strict=True) if k}
    assert as_sets(some) == kept
    assert len(some.codes) == keep.sum()
    assert some.codes.dtype == np.int32
    assert (len(some.indptr), some.indptr.dtype) == (11, np.int64)

    places = np.array(data.draw(st.lists(st.integers(0, 9), max_size=12)), np.int32)
    taken = take(rows, places)
    assert len(taken.indptr) == len(places) + 1
    for i, place in enumerate(places):
        assert taken.row(i).tolist() == rows.row(place).tolist()


@given(PAIRS, PAIRS)
def test_find_locates_existing_pairs(pairs, asked):
    rows, _, _ = build(pairs)
    array = np.array(asked, dtype=np.int32).reshape(-1, 2)
    array.flags.writeable = False
    numbers = np.arange(9, -1, -1)
    places = find(rows, Pairs(9 - array[:, 0], 9 - array[:, 1], numbers))
    owner = np.repeat(np.arange(10), rows.degrees)
    for (a, b), place in zip(asked, places, strict=True):
        assert (place >= 0) == ((a, b) in as_sets(rows))
        if place >= 0:
            assert (owner[place], rows.codes[place]) == (a, b)
