"""From candidates to a list: the ladder decides which source leads, the next one fills up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from raypipe.candidates import Candidates
from raypipe.kernels.topk import best_of_rows, fill_up


class Recommendations(NamedTuple):
    """The lists of m accounts, best first.

    Attributes:
        counts: int32[m], length of each list.
        codes: int32[m, n], whom to recommend.
        scores: float64[m, n].
        sources: uint8[m, n], place of the source on the ladder that was handed in.
    """

    counts: np.ndarray
    codes: np.ndarray
    scores: np.ndarray
    sources: np.ndarray


def rank(ladder: Sequence[tuple[Candidates, np.ndarray]], n: int) -> Recommendations:
    """The n best candidates of the first source, filled up from the second, and so on.

    Args:
        ladder: for each source, leading one first, its candidates and a bool[candidates] that says
            which of them are eligible. All speak of the same m accounts.
        n: length of a full list.

    Example:
        >>> leading = Candidates(np.array([0, 1]), np.array([5], np.int32), np.array([0.5]))
        >>> filler = Candidates(np.array([0, 2]), np.array([5, 9], np.int32), np.array([7., 6.]))
        >>> lists = rank([(leading, np.array([True])), (filler, np.array([True, True]))], 3)
        >>> lists.codes.tolist(), lists.sources.tolist()
        ([[5, 9, -1]], [[0, 1, 0]])
    """
    first, *others = (best_of_rows(*candidates, eligible, n) for candidates, eligible in ladder)
    lists, sources = first, np.zeros(first[1].shape, np.uint8)
    for place, more in enumerate(others, start=1):
        filled = fill_up(lists, more)
        sources[(lists[1] < 0) & (filled[1] >= 0)] = place
        lists = filled
    return Recommendations(*lists, sources)
