"""The nightly flow, on one screen: read, graph, recommend, write, publish.

follows --intake--> frame --encode--> FollowGraph --shards--> lists --parts--> run --> published
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import raypipe
from raypipe.audience import audience, read_accounts
from raypipe.columns import FOLLOWER, FOLLOWING, NEIGHBOUR, RANK, SCORE, SOURCE
from raypipe.config import RunConfig, to_yaml
from raypipe.cost import measure_cost
from raypipe.disk import disk_errors, to_json, write_atomic
from raypipe.engines import frame_engine, runner
from raypipe.errors import InputError, RunError, TooManyBadRows
from raypipe.frames import FrameEngine
from raypipe.graph import FollowGraph, build_graph, digest_of_ids, encode, save_graph
from raypipe.intake.files import list_files
from raypipe.intake.read import input_digest, read_follows
from raypipe.kernels.shards import cut, heaviest_first
from raypipe.meter import Meter
from raypipe.progress import Progress, Silent
from raypipe.recommend import LADDER, Night, prepare, recommend_shard
from raypipe.runs.parts import write_parts
from raypipe.runs.staging import Staging
from raypipe.runs.store import Run, RunStore
from raypipe.statistics import graph_statistics

#: A shard is about so long: short enough to be even, long enough that a task's cost does not show.
SHARD_SECONDS = 2.0

_PACKAGES = ("ray", "modin", "pandas", "numpy", "numba", "pyarrow")


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the finished run, and whether this call made or published it."""

    run: Run
    new: bool


def run_night(
    config: RunConfig, store: RunStore, date: str, progress: Progress | None = None
) -> Outcome:
    """Turn the follows that ``config`` names into published recommendations.

    A second call with the same date, config and input finds the first one's run and changes
    nothing. After a kill, it goes on from the shards that were finished.

    Args:
        date: of the run, as ``2026-03-01``.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`; nothing is published then.
    """
    name = f"{date}-{config.digest()}"
    stages = Stages(progress or Silent())
    with store.lock():
        with stages.stage("check"):
            accounts = read_accounts(config.audience)
            before = _state_of_files(config)
            digest = _digest_of_inputs(config, accounts)
        found = store.find(name, digest)
        if found and store.was_published(found):
            return Outcome(found, new=False)
        if found is None:
            staging = store.open_staging(name, digest)
            manifest = _compute(config, accounts, staging, stages)
            if _state_of_files(config) != before:
                raise InputError(f"{config.input.follows}: changed while it was read; run it again")
            stages.progress.stage("publish")
            found = store.finish(staging, manifest)
        return Outcome(store.publish(found), new=True)


@dataclass(frozen=True)
class Loaded:
    """A night that is read and prepared, and not yet worked.

    Attributes:
        graph: the follows.
        night: what the shards need.
        cost: float64[audience], predicted seconds of one CPU.
        rows: what became of the rows of the input, by name.
        quarantine: columns.QUARANTINE_SCHEMA.
        statistics: of the graph.
        files: (path, bytes) of the input.
        engine: what the frames were read into, and why.
    """

    graph: FollowGraph
    night: Night
    cost: np.ndarray
    rows: dict[str, int]
    quarantine: pa.Table
    statistics: dict[str, Any]
    files: list[tuple[Path, int]]
    engine: FrameEngine
    why_frames: str


def load(
    config: RunConfig,
    accounts: pa.Array | None,
    stages: Stages,
    stack: ExitStack,
    bad_rows: Path | None = None,
) -> Loaded:
    """Read the follows, build their graph, and measure what the night will cost.

    Args:
        accounts: what ``audience.read_accounts`` gave.
        stack: a Ray that is started ends with it.
        bad_rows: where the quarantine is written if it is too large to go on.
    """
    with stages.stage("read"):
        files = [(path, path.stat().st_size) for path in list_files(config.input)]
        engine, why_frames = frame_engine(config, files, stack)
        stages.progress.say(why_frames)
        parts, quarantine, counts = _read(config, engine, bad_rows)

    with stages.stage("graph"):
        graph, dropped = build_graph(parts, () if accounts is None else accounts)
        del parts
        rows = _add_up({**counts, **dropped._asdict(), "rows_used": graph.follows})
        statistics = graph_statistics(graph)

    with stages.stage("prepare"):
        night = prepare(graph, audience(graph, accounts, config.audience.min_follows), config)
        cost = measure_cost(night)
    return Loaded(graph, night, cost, rows, quarantine, statistics, files, engine, why_frames)


