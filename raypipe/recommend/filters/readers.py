"""Filter inputs: what a filter reads before the graph is built, and how it maps to the graph.

Importing this module is cheap; pyarrow, numba and the store are imported where they are used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from raypipe.columns import ACCOUNT, CANDIDATE, NIGHT

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from raypipe.config import FiltersConfig, InputConfig, IntegrityConfig
    from raypipe.graph.follow_graph import FollowGraph
    from raypipe.kernels.csr import Adjacency
    from raypipe.storage.feedback.store import Snapshot
    from raypipe.storage.runs.run import Run


class Reading(NamedTuple):
    """What filters may read their inputs from.

    Attributes:
        stored: the rejections, blocks, follows and opt-outs of one moment in the feedback store.
        before: the newest published run of an earlier date, if it was asked for.
        date: of the night, as ``2026-03-01``; None: no night, so nobody rests.
        input: the section ``input``, whose rules for ids hold for all files.
    """

    filters: FiltersConfig
    stored: Snapshot
    integrity: IntegrityConfig
    before: Run | None = None
    date: str | None = None
    input: InputConfig | None = None

    def setting(self, key: str) -> object:
        """The value of a key of the section; None where it is not set."""
        return getattr(self.filters, key, None)

    def marks(self, *kinds: str) -> pa.Table | None:
        """The pairs that are marked in the feedback store; None: there are none."""
        import pyarrow as pa

        tables = [self.stored.marks[kind] for kind in kinds if kind in self.stored.marks]
        pairs = pa.concat_tables(tables) if tables else None
        return pairs if pairs else None


class PairRows(NamedTuple):
    """A filter about pairs, on a graph of n accounts.

    Attributes:
        rows: the candidates that are not shown to each account.
        own: the part of ``rows`` that the account itself has caused.
        unknown: number of pairs that name an account outside the graph.
    """

    rows: Adjacency
    own: Adjacency
    unknown: int = 0


class AccountMask(NamedTuple):
    """A filter about accounts, on a graph of n accounts.

    Attributes:
        members: bool[n], the accounts that are shown to nobody.
    """

    members: np.ndarray


@dataclass(frozen=True)
class PairTable:
    """Pairs of ids: the candidate is not shown to the account.

    Attributes:
        table: columns accountId and candidateId.
        both_ways: the account is not shown to the candidate either.
    """

    table: pa.Table
    both_ways: bool = False

    def digest(self) -> bytes:
        """SHA-256 over the ids, in their order."""
        return _digest_of_columns(self.table, (ACCOUNT, CANDIDATE))

    def on(self, graph: FollowGraph) -> PairRows:
        """The pairs as account indices; pairs with unknown ids are counted and left out."""
        own, unknown = pairs_in(self.table, graph)
        if not self.both_ways:
            return PairRows(own, own, unknown)
        return PairRows(pairs_in(self.table, graph, both_ways=True)[0], own, unknown)


@dataclass(frozen=True)
class AccountIds:
    """Ids of accounts that are shown to nobody."""

    ids: pa.Array

    def digest(self) -> bytes:
        """SHA-256 over the ids, in their order."""
        from raypipe.storage.ids import digest_of_ids

        return digest_of_ids(self.ids)

    def on(self, graph: FollowGraph) -> AccountMask:
        """The ids as a mask; unknown ids are left out."""
        import numpy as np

        members = np.zeros(graph.accounts, bool)
        codes = graph.codes(self.ids)
        members[codes[codes >= 0]] = True
        return AccountMask(members)


@dataclass(frozen=True)
class EarlierFollows:
    """The follows of an earlier run, and those that were gone there already."""

    run: Run

    def digest(self) -> bytes:
        """SHA-256 over the digests of the files that are read."""
        return digest_of_files(self.run, ("graph/", "filters/"))

    def on(self, graph: FollowGraph) -> PairRows:
        """The earlier follows that are gone now, as account indices.

        Raises:
            RunError: the graph of the earlier run cannot be read.
        """
        rows = _gone_follows(self.run, graph)
        return PairRows(rows, rows)


@dataclass(frozen=True)
class SuspectAccounts:
    """The suspects of the graph on which the filter is applied.

    Attributes:
        trusted: ids of the accounts from which trust starts; None: the graph suggests them.
    """

    trusted: pa.Array | None

    def digest(self) -> bytes:
        """SHA-256 over the trusted ids: the rest is in the follows."""
        from raypipe.storage.ids import digest_of_ids

        return b"" if self.trusted is None else digest_of_ids(self.trusted)

    def on(self, graph: FollowGraph) -> AccountMask:
        """The suspects as a mask."""
        from raypipe.integrity.labels import suspicion

        return AccountMask(suspicion(graph, self.trusted) > 0)


FilterInput = PairTable | AccountIds | EarlierFollows | SuspectAccounts


def read_rejections_of(key: str, reading: Reading) -> PairTable:
    """The rejections in the feedback store."""
    return PairTable(reading.stored.pairs)


def read_blocks(key: str, reading: Reading) -> PairTable | None:
    """A file of blocks and those in the feedback store: neither account is shown to the other."""
    import pyarrow as pa

    path, stored = reading.setting(key), reading.marks("block")
    tables = [] if path is None else [_read_pairs(path, "block", reading)]
    tables += [] if stored is None else [stored]
    return PairTable(pa.concat_tables(tables), both_ways=True) if tables else None


def read_follow_changes(key: str, reading: Reading) -> PairTable | None:
    """The follows and unfollows in the feedback store; a follow counts once the input has it."""
    pairs = reading.marks("follow", "unfollow")
    return None if pairs is None else PairTable(pairs)


def read_pair_file(key: str, reading: Reading) -> PairTable | None:
    """The file with columns accountId and candidateId that ``filters.<key>`` names.

    Raises:
        InputError: it cannot be read, or one of its rows is not a pair of ids.
    """
    path = reading.setting(key)
    return None if path is None else PairTable(_read_pairs(path, "pair of ids", reading))


def read_resting(key: str, reading: Reading) -> PairTable | None:
    """The pairs that rest in this night after many impressions.

    Raises:
        InputError: the table cannot be read, or one of its rows is not an impression.
    """
    from raypipe.storage.feedback.tables import read_impressions

    asked = reading.filters.impressions
    if asked.table is None:
        return None
    impressions = read_impressions(asked.table, reading.input)
    if reading.date is None:
        return None
    return PairTable(resting(impressions, reading.date, asked.times, asked.rest))


def resting(impressions: pa.Table, date: str, times: int, rest: int) -> pa.Table:
    """The pairs that rest: as many impressions as ``times`` ended at most ``rest`` nights ago.

    Impressions of a pair count in their order, up to this night. After each ``times`` of them, the
    candidate rests for ``rest`` nights.

    Args:
        impressions: columns accountId, candidateId and night (date32), a row for each.

    Example:
        >>> import pyarrow as pa
        >>> nights = pa.array([20_511, 20_513], pa.int32()).cast(pa.date32())  # 2026-02-27, 03-01
        >>> shown = pa.table({"accountId": ["a", "a"], "candidateId": ["b", "b"], "night": nights})
        >>> [resting(shown, f"2026-03-0{day}", 2, 3).num_rows for day in (1, 4, 5)]
        [1, 1, 0]
    """
    import numpy as np

    pair = [impressions[name].combine_chunks().dictionary_encode() for name in (ACCOUNT, CANDIDATE)]
    accounts, candidates = (ids.indices.to_numpy().astype(np.int64) for ids in pair)
    days = impressions[NIGHT].combine_chunks().cast("int32").to_numpy()
    tonight = np.datetime64(date, "D").astype(np.int64)
    past = np.flatnonzero(days <= tonight)
    key = (accounts * max(len(pair[1].dictionary), 1) + candidates)[past]
    order = past[np.lexsort((days[past], key))]
    _, first, counts = np.unique(np.sort(key), return_index=True, return_counts=True)
    ended = order[first + np.maximum(counts // times * times - 1, 0)]
    found = ended[(counts >= times) & (tonight - days[ended] <= rest)]
    return impressions.select([ACCOUNT, CANDIDATE]).take(found)


def read_account_file(key: str, reading: Reading) -> AccountIds | None:
    """The file with a column accountId that ``filters.<key>`` names.

    Raises:
        InputError: it cannot be read, or its column does not hold ids.
    """
    from raypipe.storage.tables import read_ids

    path = reading.setting(key)
    if path is None:
        return None
    return AccountIds(read_ids(Path(str(path)), f"filters.{key}", reading.input))


def read_opt_outs(key: str, reading: Reading) -> AccountIds | None:
    """The file of accounts that have opted out, and those in the feedback store."""
    import pyarrow as pa

    named, stored = read_account_file(key, reading), reading.marks("opt_out")
    if named is None or stored is None:
        return named if stored is None else AccountIds(stored[ACCOUNT].combine_chunks())
    parts = [named.ids, stored[ACCOUNT].combine_chunks()]
    return AccountIds(pa.concat_arrays([part.cast(pa.large_string()) for part in parts]))


def read_inactive_accounts(key: str, reading: Reading) -> AccountIds | None:
    """The accounts without activity for too long before this night."""
    import datetime

    from raypipe.storage.feedback.tables import read_inactive

    asked = reading.filters.inactive
    if asked.table is None:
        return None
    day = datetime.date.fromisoformat(reading.date or datetime.date.max.isoformat())
    since = (day - datetime.timedelta(asked.days)).isoformat()
    ids = read_inactive(asked.table, since, reading.input)
    return AccountIds(ids if reading.date else ids[:0])


#: The readers of files: ids in them that are unknown have no effect, which is said.
FROM_FILES = (read_blocks, read_pair_file, read_account_file, read_opt_outs)


def read_earlier_follows(key: str, reading: Reading) -> EarlierFollows | None:
    """The earlier run, if there is one and ``filters.<key>`` is on."""
    if reading.before is None or not reading.setting(key):
        return None
    return EarlierFollows(reading.before)


def read_suspects(key: str, reading: Reading) -> SuspectAccounts | None:
    """The suspects, if ``filters.<key>`` is on.

    Raises:
        InputError: ``integrity.trusted`` cannot be read.
    """
    from raypipe.integrity.reputation import read_trusted

    return (
        SuspectAccounts(read_trusted(reading.integrity, reading.input))
        if reading.setting(key)
        else None
    )


def digest_of_files(run: Run, folders: tuple[str, ...]) -> bytes:
    """SHA-256 over the names and digests of a run's files in these folders."""
    files = run.manifest.files.items()
    kept = {name: file.sha256 for name, file in files if name.startswith(folders)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest()


def pairs_in(table: pa.Table, graph: FollowGraph, both_ways: bool = False) -> tuple[Adjacency, int]:
    """The pairs as rows of account indices, and the number of pairs with an unknown id.

    Args:
        both_ways: also add each pair the other way round.
    """
    import numpy as np

    found = [graph.codes(table[name].combine_chunks()) for name in (ACCOUNT, CANDIDATE)]
    known = (found[0] >= 0) & (found[1] >= 0)
    rows, columns = (codes[known].astype(np.int32) for codes in found)
    ways = [(rows, columns), (columns, rows)] if both_ways else [(rows, columns)]
    return _rows_of(ways, graph), int(np.count_nonzero(~known))


def _read_pairs(path: object, what: str, reading: Reading) -> pa.Table:
    from raypipe.storage.feedback.tables import read_pairs

    return read_pairs(str(path), what, reading.input)


def _gone_follows(run: Run, graph: FollowGraph) -> Adjacency:
    from raypipe.graph.follow_graph import absent_follows, load_graph
    from raypipe.kernels.csr import Adjacency
    from raypipe.storage.runs.filter_arrays import load_filters

    earlier = load_graph(run.path / "graph")
    sides = earlier.followees, Adjacency(*load_filters(run)[4:6])
    return absent_follows(sides, graph.codes(earlier.ids), graph)[0]


def _rows_of(pairs: list[tuple[np.ndarray, np.ndarray]], graph: FollowGraph) -> Adjacency:
    import numpy as np

    from raypipe.kernels.csr import Pairs, adjacency

    every = np.arange(graph.accounts, dtype=np.int32)
    return adjacency([Pairs(*part, every) for part in pairs], graph.accounts)[0]


def _digest_of_columns(table: pa.Table, names: tuple[str, ...]) -> bytes:
    from raypipe.storage.ids import digest_of_ids

    digest = hashlib.sha256()
    for name in names:
        digest.update(digest_of_ids(table[name].combine_chunks()))
    return digest.digest()
