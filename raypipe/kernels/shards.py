"""Splitting accounts into shards of similar cost."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
Shard = tuple[int, int]


def cut(costs: Costs, shards: int) -> list[Shard]:
    """Split positions 0..m-1 into contiguous ranges of similar cost.

    Args:
        costs: float64[m] or int64[m], estimated cost of each position, not negative.
        shards: number of ranges to aim at; fewer are returned where one position costs more than
            a range should.

    Returns:
        [(start, stop), ...]: not empty, in order, covering 0..m.

    Example:
        >>> cut(np.array([1, 1, 8, 1, 1]), 3)
        [(0, 2), (2, 3), (3, 5)]
        >>> cut(np.array([]), 3)
        []
    """
    done = np.concatenate([[0.0], np.cumsum(costs, dtype=np.float64)])
    goals = done[-1] * np.arange(1, shards) / shards
    # Split before or after the position that crosses a goal, whichever is nearer to the goal.
    after = np.searchsorted(done, goals)
    before = np.maximum(after - 1, 0)
    nearer = np.where(goals - done[before] < done[after] - goals, before, after)
    bounds = np.unique(np.concatenate([[0], nearer, [len(costs)]])).tolist()
    return list(pairwise(bounds))


def cut_short(costs: Costs, shards: int, limit: int | None) -> list[Shard]:
    """:func:`cut`, into more ranges if one would be longer than ``limit`` positions.

    In that case ranges are balanced by cost and length in equal parts, so neither is very uneven.

    Args:
        limit: maximum number of positions of a range; None: no maximum.

    Example:
        >>> cut_short(np.array([8, 1, 1, 1, 1, 1]), 2, 3)
        [(0, 1), (1, 3), (3, 6)]
    """
    ranges = cut(costs, shards)
    if limit is None:
        return ranges
    both = costs / max(costs.sum(), 1e-300) + 1 / max(len(costs), 1)
    while max((stop - start for start, stop in ranges), default=0) > limit:
        shards = max(shards + 1 + shards // 16, -(-len(costs) // limit))
        ranges = cut(both, shards)
    return ranges


def heaviest_first(shards: list[Shard], costs: Costs) -> list[Shard]:
    """The same shards, the most expensive first, so that no long one starts last.

    Example:
        >>> heaviest_first([(0, 2), (2, 3)], np.array([1, 1, 8]))
        [(2, 3), (0, 2)]
    """
    done = np.concatenate([[0.0], np.cumsum(costs, dtype=np.float64)])
    return sorted(shards, key=lambda shard: (done[shard[0]] - done[shard[1]], shard))
