"""What blending finds that no source finds alone; what a night with it takes; what diversity costs.

A share of 20 % of each account's follows is held out where it has 5 or more. The ranker is trained
within what is left, and so is the ladder decided.
"""

from __future__ import annotations

from pathlib import Path

from raypipe.cli.output.terminal import print_table, short
from raypipe.config import load_config
from raypipe.evaluation.evaluate import Evaluation, evaluate
from raypipe.storage.evaluations import difference_of, only
from tests.benchmarks.nights import night
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
        "evaluation.k": [20],
        "evaluation.metrics": ["recall", "ndcg"],
        "recommendations.per_account": 20,
        "seed": seed,
    }
    return evaluate(load_config(None, {**told, **(settings or {})}), sources)
