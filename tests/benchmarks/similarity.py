"""The neighbour search, one thread, against sparse_dot_topn, which keeps overlaps only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse
import sparse_dot_topn

from raypipe.follows import follows_dataframe
from raypipe.graph import FollowGraph, build_graph, encode
from raypipe.kernels.tanimoto import build_index, top_neighbours
from raypipe.show import print_table
from tests.benchmarks.timing import in_turns


def neighbours(graph: FollowGraph):
    index = build_index(*graph.followees, *graph.followers)
    return top_neighbours(index, np.arange(graph.accounts, dtype=np.int32), 10, (1, 10))


def overlaps(graph: FollowGraph):
    shape = (graph.accounts, graph.accounts)
    values = np.ones(graph.follows, np.float32)
    a = scipy.sparse.csr_matrix((values, graph.followees.codes, graph.followees.indptr), shape)
    return sparse_dot_topn.sp_matmul_topn(a, a.T.tocsr(), top_n=10, n_threads=1)


def bench(data: Path) -> None:
    """Print seconds of both on slashdot."""
    frame = follows_dataframe(data / "slashdot" / "follows.csv.gz")
    graph, _ = build_graph([encode(frame)])
    seconds = in_turns(
        {
            "raypipe: 10 best by Tanimoto above 0.1": lambda: neighbours(graph),
            "sparse_dot_topn: 10 best by overlap": lambda: overlaps(graph),
        }
    )
    fastest = min(seconds.values())
    rows = [[name, taken, taken / fastest] for name, taken in seconds.items()]
    print_table(["slashdot, one thread", "seconds", "times the fastest"], rows, "similarity")
