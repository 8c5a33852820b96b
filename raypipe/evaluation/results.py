"""What measures come to: means with intervals by account segment, and sources compared in pairs."""

from __future__ import annotations

from itertools import combinations
from math import isnan
from typing import Any

import numpy as np

from raypipe.evaluation.intervals import Means, bootstrap_means, compare, verdicts
from raypipe.evaluation.measuring import ALL, Measures
from raypipe.evaluation.splits import SEGMENTS

Row = dict[str, Any]


def means_by_segment(measures: Measures, resamples: int, seed: int) -> list[Row]:
    """A row for every segment, source and metric.

    Returns:
        JSON values: segment (``all`` too), source, metric, accounts (that have a value), mean, low,
        high; None for what there is not: a mean of nobody, an interval of fewer than two accounts
        or of the coverage.
    """
    rows = []
    for segment, members in _members(measures).items():
        names = [(source, metric) for source in measures.sources for metric in measures.metrics]
        columns = measures.values[:, :, members].reshape(len(names), np.count_nonzero(members))
        found = bootstrap_means(columns.T, resamples, seed)
        rows += [
            {"segment": segment, "source": source, "metric": metric, **_said(found, place, "mean")}
            for place, (source, metric) in enumerate(names)
        ]
        rows += [
            {
                "segment": segment,
                "source": source,
                "metric": metric,
                "accounts": int(np.count_nonzero(members)),
                "mean": _number(measures.coverage[source, metric, segment])
                if members.any()
                else None,
                "low": None,
                "high": None,
            }
            for source, metric, of_segment in measures.coverage
            if of_segment == segment
        ]
    return rows


def differences_by_segment(measures: Measures, resamples: int, seed: int) -> list[Row]:
    """A row for every segment, pair of sources and metric that has a value an account.

    Returns:
        JSON values: segment, first, second, metric, accounts (that have both values), difference
        (the first's mean minus the second's), low, high, and verdict: the source whose values are
        larger beyond the interval, ``neither``, or None where there is no interval.
    """
    rows = []
    for segment, members in _members(measures).items():
        for one, other in combinations(range(len(measures.sources)), 2):
            first, second = measures.sources[one], measures.sources[other]
            found = compare(
                measures.values[one][:, members].T,
                measures.values[other][:, members].T,
                resamples,
                seed,
            )
            said = verdicts(found, first, second)
            rows += [
                {
                    "segment": segment,
                    "first": first,
                    "second": second,
                    "metric": metric,
                    **_said(found, place, "difference"),
                    "verdict": said[place],
                }
                for place, metric in enumerate(measures.metrics)
            ]
    return rows


def difference_of(rows: list[Row], segment: str, metric: str, first: str, second: str) -> Row:
    """The row that compares two sources, turned so that ``first`` is the first.

    Args:
        rows: of :func:`differences_by_segment`.

    Example:
        >>> row = {"segment": "all", "metric": "mrr@5", "first": "popular", "second": "similar",
        ...        "difference": -0.2, "low": -0.3, "high": -0.1, "verdict": "similar"}
        >>> turned = difference_of([row], "all", "mrr@5", "similar", "popular")
        >>> turned["first"], turned["difference"], turned["low"], turned["verdict"]
        ('similar', 0.2, 0.1, 'similar')
    """
    row = next(
        row
        for row in only(rows, segment=segment, metric=metric)
        if {row["first"], row["second"]} == {first, second}
    )
    if row["first"] == first:
        return row
    turned = {"difference": row["difference"], "low": row["high"], "high": row["low"]}
    negated = {key: None if value is None else -value for key, value in turned.items()}
    return {**row, "first": first, "second": second, **negated}


def leaders(means: list[Row], differences: list[Row], metric: str) -> list[Row]:
    """For each segment, ``all`` at last, the source with the largest mean against the next one.

    Returns:
        Rows as of :func:`difference_of`; none for a segment of which fewer than two sources have a
        mean. Of equal means, that of the source named earlier counts as the larger.
    """
    found = []
    for segment in (*SEGMENTS, ALL):
        rows = only(means, segment=segment, metric=metric)
        known = [row for row in rows if row["mean"] is not None]
        ranked = sorted(known, key=lambda row: -row["mean"])
        if len(ranked) >= 2:
            first, second = (row["source"] for row in ranked[:2])
            found.append(difference_of(differences, segment, metric, first, second))
    return found


def only(rows: list[Row], **wanted: str) -> list[Row]:
    """The rows with these values.

    Example:
        >>> only([{"segment": "cold", "mean": 1}, {"segment": "hot", "mean": 2}], segment="hot")
        [{'segment': 'hot', 'mean': 2}]
    """
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _members(measures: Measures) -> dict[str, np.ndarray]:
    """bool[m] for everybody and for each size."""
    by_segment = {segment: measures.segments == place for place, segment in enumerate(SEGMENTS)}
    return {ALL: np.ones(len(measures.segments), np.bool_), **by_segment}


def _said(found: Means, place: int, name: str) -> Row:
    return {
        "accounts": int(found.accounts[place]),
        name: _number(found.means[place]),
        "low": _number(found.low[place]),
        "high": _number(found.high[place]),
    }


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)
