"""FollowGraph: the follows as immutable arrays.

Accounts are numbered by their sorted ids. So codes, and all later results, do not depend on
how the input was split, ordered or read.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import FOLLOWER, FOLLOWING
from raypipe.errors import InputError, RunError, UnknownAccountError
from raypipe.kernels.arrays import Flags, Indices, Integers, Offsets
from raypipe.kernels.csr import Adjacency, Pairs, adjacency, find, subset, transpose
from raypipe.kernels.read_only import freeze
from raypipe.kernels.splitmix import hash_texts
from raypipe.kernels.topk import TieRule
from raypipe.storage.data_files import map_array, map_arrow, save_array, write_arrow
from raypipe.storage.files import make_folder
from raypipe.storage.ids import bytes_of_ids, digest_of_ids, number_ids

_MAX_ACCOUNTS = np.iinfo(np.int32).max
#: Follows that are compared at a time, at about 40 bytes each.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class FollowGraph:
    """The follows of n accounts; its arrays are read-only.

    Attributes:
        ids: large_string[n], ascending by their UTF-8 bytes; a code is a position in them.
        fingerprint: SHA-256 (hex) over the ids and the follows; equal for equal content.
    """

    ids: pa.LargeStringArray
    followees: Adjacency
    followers: Adjacency
    fingerprint: str

    def __post_init__(self) -> None:
        freeze((self.followees, self.followers))

    @property
    def accounts(self) -> int:
        """Number of accounts."""
        return len(self.ids)

    @property
    def follows(self) -> int:
        """Number of follows, without repeats and self-follows."""
        return len(self.followees.codes)

    @cached_property
    def tie_rule(self) -> TieRule:
        """The order of candidates with equal scores; it depends on followers and ids only."""
        positions = (hash_texts(*bytes_of_ids(self.ids)) >> np.uint64(32)).astype(np.uint32)
        rule = TieRule(self.followers.degrees.astype(np.int32), positions)
        freeze(rule)
        return rule

    def code(self, account: str) -> int:
        """The code of an account id.

        Raises:
            UnknownAccountError: the graph has no such account.
        """
        code = int(self.codes([account])[0])
        if code < 0:
            raise UnknownAccountError(f"account {account!r} is not among the {self.accounts:,}")
        return code

    def codes(self, accounts: Sequence[str] | pa.Array) -> Offsets:
        """int64: the code of each id; -1 where there is no such account."""
        found = pc.index_in(pa.array(accounts, pa.large_string()), value_set=self.ids)
        return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64))


class EncodedFollows(NamedTuple):
    """One part of the follows; ids are positions in its own list of distinct ids."""

    ids: pa.LargeStringArray
    followers: Indices
    followees: Indices


class DroppedRows(NamedTuple):
    """Numbers of rows of the frame that are not follows of the graph."""

    duplicates: int
    self_follows: int


def encode(part: pd.DataFrame) -> EncodedFollows:
    """Dictionary-encode the two id columns of one row partition; runs where the partition lives.

    Example:
        >>> part = pd.DataFrame({"followerId": ["b", "b"], "followingId": ["a", "c"]})
        >>> encode(part).ids.to_pylist(), encode(part).followees.tolist()
        (['b', 'a', 'c'], [1, 2])
    """
    columns = [pa.array(part[name], pa.large_string()) for name in (FOLLOWER, FOLLOWING)]
    chunks = [
        chunk
        for column in columns
        for chunk in (column.chunks if isinstance(column, pa.ChunkedArray) else [column])
    ]
    encoded = pa.chunked_array(chunks, pa.large_string()).dictionary_encode()
    codes = np.concatenate([np.empty(0, np.int32), *(c.indices.to_numpy() for c in encoded.chunks)])
    ids = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], pa.large_string())
    return EncodedFollows(ids, codes[: len(part)], codes[len(part) :])


def build_graph(
    parts: Iterable[EncodedFollows], further_accounts: Sequence[str] | pa.Array = ()
) -> tuple[FollowGraph, DroppedRows]:
    """Merge encoded parts into one graph.

    Args:
        parts: any number, in any order.
        further_accounts: ids that are accounts even if no follow names them.

    Returns:
        The graph, and the number of duplicates and self-follows. An account that only follows
        itself is an account without follows.

    Raises:
        InputError: more accounts than int32 codes can number.

    Example:
        >>> frame = pd.DataFrame({"followerId": list("bbac"), "followingId": list("aabc")})
        >>> graph, dropped = build_graph([encode(frame)])
        >>> graph.ids.to_pylist(), graph.followees.row(graph.code("b")).tolist(), dropped
        (['a', 'b', 'c'], [0], DroppedRows(duplicates=1, self_follows=1))
    """
    parts = list(parts)
    further = pa.array(further_accounts, pa.large_string())
    seen = pa.chunked_array([*(part.ids for part in parts), further], pa.large_string())
    ids, code_of = number_ids(seen)
    if len(ids) > _MAX_ACCOUNTS:
        raise InputError(f"found {len(ids):,} accounts, expected at most {_MAX_ACCOUNTS:,}")
    codes_of_parts = np.split(code_of, np.cumsum([len(part.ids) for part in parts]))
    pairs = [
        Pairs(part.followers, part.followees, codes)
        for part, codes in zip(parts, codes_of_parts[: len(parts)], strict=True)
    ]
    rows, self_follows, duplicates = adjacency(pairs, len(ids))
    return graph_of_rows(ids, rows), DroppedRows(duplicates, self_follows)


def graph_of_rows(ids: pa.LargeStringArray, rows: Adjacency) -> FollowGraph:
    """The graph of accounts with these ids, and one row of followees for each.

    Example:
        >>> rows = Adjacency(np.array([0, 1, 1]), np.array([1], np.int32))
        >>> graph_of_rows(pa.array(["a", "b"], pa.large_string()), rows).followers.degrees.tolist()
        [0, 1]
    """
    return FollowGraph(ids, rows, transpose(rows), _fingerprint(ids, rows))


def graph_of(follows: str) -> FollowGraph:
    """A small graph for examples and tests, of accounts with one letter each.

    Example:
        >>> graph_of("ab cb").ids.to_pylist(), graph_of("ab cb").followers.degrees.tolist()
        (['a', 'b', 'c'], [0, 2, 0])
    """
    pairs = pd.DataFrame(map(tuple, follows.split()), columns=[FOLLOWER, FOLLOWING])
    return build_graph([encode(pairs)])[0]


def with_follows(graph: FollowGraph, keep: Flags) -> FollowGraph:
    """The graph of the same accounts, with the same codes, and the follows to keep.

    Args:
        keep: bool[follows], in the order of ``graph.followees.codes``.

    Example:
        >>> graph = graph_of("ba bc ab")
        >>> less = with_follows(graph, np.array([True, True, False]))
        >>> less.ids.to_pylist(), less.follows, less.followers.degrees.tolist()
        (['a', 'b', 'c'], 2, [1, 1, 0])
    """
    return graph_of_rows(graph.ids, subset(graph.followees, keep))


def muted(graph: FollowGraph, silent: Flags) -> tuple[FollowGraph, Flags]:
    """The graph without the follows of some accounts, and bool[follows]: those that remain.

    Args:
        silent: bool[n], the accounts whose follows do not count; they keep their codes.

    Example:
        >>> graph = graph_of("ba bc ab")
        >>> less, kept = muted(graph, np.array([False, True, False]))
        >>> less.follows, less.followers.degrees.tolist(), kept.tolist()
        (1, [0, 1, 0], [True, False, False])
    """
    kept = ~np.repeat(silent, graph.followees.degrees)
    return (graph if kept.all() else with_follows(graph, kept)), kept


def with_account(
    graph: FollowGraph, account: str, followees: Indices, followers: Indices
) -> tuple[FollowGraph, int]:
    """The graph with other follows of one account, and the code of that account.

    Args:
        account: an id; one that is not in the graph becomes its last account, whatever its order.
        followees: codes of the accounts that it follows, in place of those in the graph.
        followers: codes of accounts that follow it, beside those in the graph.

    Example:
        >>> graph = graph_of("ba bc ab")
        >>> more, code = with_account(graph, "aa", np.array([2], np.int32), np.array([0], np.int32))
        >>> more.ids[code].as_py(), more.follows, more.followers.row(code).tolist()
        ('aa', 5, [0])
    """
    code, new = int(graph.codes([account])[0]), []
    if code < 0:
        code, new = graph.accounts, [account]
    rows = np.repeat(np.arange(graph.accounts), graph.followees.degrees)
    more = np.concatenate([np.full(len(followees), code), followers])
    others = np.concatenate([followees, np.full(len(followers), code)])
    return with_more(graph, new, more, others, rows != code), code


def with_more(
    graph: FollowGraph,
    ids: Sequence[str],
    followers: Integers,
    followees: Integers,
    keep: Flags | None = None,
) -> FollowGraph:
    """The graph with new accounts, which come last whatever their order, and with more follows.

    Args:
        ids: of the new accounts, none of them in the graph.
        followers, followees: codes of both ends of the new follows; new accounts have the codes
            after those of the graph.
        keep: bool[follows], the follows of the graph that remain; None: all.

    Example:
        >>> graph, _ = build_graph([], list("ab"))
        >>> more = with_more(graph, ["c"], np.array([2, 0]), np.array([0, 2]))
        >>> more.ids.to_pylist(), more.followees.degrees.tolist()
        (['a', 'b', 'c'], [1, 0, 1])
    """
    rows = np.repeat(np.arange(graph.accounts), graph.followees.degrees)
    codes = graph.followees.codes
    if keep is not None:
        rows, codes = rows[keep], codes[keep]
    more = pa.concat_arrays([graph.ids, pa.array(ids, graph.ids.type)])
    pairs = Pairs(
        np.concatenate([rows, followers]).astype(np.int32),
        np.concatenate([codes, followees]).astype(np.int32),
        np.arange(len(more)),
    )
    found, _, _ = adjacency([pairs], len(more))
    return graph_of_rows(more, found)


def absent_follows(
    sides: Iterable[Adjacency], code_of: Offsets, graph: FollowGraph
) -> tuple[Adjacency, int]:
    """The follows of another graph that this graph does not have, by this graph's codes.

    Args:
        sides: follows by the codes of the other graph.
        code_of: int64, the code in this graph of each account of the other; -1: it has none.

    Returns:
        One row per account of this graph, and the number of follows of or to unknown accounts,
        which are left out.

    Example:
        >>> now, earlier = graph_of("ba ab ac cb"), graph_of("ba")
        >>> new, unknown = absent_follows([now.followees], earlier.codes(now.ids), earlier)
        >>> new.row(earlier.code("a")).tolist(), len(new.codes), unknown
        ([1], 1, 2)
    """
    every = np.arange(graph.accounts, dtype=np.int32)
    absent, unknown = [], 0
    for side in sides:
        for start in range(0, len(side.codes), _BLOCK):
            positions = np.arange(start, min(start + _BLOCK, len(side.codes)))
            rows = code_of[np.searchsorted(side.indptr, positions, side="right") - 1]
            columns = code_of[side.codes[start : start + _BLOCK]]
            known = (rows >= 0) & (columns >= 0)
            unknown += len(known) - int(np.count_nonzero(known))
            pairs = Pairs(rows[known].astype(np.int32), columns[known].astype(np.int32), every)
            is_absent = find(graph.followees, pairs) < 0
            absent.append(Pairs(pairs.rows[is_absent], pairs.columns[is_absent], every))
    return adjacency(absent, graph.accounts)[0], unknown


def save_graph(graph: FollowGraph, folder: Path) -> None:
    """Write the arrays so that :func:`load_graph` can map them into memory.

    Nothing is flushed to the disk: a run is flushed as a whole when it is finished.
    """
    make_folder(folder)
    table = pa.table({"id": graph.ids}, metadata={"fingerprint": graph.fingerprint})
    write_arrow(folder / "ids.arrow", table, sync=False)
    for name, side in (("followees", graph.followees), ("followers", graph.followers)):
        save_array(folder / f"{name}_indptr.npy", side.indptr, sync=False)
        save_array(folder / f"{name}_codes.npy", side.codes, sync=False)


def load_graph(folder: Path) -> FollowGraph:
    """Map a saved graph into memory, read-only; pages are read on first access.

    Raises:
        RunError: the folder does not contain a complete graph.
    """
    try:
        table = map_arrow(folder / "ids.arrow")
        sides = {
            name: Adjacency(
                map_array(folder / f"{name}_indptr.npy"), map_array(folder / f"{name}_codes.npy")
            )
            for name in ("followees", "followers")
        }
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise RunError(f"{folder}: is not a whole graph ({error}); run the night again") from None
    ids = table["id"].chunk(0) if table.num_rows else pa.array([], pa.large_string())
    return FollowGraph(ids, fingerprint=table.schema.metadata[b"fingerprint"].decode(), **sides)


def _fingerprint(ids: pa.LargeStringArray, rows: Adjacency) -> str:
    digest = hashlib.sha256(b"FollowGraph 1")
    digest.update(digest_of_ids(ids))
    for array in rows:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
