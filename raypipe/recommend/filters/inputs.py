"""Whom a night must not show to whom, beside follows: as it is read, and in codes of a graph."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE
from raypipe.config import FiltersConfig, RunConfig
from raypipe.config.feedback_url import store_url
from raypipe.errors import RunError
from raypipe.graph.follow_graph import FollowGraph, load_graph
from raypipe.kernels.csr import Adjacency, Pairs, adjacency, find
from raypipe.storage.data_files import read_parquet
from raypipe.storage.feedback.store import FeedbackStore, Snapshot
from raypipe.storage.feedback.tables import read_pairs
from raypipe.storage.ids import digest_of_ids
from raypipe.storage.runs.filter_arrays import FOLDER, load_rows
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.store import RunStore
from raypipe.storage.tables import read_ids

#: Follows of an earlier graph that are looked at together, at some 40 bytes each.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class FilterInputs:
    """What was read before the graph is there.

    Attributes:
        rejections: of one moment.
        blocks: columns accountId and candidateId; None where the config names none.
        opted_out, bots: ids; None where the config names none.
        before: the run whose follows may be gone now; None where there is none.
        shown_in: the run whose recommendations were seen; None where that teaches nothing.
    """

    rejections: Snapshot
    blocks: pa.Table | None = None
    opted_out: pa.Array | None = None
    bots: pa.Array | None = None
    before: Run | None = None
    shown_in: Run | None = None

    def digest(self) -> bytes:
        """SHA-256 over all that a result depends on; in what order it was rejected does not."""
        digest = hashlib.sha256()
        for name, pairs in (("rejections", self.rejections.pairs), ("blocks", self.blocks)):
            for column in () if pairs is None else (ACCOUNT, CANDIDATE):
                digest.update(name.encode() + digest_of_ids(pairs[column].combine_chunks()))
        for name, ids in (("opted_out", self.opted_out), ("bots", self.bots)):
            digest.update(b"" if ids is None else name.encode() + digest_of_ids(ids))
        for run, read in (
            (self.before, ("graph/", f"{FOLDER}/")),
            (self.shown_in, ("recommendations/",)),
        ):
            if run is not None:
                files = run.manifest.files.items()
                kept = {n: f.sha256 for n, f in files if n.startswith(read)}
                digest.update(json.dumps(kept, sort_keys=True).encode())
        return digest.digest()


@dataclass(frozen=True)
class Filters:
    """The same in codes of a graph of n accounts; ids that it does not hold are left out.

    Attributes:
        rejected: whom each account has rejected.
        blocked: whom each account has blocked, or who has blocked it.
        previously_followed: whom each account followed in an earlier run, and does not follow now.
        opted_out, bots: bool[n], who is shown to nobody.
        counts: of each, how many there are; and of what was read, how many rows have an unknown id.
        shown: int64[n], to how many accounts each was recommended; None: nobody asks.
    """

    rejected: Adjacency
    blocked: Adjacency
    previously_followed: Adjacency
    opted_out: np.ndarray
    bots: np.ndarray
    counts: dict[str, int]
    shown: np.ndarray | None = None


def feedback_store(config: RunConfig, store: RunStore) -> FeedbackStore:
    """The store of rejections of a config, beside these runs if it names no other."""
    return FeedbackStore(store_url(config.feedback.url, store.root))


def read_filters(config: RunConfig, store: RunStore, date: str) -> FilterInputs:
    """Read everything that a night must not show.

    Args:
        date: of the run.

    Raises:
        FeedbackError: the store of rejections cannot be read.
        InputError: a file that the config names cannot be read, or holds a row that is none.
    """
    with closing(feedback_store(config, store)) as feedback:
        rejections = feedback.snapshot()
    lowers = config.feedback.negative.popular > 0 and rejections.pairs.num_rows > 0
    asks = config.filters.previously_followed or lowers
    before = store.published_before(date) if asks else None
    return FilterInputs(
        rejections,
        *_read_files(config.filters),
        before=before if config.filters.previously_followed else None,
        shown_in=before if lowers else None,
    )


def check_filters(config: RunConfig, store: RunStore) -> None:
    """Can everything be read that a night must not show? Raises what :func:`read_filters` does."""
    with closing(feedback_store(config, store)) as feedback:
        feedback.watermark()
    _read_files(config.filters)


def filters_of(inputs: FilterInputs, graph: FollowGraph) -> Filters:
    """What was read, in codes of a graph.

    Raises:
        RunError: the graph or the recommendations of the earlier run cannot be read.
    """
    rejected, unknown_rejections = pairs_in(inputs.rejections.pairs, graph)
    blocked, unknown_blocks = pairs_in(inputs.blocks, graph, both_ways=True)
    previously_followed = _previously_followed(inputs.before, graph)
    opted_out, bots = (_members(ids, graph) for ids in (inputs.opted_out, inputs.bots))
    return Filters(
        rejected,
        blocked,
        previously_followed,
        opted_out,
        bots,
        counts={
            "rejections": len(rejected.codes),
            "rejections_of_unknown_accounts": unknown_rejections,
            "blocks_both_ways": len(blocked.codes),
            "blocks_of_unknown_accounts": unknown_blocks,
            "previously_followed": len(previously_followed.codes),
            "opted_out": int(np.count_nonzero(opted_out)),
            "bots": int(np.count_nonzero(bots)),
        },
        shown=None if inputs.shown_in is None else _shown(inputs.shown_in, graph),
    )


def _read_files(
    filters: FiltersConfig,
) -> tuple[pa.Table | None, pa.Array | None, pa.Array | None]:
    """Blocks, who has opted out, and bots; None for what the config does not name."""
    blocks = None if filters.blocks is None else read_pairs(filters.blocks, "block")
    opted_out, bots = (
        None if path is None else read_ids(Path(path), key)
        for path, key in ((filters.opted_out, "filters.opted_out"), (filters.bots, "filters.bots"))
    )
    return blocks, opted_out, bots


def pairs_in(
    table: pa.Table | None, graph: FollowGraph, both_ways: bool = False
) -> tuple[Adjacency, int]:
    """The pairs as rows of codes, and how many have an id that is not in the graph."""
    if table is None:
        return _rows_of([], graph), 0
    rows, columns = (graph.codes(table[name].combine_chunks()) for name in (ACCOUNT, CANDIDATE))
    known = (rows >= 0) & (columns >= 0)
    rows, columns = (codes[known].astype(np.int32) for codes in (rows, columns))
    ways = [(rows, columns), (columns, rows)] if both_ways else [(rows, columns)]
    return _rows_of(ways, graph), int(np.count_nonzero(~known))


def _previously_followed(before: Run | None, graph: FollowGraph) -> Adjacency:
    """Follows of the run before, and those that were gone there already, that are gone now."""
    if before is None:
        return _rows_of([], graph)
    earlier = load_graph(before.path / "graph")
    code_of = graph.codes(earlier.ids).astype(np.int32)
    every = np.arange(graph.accounts, dtype=np.int32)
    previously_followed = Adjacency(*load_rows(before, "previously_followed", earlier.accounts))
    gone = []
    for side in (earlier.followees, previously_followed):
        for start in range(0, len(side.codes), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(side.codes)))
            rows = code_of[np.searchsorted(side.indptr, places, side="right") - 1]
            columns = code_of[side.codes[start : start + _BLOCK]]
            known = (rows >= 0) & (columns >= 0)
            rows, columns = rows[known], columns[known]
            is_gone = find(graph.followees, Pairs(rows, columns, every)) < 0
            gone.append((rows[is_gone], columns[is_gone]))
    return _rows_of(gone, graph)


def _shown(run: Run, graph: FollowGraph) -> np.ndarray:
    """int64[n]: in how many lists of a run each account stands."""
    found = np.zeros(graph.accounts, np.int64)
    for part in run.manifest.parts["recommendations"]:
        try:
            table = read_parquet(run.path / part.file, [CANDIDATE])
        except (OSError, pa.ArrowException) as error:
            raise RunError(
                f"run {run.id}: {part.file} cannot be read ({error}); run it again, or set "
                "feedback.negative.popular: 0"
            ) from None
        ids, counts = pc.value_counts(table[CANDIDATE]).flatten()
        codes = graph.codes(ids)
        found[codes[codes >= 0]] += counts.to_numpy()[codes >= 0]
    return found


def _rows_of(pairs: Iterable[tuple[np.ndarray, np.ndarray]], graph: FollowGraph) -> Adjacency:
    every = np.arange(graph.accounts, dtype=np.int32)
    return adjacency([Pairs(*part, every) for part in pairs], graph.accounts)[0]


def _members(ids: pa.Array | None, graph: FollowGraph) -> np.ndarray:
    found = np.zeros(graph.accounts, bool)
    codes = graph.codes([] if ids is None else ids)
    found[codes[codes >= 0]] = True
    return found
