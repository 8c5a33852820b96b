"""Predicted cost of each account, measured on a sample before the shards are cut."""

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from raypipe.compute.units import size
from raypipe.config import RunConfig
from raypipe.kernels.capped import CANDIDATES
from raypipe.kernels.column_blocks import ColumnBlocks, ask, build_block, search_block
from raypipe.kernels.exact_scores import best_candidates
from raypipe.kernels.shards import cut_short
from raypipe.kernels.tanimoto import no_neighbours
from raypipe.recommend.context import ShardContext
from raypipe.recommend.search import NeighbourSearch
from raypipe.recommend.shard import make_lists, recommend_shard
from raypipe.recommend.work_estimate import estimate_ns

#: Rows of Parquet that are made from checkpoints, written and hashed per second, with UUIDs.
ROWS_WRITTEN_PER_SECOND = 1e6
#: Number of classes of equal estimated cost to draw from: a few accounts can cost as much
#: as all others, and an even draw would miss them.
CLASSES = 8
#: Size of the first sample of a class; each further sample is four times as large.
_SAMPLE = 64
#: Maximum number of measured accounts of a class with column blocks, which all classes share.
_SAMPLE_IN_BLOCKS = 1024
#: Seconds of measuring, for all classes together, after which no larger sample is drawn.
ENOUGH_SECONDS = 0.25
#: Seconds of a shard: short enough for even work, long enough to hide the overhead of a task.
SHARD_SECONDS = 2.0
#: Maximum share of a shard's time for building column blocks, if its memory allows.
_BUILDING_SHARE = 0.1


def write_seconds(accounts: int, config: RunConfig) -> float:
    """Seconds in which the driver writes full lists of this number of accounts.

    Example:
        >>> write_seconds(1_000_000, RunConfig())
        30.0
    """
    similar = config.sources.similar
    neighbours = min(similar.neighbours, similar.published)
    rows = neighbours + config.recommendations.per_account
    return accounts * rows / ROWS_WRITTEN_PER_SECOND


class Cost(NamedTuple):
    """Predicted seconds of one CPU.

    Attributes:
        accounts: float64[audience], seconds of each account.
        building: seconds that each shard takes to build column blocks; 0 if there are none.
    """

    accounts: np.ndarray
    building: float

    def of(self, shard: tuple[int, int]) -> float:
        """Predicted seconds of a shard, which is a range of the audience."""
        return float(self.accounts[slice(*shard)].sum()) + self.building


def measure_cost(context: ShardContext, seed: int) -> Cost:
    """Predict the seconds of each account of the audience.

    The accounts are grouped into classes of equal total estimated work. In each class, the seconds
    per unit of the estimate are measured on a random sample.

    Source:
        The separate ratio estimator of Cochran (1977), "Sampling Techniques", chapter 6.
    """
    estimate = estimate_ns(context)
    cost = np.zeros(len(estimate))
    if not len(estimate):
        return Cost(cost, 0.0)
    rng = np.random.default_rng(seed)
    order = np.argsort(estimate, kind="stable")
    done = np.cumsum(estimate[order])
    bounds = np.searchsorted(done, done[-1] * np.arange(1, CLASSES) / CLASSES)
    classes = [rng.permutation(members) for members in np.split(order, bounds) if len(members)]
    if context.search and context.search.blocks:
        rates, building = _rates_in_blocks(context, classes, estimate)
    else:
        seconds_of(context, order[[0, -1]])  # compiles, or loads what was compiled before
        rates = [_seconds_per_unit(context, members, estimate) for members in classes]
        building = 0.0
    for members, rate in zip(classes, rates, strict=True):
        cost[members] = estimate[members] * rate
    return Cost(cost, building)


