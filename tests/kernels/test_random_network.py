"""The part of a random network that a few searches read."""

from __future__ import annotations

import numpy as np

from raypipe.kernels.random_network import draw_part


def test_draw_part_with_an_account_that_follows_all_includes_rare_followees():
    sizes = np.array([1] * 99 + [10], dtype=np.int32)
    followers, followees = np.array([10**9, 1]), np.array([1, 9])
    rng = np.random.default_rng(0)
    part = draw_part(sizes, 0, followers, followees, 1.0, np.array([99]), 0, rng)
    assert part.rows.row(99).tolist() == list(range(10))
    assert part.followers.tolist() == [10**9] + [1] * 9


def test_draw_part_twins_share_about_half_of_their_leaders_followees():
    sizes, many = np.full(1000, 200, dtype=np.int32), np.array([100])
    rng = np.random.default_rng(0)
    part = draw_part(sizes, 2, many, np.array([2000]), 1.0, np.array([500]), 3, rng)
    mine = part.rows.row(500)
    for twin in (501, 502, 503):
        theirs = part.rows.row(twin)
        assert 80 <= len(np.intersect1d(mine, theirs)) <= 140
        assert 180 <= len(theirs) <= 200
    assert part.rows.degrees[504:].sum() == 0
    assert part.searched.group_of.tolist() == [*range(1000), -1, -1]
