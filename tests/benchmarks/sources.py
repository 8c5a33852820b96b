"""Which source finds held-out follows: three networks, and Gowalla beside what is published.

A share of 20 % of each account's follows is held out where it has 5 or more. The parameters are the
same on all networks: those of the algorithms' defaults, and of configs/gowalla.yaml.
"""

from __future__ import annotations

import os
from pathlib import Path

from raypipe.cli.output.terminal import print_table
from raypipe.config import load_config
from raypipe.evaluation.evaluate import Evaluation, evaluate
from raypipe.recommend.models.algorithms import ALGORITHMS
from raypipe.serving.reports.cells import short
from raypipe.storage.evaluations import DifferenceRow, MeanRow, difference_of, only
from tests.paths import ROOT

NETWORKS = {
    "wiki-vote": "wiki-vote/follows.csv",
    "advogato": "advogato/follows.csv",
    "slashdot": "slashdot/follows.csv.gz",
}
#: Recall@20 and ndcg@20 on the same split of Gowalla, as published: BARS, gowalla_m1.
PUBLISHED = {
    "ItemCF": (0.157, 0.121),
    "MF-BPR": (0.163, 0.138),
    "EASE": (0.177, 0.147),
    "LightGCN": (0.182, 0.155),
    "GF-CF": (0.185, 0.152),
    "UltraGCN": (0.186, 0.158),
    "SimpleX": (0.187, 0.156),
}
METRICS = ("recall@20", "ndcg@20")
COLUMNS = ("source", *METRICS, "ndcg beyond popular", "training s")


def bench(data: Path) -> None:
    """Print a table a network."""
    shared = {
        "evaluation.min_follows": 5,
        "evaluation.k": [20],
        "evaluation.metrics": ["recall", "ndcg"],
        "sources.similar.neighbours": 100,
        "sources.similar.threshold": 0,
    }
    for name, path in NETWORKS.items():
        told = {**shared, "input.follows": str(data / path)}
        rows = rows_of(evaluate(load_config(None, told), ["popular", "similar"]))
        for algorithm in ALGORITHMS:
            model = {"sources.factors.algorithm": algorithm, "sources.factors.retrieval": "exact"}
            config = load_config(None, told | model)
            rows.append(rows_of(evaluate(config, ["popular", "factors"]), algorithm)[-1])
        print_table(COLUMNS, rows, name)
    os.chdir(data)
    config = load_config(ROOT / "configs" / "gowalla.yaml")
    rows = rows_of(
        evaluate(config, ["popular", "similar", "factors"]), config.sources.factors.algorithm
    )
    published = [
        [name, short(recall), short(ndcg), "", ""] for name, (recall, ndcg) in PUBLISHED.items()
    ]
    print_table(COLUMNS, [*rows, *published], "gowalla, and what is published on its split")


def rows_of(found: Evaluation, model: str = "factors") -> list[list[object]]:
    """A row a source: means, intervals, the paired difference from popular, seconds of training."""
    seconds = {stage.stage: stage.seconds for stage in found.result.stages}
    rows = []
    for source in found.measures.sources:
        row: list[object] = [model if source == "factors" else source]
        for metric in METRICS:
            (mean,) = only(found.result.means, segment="all", source=source, metric=metric)
            row.append(_interval(mean.mean, mean))
        beyond = ""
        if source != "popular":
            paired = difference_of(found.result.differences, "all", METRICS[1], source, "popular")
            beyond = _interval(paired.difference, paired)
        rows.append([*row, beyond, seconds.get("train", 0.0) if source == "factors" else ""])
    return rows


def _interval(value: float | None, row: MeanRow | DifferenceRow) -> str:
    return f"{short(value)} {short(row.low)}-{short(row.high)}"
