"""What the search is measured against: itself without pruning, and a loop that only counts.

Both walk the lists of the same index, whole. What the search with pruning walks of them is told
by :func:`walked`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels import tanimoto_search
from raypipe.kernels.search_cost import COUNT, LOOK, WALK
from raypipe.kernels.similarity_index import SimilarityIndex
from raypipe.kernels.tanimoto import Neighbours, write
from tests.benchmarks.similarity.scores import no_neighbours

_count, _look, _walk = tanimoto_search._count, tanimoto_search._look, tanimoto_search._walk
_clip, _choose = tanimoto_search._clip, tanimoto_search._choose
_search_wide, new_scratch = tanimoto_search._search_wide, tanimoto_search.new_scratch
Query = tanimoto_search.Query


def plain_neighbours(
    index: SimilarityIndex, rows: np.ndarray, k: int, threshold: tuple[int, int]
) -> Neighbours:
    """As ``top_neighbours``, without pruning: neither the length filter nor planes of hubs.

    Every entry of every list is counted. Then every touched counter is judged, by a look at all
    counters or by a second walk over the lists, whichever is predicted to take less time.
    """
    found = no_neighbours(len(rows), k)
    rows = np.asarray(rows, np.int32)
    order = np.argsort(index.group_of[rows], kind="stable")
    _plain_all(index, rows, order, k, *threshold, found)
    return found


@njit(nogil=True, cache=True)
def _plain_all(index, rows, order, k, p, q, found):
    scratch = new_scratch(index, len(index.size_start) - 2, k)
    count, _, starts, stops, planes_done, _, best = scratch
    groups = len(index.sizes)
    searched = -1
    n_best = 0
    for i in order:
        group = index.group_of[rows[i]]
        if group < 0:
            continue
        if group != searched:
            searched = group
            row = index.sets[index.set_ptr[group] : index.set_ptr[group + 1]]
            entries = 0
            for j in range(len(row)):
                starts[j] = index.list_ptr[row[j]]
                stops[j] = index.list_ptr[row[j] + 1]
                entries += stops[j] - starts[j]
            query = Query(group, row, len(row), k, p, q, np.int64(1))
            if len(row) > 255:
                n_best = _search_wide(index, query, 0, groups, scratch)
            else:
                _count(index.lists, row, starts, stops, planes_done, 0, groups, count)
                if (WALK - COUNT) * entries < LOOK * groups:
                    n_best = _walk(index, query, scratch)
                else:
                    n_best = _look(index, query, 0, groups, 0, count, 0, best)
                    count[:groups] = 0
        write(index, rows[i], group, scratch.best, n_best, found, i)


def roof(index: SimilarityIndex, groups: tuple[int, int]) -> np.ndarray:
    """Add one to the counter of each entry of each list of each group: no search takes less.

    Args:
        groups: (start, stop), those to count for.

    Returns:
        uint8[groups], the counters; they run over.
    """
    sets, counters = index.sets.view(np.uint32), np.zeros(len(index.sizes), np.uint8)
    _roof(index.set_ptr[groups[0] : groups[1] + 1], sets, index.list_ptr, index.lists, counters)
    return counters


@njit(nogil=True, cache=True)
def _roof(set_ptr, sets, list_ptr, lists, count):
    for group in range(len(set_ptr) - 1):
        for rank in sets[set_ptr[group] : set_ptr[group + 1]]:
            for other in lists[list_ptr[rank] : list_ptr[rank + 1]]:
                count[other] += 1


class Walked(NamedTuple):
    """What a search of all accounts looks at.

    Attributes:
        entries: entries of lists that were counted one by one, after the length filter.
        again: of them, those walked a second time instead of looking at all counters.
        plane_bytes: bytes of planes counted; each stands for up to eight entries.
    """

    entries: int
    again: int
    plane_bytes: int


def walked(index: SimilarityIndex, k: int, threshold: tuple[int, int]) -> Walked:
    """What ``top_neighbours`` walks for all accounts; counted by its own choices, not timed.

    Accounts with equal follow sets are searched for once, and not at all if there are k others.
    """
    p, q = threshold
    sizes = index.sizes.astype(np.int64)
    largest = len(index.size_start) - 2
    most = np.minimum((sizes * q - 1) // p, largest) if p else np.full_like(sizes, largest)
    lo = index.size_start[sizes * p // q + 1].astype(np.int64)
    hi = index.size_start[most + 1].astype(np.int64)
    return Walked(*_walked(index, k, lo, hi))


@njit(nogil=True, cache=True)
def _walked(index, k, lo, hi):
    _, _, starts, stops, plane_work, _, _ = new_scratch(index, len(index.size_start) - 2, k)
    counted = again = plane_bytes = 0
    for group in range(len(index.sizes)):
        if index.member_ptr[group + 1] - index.member_ptr[group] > k:
            continue
        row = index.sets[index.set_ptr[group] : index.set_ptr[group + 1]]
        span = hi[group] - lo[group]
        entries = _clip(index, row, lo[group], hi[group], starts, stops, plane_work)
        by_plane = plane_work.copy()
        by_lists = _choose(entries, span, plane_work)
        if by_lists and len(row) <= 255:
            counted += entries
            again += entries
            continue
        for plane in range(len(plane_work)):
            if plane_work[plane]:
                entries -= by_plane[plane]
                plane_bytes += span
        counted += entries
    return counted, again, plane_bytes
