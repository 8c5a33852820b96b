"""One way of searching, on one graph, in a process of its own; trial.py starts and watches it.

It is spoken with in lines of JSON: it says when it is ready and is told to go, says when a call
starts and how long it took, and at last leaves its answer in a file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.benchmarks.similarity import graphs
from tests.benchmarks.similarity.peers import PEERS
from tests.benchmarks.similarity.peers.peer import Question

#: Calls go on until there are so many, and so many seconds of them; a long one is not repeated.
CALLS, SECONDS = 3, 1.0
LONG = 20.0


def is_enough(seconds: list[float]) -> bool:
    """Whether the median of these calls will do."""
    return sum(seconds) > LONG or (len(seconds) >= CALLS and sum(seconds) > SECONDS)


def main(
    say: Callable[..., None],
    name: str,
    graph_at: str,
    warm_up_at: str,
    answer_at: str,
    question: Question,
) -> None:
    """Warm up on a small graph, then search the graph."""
    peer = PEERS[name]
    small = graphs.load(Path(warm_up_at))
    warm = peer.prepare(small, question)
    peer.collect(small, peer.search(warm, question), question)

    graph = graphs.load(Path(graph_at))
    for rows in graph:
        rows.indptr.sum(), rows.codes.sum()  # into memory, before it is measured
    prepared = peer.prepare(graph, question)
    say(state="ready")
    sys.stdin.readline()
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    while not is_enough(seconds):
        say(state="call")
        started, cpu_started = time.perf_counter(), time.process_time()
        answer = peer.search(prepared, question)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    say(state="searched", seconds=seconds, cpu_seconds=cpu_seconds)
    found = peer.collect(graph, answer, question)
    if found is not None:
        np.savez(answer_at, **found._asdict())
    say(state="done", looked_at=peer.looked_at(graph, question))


def line_to_the_parent() -> Callable[..., None]:
    """Say something to the parent; what libraries print goes to standard error instead."""
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**words: object) -> None:
        print(json.dumps(words), file=stream, flush=True)

    return say


if __name__ == "__main__":
    k, p, q, threads = map(int, sys.argv[5:])
    main(line_to_the_parent(), *sys.argv[1:5], Question(k, (p, q), threads))
