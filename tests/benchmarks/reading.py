"""From a CSV of UUID pairs to a FollowGraph, against Modin's own reading of the same file."""

from __future__ import annotations

import tempfile
import time
import uuid
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raypipe.cli.output.terminal import print_table
from raypipe.compute import ray_cluster
from raypipe.compute.frames import FrameEngine, PandasEngine
from raypipe.config import InputConfig
from raypipe.graph.follow_graph import FollowGraph, build_graph, encode
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_follows
from tests.benchmarks.timing import one_by_one

ROWS = 2_040_000
ACCOUNTS = 100_000


def write_uuid_follows(path: Path) -> None:
    """Follows between UUIDs; the followees are skewed as popularity is."""
    rng = np.random.default_rng(0)
    ids = np.array([str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(ACCOUNTS)])
    followers = ids[rng.integers(0, ACCOUNTS, ROWS)]
    followees = ids[(ACCOUNTS * rng.random(ROWS) ** 3).astype(int)]
    pa.csv.write_csv(pa.table({"followerId": followers, "followingId": followees}), path)


def read_graph(path: Path, engine: FrameEngine) -> FollowGraph:
    intake = read_follows(open_inputs(InputConfig(follows=str(path))), engine)
    return build_graph(engine.map_partitions(encode, intake.frame))[0]


def bench() -> None:
    """Print seconds and rows a second of each way, on a warm Ray."""
    with tempfile.TemporaryDirectory() as folder, ray_cluster.connect("local"):
        path = Path(folder) / "follows.csv"
        write_uuid_follows(path)
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        modin = ray_cluster.import_modin()
        modin_start = time.perf_counter() - started
        seconds = one_by_one(
            {
                "pandas/Arrow, to the graph": lambda: read_graph(path, PandasEngine()),
                "Modin, to the graph": lambda: read_graph(path, ray_cluster.ModinEngine()),
                "Modin's own read_csv, no graph": lambda: len(modin.read_csv(path, dtype=str)),
            },
        )
        same = (
            read_graph(path, PandasEngine()).fingerprint
            == read_graph(path, ray_cluster.ModinEngine()).fingerprint
        )
    rows = [[name, taken, int(ROWS / taken)] for name, taken in seconds.items()]
    print_table(
        ["way", "seconds", "rows a second"],
        rows,
        f"{ROWS:,} rows of UUIDs; wanted: 2 M rows/s, and twice Modin's own read",
    )
    print(f"same fingerprint: {same}; Modin's import: {modin_start:.1f} s")
