"""One trial: a way of searching in a process of its own, watched, its time and memory bounded."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.similarity.peers.peer import Question

_SAMPLE_SECONDS = 0.02
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


@dataclass(frozen=True)
class Limits:
    """What a call may take."""

    seconds: float
    bytes: int

    def over_time(self) -> str:
        return f"over {self.seconds / 60:g} min"

    def over_memory(self) -> str:
        return f"over {self.bytes / 1e9:g} GB"


@dataclass(frozen=True)
class Outcome:
    """How a trial went.

    Attributes:
        problem: why there is no answer, in two words; None if there is one.
        note: more about the problem.
        seconds: of each call.
        cpu_seconds: of each call, in the process itself; where others run beside it, these vary
            less.
        peak_mb: what the process and all below it occupied at most during the calls (RSS, sampled
            every 20 ms), above what they occupied before.
        looked_at: entries of lists, as the peer's ``looked_at`` says.
    """

    problem: str | None = None
    note: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    looked_at: dict[str, int] = field(default_factory=dict)


def run(
    name: str, graph: Path, warm_up: Path, answer: Path, question: Question, limits: Limits
) -> Outcome:
    """Run a trial; its answer is in the file ``answer`` unless there is a problem."""
    words = [*map(str, (graph, warm_up, answer, question.k, *question.threshold))]
    command = [sys.executable, "-m", "tests.benchmarks.similarity.child", name, *words]
    threads = str(question.threads)
    environment = dict.fromkeys(_THREAD_VARIABLES, threads) | {"PYSPARK_PYTHON": sys.executable}
    # What a killed child has spilled goes with its folder.
    with tempfile.TemporaryDirectory() as spilled, tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            [*command, threads],
            env=os.environ | environment | {"TMPDIR": spilled},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as child:
            said: queue.Queue = queue.Queue()
            listener = threading.Thread(target=_listen, args=(child, said))
            listener.start()
            try:
                outcome = _watch(child, said, limits)
            finally:
                _kill(child)
                listener.join()
        if outcome is None:
            errors.seek(0)
            lines = errors.read().strip().splitlines() or [f"exit code {child.returncode}"]
            outcome = Outcome("failed", lines[-1])
    return outcome


def _watch(child: subprocess.Popen, said: queue.Queue, limits: Limits) -> Outcome | None:
    """Follow a child to its end; None if it ended without a word."""
    tree = _Tree(child.pid)
    before = peak = 0
    searched: dict[str, list[float]] = {}
    started = time.perf_counter()
    searching = False
    while True:
        try:
            words = said.get(timeout=_SAMPLE_SECONDS)
        except queue.Empty:
            words = {}
        state = "ended" if words is None else words.get("state")
        if state == "ended":
            return None
        if state == "ready":
            before = peak = tree.memory()
            child.stdin.write("go\n")
            child.stdin.flush()
        if state == "call":
            started = time.perf_counter()
            searching = True
        if state == "searched":
            searched = {name: words[name] for name in ("seconds", "cpu_seconds")}
            searching = False
        if state == "done":
            return Outcome(**searched, peak_mb=(peak - before) / 1e6, looked_at=words["looked_at"])
        memory = tree.memory()
        if searching:
            peak = max(peak, memory)
        if memory - before > limits.bytes:
            return Outcome(problem=limits.over_memory())
        if not searched and time.perf_counter() - started > limits.seconds:
            return Outcome(problem=limits.over_time())


def _listen(child: subprocess.Popen, said: queue.Queue) -> None:
    """What a child says, line by line, and None when it ends."""
    for line in child.stdout:
        said.put(json.loads(line))
    said.put(None)


class _Tree:
    """A process and all below it; who is below is asked for once a second, for it takes long."""

    def __init__(self, pid: int) -> None:
        self._top = psutil.Process(pid)
        self._processes = [self._top]
        self._asked = time.perf_counter()

    def memory(self) -> int:
        """Bytes that they occupy together."""
        if time.perf_counter() - self._asked > 1:
            self._asked = time.perf_counter()
            self._processes = _tree(self._top)
        return sum(_resident(process) for process in self._processes)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def _kill(child: subprocess.Popen) -> None:
    """End a child and all below it."""
    if child.poll() is None:
        for process in reversed(_tree(psutil.Process(child.pid))):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue  # it has ended by itself
    child.wait()


_FIRST_COUNT = """
import numpy as np
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.similarity_index import build_index
from raypipe.kernels.tanimoto import top_neighbours
followees = Adjacency(np.array([0, 1, 2, 2]), np.array([2, 2], dtype=np.int32))
followers = Adjacency(np.array([0, 0, 0, 2]), np.array([0, 1], dtype=np.int32))
top_neighbours(build_index(followees, followers), np.arange(3), 10, (1, 10))
print("counted", flush=True)
"""


def seconds_to_first_count() -> float:
    """From the start of Python to the end of a first search, once Numba's cache is there."""
    for _ in range(2):
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", _FIRST_COUNT], stdout=subprocess.PIPE, text=True
        )
        with child:
            child.stdout.readline()
            seconds = time.perf_counter() - started
    return seconds
