"""Exclusion filters: the inputs as read, and the same inputs as account indices of a graph."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE
from raypipe.config import RunConfig
from raypipe.config.feedback_url import store_url
from raypipe.errors import ConfigError, RunError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.custom import digest_of_source
from raypipe.recommend.filters.readers import (
    FROM_FILES,
    AccountIds,
    AccountMask,
    FilterInput,
    PairRows,
    PairTable,
    Reading,
    digest_of_files,
)
from raypipe.recommend.filters.registry import REJECTIONS, specs_of
from raypipe.recommend.filters.spec import FilterSpec
from raypipe.storage.data_files import read_parquet
from raypipe.storage.feedback.store import FeedbackStore, Snapshot
from raypipe.storage.intake.spellings import unknown_ids
from raypipe.storage.records import Notice
from raypipe.storage.runs.feedback_used import StoreState, check_used
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.store import RunStore

Found = TypeVar("Found", PairRows, AccountMask)


@dataclass(frozen=True)
class FilterInputs:
    """What the filters of a night have read, before there is a graph.

    Attributes:
        read: each filter with its input; None where the config does not ask for the filter.
        rejections: those of one moment; the input of the first filter.
        source_digest: SHA-256 over the source of the user's own filters.
        before: the run whose follows may be gone now, if there is one.
        shown_in: the run whose recommendations were seen, if they lower popularity.
        active_since: an account whose last follow is older is inactive, in seconds since 1970;
            None: the times of follows do not matter.
    """

    read: tuple[tuple[FilterSpec, FilterInput | None], ...]
    rejections: Snapshot
    source_digest: bytes = b""
    before: Run | None = None
    shown_in: Run | None = None
    active_since: float | None = None

    def silent(self, graph: FollowGraph) -> np.ndarray:
        """bool[n]: the accounts whose follows do not count, and who get no lists."""
        found = np.zeros(graph.accounts, np.bool_)
        for spec, read in self.read:
            if spec.silent and isinstance(read, AccountIds):
                found |= read.on(graph).members
        return found

    def digest(self) -> bytes:
        """SHA-256 over everything that a result depends on; the order of rejections is not."""
        digest = hashlib.sha256(self.source_digest)
        for spec, found in self.read:
            if found is not None:
                digest.update(spec.key.encode() + b"\n" + found.digest())
        if self.shown_in is not None:
            digest.update(digest_of_files(self.shown_in, ("recommendations/",)))
        return digest.digest()


@dataclass(frozen=True)
class Filters:
    """The filters of a night on a graph of n accounts; ids outside the graph are left out.

    Attributes:
        found: key to what the filter excludes; a filter without input is not there.
        shown: int64[n], to how many accounts each was recommended; None if it is not needed.
    """

    accounts: int
    specs: tuple[FilterSpec, ...]
    found: dict[str, PairRows | AccountMask]
    shown: np.ndarray | None = None

    @property
    def pairs(self) -> Iterator[tuple[FilterSpec, PairRows]]:
        """The filters about pairs."""
        return self._of(PairRows)

    @property
    def masks(self) -> Iterator[tuple[FilterSpec, AccountMask]]:
        """The filters about accounts."""
        return self._of(AccountMask)

    def _of(self, kind: type[Found]) -> Iterator[tuple[FilterSpec, Found]]:
        for spec in self.specs:
            found = self.found.get(spec.key)
            if isinstance(found, kind):
                yield spec, found

    def rejecting(self, rows: Adjacency) -> "Filters":
        """The same filters with these rejections."""
        return replace(self, found={**self.found, REJECTIONS.key: PairRows(rows, rows)})

    @property
    def rejected(self) -> Adjacency:
        """The candidates that each account has rejected."""
        return self._rows(FilterReason.REJECTED)

    @property
    def previously_followed(self) -> Adjacency:
        """The accounts that each account followed in an earlier run and does not follow now."""
        return self._rows(FilterReason.PREVIOUSLY_FOLLOWED)

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of the manifest: pairs or accounts, and pairs with unknown accounts."""
        counts: dict[str, int] = {}
        for spec in self.specs:
            found = self.found.get(spec.key)
            is_pairs = isinstance(found, PairRows)
            counts[spec.count.key] = 0 if found is None else _size(found)
            if spec.count_unknown and (is_pairs or found is None):
                counts[spec.count_unknown.key] = found.unknown if isinstance(found, PairRows) else 0
        return counts

    def _rows(self, reason: FilterReason) -> Adjacency:
        for spec, pairs in self.pairs:
            if spec.reason is reason:
                return pairs.rows
        return Adjacency(np.zeros(self.accounts + 1, np.int64), np.empty(0, np.int32))


