"""Seconds and peak memory of each stage of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil

_SAMPLE_SECONDS = 0.2
#: To share out pages takes the system long; it is asked again when so many times more are resident.
_GROWTH = 1.02


class StageMeasure(NamedTuple):
    """One measured stage; memory in megabytes, shared pages counted once."""

    stage: str
    seconds: float
    peak_memory_mb: float


class Meter:
    """Measures stages that follow each other.

    Memory is what this process and all below it (a local Ray and its workers) really occupy: pages
    that several of them share are shared out among them (PSS on Linux, USS elsewhere).

    Example:
        >>> meter = Meter()
        >>> with meter.stage("read"):
        ...     pass
        >>> [stage.stage for stage in meter.stages]
        ['read']
    """

    def __init__(self) -> None:
        self.stages: list[StageMeasure] = []
        self._last: _Report | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what runs inside, and add it to ``stages`` when it ends well."""
        done = threading.Event()
        self._last = _look(self._last)
        resident, occupied = self._last  # the most so far

        def sample() -> None:
            nonlocal resident, occupied
            while not done.wait(_SAMPLE_SECONDS):
                if _resident() > resident * _GROWTH:
                    self._last = _look()
                    resident = max(resident, self._last.resident)
                    occupied = max(occupied, self._last.occupied)

        sampler = threading.Thread(target=sample, name="meter", daemon=True)
        sampler.start()
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            done.set()
            sampler.join()
        self._last = _look(self._last)
        peak_memory = max(occupied, self._last.occupied) / 1e6
        self.stages.append(StageMeasure(name, round(seconds, 3), round(peak_memory, 1)))


class _Report(NamedTuple):
    """Bytes of all processes: with shared pages counted in each, and shared out."""

    resident: int
    occupied: int


def _look(last: _Report | None = None) -> _Report:
    """Share out the pages, unless about as many are resident as at the last look."""
    resident = _resident()
    if last and last.resident / _GROWTH <= resident <= last.resident * _GROWTH:
        return last
    occupied = _occupied()
    # What was given back meanwhile was not seen: more than is resident now counts as growth.
    return _Report(min(resident, _resident()), occupied)


def _resident() -> int:
    """Bytes of all processes, shared pages counted in each: quick, and enough to see growth."""
    return _sum(lambda process: process.memory_info().rss)


def _occupied() -> int:
    """Bytes of all processes, pages that are shared counted once."""

    def shared_out(process: psutil.Process) -> int:
        memory = process.memory_full_info()
        return getattr(memory, "pss", memory.uss)

    return _sum(shared_out)


def _sum(memory_of: Callable[[psutil.Process], int]) -> int:
    """Over this process and all below it."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += memory_of(process)
        except psutil.Error:
            continue  # it has ended, or is not ours to look at
    return total
