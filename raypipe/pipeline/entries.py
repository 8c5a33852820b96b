"""The limits on how lists change: one pass over those of all shards, before they are written."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.columns import ACCOUNT, CANDIDATE, RANK, SOURCE
from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.integrity.entries import Before, admitted, chances
from raypipe.integrity.votes import EarlierVotes
from raypipe.kernels.csr import Pairs, adjacency, take
from raypipe.pipeline.checkpoints import Shard, Tables, shard_name
from raypipe.storage.data_files import read_parquet
from raypipe.storage.records import EntriesRecord
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.staging import Staging


class FinishedShards(NamedTuple):
    """The tables of all shards, with the limits on how lists change applied.

    Attributes:
        staging: holds them as they were made.
        shards: ranges of the audience.
        audience: int32[m], ascending.
        length: maximum length of a list.
        positions: int32[m, length], from :func:`raypipe.integrity.entries.admitted`; None: no list
            changes.
    """

    staging: Staging
    shards: list[Shard]
    audience: np.ndarray
    length: int
    positions: np.ndarray | None = None

    def every(self) -> Iterator[Tables]:
        """The tables of all shards, one after the other."""
        return map(self.tables, self.shards)

    def tables(self, shard: Shard) -> Tables:
        """The tables of one shard."""
        tables = self.staging.load_shard(shard_name(shard))
        if self.positions is None:
            return tables
        lists, reserve = tables["recommendations"], tables["reserve"]
        positions = self.positions[slice(*shard)]
        ends = _starts(lists, self.audience[slice(*shard)])[:, None]
        after = _starts(reserve, self.audience[slice(*shard)])[:, None] + len(lists) - self.length
        rows = np.where(positions < self.length, ends, after) + positions
        used = rows[positions >= 0]
        ranks = np.broadcast_to(np.arange(1, self.length + 1, dtype=np.int32), rows.shape)
        together = pa.concat_tables([lists.drop_columns([RANK]), reserve])
        left = np.ones(len(together), np.bool_)
        left[used] = False
        made = together.take(pa.array(used)).append_column(RANK, pa.array(ranks[positions >= 0]))
        kept = reserve.filter(pa.array(left[len(lists) :]))
        return {**tables, "recommendations": made, "reserve": kept}


def limit_entries(
    config: RunConfig,
    graph: FollowGraph,
    votes: EarlierVotes | None,
    earlier: Run | None,
    finished: FinishedShards,
) -> tuple[FinishedShards, EntriesRecord | None]:
    """Change the lists no further than :func:`raypipe.integrity.entries.admitted` allows.

    The result depends on the lists and the earlier run only, so a run that is started again after a
    kill gives the same bytes. Memory: 4 bytes for each entry and candidate of a reserve, three
    times for a moment.

    Args:
        votes: of the night before; None: there is none.
        earlier: the run of the night before; None: there is none.

    Returns:
        The shards, and what was held back; None where there are no bounds.

    Raises:
        RunError: files of the earlier run are missing or damaged.
    """
    if not config.integrity.bounds:
        return finished, None
    if earlier is None or votes is None:
        return finished, EntriesRecord(why="no limit in the first night")
    of_earlier = earlier.config()
    if of_earlier.recommendations.per_account < finished.length:
        why = f"no limit, as the lists of run {earlier.id} are shorter"
        return finished, EntriesRecord(why=why)
    if _strategy(of_earlier) != _strategy(config):
        why = f"no limit, as the config of run {earlier.id} has other sources or another blend"
        return finished, EntriesRecord(why=why)
    codes, sources = _lists_of(finished, config.recommendations.reserve)
    before = _before(earlier, graph, votes, finished.audience)
    ids = graph.tie_rule.positions[finished.audience]
    share = config.blend.most_fraction
    limit = max(1, finished.length * share[0] // share[1])
    positions = admitted(codes, sources, finished.length, before, ids, config.integrity, limit)
    had = codes[:, : finished.length] >= 0
    kept = (positions >= 0) & (positions < finished.length)
    filled = int(np.count_nonzero(positions >= finished.length))
    held = int(had.sum() - kept.sum())
    moved = int(np.count_nonzero((positions[:, 1:2] >= 0) & (positions[:, 1:2] < positions[:, :1])))
    record = EntriesRecord(
        run=earlier.id,
        held_back=held,
        refilled=filled,
        moved=moved,
        why=f"since run {earlier.id}, {held:,} new ones were held back, {filled:,} others took "
        f"their place, {moved:,} lists have another first one",
    )
    return finished._replace(positions=positions if held or moved else None), record


def _strategy(config: RunConfig) -> dict[str, Any]:
    """What the config says of how lists are made.

    The factor model is left out: ``auto`` depends on the follows, and they must lift no limit.
    """
    return config.model_dump(
        include={"sources", "blend", "ladder", "candidates"}, exclude={"sources": {"factors"}}
    )


def _lists_of(finished: FinishedShards, reserve: int) -> tuple[np.ndarray, np.ndarray]:
    """int32 and uint8[m, n + r]: all lists and what follows them, -1 for none; their sources."""
    codes = np.full((len(finished.audience), finished.length + reserve), -1, np.int32)
    sources = np.zeros(codes.shape, np.uint8)
    for shard in finished.shards:
        tables, audience = finished.tables(shard), finished.audience[slice(*shard)]
        for name, first in (("recommendations", 0), ("reserve", finished.length)):
            accounts = tables[name]["account"].to_numpy()
            rows = np.searchsorted(audience, accounts)
            columns = np.arange(len(rows)) - _starts(tables[name], audience)[rows] + first
            codes[shard[0] + rows, columns] = tables[name]["other"].to_numpy()
            sources[shard[0] + rows, columns] = tables[name][SOURCE].to_numpy()
    return codes, sources


def _starts(table: pa.Table, audience: np.ndarray) -> np.ndarray:
    """int64[m]: the first row of each account in a table of entries."""
    return np.searchsorted(table["account"].to_numpy(), audience)


def _before(run: Run, graph: FollowGraph, votes: EarlierVotes, audience: np.ndarray) -> Before:
    """The lists of an earlier run, by the account indices of tonight."""
    every, pairs = np.arange(graph.accounts, dtype=np.int32), []
    listed, firsts = np.zeros(graph.accounts, np.bool_), np.full(graph.accounts, -1, np.int32)
    for part in run.manifest.parts["recommendations"]:
        table = read_parquet(run.path / part.file, [ACCOUNT, CANDIDATE, RANK])
        rows, columns = (
            graph.codes(table[name].combine_chunks()).astype(np.int32)
            for name in (ACCOUNT, CANDIDATE)
        )
        listed[rows[rows >= 0]] = True
        known = (rows >= 0) & (columns >= 0)
        first = known & (table[RANK].to_numpy() == 1)
        firsts[rows[first]] = columns[first]
        pairs.append(Pairs(rows[known], columns[known], every))
    lists = take(adjacency(pairs, graph.accounts)[0], audience)
    drawn = chances(graph.tie_rule.positions, votes.fingerprint)
    return Before(lists, firsts[audience], listed[audience], votes.counted, drawn)
