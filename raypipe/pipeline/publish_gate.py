"""The publish gate: refuses lists that contain an excluded candidate.

It joins the written files with the follows and with the input of each filter. It does not use the
exclusions that the night derived from these inputs, so that it checks them independently.
"""

from __future__ import annotations

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

#: Maximum number of recommendations that an error message names.
_NAMED = 3


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
    every = np.arange(graph.accounts, dtype=np.int32)
    checked = 0
    for part in parts:
        table = read_parquet(folder / part.file, [ACCOUNT, CANDIDATE])
        rows, columns = (
            graph.codes(table[name].combine_chunks()).astype(np.int32)
            for name in (ACCOUNT, CANDIDATE)
        )
        _refuse("is an unknown account", (rows < 0) | (columns < 0), table)
        _refuse("is the account itself", rows == columns, table)
        pairs = Pairs(rows, columns, every)
        _refuse("is followed already", find(graph.followees, pairs) >= 0, table)
        for spec, excluded in filters.pairs:
            _refuse(spec.gate_words, find(excluded.rows, pairs) >= 0, table)
        for spec, mask in filters.masks:
            _refuse(spec.gate_words, mask.members[columns], table)
        checked += len(rows)
    return checked


def _refuse(why: str, hit: np.ndarray, table: pa.Table) -> None:
    rows = np.flatnonzero(hit)
    if len(rows):
        first = table.take(rows[:_NAMED]).to_pylist()
        named = ", ".join(f"{row[CANDIDATE]!r} to {row[ACCOUNT]!r}" for row in first)
        raise LeakError(
            f"{len(rows):,} recommendations must not be shown: {named}: the recommended account "
            f"{why}; nothing was published; this is a defect of raypipe, please report it"
        )
