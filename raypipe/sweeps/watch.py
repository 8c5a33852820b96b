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


class Unwatched:
    """Ignores all trial events."""

    def __init__(self, *_: object) -> None:
        """Accept the arguments of every watcher: goal, number of trials, finished trials."""

    def __enter__(self) -> Unwatched:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def begin(self, number: int, settings: Settings) -> None:
        """Ignored."""

    def report(self, number: int, report: Report) -> None:
        """Ignored."""

    def end(self, trial: Trial) -> None:
        """Ignored."""
