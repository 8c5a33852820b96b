"""Seconds and peak memory of each stage of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

_SAMPLE_SECONDS = 0.2
#: To share out pages takes the system long; it is asked again when there are so many times more.
_GROWTH = 1.02


class Meter:
    """Measures stages that follow each other.

    Memory is what this process and all below it (a local Ray and its workers) really occupy: pages
    that several of them share are shared out among them (PSS on Linux, USS elsewhere).

    Example:
        >>> meter = Meter()
        >>> with meter.stage("read"):
        ...     pass
        >>> [sorted(stage) for stage in meter.stages]
        [['peak_memory_mb', 'seconds', 'stage']]
    """

    def __init__(self) -> None:
        self.stages: list[dict[str, str | float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what runs inside, and add it to ``stages`` when it ends well."""
        done = threading.Event()
        peak, most = _occupied(), _resident()

        def sample() -> None:
            nonlocal peak, most
            while not done.wait(_SAMPLE_SECONDS):
                if (resident := _resident()) > most * _GROWTH:
                    peak = max(peak, _occupied())
                    # What was given back while the pages were shared out was not seen: once more.
                    most = max(most, min(resident, _resident()))

        sampler = threading.Thread(target=sample, name="meter", daemon=True)
        sampler.start()
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            done.set()
            sampler.join()
        peak_memory = max(peak, _occupied()) / 1e6
        self.stages.append(
            {"stage": name, "seconds": round(seconds, 3), "peak_memory_mb": round(peak_memory, 1)}
        )


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
