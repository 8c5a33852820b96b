"""What max_followers_in_similarity costs and saves: the neighbour search, one thread, by cap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.config import load_config
from raypipe.graph import FollowGraph
from raypipe.kernels.csr import Pairs, adjacency, transpose
from raypipe.recall import similarity_facts
from raypipe.recommend import Night, nearest, prepare
from raypipe.show import print_table
from tests.benchmarks.timing import in_turns

CAPS = (None, 10_000, 3_000, 1_000, 300, 100)
COLUMNS = ("cap", "left out", "wedges left", "seconds", "of exact", "recall@10", "95 %", "sample")


def graph_of(followers: np.ndarray, followees: np.ndarray) -> FollowGraph:
    """A graph from pairs of whole numbers; the ids are the codes."""
    codes, place = np.unique(np.concatenate([followers, followees]), return_inverse=True)
    rows, columns = place.astype(np.int32).reshape(2, -1)
    pairs = Pairs(rows, columns, np.arange(len(codes), dtype=np.int32))
    sides, _, _ = adjacency([pairs], len(codes))
    ids = pa.array(codes.astype(str), pa.large_string())
    return FollowGraph(ids, sides, transpose(sides), "")


def read(path: Path) -> FollowGraph:
    frame = pd.read_csv(path)
    return graph_of(frame["followerId"].to_numpy(), frame["followingId"].to_numpy())


def gowalla(path: Path) -> FollowGraph:
    """Users and the places they were at, which get codes of their own."""
    frame = pd.read_csv(path)
    users, places = frame["followerId"].to_numpy(), frame["followingId"].to_numpy()
    return graph_of(users, places + users.max() + 1)


def rmat(scale: int) -> FollowGraph:
    """16 follows an account, quadrants .57, .19, .19, .05, as in Graph500; hubs, no communities."""
    rng = np.random.default_rng(0)
    followers = followees = np.zeros(16 << scale, np.int64)
    for _ in range(scale):
        quadrant = np.searchsorted([0.57, 0.76, 0.95], rng.random(len(followers)), side="right")
        followers, followees = 2 * followers + quadrant // 2, 2 * followees + quadrant % 2
    names = rng.permutation(1 << scale)
    return graph_of(names[followers], names[followees])


def bench(data: Path) -> None:
    """Print a table a graph: seconds of the search and recall, by cap."""
    graphs: dict[str, Callable[[], FollowGraph]] = {
        "wiki-vote": lambda: read(data / "wiki-vote" / "follows.csv"),
        "gowalla": lambda: gowalla(data / "gowalla" / "train.csv.gz"),
        "slashdot": lambda: read(data / "slashdot" / "follows.csv.gz"),
        "R-MAT 17": lambda: rmat(17),
    }
    for name, make in graphs.items():
        graph = make()
        most = graph.followers.degrees.max()
        nights = {cap: night_of(graph, cap) for cap in CAPS if cap is None or cap < most}
        seconds = in_turns({cap: searching(night) for cap, night in nights.items()})
        rows = [row(graph, night, seconds) for night in nights.values()]
        title = f"{name}: {graph.accounts:,} accounts, {graph.follows:,} follows, most {most:,}"
        print_table(COLUMNS, rows, title)


def night_of(graph: FollowGraph, cap: int | None) -> Night:
    config = load_config(None, {"similar.max_followers_in_similarity": cap})
    return prepare(graph, np.arange(graph.accounts, dtype=np.int32), config)


def searching(night: Night) -> Callable[[], object]:
    return lambda: nearest(night, night.accounts)


def row(graph: FollowGraph, night: Night, seconds: dict[int | None, float]) -> list[object]:
    facts = similarity_facts(graph, night)
    cap = facts["max_followers"]
    return [
        "exact" if cap is None else f"{cap:,}",
        facts["hubs_left_out"],
        f"{facts['share_of_wedges_left']:.1%}",
        seconds[cap],
        seconds[cap] / seconds[None],
        facts["recall"],
        f"{facts['low']:.3f} to {facts['high']:.3f}",
        facts["sample"],
    ]
