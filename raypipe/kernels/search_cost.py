"""What a neighbour search costs: nanoseconds per step, measured, and their sum per account."""

from __future__ import annotations

import numpy as np

from raypipe.kernels.similarity_index import HUBS, SimilarityIndex

# To count an entry of a list, to count it and walk it again, to look at a counter, to count a
# group in a plane. The search chooses by their ratios; they never change what it finds.
COUNT = 0.45
WALK = 1.1
LOOK = 0.06
PLANE = 0.02
# Of a search, of each of its lists, and of writing a row.
SEARCH = 300
CLIP = 50
WRITE = 400


def work(index: SimilarityIndex, threshold: tuple[int, int] = (1, 10)) -> np.ndarray:
    """Predicted nanoseconds of each account in `top_neighbours`, to cut shards of equal length.

    Lists are taken to hold groups of each size in the same proportions as the whole graph does.
    Members of a group share its search, so they share its cost.

    Args:
        threshold: as for `top_neighbours`.

    Returns:
        float64[n].

    Example:
        >>> from raypipe.kernels.similarity_index import build_index
        >>> follows = np.array([0, 1, 2, 2]), np.array([2, 2], dtype=np.int32)
        >>> followers = np.array([0, 0, 0, 2]), np.array([0, 1], dtype=np.int32)
        >>> cost = work(build_index(*follows, *followers))
        >>> bool(cost[0] == cost[1] > cost[2])
        True
    """
    p, q = threshold
    sizes = index.sizes.astype(np.int64)
    largest = len(index.size_start) - 2
    most = np.minimum((sizes * q - 1) // p, largest) if p else np.full_like(sizes, largest)
    lo, hi = index.size_start[sizes * p // q + 1], index.size_start[most + 1]
    share = (index.set_ptr[hi] - index.set_ptr[lo]) / max(len(index.sets), 1)
    is_hub = index.sets < HUBS
    lengths = np.diff(index.list_ptr)[index.sets]
    hub_entries = share * _row_sums(index.set_ptr, np.where(is_hub, lengths, 0))
    entries = share * _row_sums(index.set_ptr, lengths)
    planes = np.minimum(_row_sums(index.set_ptr, is_hub), HUBS // 8)
    by_planes = np.minimum(COUNT * hub_entries, PLANE * planes * (hi - lo))
    by_tiles = COUNT * (entries - hub_entries) + by_planes + LOOK * (hi - lo)
    search = SEARCH + CLIP * sizes + np.minimum(WALK * entries, by_tiles)
    cost = np.full(len(index.group_of), float(WRITE))
    follows = index.group_of >= 0
    cost[follows] += (search / np.diff(index.member_ptr))[index.group_of[follows]]
    return cost


def _row_sums(ptr: np.ndarray, values: np.ndarray) -> np.ndarray:
    total = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=total[1:])
    return total[ptr[1:]] - total[ptr[:-1]]
