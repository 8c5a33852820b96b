"""An evaluation on ratings as files.

evaluations/<date>-<digest>/
    evaluation.json       means by algorithm and fold, counts, config, engines, versions
    evaluation.parquet    a row a fold of each algorithm
    quarantine.parquet    rows of the input that are no rating, and why
    <metric>.png          the algorithms beside each other by the first metric, each fold a dot
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

import raypipe
from raypipe.config import RunConfig
from raypipe.ratings.measures import MEASURES
from raypipe.ratings.run import RatingEvaluation
from raypipe.storage.data_files import save_figure, write_json, write_parquet
from raypipe.storage.files import disk_errors, make_folder, remove_file


def save_ratings(found: RatingEvaluation, config: RunConfig, folder: Path, date: str) -> Path:
    """Write an evaluation; one of the same date and config is replaced. The JSON comes last.

    Args:
        folder: of all evaluations; made where it is not.
        date: of the evaluation, as ``2026-03-01``.

    Returns:
        The folder of this one.

    Raises:
        RunError: it cannot be written.
    """
    place = folder / f"{date}-{config.digest()}"
    with disk_errors(f"{place}: cannot be written"):
        make_folder(place)
        remove_file(place / "evaluation.json")
        write_parquet(place / "evaluation.parquet", found.table)
        write_parquet(place / "quarantine.parquet", found.quarantine)
        metric = found.facts["metrics"][0]
        plot_algorithms(found.facts["algorithms"], metric, place / f"{metric}.png")
        write_json(place / "evaluation.json", as_json(found, config, date))
    return place


def as_json(found: RatingEvaluation, config: RunConfig, date: str) -> dict[str, Any]:
    """What ``evaluation.json`` says."""
    return {
        "date": date,
        "digest": config.digest(),
        "raypipe": raypipe.__version__,
        **found.facts,
    }


def plot_algorithms(algorithms: list[dict[str, Any]], metric: str, path: Path) -> None:
    """A metric of each algorithm, best on top: its mean as a bar, each fold as a dot."""
    sign = 1 if MEASURES[metric] else -1
    shown = [found for found in algorithms if found[metric] is not None]
    worst_first = sorted(shown, key=lambda found: sign * found[metric])
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(7, 1 + 0.35 * len(worst_first)), dpi=120, layout="constrained")
        axes = figure.subplots()
        values = []
        for place, found in enumerate(worst_first):
            axes.barh(place, found[metric], color="tab:blue", alpha=0.5)
            folds = [fold[metric] for fold in found["folds"] if fold[metric] is not None]
            axes.plot(folds, [place] * len(folds), "k.", markersize=4)
            values += folds
        axes.set_yticks(range(len(worst_first)), [found["algorithm"] for found in worst_first])
        if values:
            room = max(max(values) - min(values), 0.01) * 0.2
            axes.set_xlim(min(values) - 2 * room, max(values) + room)
        axes.set_xlabel(f"{metric}; the axis does not start at 0")
        save_figure(path, figure)
