"""Trial events of a sweep; the CLI renders them."""

from __future__ import annotations

from typing import Protocol

from raypipe.sweeps.space import Settings
from raypipe.sweeps.trials import Report, Trial


class Watch(Protocol):
    """Receives trial events."""

    def begin(self, number: int, settings: Settings) -> None:
        """A trial starts with these settings."""

    def report(self, number: int, report: Report) -> None:
        """A trial reports its measures."""

    def end(self, trial: Trial) -> None:
        """A trial ended."""
