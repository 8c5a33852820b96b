"""Stages of a run: each is measured and reported as progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from raypipe.compute.meter import Meter
from raypipe.compute.progress import Progress


class Stages:
    """Stages of a run, measured and reported.

    Attributes:
        progress: receives the progress events.
        meter: the measures of the finished stages.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.meter = Meter()

    @contextmanager
    def stage(self, name: str, total: float | None = None) -> Iterator[None]:
        """Report and measure the block as one stage; ``total`` as in :class:`Progress`."""
        self.progress.stage(name, total)
        with self.meter.stage(name):
            yield
