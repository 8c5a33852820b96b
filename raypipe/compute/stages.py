"""Stages of a run: each is reported as progress, and its seconds and peak memory are measured."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil

from raypipe.compute.progress import Progress

_SAMPLE_SECONDS = 0.2
#: PSS is slow to read; it is read again only when resident memory has grown by this factor.
_GROWTH = 1.02


class StageMeasure(NamedTuple):
    """One measured stage; memory in megabytes, shared pages counted once."""

    stage: str
    seconds: float
    peak_memory_mb: float


class Stages:
    """Reports and measures consecutive stages.

    Memory is that of this process and its descendants (a local Ray and its workers). Pages that
    several processes share are divided among them (PSS on Linux, USS elsewhere).

    Example:
        >>> from raypipe.compute.progress import Silent
        >>> stages = Stages(Silent())
        >>> with stages.stage("read"):
        ...     pass
        >>> [stage.stage for stage in stages.measured]
        ['read']
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.measured: list[StageMeasure] = []
        self._last: _Report | None = None

    @contextmanager
    def stage(self, name: str, total: float | None = None) -> Iterator[None]:
        """Report the block as one stage, and measure it if it does not raise.

        Args:
            total: as in :class:`Progress`.
        """
        self.progress.stage(name, total)
        done = threading.Event()
        self._last = _measure(self._last)
        resident, occupied = self._last  # the maximum so far

        def sample() -> None:
            nonlocal resident, occupied
            while not done.wait(_SAMPLE_SECONDS):
                if _resident() > resident * _GROWTH:
                    self._last = _measure()
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
        self._last = _measure(self._last)
        peak_memory = max(occupied, self._last.occupied) / 1e6
        self.measured.append(StageMeasure(name, round(seconds, 3), round(peak_memory, 1)))


class _Report(NamedTuple):
    """Bytes of all processes, with shared pages counted in each process, and divided."""

    resident: int
    occupied: int


def _measure(last: _Report | None = None) -> _Report:
    """Measure memory, or return the last report if resident memory is about the same."""
    resident = _resident()
    if last and last.resident / _GROWTH <= resident <= last.resident * _GROWTH:
        return last
    occupied = _occupied()
    # Memory may have been freed meanwhile; the smaller value makes later growth visible.
    return _Report(min(resident, _resident()), occupied)


def _resident() -> int:
    """Bytes of all processes, shared pages counted in each: fast, and enough to detect growth."""
    return _sum(lambda process: process.memory_info().rss)


def _occupied() -> int:
    """Bytes of all processes, shared pages counted once."""

    def shared_out(process: psutil.Process) -> int:
        memory = process.memory_full_info()
        return getattr(memory, "pss", memory.uss)

    return _sum(shared_out)


def _sum(memory_of: Callable[[psutil.Process], int]) -> int:
    """Sum over this process and its descendants."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += memory_of(process)
        except psutil.Error:
            continue  # the process has ended, or belongs to another user
    return total
