"""Bootstrap intervals, against the same draws in plain Python, and what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raypipe.evaluation import intervals
from raypipe.evaluation.intervals import bootstrap_means, compare, verdicts

WORD = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def mix(word):
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


def drawn(m, resamples, seed):
    """Rows that each resample draws: SplitMix64, the upper half of a word scaled to m."""
    for resample in range(resamples):
        state = mix(((resample << 32) | m) ^ mix((seed + STEP) & WORD))
        rows = []
        for _ in range(m):
            state = (state + STEP) & WORD
            rows.append(((mix(state) >> 32) * m) >> 32)
        yield rows


def naive(values, resamples, seed):
    """(accounts, mean, low, high) of one column, NaN for none."""
    known = [v for v in values if not np.isnan(v)]
    means = []
    for rows in drawn(len(values), resamples, seed):
        some = [values[row] for row in rows if not np.isnan(values[row])]
        if some:
            means.append(sum(some) / len(some))
    mean = sum(known) / len(known) if known else np.nan
    if len(known) < 2 or not means:
        return len(known), mean, np.nan, np.nan
    return len(known), mean, *np.quantile(means, [0.025, 0.975])


VALUES = st.lists(
    st.floats(-5, 5, allow_subnormal=False) | st.just(np.nan), min_size=1, max_size=20
)


@example([np.nan] * 3, [0.0, 0.0, np.nan], 1, 206526)  # the resample holds no value
@given(VALUES, VALUES, st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_equal_the_draws_in_python(first, second, resamples, seed):
    m = min(len(first), len(second))
    columns = np.array([first[:m], second[:m]]).T
    found = bootstrap_means(columns, resamples, seed)
    for place, values in enumerate(columns.T):
        expected = naive(values.tolist(), resamples, seed)
        got = [array[place] for array in found]
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_nobody_has_no_mean():
    found = bootstrap_means(np.empty((0, 2)), 100, 0)
    assert found.accounts.tolist() == [0, 0]
    assert np.isnan([found.means, found.low, found.high]).all()


def test_columns_do_not_depend_on_those_beside_them(monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.random((50, 7))
    values[rng.random((50, 7)) < 0.2] = np.nan
    whole = bootstrap_means(values, 200, 3)
    monkeypatch.setattr(intervals, "_COLUMNS", 2)
    for some, all_ in zip(bootstrap_means(values, 200, 3), whole, strict=True):
        assert np.array_equal(some, all_)
    alone = bootstrap_means(values[:, [4]], 200, 3)
    assert [array[0] for array in alone] == [array[4] for array in whole]
    assert bootstrap_means(values, 200, 4).low.tolist() != whole.low.tolist()


def test_intervals_hold_the_mean_as_often_as_they_say():
    """Of 300 samples of a skewed population, 92 to 98 % of the intervals hold its mean."""
    rng = np.random.default_rng(1)
    samples = rng.exponential(1.0, (150, 300))  # a column is a sample
    found = bootstrap_means(samples, 400, 0)
    held = np.mean((found.low <= 1.0) & (found.high >= 1.0))
    assert 0.92 <= held <= 0.98
    width = (found.high - found.low) / (2 * 1.96 * samples.std(axis=0) / np.sqrt(150))
    assert width.mean() == pytest.approx(1.0, abs=0.05)


def test_a_pair_is_told_apart_where_two_means_are_not():
    rng = np.random.default_rng(2)
    hard = rng.random((300, 1))
    better = hard + rng.normal(0.02, 0.05, (300, 1))
    first, second = bootstrap_means(better, 500, 0), bootstrap_means(hard, 500, 0)
    assert first.low < second.high
    found = compare(better, hard, 500, 0)
    assert verdicts(found, "better", "hard") == ["better"]
    assert verdicts(compare(hard, better, 500, 0), "hard", "better") == ["better"]
    assert found.means[0] == pytest.approx(float((better - hard).mean()), rel=1e-9)
    same = compare(hard, hard, 500, 0)
    assert verdicts(same, "a", "b") == ["neither"]
    assert (same.means[0], same.low[0], same.high[0]) == (0.0, 0.0, 0.0)


def test_a_pair_is_compared_on_the_accounts_that_have_both():
    first = np.array([[1.0], [2.0], [np.nan], [9.0]])
    second = np.array([[0.0], [np.nan], [5.0], [7.0]])
    found = compare(first, second, 100, 0)
    assert (found.accounts[0], found.means[0]) == (2, 1.5)
    assert (found.low[0], found.high[0]) == (1.0, 2.0)
    alone = compare(first[:2], second[:2], 100, 0)
    assert verdicts(alone, "a", "b") == [None]
