"""What accounts cost where the similarity index is built in column blocks, by every shard anew."""

from __future__ import annotations

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

#: Accounts of a class that are measured. All classes share one building of the blocks.
_SAMPLE = 1024


def rates_in_blocks(
    context: ShardContext, classes: list[np.ndarray], estimate: np.ndarray
) -> tuple[list[float], float]:
    """Measure the building of all blocks, and what comes to it for each account.

    Takes as long as it takes a shard to build its blocks.

    Args:
        context: its search is in column blocks.
        classes: positions in the audience, each class in random order.
        estimate: float64[audience].

    Returns:
        Seconds per unit of ``estimate`` in each class, and seconds of building, once for a shard.
    """
    search = context.search
    if search is None or not isinstance(search.index, ColumnBlocks):
        raise ValueError("the index is not in column blocks")
    followees, blocks = search.index
    k = search.neighbours * (CANDIDATES if search.hubs_left_out else 1)
    samples = [np.sort(members[:_SAMPLE]) for members in classes]
    contexts = [replace(context, accounts=context.accounts[sample]) for sample in samples]
    asked = [ask(followees, some.accounts) for some in contexts]
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
        for number, some in enumerate(asked):
            started = time.thread_time()
            search_block(followees, block, some, search.threshold, near[number])
            seconds[number] += time.thread_time() - started
    for number, sampled in enumerate(contexts):
        started = time.thread_time()
        found = near[number]
        if search.hubs_left_out:
            found = best_candidates(
                context.follows.followees,
                sampled.accounts,
                found,
                search.neighbours,
                search.threshold,
            )
        make_lists(sampled, (0, len(sampled.accounts)), found)
        seconds[number] += time.thread_time() - started
    units = [float(estimate[sample].sum()) for sample in samples]
    return [taken / unit for taken, unit in zip(seconds.tolist(), units, strict=True)], building
