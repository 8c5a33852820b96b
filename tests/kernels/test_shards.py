"""Splitting accounts into shards of similar cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.shards import cut, heaviest_first


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 12))
def test_cut_covers_every_position_once_in_order(costs, shards):
    ranges = cut(np.array(costs), shards)
    assert [place for start, stop in ranges for place in range(start, stop)] == list(
        range(len(costs))
    )
    assert all(start < stop for start, stop in ranges)
    assert len(ranges) <= shards or not costs
    heavy = heaviest_first(ranges, np.array(costs))
    sums = [sum(costs[start:stop]) for start, stop in heavy]
    assert sorted(heavy) == ranges
    assert sums == sorted(sums, reverse=True)


@pytest.mark.parametrize("shards", [2, 7, 50])
def test_cut_of_many_positions_gives_even_ranges(shards):
    costs = np.random.default_rng(0).integers(1, 100, 10_000)
    sums = [costs[start:stop].sum() for start, stop in cut(costs, shards)]
    assert len(sums) == shards
    assert max(sums) < 1.1 * min(sums)
