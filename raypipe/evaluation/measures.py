"""The measured values of lists, by source, metric and account."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.evaluations import ALL


@dataclass(frozen=True)
class Measures:
    """The measured values of some sources on m accounts.

    Attributes:
        sources: names, as requested.
        metrics: metrics with one value per account, with their lengths, as ``recall@10``.
        values: float64[sources, metrics, m]; NaN where an account has no value.
        accounts: int32[m], account indices; an account that stands in for one without follows may
            occur twice.
        segments: uint8[m], indices in SEGMENTS.
        of_lists: metrics with one value for all lists of a segment, such as coverage, by (source,
            metric, segment); segment is ALL or one of SEGMENTS.
        same: bool[segments, sources, sources], True where two sources make the same lists for all
            accounts.
    """

    sources: tuple[str, ...]
    metrics: tuple[str, ...]
    values: np.ndarray
    accounts: np.ndarray
    segments: np.ndarray
    of_lists: dict[tuple[str, str, str], float]
    same: np.ndarray

    def are_same(self, first: str, second: str, segment: str = ALL) -> bool:
        """True if two sources make the same lists for the accounts of a segment."""
        pair = self.same[:, self.sources.index(first), self.sources.index(second)]
        return bool(pair[1:].all() if segment == ALL else pair[SEGMENTS.index(segment)])

    @property
    def of_all(self) -> np.ndarray:
        """bool[m], True for the accounts of a mean over all: those with follows in train."""
        return self.segments > 0

    @property
    def same_lists_as(self) -> dict[str, str]:
        """The first source with the same lists, by the name of each later one."""
        earliest = {
            name: self.sources[int(np.argmax(np.all(self.same, axis=0)[i]))]
            for i, name in enumerate(self.sources)
        }
        return {name: other for name, other in earliest.items() if other != name}

    def beside(self, others: Measures) -> Measures:
        """These measures, and those of the same sources on accounts of other segments."""
        segments = {SEGMENTS[index] for index in np.unique(others.segments)}
        of_lists = {key: value for key, value in others.of_lists.items() if key[2] in segments}
        return Measures(
            self.sources,
            self.metrics,
            np.concatenate([self.values, others.values], axis=2),
            np.concatenate([self.accounts, others.accounts]),
            np.concatenate([self.segments, others.segments]),
            self.of_lists | of_lists,
            self.same & others.same,
        )
