"""Seconds and peak memory of each stage of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

_SAMPLE_SECONDS = 0.2


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
        peak = [_memory()]

        def sample() -> None:
            while not done.wait(_SAMPLE_SECONDS):
                peak[0] = max(peak[0], _memory())

        sampler = threading.Thread(target=sample, name="meter", daemon=True)
        sampler.start()
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            done.set()
            sampler.join()
        peak_memory = max(peak[0], _memory()) / 1e6
        self.stages.append(
            {"stage": name, "seconds": round(seconds, 3), "peak_memory_mb": round(peak_memory, 1)}
        )


def _memory() -> int:
    """Bytes of this process and all below it."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.uss)
        except psutil.Error:
            continue  # it has ended, or is not ours to look at
    return total
