"""Stages of a run: each is measured and reported as progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from raypipe.compute.meter import Meter
from raypipe.compute.progress import Progress


class Stages:
    """The stages of a run: each is measured, and told to whoever watches.

    Attributes:
        progress: who watches.
        meter: what was measured so far.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.meter = Meter()

    @contextmanager
    def stage(self, name: str, total: float | None = None) -> Iterator[None]:
        self.progress.stage(name, total)
        with self.meter.stage(name):
            yield
