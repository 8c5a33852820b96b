"""The progress of a sweep: a table that moves in a terminal, one line a trial elsewhere."""

from __future__ import annotations

from typing import Protocol

from raypipe.sweeps.space import Settings
from raypipe.sweeps.trials import Report, Trial


class Watch(Protocol):
    """Is told what happens to trials."""

    def begin(self, number: int, settings: Settings) -> None:
        """A trial has its point."""

    def report(self, number: int, report: Report) -> None:
        """A trial was looked at."""

    def end(self, trial: Trial) -> None:
        """A trial ended."""
