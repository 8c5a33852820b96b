"""What each account will cost: measured on a sample, before the shards are cut."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from raypipe.config import RunConfig
from raypipe.recommend import Night, estimate_work, recommend_shard

#: Rows of Parquet made of checkpoints, written and hashed in a second; measured with UUIDs.
ROWS_WRITTEN_PER_SECOND = 1e6
#: Accounts are drawn from so many classes of equal estimated work: a few accounts can cost as much
#: as all others, and an even draw would miss them.
CLASSES = 8
#: Accounts of a class measured at first; four times as many, as long as that takes no time.
_SAMPLE = 64
#: Seconds of measuring, all classes together, from which on no larger sample is drawn.
ENOUGH_SECONDS = 0.5


def estimate_cost(night: Night) -> float:
    """Seconds of one CPU that the night will take, as on the machine that the steps were timed on.

    Comes at once, and is right within a factor of about two on another one.
    """
    return float(estimate_work(night).sum()) * 1e-9


def write_seconds(accounts: int, config: RunConfig) -> float:
    """Seconds that the driver takes to write the lists of so many accounts, all of them full.

    Example:
        >>> write_seconds(1_000_000, RunConfig())
        20.0
    """
    rows = config.similar.neighbours + config.recommendations.per_account
    return accounts * rows / ROWS_WRITTEN_PER_SECOND


def measure_cost(night: Night) -> np.ndarray:
    """Seconds of one CPU that each account of the audience will take: float64[audience].

    The accounts are put into classes of equal total estimated work; in each class the seconds per
    unit of estimate are measured on a random sample, drawn with the config's seed.

    Source:
        The separate ratio estimator of Cochran (1977), "Sampling Techniques", chapter 6.
    """
    estimate = estimate_work(night)
    cost = np.zeros(len(estimate))
    if not len(estimate):
        return cost
    rng = np.random.default_rng(night.config.seed)
    order = np.argsort(estimate, kind="stable")
    done = np.cumsum(estimate[order])
    seconds_of(night, order[:1])  # compiles, or loads what was compiled before
    bounds = np.searchsorted(done, done[-1] * np.arange(1, CLASSES) / CLASSES)
    for members in np.split(order, bounds):
        if len(members):
            sample = rng.permutation(members)
            cost[members] = estimate[members] * _seconds_per_unit(night, sample, estimate)
    return cost


def _seconds_per_unit(night: Night, sample: np.ndarray, estimate: np.ndarray) -> float:
    size = _SAMPLE
    while True:
        drawn = sample[:size]
        seconds = seconds_of(night, drawn)
        if size >= len(sample) or seconds > ENOUGH_SECONDS / CLASSES:
            return seconds / float(estimate[drawn].sum())
        size *= 4


def seconds_of(night: Night, positions: np.ndarray) -> float:
    """Seconds that some accounts of the audience take, given by their places in it."""
    some = replace(night, accounts=np.sort(night.accounts[positions]))
    started = time.perf_counter()
    recommend_shard(some, (0, len(positions)))
    return time.perf_counter() - started
