"""What the trials gave: a row for each, judged beside the exact answer of the same run."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raypipe.kernels.tanimoto import Neighbours
from tests.benchmarks.similarity import graphs, scores, trial
from tests.benchmarks.similarity.graphs import Graph
from tests.benchmarks.similarity.peers import PEERS
from tests.benchmarks.similarity.peers.peer import APPROXIMATE, EXACT, OVERLAP, Peer, Question

#: Its answer with one thread is what the others are compared with.
REFERENCE = "raypipe"
WARM_UP = "rmat10"


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes:
        co_follow_pairs: entries of all lists of the graph, per account its followees' followers.
        seconds: median of the calls; None if there is no answer.
        cpu_seconds: the same of the process's own CPU time, over all its threads.
        answer: what the answer is worth, or why there is none.
        note: more about why there is none.
        is_right: False if an answer that claims to be exact is not.
        recall: of an approximate answer.
        load: processes that wanted to run in the last minute, on this machine, at the start.
    """

    graph: str
    accounts: int
    follows: int
    co_follow_pairs: int
    way: str
    title: str
    kind: str
    threads: int
    load: float
    answer: str
    note: str = ""
    is_right: bool = True
    seconds: float | None = None
    cpu_seconds: float | None = None
    calls: int = 0
    peak_mb: float | None = None
    recall: float | None = None
    looked_at: dict[str, int] | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be run, on one graph."""

    graph: str
    ways: Sequence[str]
    threads: Sequence[int]


def run(
    plans: Iterable[Plan], k: int, threshold: tuple[int, int], limits: trial.Limits, folder: Path
) -> Iterator[Row]:
    """Run the trials one after the other; R-MAT graphs have to come smallest first."""
    over: dict[tuple[str, int], str] = {}
    warm_up = graphs.cached(WARM_UP, folder)
    for plan in plans:
        path = graphs.cached(plan.graph, folder)
        graph = graphs.load(path)
        reference = None
        for threads in plan.threads:
            for way in plan.ways:
                if threads > 1 and not PEERS[way].has_threads:
                    continue
                question = Question(k, threshold, threads)
                answer = folder / "answer.npz"
                load = os.getloadavg()[0]
                is_rmat = graphs.scale_of(plan.graph) is not None
                outcome = _refusal(PEERS[way], graph) or (
                    over.get((way, threads)) if is_rmat else None
                )
                if outcome is None:
                    print(f"{plan.graph}, {threads}: {way} ...", file=sys.stderr, flush=True)
                    outcome = trial.run(way, path, warm_up, answer, question, limits)
                    if is_rmat and outcome.problem in (limits.over_time(), limits.over_memory()):
                        note = f"{outcome.problem} on {plan.graph}"
                        over[way, threads] = trial.Outcome("not tried", note)
                found = _neighbours(answer) if outcome.seconds else None
                if reference is None and way == REFERENCE:
                    reference = found
                worth = outcome.problem, True, None
                if found is not None:
                    worth = judge(PEERS[way].kind, found, reference, graph)
                yield _row(plan.graph, graph, way, threads, load, outcome, worth)


def judge(
    kind: str, found: Neighbours, exact: Neighbours | None, graph: Graph
) -> tuple[str, bool, float | None]:
    """What an answer is worth: in words, whether it is what it claims to be, and its recall."""
    if kind == OVERLAP:
        differ = scores.overlaps_that_differ(found, graph)
        return (f"WRONG: {differ}", False, None) if differ else ("overlaps", True, None)
    if exact is None or kind not in (EXACT, APPROXIMATE):
        return "not compared", True, None
    if kind == APPROXIMATE:
        recall = scores.recall(found, exact)
        return f"recall {recall:.3f}", True, recall
    differ = scores.accounts_that_differ(found, exact)
    return (f"DIFFERS: {differ:,}", False, None) if differ else ("exact", True, None)


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows with each version, for programs."""
    return [asdict(row) | {"version": PEERS[row.way].version()} for row in rows]


def _refusal(peer: Peer, graph: Graph) -> trial.Outcome | None:
    if peer.version() is None:
        return trial.Outcome("not there", f"no {peer.package} is installed")
    if graph.co_follow_pairs.sum() > peer.most_co_follow_pairs:
        return trial.Outcome(
            "not tried", f"more than {peer.most_co_follow_pairs / 1e9:g} G co-follow pairs"
        )
    return None


def _neighbours(path: Path) -> Neighbours | None:
    """The answer in a file, which is then removed; None if there is none."""
    if not path.exists():
        return None
    with np.load(path) as arrays:
        found = Neighbours(**arrays)
    path.unlink()
    return found


def _row(
    name: str,
    graph: Graph,
    way: str,
    threads: int,
    load: float,
    outcome: trial.Outcome,
    worth: tuple[str | None, bool, float | None],
) -> Row:
    answer, is_right, recall = worth
    return Row(
        graph=name,
        accounts=graph.accounts,
        follows=graph.follows,
        co_follow_pairs=int(graph.co_follow_pairs.sum()),
        way=way,
        title=PEERS[way].title,
        kind=PEERS[way].kind,
        threads=threads,
        load=round(load, 2),
        answer=answer or "-",
        note=outcome.note,
        is_right=is_right,
        seconds=_median(outcome.seconds),
        cpu_seconds=_median(outcome.cpu_seconds),
        calls=len(outcome.seconds),
        peak_mb=outcome.peak_mb,
        recall=recall,
        looked_at=outcome.looked_at,
    )


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
