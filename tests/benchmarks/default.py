"""What the default config recovers, and its share of a ranker with every source and a model."""

from __future__ import annotations

import os
from pathlib import Path

from raypipe.cli.output.terminal import print_table
from raypipe.config import load_config
from raypipe.evaluation.evaluate import Evaluation, evaluate
from raypipe.serving.reports.cells import short
from raypipe.storage.evaluations import only
from tests.benchmarks.blend import SETTINGS
from tests.benchmarks.sources import NETWORKS

#: Seeds of each network; an evaluation of slashdot takes a minute or more.
SEEDS = {"wiki-vote": (0, 1, 2), "advogato": (0, 1, 2), "slashdot": (0,)}
COLUMNS = ("", "accounts", "default", "every source", "share")


def bench(data: Path) -> None:
    """Print a table a network and seed."""
    chosen = os.environ.get("RAYPIPE_NETWORKS", ",".join(NETWORKS)).split(",")
    for name in chosen:
        for seed in SEEDS[name]:
            print_table(COLUMNS, rows_of(data / NETWORKS[name], seed), f"{name}, seed {seed}")


def rows_of(follows: Path, seed: int) -> list[list[str]]:
    """A row for each figure: the ladder of the default, and the ranker with every source."""

    def found(least: int, settings: dict, source: str) -> Evaluation:
        told = {
            **settings,
            "input.follows": str(follows),
            "evaluation.min_follows": least,
            "evaluation.k": [10, 20],
            "evaluation.metrics": ["recall"],
            "seed": seed,
        }
        return evaluate(load_config(None, told), [source])

    rows = []
    for least in (2, 5):
        ladder, ranker = found(least, {}, "ladder"), found(least, SETTINGS, "learned_ranker")
        further = (("few", 20), ("zero", 20)) if least == 2 else (("all", 20),)
        for segment, k in (("all", 10), *further):
            means = [
                only(one.result.means, segment=segment, metric=f"recall@{k}")
                for one in (ladder, ranker)
            ]
            if all(means):
                default, every = means[0][0], means[1][0]
                share = short(default.mean / every.mean)
                what = f"recall@{k}, {segment}, {least} or more follows"
                rows.append(
                    [what, f"{default.accounts:,}", short(default.mean), short(every.mean), share]
                )
    return rows
