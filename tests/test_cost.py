"""What each account will cost is measured on a sample of them."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe import cost
from tests.strategies import graph_of
from tests.test_recommend import night_on


@pytest.fixture
def night():
    rng = np.random.default_rng(0)
    return night_on(graph_of([(f"{a}", f"{b}") for a, b in rng.integers(0, 3000, (20_000, 2))]))


def test_the_estimate_of_each_class_is_scaled_by_what_its_sample_takes(night, monkeypatch):
    """With a clock that knows the true cost, the prediction is the truth."""
    estimate = cost.estimate_work(night)
    slower = np.where(estimate > np.median(estimate), 3e-6, 1e-6)
    truth = estimate * slower
    monkeypatch.setattr(cost, "seconds_of", lambda _, positions: truth[positions].sum())
    seconds = cost.measure_cost(night)
    assert seconds.sum() == pytest.approx(truth.sum(), rel=0.1)
    assert (seconds > 0).all()


def test_equal_seeds_draw_equal_samples(night, monkeypatch):
    drawn = []

    def note(night, positions):
        drawn.append(positions.tolist())
        return 1.0

    monkeypatch.setattr(cost, "seconds_of", note)
    cost.measure_cost(night)
    first = list(drawn)
    drawn.clear()
    cost.measure_cost(night)
    assert drawn == first
    assert len({len(positions) for positions in first}) > 1


def test_nobody_costs_nothing(night):
    assert len(cost.measure_cost(night_on(graph_of([("a", "b")]), accounts=[]))) == 0


def test_real_seconds(night):
    seconds = cost.measure_cost(night)
    assert np.isfinite(seconds).all()
    assert 0 < seconds.sum() < 60
