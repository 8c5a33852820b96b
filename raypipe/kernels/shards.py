"""Cutting accounts into shards of similar work."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def cut(work: np.ndarray, shards: int) -> list[tuple[int, int]]:
    """Cut positions 0..m-1 into contiguous ranges of similar work.

    Args:
        work: float64[m] or int64[m], estimated cost of each position, not negative.
        shards: how many ranges to aim at; fewer come out where a position costs more than a
            range should.

    Returns:
        [(start, stop), ...]: not empty, in order, covering 0..m.

    Example:
        >>> cut(np.array([1, 1, 8, 1, 1]), 3)
        [(0, 2), (2, 3), (3, 5)]
        >>> cut(np.array([]), 3)
        []
    """
    done = np.concatenate([[0.0], np.cumsum(work, dtype=np.float64)])
    goals = done[-1] * np.arange(1, shards) / shards
    # Cut before or after the position that crosses a goal, whichever is nearer to the goal.
    after = np.searchsorted(done, goals)
    before = np.maximum(after - 1, 0)
    nearer = np.where(goals - done[before] < done[after] - goals, before, after)
    bounds = np.unique(np.concatenate([[0], nearer, [len(work)]])).tolist()
    return list(pairwise(bounds))


def cut_short(work: np.ndarray, shards: int, most: int | None) -> list[tuple[int, int]]:
    """:func:`cut`, into more ranges where one would be longer than ``most`` positions, if given.

    Then half of what is shared out is work and half is length, so that neither is far from even.

    Example:
        >>> cut_short(np.array([8, 1, 1, 1, 1, 1]), 2, 3)
        [(0, 1), (1, 3), (3, 6)]
    """
    ranges = cut(work, shards)
    if most is None:
        return ranges
    both = work / max(work.sum(), 1e-300) + 1 / max(len(work), 1)
    while max((stop - start for start, stop in ranges), default=0) > most:
        shards = max(shards + 1 + shards // 16, -(-len(work) // most))
        ranges = cut(both, shards)
    return ranges


def heaviest_first(shards: list[tuple[int, int]], work: np.ndarray) -> list[tuple[int, int]]:
    """The same shards, those with most work first, so that no long one starts last.

    Example:
        >>> heaviest_first([(0, 2), (2, 3)], np.array([1, 1, 8]))
        [(2, 3), (0, 2)]
    """
    done = np.concatenate([[0.0], np.cumsum(work, dtype=np.float64)])
    return sorted(shards, key=lambda shard: (done[shard[0]] - done[shard[1]], shard))
