"""What came of a trial, and which of them is best."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import pyarrow as pa

from raypipe.sweeps.space import Settings

#: finished: to its end. stopped: early, by the scheduler. failed: ``error`` says why.
State: TypeAlias = Literal["finished", "stopped", "failed"]
STATES: tuple[State, ...] = ("finished", "stopped", "failed")


class Goal(NamedTuple):
    """What a sweep looks for.

    Attributes:
        metric: its name.
        more: is more of it better?
    """

    metric: str
    more: bool

    def loss(self, measures: dict[str, float | None]) -> float | None:
        """What is to be made small; None where there is no such value."""
        value = measures.get(self.metric)
        return value if value is None or not self.more else -value


class Report(NamedTuple):
    """One look at a trial.

    Attributes:
        epochs: done by then; None where its training is not stopped and looked at.
        measures: by name.
    """

    epochs: int | None
    measures: dict[str, float | None]


@dataclass(frozen=True)
class Trial:
    """What came of one point of the space.

    Attributes:
        number: from 0.
        settings: dotted key to value.
        state: one of :data:`STATES`.
        reports: in their order; none where it failed.
        seconds: from its start to its end.
        error: one line; None where it did not fail.
    """

    number: int
    settings: Settings
    state: State
    reports: tuple[Report, ...]
    seconds: float
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values, from which :meth:`from_json` makes an equal trial."""
        return {**asdict(self), "reports": [list(report) for report in self.reports]}

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Trial:
        """What :meth:`to_json` was of."""
        return cls(**{**tree, "reports": tuple(Report(*report) for report in tree["reports"])})

    def best_report(self, goal: Goal) -> Report | None:
        """The look at which it was best, the earliest of equals; None where it has no value."""
        losses = [(goal.loss(report.measures), report) for report in self.reports]
        known = [(loss, report) for loss, report in losses if loss is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else None

    def loss(self, goal: Goal) -> float | None:
        """That of its best look."""
        report = self.best_report(goal)
        return None if report is None else goal.loss(report.measures)

    def value(self, goal: Goal) -> float | None:
        """The metric at its best look."""
        report = self.best_report(goal)
        return None if report is None else report.measures[goal.metric]


def best_trial(trials: Iterable[Trial], goal: Goal) -> Trial | None:
    """The trial with the best value, the lowest number of equals; None where none has one.

    Example:
        >>> tried = [
        ...     Trial(number, {}, "finished", (Report(None, {"rmse": rmse}),), 1.0)
        ...     for number, rmse in enumerate([0.9, 0.8, 0.8])
        ... ]
        >>> best_trial(tried, Goal("rmse", more=False)).number
        1
        >>> best_trial(tried, Goal("rmse", more=True)).number
        0
    """
    losses = [(trial.loss(goal), trial) for trial in trials if trial.state != "failed"]
    ranked = [(loss, trial.number, trial) for loss, trial in losses if loss is not None]
    return min(ranked, key=lambda found: found[:2])[2] if ranked else None


def best_so_far(trials: Sequence[Trial], goal: Goal) -> list[float | None]:
    """After each trial, the best value until then.

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
    """A row a trial, by number: its state, its measures at its best look, its settings.

    Settings stand in columns of their keys; where their values are of several types, as JSON.
    """
    rows, trials = [], sorted(trials, key=lambda trial: trial.number)
    keys = list(dict.fromkeys(key for trial in trials for key in trial.settings))
    metrics = list(
        dict.fromkeys(n for t in trials for report in t.reports for n in report.measures)
    )
    for trial in trials:
        report = trial.best_report(goal) or Report(None, {})
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state,
                "epochs": report.epochs,
                "last_epochs": trial.reports[-1].epochs if trial.reports else None,
                **{name: report.measures.get(name) for name in metrics},
                "seconds": trial.seconds,
                "error": trial.error,
            }
        )
    fields = [
        ("trial", pa.int32()),
        ("state", pa.string()),
        ("epochs", pa.int32()),
        ("last_epochs", pa.int32()),
        *((name, pa.float64()) for name in metrics),
        ("seconds", pa.float64()),
        ("error", pa.string()),
    ]
    table = pa.Table.from_pylist(rows, pa.schema(fields))
    for key in keys:
        table = table.append_column(key, _column([trial.settings.get(key) for trial in trials]))
    return table


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    elif len(kinds) > 1:
        values = [None if value is None else json.dumps(value) for value in values]
    return pa.array(values)


def settings_text(settings: Settings) -> str:
    """Settings on one line, by the last words of their keys.

    Example:
        >>> values = {"sources.factors.algorithm": "SVD", "sources.factors.weight": 0.0123456}
        >>> settings_text(values)
        'algorithm SVD, weight 0.01235'
    """
    return ", ".join(f"{key.rpartition('.')[2]} {setting_text(v)}" for key, v in settings.items())


def value_text(value: float | None) -> str:
    """A metric, with four decimals: trials differ in the third."""
    return "-" if value is None else f"{value:.4f}"


def setting_text(value: Any) -> str:
    """A setting, with four digits where it is a fraction."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
