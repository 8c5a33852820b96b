"""Means with intervals by activity segment, and paired comparisons of all sources."""

from itertools import combinations
from math import isnan

import numpy as np

from raypipe.evaluation.intervals import bootstrap_means, compare, verdicts
from raypipe.evaluation.measures import Measures
from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.evaluations import ALL, DifferenceRow, MeanRow


def means_by_segment(measures: Measures, resamples: int, seed: int) -> tuple[MeanRow, ...]:
    """One row per segment, ``all`` first, and per source and metric."""
    rows: list[MeanRow] = []
    of_lists = measures.of_lists
    for segment, members in _members(measures).items():
        names = [(source, metric) for source in measures.sources for metric in measures.metrics]
        columns = measures.values[:, :, members].reshape(len(names), np.count_nonzero(members))
        result = bootstrap_means(columns.T, resamples, seed)
        rows += [
            MeanRow(
                segment=segment,
                source=source,
                metric=metric,
                accounts=int(result.accounts[index]),
                mean=_number(result.means[index]),
                low=_number(result.low[index]),
                high=_number(result.high[index]),
            )
            for index, (source, metric) in enumerate(names)
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
    """One row per segment, pair of sources, and metric with one value per account.

    Two sources with the same lists for all accounts of a segment are not compared in it.
    """
    rows: list[DifferenceRow] = []
    for segment, members in _members(measures).items():
        for one, other in combinations(range(len(measures.sources)), 2):
            first, second = measures.sources[one], measures.sources[other]
            if measures.are_same(first, second, segment):
                continue
            result = compare(
                measures.values[one][:, members].T,
                measures.values[other][:, members].T,
                resamples,
                seed,
            )
            verdict = verdicts(result, first, second)
            rows += [
                DifferenceRow(
                    segment=segment,
                    first=first,
                    second=second,
                    metric=metric,
                    accounts=int(result.accounts[index]),
                    difference=_number(result.means[index]),
                    low=_number(result.low[index]),
                    high=_number(result.high[index]),
                    verdict=verdict[index],
                )
                for index, metric in enumerate(measures.metrics)
            ]
    return tuple(rows)


def _members(measures: Measures) -> dict[str, np.ndarray]:
    """bool[m] for all accounts with follows in train, and for each segment."""
    by_segment = {segment: measures.segments == index for index, segment in enumerate(SEGMENTS)}
    return {ALL: measures.of_all, **by_segment}


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)
