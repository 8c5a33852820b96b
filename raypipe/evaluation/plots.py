"""Pictures of an evaluation: sources side by side, by account size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from raypipe.evaluation.evaluate import Evaluation
from raypipe.evaluation.measuring import ALL
from raypipe.evaluation.metrics import COVERAGE, LISTS, RANKING, REJECTED
from raypipe.evaluation.results import Row, only
from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.data_files import save_figure
from raypipe.storage.files import disk_errors

#: Name of a picture to the metrics in it.
PICTURES = {"accuracy": tuple(RANKING), "beyond": (*LISTS, COVERAGE, REJECTED)}
#: What a value is, where it is not a share.
_UNITS = {"novelty": " (bits)", "popularity_bias": " (1: as follows in train)"}
#: Of Okabe and Ito, which people see apart whatever colours they see.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: More than there are colours, so that no two sources look the same.
_MARKS = "osD^vPX*<>"
#: Width of a panel, and of a name in the legend, in inches.
_PANEL, _NAME = 3.6, 1.5


def plot_metrics(evaluation: Evaluation, picture: str, path: Path) -> bool:
    """Write a PNG: a panel for each metric at the longest length, sources by account size.

    Args:
        picture: one of PICTURES.

    Returns:
        False where none of its metrics was measured, and there is no picture.

    Raises:
        RunError: the picture cannot be written.
    """
    measured = {row["metric"] for row in evaluation.means}
    names = [f"{name}@{evaluation.longest}" for name in PICTURES[picture]]
    shown = [name for name in names if name in measured]
    if not shown:
        return False
    with disk_errors(f"{path}: cannot be written"):
        save_figure(path, figure_of(evaluation, shown))
    return True


def figure_of(evaluation: Evaluation, shown: Sequence[str]) -> Figure:
    """A panel for each of the metrics, as ``ndcg@20``, and a legend above them."""
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(_PANEL * columns, 3.0 * rows + 0.6), dpi=120, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for metric, axes in zip(shown, panels, strict=False):
        _draw(evaluation, metric, axes)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    abreast = min(len(labels), int(_PANEL * columns / _NAME))
    figure.legend(handles, labels, loc="outside upper center", ncols=abreast, frameon=False)
    figure.supxlabel("segment of the accounts, and how many they are", fontsize=9)
    return figure


def _draw(evaluation: Evaluation, metric: str, axes) -> None:
    """One panel: a point for each source and segment, with its interval."""
    segments, sources = (*SEGMENTS, ALL), evaluation.measures.sources
    width = 0.7 / len(sources)
    for place, source in enumerate(sources):
        rows = {row["segment"]: row for row in only(evaluation.means, source=source, metric=metric)}
        there = [i for i, segment in enumerate(segments) if rows[segment]["mean"] is not None]
        means = np.array([rows[segments[i]]["mean"] for i in there])
        bounds = np.array(
            [[_or_mean(rows[segments[i]], side) for i in there] for side in ("low", "high")]
        )
        axes.errorbar(
            np.array(there) + width * (place - (len(sources) - 1) / 2),
            means,
            np.abs(bounds - means),
            fmt=_MARKS[place % len(_MARKS)],
            color=_COLOURS[place % len(_COLOURS)],
            markersize=5,
            capsize=2,
            label=source,
        )
    axes.axvline(len(SEGMENTS) - 0.5, color="0.8", linewidth=1)
    counts = [
        *np.bincount(evaluation.measures.segments, minlength=len(SEGMENTS)),
        len(evaluation.ids),
    ]
    ticks = [f"{segment}\n{count:,}" for segment, count in zip(segments, counts, strict=True)]
    axes.set_xticks(range(len(segments)), ticks)
    name = metric.partition("@")[0]
    axes.set_title(metric.replace("_", " ") + _UNITS.get(name, ""), fontsize=10)
    axes.set_xlim(-0.5, len(segments) - 0.5)
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.grid(axis="y", alpha=0.3)


def _or_mean(row: Row, side: str) -> float:
    """A bound of the interval; where there is none, the mean, so that no bar is drawn."""
    return row["mean"] if row[side] is None else row[side]
