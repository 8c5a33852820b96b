"""The nightly flow, on one screen: read, graph, recommend, write, publish.

follows --intake--> frame --encode--> FollowGraph --shards--> lists --parts--> run --> published
"""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import raypipe
from raypipe.audience import audience, read_accounts
from raypipe.candidates.popular import by_popularity
from raypipe.columns import FOLLOWER, FOLLOWING, NEIGHBOUR, RANK, SCORE, SOURCE
from raypipe.config import RunConfig, to_yaml
from raypipe.disk import disk_errors, to_json
from raypipe.engines import frame_engine, runner
from raypipe.errors import RunError, TooManyBadRows
from raypipe.graph import FollowGraph, build_graph, encode, save_graph
from raypipe.intake.files import list_files
from raypipe.intake.read import input_digest, read_follows
from raypipe.kernels.shards import cut, heaviest_first
from raypipe.kernels.tanimoto import build_index, work
from raypipe.meter import Meter
from raypipe.progress import Progress, Silent
from raypipe.recommend import LADDER, Work, recommend_shard
from raypipe.runs.parts import write_parts
from raypipe.runs.staging import Staging
from raypipe.runs.store import Run, RunStore
from raypipe.statistics import graph_statistics

#: Units of ``kernels.tanimoto.work`` that one CPU does in a second.
WORK_PER_SECOND = 1.5e8
#: A shard is about so long: short enough to be even, long enough that a task's cost does not show.
SHARD_SECONDS = 2.0

_PACKAGES = ("ray", "modin", "pandas", "numpy", "numba", "pyarrow")


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the published run, and whether this call made it."""

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
    digest = _digest_of_inputs(config)
    with store.lock():
        found = store.find(name, digest)
        if found and store.was_published(found):
            return Outcome(found, new=False)
        run = found or _compute(
            config, store.open_staging(name, digest), store, progress or Silent()
        )
        return Outcome(store.publish(run), new=True)


def _compute(config: RunConfig, staging: Staging, store: RunStore, progress: Progress) -> Run:
    meter = Meter()

    @contextmanager
    def stage(name: str, total: float | None = None) -> Iterator[None]:
        progress.stage(name, total)
        with meter.stage(name):
            yield

    with ExitStack() as stack:
        with stage("read"):
            files = [(path, path.stat().st_size) for path in list_files(config.input)]
            engine, why_frames = frame_engine(config, files, stack)
            progress.say(why_frames)
            intake = _read(config, engine, staging)

        with stage("graph"):
            accounts = read_accounts(config.audience)
            further = () if accounts is None else accounts
            graph, dropped = build_graph(engine.map_partitions(encode, intake.frame), further)
            rows = _add_up({**intake.counts, **dropped._asdict(), "rows_used": graph.follows})
            statistics = graph_statistics(graph)

        with stage("prepare"):
            index = build_index(*graph.followees, *graph.followers)
            chosen = audience(graph, accounts, config.audience.min_follows)
            cost = work(index)[chosen]
            night = Work(graph, index, by_popularity(graph), chosen, config)
            predicted = float(cost.sum()) / WORK_PER_SECOND
            run_shards, cpus, why_cluster = runner(config, predicted, stack)
            progress.say(why_cluster)

        with stage("recommend", total=float(cost.sum())):
            shards = cut(cost, config.shards or max(cpus, round(predicted / SHARD_SECONDS)))
            kept = set(staging.shards())
            todo = [shard for shard in heaviest_first(shards, cost) if _name(shard) not in kept]
            for shard in set(shards) - set(todo):
                progress.advance(float(cost[slice(*shard)].sum()))
            for result in run_shards(partial(recommend_shard, night), todo):
                staging.save_shard(_name(result.shard), result.tables)
                progress.advance(float(cost[slice(*result.shard)].sum()))

    with stage("write"):
        results = [staging.load_shard(_name(shard)) for shard in shards]
        parts = {
            kind: write_parts(
                staging.path, kind, (_with_ids(r[kind], graph, kind) for r in results)
            )
            for kind in ("neighbours", "recommendations")
        }
        with disk_errors(f"{staging.path}: cannot be written"):
            (staging.path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
            (staging.path / "statistics.json").write_bytes(to_json(statistics))
            pq.write_table(intake.quarantine, staging.path / "quarantine.parquet")
            save_graph(graph, staging.path / "graph")

    progress.stage("publish")
    return store.finish(
        staging,
        {
            "config_digest": config.digest(),
            "fingerprint": graph.fingerprint,
            "seed": config.seed,
            "counts": {
                "rows": rows,
                "graph": {key: statistics[key] for key in ("accounts", "follows", "wedges")},
                "audience": len(chosen),
                "neighbours": sum(len(r["neighbours"]) for r in results),
                "recommendations": _by_source(results),
                "refused": _refused(results),
                "shards": len(shards),
            },
            "parts": parts,
            "inputs": [{"file": str(path), "bytes": size} for path, size in files],
            "engines": {"frames": why_frames, "cluster": why_cluster},
            "stages": meter.stages,
            "versions": {
                "raypipe": raypipe.__version__,
                "python": platform.python_version(),
                **{package: version(package) for package in _PACKAGES},
            },
        },
    )


def _read(config, engine, staging):
    try:
        return read_follows(config.input, engine)
    except TooManyBadRows as error:
        path = staging.scratch / "quarantine.parquet"
        with disk_errors(f"{path}: cannot be written"):
            pq.write_table(error.quarantine, path)
        raise TooManyBadRows(f"{error}; all of them: {path}", error.quarantine) from None


def _add_up(rows: dict[str, int]) -> dict[str, int]:
    """Check that no row is lost: this must hold always, so it is checked always."""
    accounted = sum(rows.values()) - rows["rows_in"]
    if accounted != rows["rows_in"]:
        raise RunError(f"rows do not add up: {rows}; this is a defect of raypipe, please report it")
    return rows


def _digest_of_inputs(config: RunConfig) -> str:
    """Of everything that the result depends on, besides date and config."""
    digest = hashlib.sha256(f"raypipe {raypipe.__version__}\n".encode())
    digest.update(input_digest(config.input).encode())
    accounts = read_accounts(config.audience)
    if accounts is not None:
        digest.update("\n".join(accounts.to_pylist()).encode())
    return digest.hexdigest()


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


def _by_source(results: list[dict[str, pa.Table]]) -> dict[str, int]:
    sources = [result["recommendations"][SOURCE].to_numpy() for result in results]
    counts = sum((np.bincount(source, minlength=len(LADDER)) for source in sources), 0)
    return {name: int(count) for name, count in zip(LADDER, counts, strict=True)}


def _refused(results: list[dict[str, pa.Table]]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in LADDER}
    for result in results:
        for row in result["refused"].to_pylist():
            counts[row[SOURCE]][row["reason"]] += row["candidates"]
    return {name: dict(reasons) for name, reasons in counts.items()}
