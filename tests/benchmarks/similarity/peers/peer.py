"""What a way of searching is: the same three steps for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from raypipe.kernels.tanimoto import Neighbours
from tests.benchmarks.similarity.graphs import Graph

#: Kinds of answers: by Tanimoto, exact or approximate; the largest overlaps; none.
EXACT, APPROXIMATE, OVERLAP, ROOF = "exact", "approximate", "overlap only", "roof"


@dataclass(frozen=True)
class Question:
    """What is asked of each: the k best above a threshold, found with so many threads."""

    k: int
    threshold: tuple[int, int]
    threads: int


def as_it_is(graph: Graph, _: Any) -> Any:
    """Nothing to prepare, or the answer as it came."""
    return graph


def answer_as_it_is(_: Graph, answer: Any, __: Question) -> Any:
    """The answer is neighbours already."""
    return answer


def all_co_follow_pairs(graph: Graph, _: Question) -> dict[str, int]:
    """Every entry of every list is looked at."""
    return {"entries": int(graph.co_follow_pairs.sum())}


def unknown(_: Graph, __: Question) -> dict[str, int]:
    """The peer does not walk lists, or does not say."""
    return {}


@dataclass(frozen=True)
class Peer:
    """One way of searching.

    Attributes:
        title: as the table names it.
        package: whose version is shown.
        kind: of its answer, one of those above.
        search: (prepared graph, question) -> answer. This is what is timed.
        prepare: (graph, question) -> prepared graph, before the time is taken; nothing but what
            the title names.
        collect: (graph, answer, question) -> neighbours, after the time is taken.
        looked_at: (graph, question) -> entries of lists that it reports at.
        has_threads: False if it only ever uses one.
        most_co_follow_pairs: it is not tried on graphs with more.
    """

    title: str
    package: str
    kind: str
    search: Callable[[Any, Question], Any]
    prepare: Callable[[Graph, Question], Any] = as_it_is
    collect: Callable[[Graph, Any, Question], Neighbours | None] = answer_as_it_is
    looked_at: Callable[[Graph, Question], dict[str, int]] = unknown
    has_threads: bool = True
    most_co_follow_pairs: float = float("inf")

    def version(self) -> str | None:
        """The installed version; None if it is not there."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None
