"""How good a plan is: predicted over actual CPU seconds of making the lists, on one thread.

"follows" predicts from a sample of the accounts, as a night and `raypipe plan` do; "degrees" from
the degree table alone, as `raypipe plan --degrees` does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from raypipe.cli.output.terminal import print_table
from raypipe.config import RunConfig
from raypipe.graph.degree_table import read_degrees, write_degrees
from raypipe.graph.follow_graph import FollowGraph
from raypipe.pipeline.cost.sample import measure_cost, seconds_of
from raypipe.pipeline.cost.sample_degrees import measure_degrees
from tests.benchmarks.similarity import graphs
from tests.recommend._builders import prepare

GRAPHS = ("slashdot", "gowalla", "rmat12", "rmat14", "rmat17", "rmat20", "community")


def bench() -> None:
    """Print a row for each graph."""
    heads = ["graph", "accounts", "actual s", "follows", "degrees"]
    print_table(heads, map(row, GRAPHS), "predicted over actual CPU seconds of recommend")


def row(name: str) -> list[object]:
    made = graphs.make(name)
    ids = pa.array(range(made.accounts)).cast(pa.large_string())
    graph, config = FollowGraph(ids, made.followees, made.followers, ""), RunConfig()
    context = prepare(graph, np.arange(graph.accounts, dtype=np.int32), config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "degrees.csv"
        write_degrees(graph, path)
        degrees = read_degrees(path)
    from_degrees = measure_degrees(degrees, config) @ degrees.of_follows.accounts
    from_follows = measure_cost(context, config.seed).accounts.sum()
    actual = seconds_of(context, np.arange(graph.accounts))
    return [name, graph.accounts, actual, from_follows / actual, from_degrees / actual]