def _compute(
    config: RunConfig, accounts: pa.Array | None, staging: Staging, stages: Stages
) -> dict[str, Any]:
    """Everything between the input and a finished run; returns what its manifest says."""
    with ExitStack() as stack:
        loaded = load(config, accounts, stages, stack, staging.scratch / "quarantine.parquet")
        graph, cost = loaded.graph, loaded.cost
        predicted = float(cost.sum())
        run_shards, cpus, why_cluster = runner(config, loaded.engine, predicted, stack)
        stages.progress.say(why_cluster)

        with stages.stage("recommend", total=predicted):
            shards = _cut_once(staging, cost, config.shards or max(cpus, predicted / SHARD_SECONDS))
            kept = set(staging.shards())
            todo = [shard for shard in heaviest_first(shards, cost) if _name(shard) not in kept]
            for shard in set(shards) - set(todo):
                stages.progress.advance(float(cost[slice(*shard)].sum()))
            for result in run_shards(partial(recommend_shard, loaded.night), todo):
                staging.save_shard(_name(result.shard), result.tables)
                stages.progress.advance(float(cost[slice(*result.shard)].sum()))

    with stages.stage("write"):
        names = [_name(shard) for shard in shards]
        parts = {
            kind: write_parts(
                staging.path,
                kind,
                (_with_ids(staging.load_shard(name)[kind], graph, kind) for name in names),
            )
            for kind in ("neighbours", "recommendations")
        }
        with disk_errors(f"{staging.path}: cannot be written"):
            (staging.path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
            (staging.path / "statistics.json").write_bytes(to_json(loaded.statistics))
            pq.write_table(loaded.quarantine, staging.path / "quarantine.parquet")
            save_graph(graph, staging.path / "graph")

    return {
        "config_digest": config.digest(),
        "fingerprint": graph.fingerprint,
        "seed": config.seed,
        "counts": {
            "rows": loaded.rows,
            "graph": {key: loaded.statistics[key] for key in ("accounts", "follows", "wedges")},
            "audience": len(cost),
            "neighbours": sum(part["rows"] for part in parts["neighbours"]),
            **_count_lists(staging, names),
            "shards": len(shards),
        },
        "parts": parts,
        "inputs": [{"file": str(path), "bytes": size} for path, size in loaded.files],
        "engines": {"frames": loaded.why_frames, "cluster": why_cluster},
        "predicted": {"recommend_seconds": round(predicted / cpus, 3)},
        "stages": stages.meter.stages,
        "versions": {
            "raypipe": raypipe.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
    }


class Stages:
    """The stages of a run: each is measured, and told to whoever watches."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.meter = Meter()

    @contextmanager
    def stage(self, name: str, total: float | None = None) -> Iterator[None]:
        self.progress.stage(name, total)
        with self.meter.stage(name):
            yield


def _read(config: RunConfig, engine: FrameEngine, bad_rows: Path | None):
    """The encoded parts of the frame, the quarantine and the counts; the frame itself is let go."""
    try:
        intake = read_follows(config.input, engine)
    except TooManyBadRows as error:
        if bad_rows is None:
            raise
        with disk_errors(f"{bad_rows}: cannot be written"):
            pq.write_table(error.quarantine, bad_rows)
        raise TooManyBadRows(f"{error}; all of them: {bad_rows}", error.quarantine) from None
    return engine.map_partitions(encode, intake.frame), intake.quarantine, intake.counts


def _add_up(rows: dict[str, int]) -> dict[str, int]:
    """Check that no row is lost: this must hold always, so it is checked always."""
    if sum(rows.values()) != 2 * rows["rows_in"]:
        raise RunError(f"rows do not add up: {rows}; this is a defect of raypipe, please report it")
    return rows


def _state_of_files(config: RunConfig) -> list[tuple[str, int, int]]:
    """What tells cheaply that an input file was written to."""
    paths = list_files(config.input)
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def _digest_of_inputs(config: RunConfig, accounts: pa.Array | None) -> str:
    """Of everything that the result depends on, besides date and config."""
    digest = hashlib.sha256(f"raypipe {raypipe.__version__}\n".encode())
    digest.update(input_digest(config.input).encode())
    if accounts is not None:
        digest.update(digest_of_ids(accounts))
    return digest.hexdigest()


def _cut_once(staging: Staging, cost: np.ndarray, shards: float) -> list[tuple[int, int]]:
    """The shards of this run: cut by cost, and as they were cut before where a kill has left some.

    Costs are measured, and would cut a second start's shards a little elsewhere.
    """
    path = staging.scratch / "shards.json"
    if path.is_file():
        return [tuple(shard) for shard in json.loads(path.read_text())]
    ranges = cut(cost, round(shards))
    with disk_errors(f"{path}: cannot be written"):
        write_atomic(path, to_json(ranges))
    return ranges


def _name(shard: tuple[int, int]) -> str:
    return f"{shard[0]:010d}-{shard[1]:010d}"


def _with_ids(table: pa.Table, graph: FollowGraph, kind: str) -> pa.Table:
    """Codes back to ids, and columns to their published names."""
    other = NEIGHBOUR if kind == "neighbours" else FOLLOWING
    columns = {
        FOLLOWER: graph.ids.take(table["account"]),
        RANK: table[RANK],
        other: graph.ids.take(table["other"]),
        SCORE: table[SCORE],
    }
    if kind == "recommendations":
        columns[SOURCE] = pa.array(LADDER).take(table[SOURCE])
    return pa.table(columns)


def _count_lists(staging: Staging, names: list[str]) -> dict[str, dict]:
    """Recommendations by source, and refused candidates by source and reason."""
    recommended = np.zeros(len(LADDER), np.int64)
    refused: dict[str, Counter[str]] = {source: Counter() for source in LADDER}
    for name in names:
        tables = staging.load_shard(name)
        sources = tables["recommendations"][SOURCE].to_numpy()
        recommended += np.bincount(sources, minlength=len(LADDER))
        for row in tables["refused"].to_pylist():
            refused[row[SOURCE]][row["reason"]] += row["candidates"]
    return {
        "recommendations": dict(zip(LADDER, recommended.tolist(), strict=True)),
        "refused": {source: dict(reasons) for source, reasons in refused.items()},
    }
