"""What accounts that came after the night recover, beside what the full night recovers for them.

All follows of a sample of accounts with five or more are left out of a night. A fifth of them is to
be recovered; the others are named when the list is made, without and with the accounts' followers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raypipe.cli.output.terminal import print_table
from raypipe.config import load_config
from raypipe.evaluation.splits import draw_accounts, hold_out_share
from raypipe.graph.follow_graph import FollowGraph, build_graph, encode
from raypipe.pipeline.run import run_night
from raypipe.serving.lookup import Lookup
from raypipe.serving.newcomer import recommend_newcomer
from raypipe.serving.reports.cells import short
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.store import RunStore
from tests.benchmarks.blend import SETTINGS
from tests.benchmarks.sources import NETWORKS

ACCOUNTS, LENGTH = 150, 20
HOW = ("in the night", "--following", "--following --followers")


def bench(data: Path) -> None:
    """Print recall@20 on advogato, and its share of that of the full night."""
    frame = pa.csv.read_csv(
        data / NETWORKS["advogato"],
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(("followerId", "followingId"), pa.string())
        ),
    ).to_pandas()
    graph, _ = build_graph([encode(frame)])
    for seed in (0, 1, 2):
        recalls = recall_of(graph, seed)
        rows = [
            [how, short(value), short(value / recalls[0])]
            for how, value in zip(HOW, recalls, strict=True)
        ]
        columns = ["list", f"recall@{LENGTH}", "share"]
        print_table(columns, rows, f"advogato, {ACCOUNTS} newcomers, seed {seed}")


def recall_of(graph: FollowGraph, seed: int) -> np.ndarray:
    """float64[3]: mean recall of the lists of HOW."""
    follows, ids = graph.followees.degrees, graph.ids.to_pylist()
    everybody = np.arange(graph.accounts, dtype=np.int32)
    chosen = draw_accounts(everybody[follows >= 5], ACCOUNTS, seed)
    rows, codes = np.repeat(everybody, follows), graph.followees.codes
    of_chosen = np.isin(rows, chosen)
    train = ~(hold_out_share(graph, (1, 5), 2, seed) & of_chosen)
    recalls = []
    with tempfile.TemporaryDirectory() as folder:
        full, before = (
            _night(Path(folder) / name, graph, rows[kept], codes[kept], seed)
            for name, kept in (("full", train), ("before", train & ~of_chosen))
        )
        for account in chosen.tolist():
            own = rows == account
            hidden = {ids[code] for code in codes[own & ~train]}
            named = [ids[code] for code in codes[own & train]]
            followers = [ids[code] for code in rows[train & (codes == account)]]
            new = Lookup("newcomer", before)
            made = recommend_newcomer(new, named), recommend_newcomer(new, named, None, followers)
            night = full.recommendations(ids[account])["candidateId"].to_pylist()
            shown = [night, *([row.candidate for row in found.rows] for found in made)]
            recalls.append([len(hidden & set(names)) / len(hidden) for names in shown])
    return np.mean(recalls, axis=0)


def _night(folder: Path, graph: FollowGraph, rows: np.ndarray, codes: np.ndarray, seed: int) -> Run:
    folder.mkdir()
    columns = [graph.ids.take(pa.array(side)) for side in (rows, codes)]
    path = folder / "follows.csv"
    pa.csv.write_csv(pa.table(columns, ["followerId", "followingId"]), path)
    settings = {
        **SETTINGS,
        "input.follows": str(path),
        "cluster": "none",
        "frames": "pandas",
        "recommendations.per_account": LENGTH,
        "seed": seed,
    }
    return run_night(load_config(None, settings), RunStore(folder / "runs"), "2026-03-01").run
