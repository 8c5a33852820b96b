"""Report when numba compiles kernels, and how long it takes.

Numba caches compiled kernels on disk, so only the first run on a machine (or the first one after an
update) compiles. Without a message, that run would look stuck.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event

from raypipe.compute.progress import Progress
from raypipe.kernels.compiled import has_cache

_COMPILE = "numba:compile"
_NO_CACHE = "in every run (no folder to keep them is writable; set NUMBA_CACHE_DIR)"


class _Compilations(event.Listener):
    """Sums the seconds of the outermost compilations; nested ones are not counted twice."""

    def __init__(self, progress: Progress) -> None:
        self.seconds = 0.0
        self._progress = progress
        self._depth = 0
        self._started = 0.0

    def on_start(self, event: Any) -> None:
        if not self._depth:
            self._started = time.perf_counter()
            if not self.seconds:
                often = "once on this machine" if has_cache() else _NO_CACHE
                self._progress.say(f"kernels: compiling, {often}; takes 20 s or more")
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if not self._depth:
            self.seconds += time.perf_counter() - self._started


@contextmanager
def compilations_reported(progress: Progress) -> Iterator[None]:
    """Report when this process starts to compile kernels and, at the end, the total seconds.

    Example:
        >>> from numba import njit
        >>> from raypipe.compute.progress import Silent
        >>> class Printed(Silent):
        ...     def say(self, text):
        ...         print(text.partition(",")[0].partition(" in ")[0])
        >>> with compilations_reported(Printed()):
        ...     njit(lambda number: number + 1)(0)
        kernels: compiling
        1
        kernels: compiled
    """
    listener = _Compilations(progress)
    event.register(_COMPILE, listener)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        event.unregister(_COMPILE, listener)  # type: ignore[no-untyped-call]
    if listener.seconds:
        then = "; the next run reuses them" if has_cache() else ""
        progress.say(f"kernels: compiled in {listener.seconds:.0f} s{then}")
