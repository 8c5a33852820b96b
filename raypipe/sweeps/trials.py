"""Trial results, and the selection of the best trial."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import pyarrow as pa

from raypipe.sweeps.space import Settings

#: finished: ran to its end. stopped: the scheduler ended it early. failed: see ``error``.
State: TypeAlias = Literal["finished", "stopped", "failed"]
STATES: tuple[State, ...] = ("finished", "stopped", "failed")


class Goal(NamedTuple):
    """The metric that a sweep optimizes; with ``more``, higher values are better."""

    metric: str
    more: bool

    def loss(self, measures: dict[str, float | None]) -> float | None:
        """The value to minimize; None if the metric has no value."""
        value = measures.get(self.metric)
        return value if value is None or not self.more else -value


class Report(NamedTuple):
    """Measures of a trial at one moment.

    Attributes:
        epochs: number of finished epochs; None if the trial is measured only at its end.
        measures: metric values by name.
    """

    epochs: int | None
    measures: dict[str, float | None]


@dataclass(frozen=True)
class Trial:
    """The result of one point of the search space.

    Attributes:
        number: number of the trial, from 0.
        settings: dotted key to value.
        state: one of :data:`STATES`.
        reports: reports in order; empty if the trial failed.
        seconds: duration of the trial.
        error: one line; None if the trial did not fail.
    """

    number: int
    settings: Settings
    state: State
    reports: tuple[Report, ...]
    seconds: float
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The trial as JSON values for :meth:`from_json`."""
        return {**asdict(self), "reports": [list(report) for report in self.reports]}

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Trial:
        """The trial of a result of :meth:`to_json`."""
        return cls(**{**tree, "reports": tuple(Report(*report) for report in tree["reports"])})

    def best_report(self, goal: Goal) -> Report | None:
        """The report with the best value, the earliest of equal ones; None if there is none."""
        losses = [(goal.loss(report.measures), report) for report in self.reports]
        known = [(loss, report) for loss, report in losses if loss is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else None

    def loss(self, goal: Goal) -> float | None:
        """The loss of the best report; None if there is none."""
        report = self.best_report(goal)
        return None if report is None else goal.loss(report.measures)

    def value(self, goal: Goal) -> float | None:
        """The metric value of the best report; None if there is none."""
        report = self.best_report(goal)
        return None if report is None else report.measures[goal.metric]


class Watch(Protocol):
    """Receives trial events."""

    def begin(self, number: int, settings: Settings) -> None:
        """A trial starts with these settings."""

    def report(self, number: int, report: Report) -> None:
        """A trial reports its measures."""

    def end(self, trial: Trial) -> None:
        """A trial ended."""


def best_trial(trials: Iterable[Trial], goal: Goal) -> Trial | None:
    """The trial with the best value; of equal ones, the lowest number. None if none has a value."""
    losses = [(trial.loss(goal), trial) for trial in trials if trial.state != "failed"]
    ranked = [(loss, trial.number, trial) for loss, trial in losses if loss is not None]
    return min(ranked, key=lambda found: found[:2])[2] if ranked else None


def best_so_far(trials: Sequence[Trial], goal: Goal) -> list[float | None]:
    """The best value after each trial.

    Example:
        >>> tried = [
        ...     Trial(number, {}, "finished", (Report(None, {"rmse": rmse}),), 1.0)
        ...     for number, rmse in enumerate([0.9, None, 0.8, 0.85])
        ... ]
        >>> best_so_far(tried, Goal("rmse", more=False))
        [0.9, 0.9, 0.8, 0.8]
    """
    found: list[float | None] = []
    best = None
    for trial in trials:
        best = best_trial([kept for kept in (best, trial) if kept], goal)
        found.append(best.value(goal) if best else None)
    return found


def trials_table(trials: Sequence[Trial], goal: Goal) -> pa.Table:
    """A table with one row per trial: number, state, measures of the best report, settings.

    Each settings key is a column; if its values have several types, they are stored as JSON.
    """
    trials = sorted(trials, key=lambda trial: trial.number)
    best = [trial.best_report(goal) or Report(None, {}) for trial in trials]
    last = [trial.reports[-1].epochs if trial.reports else None for trial in trials]
    keys = dict.fromkeys(key for trial in trials for key in trial.settings)
    metrics = dict.fromkeys(n for t in trials for report in t.reports for n in report.measures)
    columns = {
        "trial": pa.array([trial.number for trial in trials], pa.int32()),
        "state": pa.array([trial.state for trial in trials], pa.string()),
        "epochs": pa.array([report.epochs for report in best], pa.int32()),
        "last_epochs": pa.array(last, pa.int32()),
        **{n: pa.array([report.measures.get(n) for report in best], pa.float64()) for n in metrics},
        "seconds": pa.array([trial.seconds for trial in trials], pa.float64()),
        "error": pa.array([trial.error for trial in trials], pa.string()),
        **{key: _column([trial.settings.get(key) for trial in trials]) for key in keys},
    }
    return pa.table(columns)


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    elif len(kinds) > 1:
        values = [None if value is None else json.dumps(value) for value in values]
    return pa.array(values)


def value_text(value: float | None) -> str:
    """A metric value with four decimals."""
    return "-" if value is None else f"{value:.4f}"
