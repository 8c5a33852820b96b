"""Measured cost of accounts if every shard builds the similarity index in column blocks."""

import time
from dataclasses import replace

import numpy as np

from raypipe.kernels.capped import CANDIDATES
from raypipe.kernels.column_blocks import (
    ColumnBlocks,
    ask,
    build_block,
    search_block,
)
from raypipe.kernels.exact_scores import best_candidates
from raypipe.kernels.tanimoto import no_neighbours
from raypipe.recommend.context import ShardContext
from raypipe.recommend.shard import make_lists, recommend_shard

#: Maximum number of measured accounts of a class. All classes share one building of the blocks.
_SAMPLE = 1024


def rates_in_blocks(
    context: ShardContext, classes: list[np.ndarray], estimate: np.ndarray
) -> tuple[list[float], float]:
    """Measure the time to build all blocks, and the time of each account in addition.

    This takes about as long as a shard takes to build its blocks.

    Args:
        context: its search is in column blocks.
        classes: positions in the audience, each class in random order.
        estimate: float64[audience].

    Returns:
        Seconds per unit of ``estimate`` in each class, and seconds per shard for building.

    Raises:
        ValueError: the search of the context is not in column blocks.
    """
    search = context.search
    if search is None or not isinstance(search.index, ColumnBlocks):
        raise ValueError("the index is not in column blocks")
    followees, blocks = search.index
    k = search.neighbours * (CANDIDATES if search.hubs_left_out else 1)
    samples = [np.sort(members[:_SAMPLE]) for members in classes]
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
            neighbours = best_candidates(
                context.follows.followees,
                sampled.accounts,
                neighbours,
                search.neighbours,
                search.threshold,
            )
        make_lists(sampled, (0, len(sampled.accounts)), neighbours)
        seconds[number] += time.thread_time() - started
    units = [float(estimate[sample].sum()) for sample in samples]
    return [taken / unit for taken, unit in zip(seconds.tolist(), units, strict=True)], building
