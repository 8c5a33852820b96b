"""The gate: nothing is published that must not be shown.

What stands in the files is joined against follows and filters by themselves, not by what the night
has made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raypipe.columns import ACCOUNT, CANDIDATE
from raypipe.errors import LeakError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Pairs, find
from raypipe.recommend.filters.inputs import Filters
from raypipe.storage.data_files import read_parquet
from raypipe.storage.runs.manifest import PartRecord

#: Hits that a message names.
_NAMED = 3


def check_lists(
    folder: Path, parts: Sequence[PartRecord], graph: FollowGraph, filters: Filters
) -> int:
    """Join every recommendation with all that must not be shown.

    Args:
        folder: of the run.
        parts: of its recommendations, as ``runs.parts.write_parts`` gave them.

    Returns:
        Number of recommendations that were looked at.

    Raises:
        LeakError: one of them must not be shown; it names the first ones.
    """
    every = np.arange(graph.accounts, dtype=np.int32)
    seen = 0
    for part in parts:
        table = read_parquet(folder / part.file, [ACCOUNT, CANDIDATE])
        rows, columns = (
            graph.codes(table[name].combine_chunks()).astype(np.int32)
            for name in (ACCOUNT, CANDIDATE)
        )
        pairs = Pairs(rows, columns, every)
        hits = {
            "is an unknown account": (rows < 0) | (columns < 0),
            "is the account itself": rows == columns,
        }
        _refuse(hits, table)
        hits = {
            "is followed already": find(graph.followees, pairs) >= 0,
            "was rejected": find(filters.rejected, pairs) >= 0,
            "was blocked": find(filters.blocked, pairs) >= 0,
            "used to be followed": find(filters.previously_followed, pairs) >= 0,
            "has opted out": filters.opted_out[columns],
            "is a bot": filters.bots[columns],
        }
        _refuse(hits, table)
        seen += len(rows)
    return seen


def _refuse(hits: dict[str, np.ndarray], table: Any) -> None:
    for what, hit in hits.items():
        places = np.flatnonzero(hit)
        if len(places):
            first = table.take(places[:_NAMED]).to_pylist()
            named = ", ".join(f"{row[CANDIDATE]!r} to {row[ACCOUNT]!r}" for row in first)
            raise LeakError(
                f"{len(places):,} recommendations must not be shown: {named}: who is recommended "
                f"{what}; nothing was published; this is a defect of raypipe, please report it"
            )
