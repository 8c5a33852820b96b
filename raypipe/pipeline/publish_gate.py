"""The publish gate: refuses lists that contain an excluded candidate.

It joins the written files with the follows and with the input of each filter. It does not use the
exclusions that the night derived from these inputs, so that it checks them independently.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from raypipe.columns import ACCOUNT, CANDIDATE
from raypipe.errors import LeakError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Pairs, find
from raypipe.recommend.filters.inputs import Filters
from raypipe.storage.data_files import read_parquet
from raypipe.storage.runs.manifest import PartRecord
from raypipe.storage.runs.parts import PART_ROWS
from raypipe.storage.runs.reserve import load_reserve

#: Maximum number of recommendations that an error message names.
_NAMED = 3
UNKNOWN = "is an unknown account"


def check_lists(
    folder: Path, parts: Sequence[PartRecord], graph: FollowGraph, filters: Filters
) -> int:
    """Check every recommendation against the follows and every filter.

    Args:
        folder: of the run.
        parts: of its recommendations, from ``runs.parts.write_parts``.

    Returns:
        Number of checked recommendations.

    Raises:
        LeakError: at least one recommendation must not be shown; the message names the first ones.
    """
    checked = 0
    for part in parts:
        table = read_parquet(folder / part.file, [ACCOUNT, CANDIDATE])
        rows, columns = (
            graph.codes(table[name].combine_chunks()).astype(np.int32)
            for name in (ACCOUNT, CANDIDATE)
        )
        _refuse(UNKNOWN, (rows < 0) | (columns < 0), table[ACCOUNT], table[CANDIDATE])
        _check_pairs(rows, columns, graph, filters)
        checked += len(rows)
    return checked


def check_reserve(folder: Path, graph: FollowGraph, filters: Filters) -> None:
    """Check every candidate of the reserve as :func:`check_lists` does.

    Raises:
        LeakError: at least one candidate must not be shown; the message names the first ones.
    """
    reserve = load_reserve(folder)
    rows = np.repeat(np.arange(graph.accounts, dtype=np.int32), np.diff(reserve.indptr))
    for start in range(0, len(rows), PART_ROWS):
        part = slice(start, start + PART_ROWS)
        columns = np.array(reserve.codes[part])
        unknown = (columns < 0) | (columns >= graph.accounts)
        _refuse(UNKNOWN, unknown, _ids(rows[part], graph), pa.array(columns))
        _check_pairs(rows[part], columns, graph, filters)


def _check_pairs(
    rows: np.ndarray, columns: np.ndarray, graph: FollowGraph, filters: Filters
) -> None:
    """Check candidates by account index: ``columns[i]`` is shown to ``rows[i]``."""
    ids = _ids(rows, graph), _ids(columns, graph)
    pairs = Pairs(rows, columns, np.arange(graph.accounts, dtype=np.int32))
    _refuse("is the account itself", rows == columns, *ids)
    _refuse("is followed already", find(graph.followees, pairs) >= 0, *ids)
    for spec, excluded in filters.pairs:
        _refuse(spec.gate_words, find(excluded.rows, pairs) >= 0, *ids)
    for spec, mask in filters.masks:
        _refuse(spec.gate_words, mask.members[columns], *ids)
        if spec.silent:
            _refuse(f"is shown to one that {spec.gate_words}", mask.members[rows], *ids)


def _ids(codes: np.ndarray, graph: FollowGraph) -> pa.Array:
    """The ids of account indices; only those that are read become text."""
    return pa.DictionaryArray.from_arrays(codes, graph.ids)


def _refuse(why: str, hit: np.ndarray, accounts: pa.Array, candidates: pa.Array) -> None:
    rows = np.flatnonzero(hit)
    if len(rows):
        first = (ids.take(rows[:_NAMED]).to_pylist() for ids in (candidates, accounts))
        named = ", ".join(
            f"{candidate!r} to {account!r}" for candidate, account in zip(*first, strict=True)
        )
        raise LeakError(
            f"{len(rows):,} recommendations must not be shown: {named}: the recommended account "
            f"{why}; nothing was published; this is a defect of raypipe, please report it"
        )
