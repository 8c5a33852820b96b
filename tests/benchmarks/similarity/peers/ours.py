"""raypipe: with pruning, with the index apart, without pruning; and the loop that only counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from raypipe.kernels.search_cost import estimated_ns
from raypipe.kernels.shards import cut
from raypipe.kernels.similarity_index import SimilarityIndex, build_index
from raypipe.kernels.tanimoto import Neighbours, top_neighbours
from tests.benchmarks.similarity.graphs import Graph
from tests.benchmarks.similarity.peers.peer import EXACT, ROOF, Peer, Question
from tests.benchmarks.similarity.plain import plain_neighbours, roof, walked


def index_of(graph: Graph, _: Question) -> SimilarityIndex:
    """The index; one thread builds it."""
    return build_index(graph.followees, graph.followers)


def in_threads(
    cost: np.ndarray, threads: int, search: Callable[[tuple[int, int]], object]
) -> list[object]:
    """Search ranges of similar cost, one a thread; the kernels let go of the interpreter."""
    ranges = cut(cost, threads)
    if len(ranges) == 1:
        return [search(ranges[0])]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(search, ranges))


def by(kernel: Callable[..., Neighbours]) -> Callable[[SimilarityIndex, Question], Neighbours]:
    """All accounts searched by a kernel."""

    def search(index: SimilarityIndex, question: Question) -> Neighbours:
        def search_range(accounts: tuple[int, int]) -> Neighbours:
            rows = np.arange(*accounts, dtype=np.int32)
            return kernel(index, rows, question.k, question.threshold)

        cost = estimated_ns(index, question.threshold)
        parts = in_threads(cost, question.threads, search_range)
        if len(parts) == 1:
            return parts[0]
        return Neighbours(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    return search


def count_only(index: SimilarityIndex, question: Question) -> None:
    in_threads(entries(index), question.threads, lambda groups: roof(index, groups))


def entries(index: SimilarityIndex) -> np.ndarray:
    """int64[groups]: entries on the lists of each group."""
    done = np.concatenate([[0], np.cumsum(np.diff(index.list_ptr)[index.sets])])
    return done[index.set_ptr[1:]] - done[index.set_ptr[:-1]]


def pruned(graph: Graph, question: Question) -> dict[str, int]:
    return walked(index_of(graph, question), question.k, question.threshold)._asdict()


def whole_lists(graph: Graph, question: Question) -> dict[str, int]:
    return {"entries": int(entries(index_of(graph, question)).sum())}


def index_and_search(graph: Graph, question: Question) -> Neighbours:
    return by(top_neighbours)(index_of(graph, question), question)


PEERS = {
    "raypipe": Peer("raypipe", "raypipe", EXACT, index_and_search, looked_at=pruned),
    "raypipe-search": Peer(
        "raypipe, index apart",
        "raypipe",
        EXACT,
        by(top_neighbours),
        prepare=index_of,
        looked_at=pruned,
    ),
    "raypipe-plain": Peer(
        "raypipe unpruned",
        "raypipe",
        EXACT,
        by(plain_neighbours),
        prepare=index_of,
        looked_at=whole_lists,
    ),
    "roof": Peer(
        "roof: counts only",
        "raypipe",
        ROOF,
        count_only,
        prepare=index_of,
        collect=lambda *_: None,
        looked_at=whole_lists,
    ),
}
