"""Taking times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def in_turns(functions: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Median seconds of each function; they take turns, after one unmeasured call each."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def one_by_one(functions: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """As :func:`in_turns`, but each function's rounds follow each other, after two unmeasured ones.

    For what leaves work behind in other processes, which would be counted to whoever comes next.
    """
    seconds = {}
    for name, function in functions.items():
        function()
        seconds |= in_turns({name: function}, rounds)
    return seconds
