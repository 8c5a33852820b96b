"""Means with intervals by activity segment, and sources compared in pairs, account by account."""

from __future__ import annotations

from itertools import combinations
from math import isnan

import numpy as np

from raypipe.evaluation.intervals import bootstrap_means, compare, verdicts
from raypipe.evaluation.measuring import Measures
from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.evaluations import ALL, DifferenceRow, MeanRow


def means_by_segment(measures: Measures, resamples: int, seed: int) -> tuple[MeanRow, ...]:
    """A row for every segment, ``all`` first, and every source and metric."""
    rows: list[MeanRow] = []
    of_lists = measures.of_lists
    for segment, members in _members(measures).items():
        names = [(source, metric) for source in measures.sources for metric in measures.metrics]
        columns = measures.values[:, :, members].reshape(len(names), np.count_nonzero(members))
        found = bootstrap_means(columns.T, resamples, seed)
        rows += [
            MeanRow(
                segment=segment,
                source=source,
                metric=metric,
                accounts=int(found.accounts[place]),
                mean=_number(found.means[place]),
                low=_number(found.low[place]),
                high=_number(found.high[place]),
            )
            for place, (source, metric) in enumerate(names)
        ]
        rows += [
            MeanRow(
                segment=segment,
                source=source,
                metric=metric,
                accounts=int(np.count_nonzero(members)),
                mean=_number(of_lists[source, metric, segment]) if members.any() else None,
                low=None,
                high=None,
            )
            for source, metric, of_segment in of_lists
            if of_segment == segment
        ]
    return tuple(rows)


def differences_by_segment(
    measures: Measures, resamples: int, seed: int
) -> tuple[DifferenceRow, ...]:
    """A row for every segment, pair of sources and metric that has a value an account.

    Sources that make the same lists for a segment are not compared in it.
    """
    rows: list[DifferenceRow] = []
    for segment, members in _members(measures).items():
        for one, other in combinations(range(len(measures.sources)), 2):
            first, second = measures.sources[one], measures.sources[other]
            if measures.are_same(first, second, segment):
                continue
            found = compare(
                measures.values[one][:, members].T,
                measures.values[other][:, members].T,
                resamples,
                seed,
            )
            said = verdicts(found, first, second)
            rows += [
                DifferenceRow(
                    segment=segment,
                    first=first,
                    second=second,
                    metric=metric,
                    accounts=int(found.accounts[place]),
                    difference=_number(found.means[place]),
                    low=_number(found.low[place]),
                    high=_number(found.high[place]),
                    verdict=said[place],
                )
                for place, metric in enumerate(measures.metrics)
            ]
    return tuple(rows)


def _members(measures: Measures) -> dict[str, np.ndarray]:
    """bool[m] for everybody and for each size."""
    by_segment = {segment: measures.segments == place for place, segment in enumerate(SEGMENTS)}
    return {ALL: np.ones(len(measures.segments), np.bool_), **by_segment}


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)
