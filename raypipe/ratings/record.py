"""An evaluation on ratings as files.

evaluations/<date>-<digest>/
    evaluation.json       means by algorithm and fold, counts, config, engines, versions
    evaluation.parquet    a row a fold of each algorithm
    quarantine.parquet    rows of the input that are no rating, and why
    <metric>.png          the algorithms beside each other by the first metric, each fold a dot
"""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from raypipe.ratings.measures import MEASURES
from raypipe.ratings.run import RatingEvaluation
from raypipe.storage.data_files import save_figure, write_parquet
from raypipe.storage.evaluations import save_evaluation
from raypipe.storage.ratings import RatingResult


def save_ratings(found: RatingEvaluation, folder: Path) -> Path:
    """Write an evaluation, as :func:`raypipe.storage.evaluations.save_evaluation` says."""

    def write(path: Path) -> None:
        write_parquet(path / "evaluation.parquet", found.table)
        write_parquet(path / "quarantine.parquet", found.quarantine)
        plot_algorithms(found.result, path / f"{found.result.metrics[0]}.png")

    return save_evaluation(found.result, folder, write)


def plot_algorithms(result: RatingResult, path: Path) -> None:
    """The first metric of each algorithm, best on top: its mean as a bar, each fold as a dot."""
    metric = result.metrics[0]
    sign = 1 if MEASURES[metric] else -1
    means = [(getattr(found, metric), found) for found in result.algorithms]
    known = [(mean, found) for mean, found in means if mean is not None]
    worst_first = sorted(known, key=lambda pair: sign * pair[0])
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(7, 1.5 + 0.35 * len(worst_first)), dpi=120, layout="constrained")
        axes = figure.subplots()
        values: list[float] = []
        for place, (mean, found) in enumerate(worst_first):
            axes.barh(place, mean, color="tab:blue", alpha=0.5)
            folds = [v for fold in found.folds if (v := getattr(fold, metric)) is not None]
            axes.plot(folds, [place] * len(folds), "k.", markersize=4)
            values += folds
        axes.set_yticks(range(len(worst_first)), [found.algorithm for _, found in worst_first])
        if values:
            room = max(max(values) - min(values), 0.01) * 0.2
            axes.set_xlim(min(values) - 2 * room, max(values) + room)
        axes.set_xlabel(f"{metric}; the axis does not start at 0")
        axes.set_title(
            f"evaluation of {result.data}, {result.date}\n{result.folds} folds, seed {result.seed}"
        )
        save_figure(path, figure)
