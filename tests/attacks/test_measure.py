"""What an attack has bought, counted by hand and in sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.attacks.measure import Lists, bought, detection, first_ranks
from raypipe.kernels.csr import Adjacency
from tests import naive

codes = st.lists(st.integers(0, 9), max_size=4, unique=True)


def padded(lists):
    return np.array([[*row, *[-1] * (4 - len(row))] for row in lists], np.int32).reshape(-1, 4)


@given(st.lists(codes, max_size=9), codes)
def test_first_ranks_are_those_of_sets(lists, wanted):
    found = first_ranks(padded(lists), np.array(wanted, np.int64))
    assert found.tolist() == [naive.first_rank(row, wanted) for row in lists]


#: Without the attack, with it, and the held-out follows, of five accounts. 7 is the target, 8 and 9
#: are fakes.
BEFORE = [[1, 2], [7, 1], [2], [], [1, 2]]
AFTER = [[8, 1], [7, 1], [2, 7], [9], [1, 2]]
TEST = Adjacency(np.array([0, 2, 3, 3, 3, 4]), np.array([1, 2, 1, 2], np.int32))


def measured(pushed, target, **settings):
    lists = Lists(padded(AFTER)[:, :2], padded(BEFORE)[:, :2], TEST)
    return bought(lists, np.array(pushed), target, spent=10, resamples=200, seed=0, **settings)


def test_a_promoted_target_and_its_fakes_by_hand():
    found = measured([8, 9, 7], target=7)
    assert (found.lists, found.reached, found.first) == (5, 4, 3)
    assert (found.exposure.value, found.exposure_first.value) == (4 / 5, 3 / 5)
    assert (found.reached_before, found.first_before) == (1, 1)
    assert found.price.value == pytest.approx((4 - 1) / 10)
    assert found.rank_shift.value == pytest.approx(1 / 5)  # absent (3) to rank 2, in one list
    assert found.recall_before == 1
    assert found.recall_lost.value == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert found.exposure.low < 4 / 5 < found.exposure.high


def test_without_a_target_the_shift_is_that_of_the_best_fake():
    found = measured([8, 9], target=None)
    assert (found.reached, found.first, found.reached_before) == (2, 2, 0)
    assert found.price.value == pytest.approx(2 / 10)
    assert found.rank_shift.value == pytest.approx((2 + 2) / 5)


def test_a_demoted_target_has_a_price_below_zero():
    found = measured([2], target=2)
    assert (found.reached_before, found.first_before) == (3, 1)
    assert found.exposure.value == 2 / 5
    assert found.price.value == pytest.approx(-1 / 10)
    assert found.rank_shift.value == pytest.approx(-1 / 5)  # from rank 2 to absent, in one list


def test_newcomers_were_not_there_before():
    found = measured([2], target=None, real=True)
    assert (found.reached, found.reached_before) == (2, 0)
    assert (found.recall_before, found.recall_lost.value) == (None, None)


scores = st.lists(st.integers(0, 3), min_size=1, max_size=8)


@given(scores, scores)
def test_detection_counts_pairs(fakes, real):
    found = detection(np.array([*real, *fakes], np.float64), len(fakes))
    assert found.auc == pytest.approx(float(naive.auc(fakes, real)))
    assert found.detected == pytest.approx(sum(score > 0 for score in fakes) / len(fakes))
    assert found.false_positives == pytest.approx(sum(score > 0 for score in real) / len(real))


def test_detection_without_fakes_has_false_positives_only():
    found = detection(np.array([0.0, 1.0]), 0)
    assert (found.auc, found.detected, found.false_positives) == (None, None, 0.5)
