"""The stored result of a sweep: every trial, the best one, and its measures on unseen data."""

from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from raypipe.storage.contract import Contract, Result

RESULT = "sweep.json"


class TrialRecord(Contract):
    """One trial, with the measures of its best report.

    Attributes:
        settings: key of the config to value.
        epochs: of the best report; None where trials are not measured by epochs.
        measures: by metric; empty where there are none.
        error: one line; None where it did not fail.
    """

    trial: int
    state: Literal["finished", "stopped", "failed"]
    settings: dict[str, JsonValue]
    epochs: int | None
    measures: dict[str, float | None]
    seconds: float
    error: str | None


class MisledRecord(Contract):
    """The trial that a configured but misleading metric would have selected.

    Attributes:
        picks: None where no trial has such a value.
    """

    objective: str
    picks: TrialRecord | None


class MeasuredOn(Contract):
    """Descriptions of the data on which the best trial was measured."""

    in_sweep: str
    again: str


class SweepResult(Result):
    """``sweep.json``.

    Attributes:
        raypipe: version that ran it.
        data: ``follows`` or ``ratings``.
        input: as the config names it.
        objective: the metric that picked the best.
        states: number of trials by state.
        best: the trial that was picked.
        measured_again: its measures on what no trial saw.
        misled: None where no such metric was asked for.
        sweep: section of the config.
    """

    date: str
    digest: str
    raypipe: str
    data: Literal["follows", "ratings"]
    input: str
    objective: str
    more_is_better: bool
    seed: int
    states: dict[str, int]
    trials: tuple[TrialRecord, ...]
    best: TrialRecord
    measured_again: dict[str, float | None]
    measured_on: MeasuredOn
    misled: MisledRecord | None
    sweep: dict[str, JsonValue]

    def rows(self) -> list[dict[str, Any]]:
        """One row a trial; its settings and measures in columns of their names."""
        return [
            trial.model_dump(mode="json", exclude={"settings", "measures"})
            | trial.settings
            | trial.measures
            for trial in self.trials
        ]


def load_sweep(folder: Path) -> SweepResult:
    """The finished sweep in a folder; raises as :meth:`Result.load`."""
    cure = "move the folder away, and sweep again: raypipe sweep CONFIG"
    return SweepResult.load(folder / RESULT, cure)
