"""Those that multiply the follow matrix by its transpose: the product holds every overlap.

A product of all accounts does not fit into memory, so it is made in blocks of rows, and one pass
in Numba over each block applies Tanimoto and keeps the best.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours
from tests.benchmarks.similarity.graphs import Graph
from tests.benchmarks.similarity.peers.peer import (
    EXACT,
    OVERLAP,
    Peer,
    Question,
    all_co_follow_pairs,
)
from tests.benchmarks.similarity.scores import blocks, keep_best, no_neighbours

#: Entries of a block: large enough that calls do not count, small enough for 1 GB.
BLOCK = 30_000_000


def matrix(rows: Adjacency, dtype: type = np.float32) -> Any:
    """Rows of ones as a scipy matrix."""
    import scipy.sparse

    n = len(rows.indptr) - 1
    ones = np.ones(len(rows.codes), dtype)
    return scipy.sparse.csr_matrix((ones, rows.codes, rows.indptr.astype(np.int32)), (n, n))


def in_blocks(
    graph: Graph, question: Question, multiply: Callable[[int, int], tuple[np.ndarray, ...]]
) -> Neighbours:
    """The best of a product made block by block; ``multiply`` gives indptr, codes, overlaps."""
    found = no_neighbours(graph.accounts, question.k)
    sizes = graph.followees.degrees
    for start, stop in blocks(graph, BLOCK):
        keep_best(found, start, *multiply(start, stop), sizes, question.threshold)
    return found


def scipy(graph: Graph, question: Question) -> Neighbours:
    a, turned = matrix(graph.followees), matrix(graph.followers)

    def multiply(start: int, stop: int) -> tuple[np.ndarray, ...]:
        product = a[start:stop] @ turned
        return product.indptr, product.indices, product.data

    return in_blocks(graph, question, multiply)


def sparse_dot_topn_full(graph: Graph, question: Question) -> Neighbours:
    from sparse_dot_topn import sp_matmul

    a, turned = matrix(graph.followees), matrix(graph.followers)

    def multiply(start: int, stop: int) -> tuple[np.ndarray, ...]:
        product = sp_matmul(a[start:stop], turned, n_threads=question.threads)
        return product.indptr, product.indices, product.data

    return in_blocks(graph, question, multiply)


def graphblas(graph: Graph, question: Question) -> Neighbours:
    import graphblas as gb

    gb.ss.config["nthreads"] = question.threads
    a, turned = _graphblas_matrix(gb, graph.followees), _graphblas_matrix(gb, graph.followers)

    def multiply(start: int, stop: int) -> tuple[np.ndarray, ...]:
        product = a[start:stop, :].new().mxm(turned, gb.semiring.plus_pair["INT32"]).new()
        parts = product.ss.export("csr", give_ownership=True, sort=False)
        overlaps = parts["values"]
        if parts.get("is_iso"):
            overlaps = np.broadcast_to(overlaps, len(parts["col_indices"]))
        return parts["indptr"], parts["col_indices"], overlaps

    return in_blocks(graph, question, multiply)


def _graphblas_matrix(gb: Any, rows: Adjacency) -> Any:
    n = len(rows.indptr) - 1
    one = np.ones(1, np.int32)
    return gb.Matrix.from_csr(rows.indptr, rows.codes, one[0], ncols=n)


def sparse_dot_topn(graph: Graph, question: Question) -> Any:
    from sparse_dot_topn import sp_matmul_topn

    a, turned = matrix(graph.followees), matrix(graph.followers)
    # One more: the account itself is always among those with the largest overlap.
    return sp_matmul_topn(a, turned, top_n=question.k + 1, n_threads=question.threads)


def implicit(graph: Graph, question: Question) -> Any:
    from implicit.nearest_neighbours import all_pairs_knn

    # It refuses arrays that are read-only.
    turned = matrix(Adjacency(*map(np.array, graph.followers)), np.float64)
    return all_pairs_knn(
        turned, question.k + 1, num_threads=question.threads, show_progress=False
    ).tocsr()


def without_oneself(graph: Graph, product: Any, question: Question) -> Neighbours:
    """The largest overlaps with others."""
    found = no_neighbours(graph.accounts, question.k)
    by_overlap = np.empty(0, np.int64)
    keep_best(found, 0, product.indptr, product.indices, product.data, by_overlap, (0, 1))
    return found


PEERS = {
    "sparse_dot_topn-full": Peer(
        "sparse_dot_topn, full",
        "sparse-dot-topn",
        EXACT,
        sparse_dot_topn_full,
        looked_at=all_co_follow_pairs,
    ),
    "scipy": Peer("scipy", "scipy", EXACT, scipy, looked_at=all_co_follow_pairs, has_threads=False),
    "graphblas": Peer(
        "python-graphblas",
        "python-graphblas",
        EXACT,
        graphblas,
        looked_at=all_co_follow_pairs,
    ),
    "sparse_dot_topn": Peer(
        "sparse_dot_topn overlap",
        "sparse-dot-topn",
        OVERLAP,
        sparse_dot_topn,
        collect=without_oneself,
        looked_at=all_co_follow_pairs,
    ),
    "implicit": Peer(
        "implicit overlap",
        "implicit",
        OVERLAP,
        implicit,
        collect=without_oneself,
        looked_at=all_co_follow_pairs,
    ),
}