def cut_shards(
    cost: Cost, cpus: int, shards: int | None, shard_accounts: int | None
) -> list[tuple[int, int]]:
    """Cut the audience into ranges of similar cost, the same number for each CPU.

    With column blocks, every shard also builds all blocks, so there are no more shards than CPUs
    unless memory or time requires more.

    Args:
        shards: number of shards that the config sets; None: by cost.
        shard_accounts: maximum number of accounts in a shard; None: no limit.
    """
    seconds = max(SHARD_SECONDS, cost.building / _BUILDING_SHARE)
    rounds = max(1, round(float(cost.accounts.sum()) / cpus / seconds))
    return cut_short(cost.accounts, shards or cpus * rounds, shard_accounts)


def reason_of_blocks(
    search: NeighbourSearch | None, cost: Cost, shards: list[tuple[int, int]], memory: int | None
) -> str | None:
    """The cost of column blocks, as a message to the user; None if there is one index.

    Args:
        memory: ``memory_per_task``.
    """
    if memory is None or search is None or not search.blocks:
        return None
    building = len(shards) * cost.building
    share = building / (building + float(cost.accounts.sum()))
    return (
        f"similarity: in column blocks (memory_per_task {size(memory)}): "
        f"{len(search.blocks)}, built by each of {len(shards)} shards, {share:.0%} of the work"
    )


def _seconds_per_unit(context: ShardContext, sample: np.ndarray, estimate: np.ndarray) -> float:
    count = _SAMPLE
    while True:
        drawn = sample[:count]
        seconds = seconds_of(context, drawn)
        if count >= len(sample) or seconds > ENOUGH_SECONDS / CLASSES:
            return seconds / float(estimate[drawn].sum())
        count *= 4


def seconds_of(context: ShardContext, positions: np.ndarray) -> float:
    """Measured CPU seconds of the accounts at these positions in the audience."""
    sampled = replace(context, accounts=np.sort(context.accounts[positions]))
    started = time.thread_time()
    recommend_shard(sampled, (0, len(positions)))
    return time.thread_time() - started


def _rates_in_blocks(
    context: ShardContext, classes: list[np.ndarray], estimate: np.ndarray
) -> tuple[list[float], float]:
    """Seconds per unit of ``estimate`` in each class, and seconds per shard to build all blocks.

    This takes about as long as a shard takes to build its blocks.
    """
    search = context.search
    if search is None or not isinstance(search.index, ColumnBlocks):
        raise ValueError("the index is not in column blocks")
    followees, blocks = search.index
    k = search.neighbours * (CANDIDATES if search.hubs_left_out else 1)
    samples = [np.sort(members[:_SAMPLE_IN_BLOCKS]) for members in classes]
    contexts = [replace(context, accounts=context.accounts[sample]) for sample in samples]
    queries = [ask(followees, sampled.accounts) for sampled in contexts]
    near = [no_neighbours(len(sample), k) for sample in samples]
    tiny = ColumnBlocks(followees, (blocks[-1][-1:],))
    last = len(samples[-1])
    compiled = replace(contexts[-1], search=replace(search, index=tiny))
    recommend_shard(compiled, (last - 1, last))

    building = 0.0
    seconds = np.zeros(len(classes))
    for rows in blocks:
        started = time.thread_time()
        block = build_block(followees, rows)
        building += time.thread_time() - started
        for number, query in enumerate(queries):
            started = time.thread_time()
            search_block(followees, block, query, search.threshold, near[number])
            seconds[number] += time.thread_time() - started
    for number, sampled in enumerate(contexts):
        started = time.thread_time()
        neighbours = near[number]
        if search.hubs_left_out:
            followees, limits = context.follows.followees, (search.neighbours, search.threshold)
            neighbours = best_candidates(followees, sampled.accounts, neighbours, *limits)
        make_lists(sampled, (0, len(sampled.accounts)), neighbours)
        seconds[number] += time.thread_time() - started
    units = [float(estimate[sample].sum()) for sample in samples]
    return [taken / unit for taken, unit in zip(seconds.tolist(), units, strict=True)], building