def feedback_store(config: RunConfig, store: RunStore) -> FeedbackStore:
    """The store of rejections of a config; by default a file beside the runs."""
    return FeedbackStore(store_url(config.feedback.url, store.root))


def read_filters(config: RunConfig, store: RunStore, date: str) -> FilterInputs:
    """Read the input of every filter.

    Raises:
        ConfigError: an unknown filter.
        FeedbackError: the store of rejections cannot be read, or is not the one used before.
        InputError: a file that the config names cannot be read, or holds an unusable row.
    """
    with closing(feedback_store(config, store)) as feedback:
        rejections = feedback.snapshot()
        check_used(store, StoreState(rejections.identity, rejections.watermark), feedback.where)
    lowers = config.feedback.negative.popular > 0 and rejections.pairs.num_rows > 0
    asks = config.filters.previously_followed or lowers
    before = store.newest(before=date) if asks else None
    return FilterInputs(
        _read_all(config, rejections, before, date),
        rejections,
        digest_of_source(config.filters) if config.filters.custom else b"",
        before=before if config.filters.previously_followed else None,
        shown_in=before if lowers else None,
        active_since=_active_since(config, date),
    )


def _active_since(config: RunConfig, date: str) -> float | None:
    """When an account must have followed somebody to be active, in seconds since 1970."""
    inactive = config.filters.inactive
    if not inactive.by_follows:
        return None
    if config.input.columns.timestamp is None:
        raise ConfigError(
            "filters.inactive.by_follows: needs the times of follows; set "
            "input.columns.timestamp, or name a table of last activity in filters.inactive.table"
        )
    return (datetime.fromisoformat(f"{date}+00:00") - timedelta(inactive.days)).timestamp()


def read_named_filters(config: RunConfig) -> FilterInputs:
    """Read the filters that the config names by file or function: no run and no stored rejection.

    Raises what :func:`read_filters` does.
    """
    none = Snapshot(0, pa.table([pa.array([], pa.large_string())] * 2, [ACCOUNT, CANDIDATE]))
    source_digest = digest_of_source(config.filters) if config.filters.custom else b""
    return FilterInputs(_read_all(config, none, None, None), none, source_digest)


def check_filters(config: RunConfig, store: RunStore) -> None:
    """Check that the input of every filter can be read. Raises what :func:`read_filters` does."""
    with closing(feedback_store(config, store)) as feedback:
        check_used(store, StoreState(feedback.identity(), feedback.watermark()), feedback.where)
    read_named_filters(config)


def filters_of(
    inputs: FilterInputs, graph: FollowGraph, inactive: np.ndarray | None = None
) -> Filters:
    """The filters as account indices.

    Args:
        inactive: bool[n], the accounts that the times of follows show as inactive.

    Raises:
        RunError: the graph or the recommendations of the earlier run cannot be read.
    """
    found = {spec.key: read.on(graph) for spec, read in inputs.read if read is not None}
    if inactive is not None:
        (key,) = (spec.key for spec, _ in inputs.read if spec.reason is FilterReason.INACTIVE)
        named = found.get(key)
        members = inactive | named.members if isinstance(named, AccountMask) else inactive
        found[key] = AccountMask(members)
    return Filters(
        graph.accounts,
        tuple(spec for spec, _ in inputs.read),
        found,
        shown=None if inputs.shown_in is None else _shown(inputs.shown_in, graph),
    )


def unknown_of(inputs: FilterInputs, graph: FollowGraph) -> tuple[Notice, ...]:
    """A notice for each file and function that names ids which are not in the follows."""
    notices: tuple[Notice, ...] = ()
    for spec, found in inputs.read:
        if spec.read not in FROM_FILES and not spec.key.startswith("custom."):
            continue
        if isinstance(found, AccountIds):
            ids = found.ids
        elif isinstance(found, PairTable):
            sides = (found.table[name] for name in (ACCOUNT, CANDIDATE))
            ids = pc.unique(pa.chunked_array([chunk for side in sides for chunk in side.chunks]))
        else:
            continue
        notices += unknown_ids(ids, graph.codes(ids) < 0, f"filters.{spec.key}")
    return notices


def _read_all(
    config: RunConfig, stored: Snapshot, before: Run | None, date: str | None
) -> tuple[tuple[FilterSpec, FilterInput | None], ...]:
    reading = Reading(config.filters, stored, config.integrity, before, date, config.input)
    return tuple((spec, spec.read(spec.key, reading)) for spec in specs_of(config.filters))


def _size(found: PairRows | AccountMask) -> int:
    if isinstance(found, PairRows):
        return len(found.rows.codes)
    return int(np.count_nonzero(found.members))


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
