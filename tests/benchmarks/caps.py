"""What max_followers costs and saves: the neighbour search, one thread, by cap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from raypipe.cli.output.terminal import print_table
from raypipe.config import RunConfig, load_config
from raypipe.evaluation.neighbour_recall import similarity_facts
from raypipe.graph.follow_graph import FollowGraph
from raypipe.recommend.context import ShardContext
from raypipe.recommend.shard import nearest
from tests.benchmarks.similarity import graphs
from tests.benchmarks.timing import in_turns
from tests.recommend._builders import prepare

GRAPHS = ("wiki-vote", "gowalla", "slashdot", "rmat17", "community")
CAPS = (None, 10_000, 3_000, 1_000, 300, 100)
COLUMNS = (
    "cap",
    "left out",
    "co_follow_pairs left",
    "seconds",
    "of exact",
    "recall@10",
    "95 %",
    "sample",
)


def bench() -> None:
    """Print a table a graph: seconds of the search and recall, by cap."""
    for name in GRAPHS:
        made = graphs.make(name)
        ids = pa.array(range(made.accounts)).cast(pa.large_string())
        graph = FollowGraph(ids, made.followees, made.followers, "")
        most = graph.followers.degrees.max()
        contexts = {cap: night_of(graph, cap) for cap in CAPS if cap is None or cap < most}
        seconds = in_turns({cap: searching(context) for cap, context in contexts.items()})
        rows = [row(graph, cap, context, seconds) for cap, context in contexts.items()]
        title = f"{name}: {graph.accounts:,} accounts, {graph.follows:,} follows, most {most:,}"
        print_table(COLUMNS, rows, title)


def night_of(graph: FollowGraph, cap: int | None) -> ShardContext:
    return prepare(graph, np.arange(graph.accounts, dtype=np.int32), config_of(cap))


def config_of(cap: int | None) -> RunConfig:
    return load_config(None, {"sources.similar.max_followers": cap})


def searching(context: ShardContext) -> Callable[[], object]:
    return lambda: nearest(context, context.accounts)


def row(
    graph: FollowGraph, cap: int | None, context: ShardContext, seconds: dict[int | None, float]
) -> list[object]:
    facts = similarity_facts(graph, context, config_of(cap))
    return [
        "exact" if cap is None else f"{cap:,}",
        facts.hubs_left_out,
        f"{facts.share_of_co_follow_pairs_left:.1%}",
        seconds[cap],
        seconds[cap] / seconds[None],
        facts.recall,
        f"{facts.low:.3f} to {facts.high:.3f}",
        facts.sample,
    ]
