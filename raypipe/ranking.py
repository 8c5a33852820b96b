"""From candidates to a list: the ladder decides which source leads, the next one fills up. Pure."""

from __future__ import annotations

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
        sources: uint8[m, n], place of the source among all sources.
    """

    counts: np.ndarray
    codes: np.ndarray
    scores: np.ndarray
    sources: np.ndarray


def empty_lists(m: int, n: int) -> Recommendations:
    """Lists of m accounts, to hold up to n recommendations each, that hold none yet."""
    return Recommendations(
        np.zeros(m, np.int32),
        np.full((m, n), -1, np.int32),
        np.zeros((m, n)),
        np.zeros((m, n), np.uint8),
    )


def put(lists: Recommendations, rows: np.ndarray, some: Recommendations) -> None:
    """Write the lists of some accounts, in place, into those of all."""
    for whole, part in zip(lists, some, strict=True):
        whole[rows] = part


def fill_from(
    lists: Recommendations, place: int, candidates: Candidates, eligible: np.ndarray
) -> Recommendations:
    """The lists, filled up with the best candidates of the next source of the ladder.

    Args:
        place: of that source among all.
        candidates: of the same m accounts.
        eligible: bool[candidates], who of them may be shown.

    Example:
        >>> some = Candidates(np.array([0, 1]), np.array([5], np.int32), np.array([0.5]))
        >>> more = Candidates(np.array([0, 2]), np.array([5, 9], np.int32), np.array([7., 6.]))
        >>> lists = fill_from(empty_lists(1, 3), 0, some, np.array([True]))
        >>> lists = fill_from(lists, 1, more, np.array([True, True]))
        >>> lists.codes.tolist(), lists.sources.tolist()
        ([[5, 9, -1]], [[0, 1, 0]])
    """
    best = best_of_rows(*candidates, eligible, lists.codes.shape[1])
    filled = fill_up(lists[:3], best)
    is_new = (lists.codes < 0) & (filled[1] >= 0)
    return Recommendations(*filled, np.where(is_new, np.uint8(place), lists.sources))
