"""Checkpoints of a run that is started again: ladder, shards, and the tables made of shards."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from raypipe.columns import ACCOUNT, CANDIDATE, NEIGHBOUR, RANK, REASON, SCORE, SOURCE
from raypipe.evaluation.holdout_selection import Decision
from raypipe.graph.follow_graph import FollowGraph
from raypipe.recommend.blend.ranker import load_ranker, save_ranker
from raypipe.recommend.ladder import Tier
from raypipe.recommend.reasons import Reasons, sentences
from raypipe.storage.data_files import read_json, write_json
from raypipe.storage.files import disk_errors, is_file, read_bytes, write_atomic
from raypipe.storage.records import LadderDecision
from raypipe.storage.runs.reserve import Reserve
from raypipe.storage.runs.staging import Staging

Shard = tuple[int, int]
Tables = dict[str, pa.Table]

#: The tables of a shard that are published, and the name of their second account column.
PUBLISHED = {"neighbours": NEIGHBOUR, "recommendations": CANDIDATE}
_RESERVE_SCHEMA = pa.schema(
    {"account": pa.int32(), "other": pa.int32(), SCORE: pa.float64(), SOURCE: pa.uint8()}
)


def decide_once(staging: Staging, decide: Callable[[], Decision]) -> Decision:
    """The decision that was stored before a kill, else the result of ``decide``.

    All shards of a run use one ladder, even if a second measurement would differ in its last bits.
    """
    path, ranker = staging.scratch / "ladder.json", staging.scratch / "ranker.json"
    if is_file(path):
        ladder = LadderDecision.model_validate_json(read_bytes(path))
        return Decision(ladder, load_ranker(ranker) if is_file(ranker) else None)
    decision = decide()
    with disk_errors(f"{path}: cannot be written"):
        if decision.ranker:
            save_ranker(decision.ranker, ranker)
        write_atomic(path, decision.ladder.to_json().encode())  # last: then both files exist
    return decision


def cut_once(staging: Staging, memory: int | None, cut: Callable[[], list[Shard]]) -> list[Shard]:
    """The shards of this run: those stored before a kill, else the result of ``cut``.

    Costs are measured, so a second start would cut slightly different shards. Stored shards are not
    used if ``memory_per_task`` has changed.
    """
    path = staging.scratch / "shards.json"
    if is_file(path):
        before = read_json(path)
        if before["memory_per_task"] == memory:
            return [tuple(shard) for shard in before["shards"]]
    shards = cut()
    with disk_errors(f"{path}: cannot be written"):
        write_json(path, {"memory_per_task": memory, "shards": shards})
    return shards


def shard_name(shard: Shard) -> str:
    """Name under which a finished shard is stored."""
    return f"{shard[0]:010d}-{shard[1]:010d}"


def published_tables(
    shards: Iterable[Tables], graph: FollowGraph, kind: str, sources: Sequence[str]
) -> Iterator[pa.Table]:
    """One table per shard, in the order of the accounts, with ids and the published columns.

    Args:
        shards: the tables of each.
        sources: names by index.
    """
    for tables in shards:
        table = tables[kind]
        columns = {
            ACCOUNT: graph.ids.take(table["account"]),
            RANK: table[RANK],
            PUBLISHED[kind]: graph.ids.take(table["other"]),
            SCORE: table[SCORE],
        }
        if SOURCE in table.column_names:
            columns[SOURCE] = pa.array(sources).take(table[SOURCE])
            kept = (table[name].to_numpy() for name in Reasons._fields)
            columns[REASON] = sentences(Reasons(*kept), graph.ids)
        yield pa.table(columns)


def reserve_of(shards: Iterable[Tables], accounts: int) -> Reserve:
    """The reserve of all shards, for a graph of this number of accounts."""
    tables = (tables["reserve"].select(_RESERVE_SCHEMA.names) for tables in shards)
    rows = pa.concat_tables([_RESERVE_SCHEMA.empty_table(), *tables])
    counts = np.bincount(rows["account"].to_numpy(), minlength=accounts)
    arrays = (rows[name].to_numpy() for name in ("other", SOURCE, SCORE))
    return Reserve(np.concatenate([[0], np.cumsum(counts)]), *arrays)


def count_lists(
    shards: Iterable[Tables], ladder: tuple[Tier, ...], sources: Sequence[str]
) -> tuple[int, dict[str, int], dict[str, dict[str, int]]]:
    """Entries of lists, and candidates that were excluded from them.

    Args:
        sources: names by index.

    Returns:
        Number of accounts with at least one recommendation; of each source on the ladder, the
        recommendations, and the excluded candidates by reason.
    """
    used = {name for tier in ladder for name in tier.sources}
    recommended = np.zeros(len(sources), np.int64)
    accounts = 0
    excluded: dict[str, Counter[str]] = {source: Counter() for source in sources}
    for tables in shards:
        accounts += len(tables["recommendations"]["account"].unique())
        indices = tables["recommendations"][SOURCE].to_numpy()
        recommended += np.bincount(indices, minlength=len(sources))
        for row in tables["excluded"].to_pylist():
            excluded[row[SOURCE]][row["reason"]] += row["candidates"]
    by_source = zip(sources, recommended.tolist(), strict=True)
    recommendations = {name: count for name, count in by_source if name in used}
    return accounts, recommendations, {n: dict(excluded[n]) for n in sources if n in used}
