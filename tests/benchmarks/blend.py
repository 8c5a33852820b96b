"""What blending finds that no source finds alone; what a night with it takes; what diversity costs.

A share of 20 % of each account's follows is held out where it has 5 or more. The ranker is trained
within what is left, and so is the ladder decided. ``ranker`` measures what the ranker takes.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raypipe.cli.output.terminal import print_table
from raypipe.config import load_config
from raypipe.evaluation.evaluate import Evaluation, evaluate
from raypipe.kernels.trees import BinnedTrees, score
from raypipe.recommend.blend.examples import Examples
from raypipe.recommend.blend.training import train_ranker
from raypipe.serving.reports.cells import short
from raypipe.storage.evaluations import difference_of, only
from tests.benchmarks.nights import night
from tests.benchmarks.similarity.graphs import community
from tests.benchmarks.sources import NETWORKS

SEEDS = (0, 1, 2)
METRICS = ("recall@20", "ndcg@20")
BLENDS = ("rank_fusion", "learned_ranker", "ladder")
SETTINGS = {
    "sources.similar.neighbours": 100,
    "sources.similar.threshold": 0,
    "sources.factors.algorithm": "TruncatedSVD",
    "blend.method": "learned_ranker",
}
LIMITS = "wanted: at most 90 s and 4,000 MB"


def bench(data: Path) -> None:
    """Print a table a network and seed, one of the whole night, and one of diversity."""
    for name, path in NETWORKS.items():
        for seed in SEEDS:
            print_table(
                ["source", *METRICS, "of the best source"],
                rows_of(_evaluate(data / path, seed)),
                f"{name}, seed {seed}",
            )
    told = [f"{key}={value}" for key, value in SETTINGS.items()]
    slashdot = data / NETWORKS["slashdot"]
    seconds, peak, manifest = night(slashdot, *told)
    stages = {stage["stage"]: stage["seconds"] for stage in manifest["stages"]}
    rows = [["night", seconds, peak], *([stage, value, ""] for stage, value in stages.items())]
    print_table(["", "seconds", "peak MB"], rows, f"night on slashdot, every source; {LIMITS}")
    rows = []
    for most in (1.0, 0.5, 0.3):
        metrics = ["recall", "coverage"]
        settings = {"blend.max_share_per_source": most, "evaluation.metrics": metrics}
        found = _evaluate(data / NETWORKS["advogato"], 0, settings, ["learned_ranker"])
        means = (
            only(found.result.means, segment="all", metric=f"{metric}@20") for metric in metrics
        )
        rows.append([most, *(short(mean.mean) for (mean,) in means)])
    print_table(["most of one source", "recall@20", "coverage@20"], rows, "advogato, seed 0")


def bench_ranker() -> None:
    """Print nanoseconds per candidate and tree, and a learned night on 100,000 accounts."""
    rng = np.random.default_rng(0)
    values = np.asfortranarray(np.round(rng.normal(size=(1 << 16, 28)) * 8))
    followed = values[:, 0] + values[:, 1] + rng.normal(size=len(values)) > 9
    names = tuple(map(str, range(values.shape[1])))
    ranker = train_ranker(Examples(np.arange(len(values)), values, followed), names, 0)
    trees = ranker.binned
    bins_alone = trees._replace(starts=trees.starts[:9], leaves=trees.leaves[:8])
    with_trees, bins = (_cpu_ns(each, values) for each in (trees, bins_alone))
    print(f"{ranker.facts['trees']} trees: {with_trees:.0f} ns per candidate, {bins:.0f} its bins")
    graph = community()
    accounts = np.arange(graph.accounts)
    follows = np.repeat(accounts, graph.followees.degrees), graph.followees.codes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "follows.csv"
        pa.csv.write_csv(pa.table(follows, ["followerId", "followingId"]), path)
        told = "blend.method=learned_ranker", "cluster=none", "frames=pandas"
        before = os.times()
        seconds, peak, manifest = night(path, *told)
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    rows = [["night", seconds, peak], ["CPU of the night", cpu, ""]]
    rows += [[stage["stage"], stage["seconds"], ""] for stage in manifest["stages"]]
    print_table(["", "seconds", "peak MB"], rows, f"{graph.accounts:,} accounts in communities")


def _cpu_ns(trees: BinnedTrees, values: np.ndarray) -> float:
    """Nanoseconds of one thread per row; CPU time, which other processes disturb less."""
    taken = []
    for _ in range(6):
        started = time.process_time_ns()
        score(trees, values)
        taken.append((time.process_time_ns() - started) / len(values))
    return statistics.median(taken[1:])


def rows_of(found: Evaluation) -> list[list[str]]:
    """A row a source: means with intervals, and the part of the best single source's recall."""
    means = {
        (source, metric): only(found.result.means, segment="all", source=source, metric=metric)[0]
        for source in found.measures.sources
        for metric in METRICS
    }
    alone = [source for source in found.measures.sources if source not in BLENDS]
    best = max(alone, key=lambda source: means[source, METRICS[0]].mean)
    rows = []
    for source in found.measures.sources:
        row = [source]
        for metric in METRICS:
            mean = means[source, metric]
            row.append(f"{short(mean.mean)} {short(mean.low)}-{short(mean.high)}")
        part = means[source, METRICS[0]].mean / means[best, METRICS[0]].mean
        by = ""
        if source != best:
            paired = difference_of(found.result.differences, "all", METRICS[0], source, best)
            by = f" ({short(paired.low)} to {short(paired.high)})"
        rows.append([*row, f"{part:.3f}{by}"])
    return rows


def _evaluate(
    follows: Path, seed: int, settings: dict | None = None, sources: list[str] | None = None
) -> Evaluation:
    told = {
        **SETTINGS,
        "input.follows": str(follows),
        "evaluation.min_follows": 5,
        "evaluation.k": [20],
        "evaluation.metrics": ["recall", "ndcg"],
        "recommendations.per_account": 20,
        "seed": seed,
    }
    return evaluate(load_config(None, {**told, **(settings or {})}), sources)
