"""How sure a mean over accounts is: percentile bootstrap, and paired comparison.

Accounts are drawn with replacement, as many as there are, and the mean is taken again; between the
2.5th and the 97.5th percentile of such means lies the interval. Two sources are compared by the
mean of the differences, account by account, so that what makes an account hard for both is gone.

Source: Efron and Tibshirani (1993), "An introduction to the bootstrap", chapters 13 and 8; for
rankings Sakai (2006), "Evaluating evaluation metrics based on the bootstrap", SIGIR.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels.splitmix import STEP, mix, mix_pair
from raypipe.storage.evaluations import LEVEL

#: Means taken at a time: values are read once for so many resamples.
_RESAMPLES = 8
#: Columns taken at a time, so that what is copied stays below some hundred MB for 1 M accounts.
_COLUMNS = 32
_32 = np.uint64(32)


class Means(NamedTuple):
    """Means over accounts, each of c columns.

    Attributes:
        accounts: int64[c], how many have a value.
        means: float64[c]; NaN where none has.
        low, high: float64[c], bounds of the interval; NaN where fewer than two have a value.
    """

    accounts: np.ndarray
    means: np.ndarray
    low: np.ndarray
    high: np.ndarray


def bootstrap_means(values: np.ndarray, resamples: int, seed: int) -> Means:
    """The mean of each column, and its percentile interval over resampled accounts.

    All columns see the same resamples. An account without a value (NaN) is drawn as any other, and
    left out of the mean.

    Args:
        values: float64[m, c], a row an account.
        resamples: how many.
        seed: equal seeds give equal intervals, to the last bit.

    Example:
        >>> found = bootstrap_means(np.array([[1.0], [3.0], [np.nan]]), 100, seed=0)
        >>> found.accounts.tolist(), found.means.tolist(), found.low.tolist()
        ([2], [2.0], [1.0])
    """
    parts = [
        _bootstrap_some(np.ascontiguousarray(values[:, start : start + _COLUMNS]), resamples, seed)
        for start in range(0, max(1, values.shape[1]), _COLUMNS)
    ]
    return Means(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def compare(first: np.ndarray, second: np.ndarray, resamples: int, seed: int) -> Means:
    """By how much the first is larger, in the mean over the accounts that have both values.

    Args:
        first, second: float64[m, c], the same accounts and metrics.

    Example:
        >>> hits = np.array([[0.1], [0.5], [0.9]])
        >>> float(compare(hits + 0.05, hits, 100, seed=0).low[0].round(9))
        0.05
    """
    return bootstrap_means(first - second, resamples, seed)


def verdicts(differences: Means, first: str, second: str) -> list[str | None]:
    """Which of two is larger beyond the interval, for each column.

    Returns:
        ``first``, ``second``, or ``neither``; None where there is no interval.

    Example:
        >>> low, high = np.array([0.1, -0.1, np.nan]), np.array([0.2, 0.1, np.nan])
        >>> verdicts(Means(low, low, low, high), "similar", "popular")
        ['similar', 'neither', None]
    """
    return [
        None if np.isnan(low) else first if low > 0 else second if high < 0 else "neither"
        for low, high in zip(differences.low, differences.high, strict=True)
    ]


def _bootstrap_some(values: np.ndarray, resamples: int, seed: int) -> Means:
    there = ~np.isnan(values)
    accounts = there.sum(axis=0)
    gaps = np.flatnonzero(accounts < len(values))
    filled = np.where(there, values, 0.0)
    # Only a column with gaps needs a count of its own in each resample.
    columns = np.concatenate([filled, there[:, gaps]], axis=1)
    sums = _resampled_sums(columns, resamples, seed)
    counts = np.full((resamples, values.shape[1]), float(len(values)))
    counts[:, gaps] = sums[:, values.shape[1] :]
    means = _divide(sums[:, : values.shape[1]], counts)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.full((2, values.shape[1]), np.nan)
    for column in np.flatnonzero(accounts >= 2):
        known = means[~np.isnan(means[:, column]), column]
        if len(known):  # few accounts with a value may be in no resample
            low[column], high[column] = np.quantile(known, tails)
    return Means(accounts, _divide(_sums(filled), accounts.astype(np.float64)), low, high)


def _divide(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return result


@njit(cache=True, nogil=True)
def _sums(values: np.ndarray) -> np.ndarray:
    """From the first row to the last: the same bits on every machine."""
    sums = np.zeros(values.shape[1])
    for i in range(values.shape[0]):
        for column in range(values.shape[1]):
            sums[column] += values[i, column]
    return sums


@njit(cache=True, nogil=True)
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
