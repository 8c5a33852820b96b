"""Numbers for Prometheus: answers by route and status, and how long they took."""

import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """The numbers of one worker; of all workers where PROMETHEUS_MULTIPROC_DIR is set."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "raypipe_answers", "Answers.", ("route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "raypipe_answer_seconds", "Seconds until the answer was sent.", ("route",),
            registry=self.registry, buckets=_SECONDS,
        )  # fmt: skip
        self._run = Gauge(
            "raypipe_run", "1 for the run that is served.", ("run",), registry=self.registry,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self._cells: dict[tuple[str, int], tuple[Any, Any]] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        cells = self._cells.get((route, status))
        if cells is None:
            cells = self._answers.labels(route, str(status)), self._seconds.labels(route)
            self._cells[route, status] = cells
        cells[0].inc()
        cells[1].observe(seconds)

    def watching(self, send: Send, started: float) -> Send:
        """Sends, and counts the answer under the route ``other``."""

        async def watched(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.observe("other", message["status"], time.perf_counter() - started)
            await send(message)

        return watched

    def text(self, run: str | None) -> bytes:
        """The numbers in Prometheus' format.

        Args:
            run: id of the run that is served.
        """
        self._run.clear()
        if run is not None:
            self._run.labels(run).set(1)
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
