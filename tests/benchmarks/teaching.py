"""What rejections teach: each option off and on, on a network of trust and distrust.

Bitcoin OTC: a trust above 0 stands for a follow, below 0 for a rejection. Of each account's follows
(5 or more) and rejections (2 or more) a fifth is held out, with the seeds 0, 1 and 2.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from raypipe.cli.output.terminal import print_table
from raypipe.config import load_config
from raypipe.evaluation.evaluate import Evaluation, evaluate
from raypipe.evaluation.intervals import Means, bootstrap_means, compare
from raypipe.serving.reports.cells import short

NETWORK = "bitcoin-otc/trust.csv.gz"
SEEDS = 0, 1, 2
METRICS = ("recall@20", "rejected@20")
COLUMNS = ("", *METRICS, "recall by", "rejected by")
OFF = {
    "feedback.negative.neighbours": 0,
    "feedback.negative.votes": 0,
    "feedback.negative.factors": False,
}
#: Source and algorithm, and what is switched on in each further row.
ROWS = {
    ("popular", "none"): ({"feedback.negative.popular": 1}, {"feedback.negative.popular": 10}),
    ("similar", "none"): (
        {"feedback.negative.neighbours": 1},
        {"feedback.negative.neighbours": 10},
        {"feedback.negative.votes": 1},
        {"feedback.negative.votes": 2},
    ),
    ("factors", "TruncatedSVD"): (),
    ("factors", "SVD"): ({"feedback.negative.factors": True},),
}


class Values(NamedTuple):
    """Of one account a row: float64[accounts, metrics], and who they are."""

    ids: list[str]
    values: np.ndarray


def bench(data: Path) -> None:
    """Print a table of the three seeds together, and one a seed."""
    with tempfile.TemporaryDirectory() as name:
        told = write(data / NETWORK, Path(name))
        found = {
            (source, algorithm, place): [
                measure(told, source, algorithm, {**OFF, **on}, seed) for seed in SEEDS
            ]
            for (source, algorithm), options in ROWS.items()
            for place, on in enumerate(({}, *options))
        }
    print_table(COLUMNS, rows_of(found, mean_by_account), "seeds 0, 1 and 2, mean of each account")
    for place, seed in enumerate(SEEDS):
        print_table(COLUMNS, rows_of(found, lambda runs, i=place: runs[i]), f"seed {seed}")


def write(path: Path, folder: Path) -> dict[str, object]:
    """The follows and the rejections as files; what a config is told of them."""
    trust = pd.read_csv(path, dtype={"followerId": str, "followingId": str})
    follows, rejections = folder / "follows.csv", folder / "rejections.csv"
    ends = trust[["followerId", "followingId"]]
    ends[trust["trust"] > 0].to_csv(follows, index=False)
    named = ends.set_axis(["accountId", "candidateId"], axis=1)
    named[trust["trust"] < 0].to_csv(rejections, index=False)
    return {
        "input.follows": str(follows),
        "evaluation.rejections": str(rejections),
        "evaluation.min_follows": 5,
        "evaluation.k": [20],
        "evaluation.metrics": ["recall", "rejected"],
        "sources.similar.neighbours": 100,
        "sources.similar.threshold": 0,
    }


def measure(told: dict, source: str, algorithm: str, options: dict, seed: int) -> Values:
    """The metrics of every account that was measured."""
    settings = {**told, **options, "sources.factors.algorithm": algorithm, "seed": seed}
    found: Evaluation = evaluate(load_config(None, settings), [source])
    assert found.measures.metrics == METRICS
    return Values(found.ids.to_pylist(), found.measures.values[0].T)


def mean_by_account(runs: list[Values]) -> Values:
    """The mean of each account over the seeds with which it has a value."""
    tables = [pd.DataFrame(run.values, index=run.ids) for run in runs]
    means = pd.concat(tables).groupby(level=0).mean()
    return Values(means.index.tolist(), means.to_numpy())


def rows_of(found: dict, choose) -> list[list[str]]:
    """A row an option: means, and the paired differences from the row with all off."""
    rows = []
    for (source, algorithm, place), runs in found.items():
        values = choose(runs).values
        off = choose(found[source, algorithm, 0]).values
        name = f"{source if algorithm == 'none' else algorithm}, off"
        if place:
            ((key, on),) = ROWS[source, algorithm][place - 1].items()
            name = f"{key.removeprefix('rejections.')}: {on}"
        means = cells(bootstrap_means(values, 1000, 0))
        by = cells(compare(values, off, 1000, 0)) if place else ["", ""]
        rows.append([name, *means, *by])
    return rows


def cells(means: Means) -> list[str]:
    return [
        f"{short(mean)} {short(low)}-{short(high)}"
        for mean, low, high in zip(means.means, means.low, means.high, strict=True)
    ]
