"""Confidence intervals of means over accounts: percentile bootstrap and paired comparison.

A resample draws m of m accounts with replacement; the interval lies between the 2.5th and the
97.5th percentile of the means of all resamples. Two sources are compared by the mean of their
differences per account, which removes the variance that the accounts have in common.

Source: Efron and Tibshirani (1993), "An introduction to the bootstrap", chapters 13 and 8; for
rankings Sakai (2006), "Evaluating evaluation metrics based on the bootstrap", SIGIR.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.compiled import kernel
from raypipe.kernels.splitmix import STEP, mix, mix_pair
from raypipe.storage.evaluations import LEVEL

#: Number of resamples that are summed in one pass over the values.
_RESAMPLES = 8
#: Number of columns processed at a time, so that copies stay below a few hundred MB for 1 M
#: accounts.
_COLUMNS = 32
_32 = np.uint64(32)


class Means(NamedTuple):
    """Means over accounts of c columns, with their intervals.

    Attributes:
        accounts: int64[c], number of accounts with a value.
        means: float64[c]; NaN where no account has a value.
        low, high: float64[c], bounds of the interval; NaN where fewer than two accounts have one.
    """

    accounts: np.ndarray
    means: np.ndarray
    low: np.ndarray
    high: np.ndarray


def bootstrap_means(values: np.ndarray, resamples: int, seed: int) -> Means:
    """The mean of each column, and its percentile interval over resampled accounts.

    All columns use the same resamples. An account without a value (NaN) is drawn like any other,
    and left out of the mean.

    Args:
        values: float64[m, c], one row per account.
        seed: equal seeds give equal intervals, to the last bit.

    Example:
        >>> result = bootstrap_means(np.array([[1.0], [3.0], [np.nan]]), 100, seed=0)
        >>> result.accounts.tolist(), result.means.tolist(), result.low.tolist()
        ([2], [2.0], [1.0])
    """
    parts = [
        _bootstrap(np.ascontiguousarray(values[:, start : start + _COLUMNS]), resamples, seed)
        for start in range(0, max(1, values.shape[1]), _COLUMNS)
    ]
    return Means(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def compare(first: np.ndarray, second: np.ndarray, resamples: int, seed: int) -> Means:
    """Paired comparison: the mean of first - second over the accounts that have both values."""
    return bootstrap_means(first - second, resamples, seed)


def verdicts(differences: Means, first: str, second: str) -> list[str | None]:
    """Name of the source that is larger beyond the interval, for each column.

    Returns:
        ``first``, ``second``, or ``neither``; None where the interval is undefined.
    """
    return [
        None if np.isnan(low) else first if low > 0 else second if high < 0 else "neither"
        for low, high in zip(differences.low, differences.high, strict=True)
    ]


def _bootstrap(values: np.ndarray, resamples: int, seed: int) -> Means:
    has_value = ~np.isnan(values)
    accounts = has_value.sum(axis=0)
    gaps = np.flatnonzero(accounts < len(values))
    filled = np.where(has_value, values, 0.0)
    # Only columns with gaps need a count of accounts in each resample.
    columns = np.concatenate([filled, has_value[:, gaps]], axis=1)
    sums = _resampled_sums(columns, resamples, seed)
    counts = np.full((resamples, values.shape[1]), float(len(values)))
    counts[:, gaps] = sums[:, values.shape[1] :]
    means = _divide(sums[:, : values.shape[1]], counts)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.full((2, values.shape[1]), np.nan)
    for column in np.flatnonzero(accounts >= 2):
        known = means[~np.isnan(means[:, column]), column]
        if len(known):  # if few accounts have a value, no resample may contain one
            low[column], high[column] = np.quantile(known, tails)
    return Means(accounts, _divide(_sums(filled), accounts.astype(np.float64)), low, high)


def _divide(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


@kernel
def _sums(values: np.ndarray) -> np.ndarray:
    """Column sums, added from the first row to the last: the same bits on every machine."""
    sums = np.zeros(values.shape[1])
    for i in range(values.shape[0]):
        for column in range(values.shape[1]):
            sums[column] += values[i, column]
    return sums


@kernel
def _resampled_sums(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    m, columns = values.shape
    sums = np.zeros((resamples, columns))
    drawn = np.empty((_RESAMPLES, m), dtype=np.int32)
    for start in range(0, resamples, _RESAMPLES):
        stop = min(start + _RESAMPLES, resamples)
        drawn[:] = 0
        for resample in range(start, stop):
            state = mix_pair(seed, resample, m)
            for _ in range(m):
                state += STEP
                drawn[resample - start, ((mix(state) >> _32) * np.uint64(m)) >> _32] += 1
        for i in range(m):
            for resample in range(start, stop):
                times = drawn[resample - start, i]
                for column in range(columns):
                    sums[resample, column] += times * values[i, column]
    return sums
