"""Plots of an evaluation: sources side by side, by activity segment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from raypipe.evaluation.metric_choice import metric_names
from raypipe.storage.data_files import save_figure
from raypipe.storage.evaluations import ALL, EvaluationResult, MeanRow, MetricRecord, only
from raypipe.storage.files import disk_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Pictures: of the metrics that can decide, and of all other metrics.
PICTURES = ("accuracy", "beyond")
#: Width of a panel and of a name in the legend, in inches.
_PANEL, _NAME = 3.6, 1.5
#: Twelve colours: Okabe and Ito's seven, which people with any colour vision tell apart, and five
#: of other lightness between them.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
    "#000000", "#7F3C8D", "#8B5A2B", "#7A7A7A", "#B2DF5A", "#8B0000",
)  # fmt: skip
MARKERS = "osD^vPX*<>ph"


def series_style(index: int) -> tuple[str, str]:
    """Colour and marker of a series; those of the first twelve are all different.

    Example:
        >>> series_style(0)
        ('#0072B2', 'o')
        >>> len({series_style(index) for index in range(144)})
        144
    """
    step = index // len(COLOURS)
    return COLOURS[index % len(COLOURS)], MARKERS[(index + step) % len(MARKERS)]


def plot_metrics(result: EvaluationResult, picture: str, path: Path) -> bool:
    """Write a PNG: one panel per metric at the longest length, sources by activity segment.

    Args:
        picture: one of PICTURES.

    Returns:
        False if none of the picture's metrics was measured; no file is written then.

    Raises:
        RunError: the picture cannot be written.
    """
    shown = [metric for metric in result.metrics if metric.decides == (picture == "accuracy")]
    if not shown:
        return False
    with disk_errors(f"{path}: cannot be written"):
        save_figure(path, figure_of(result, shown))
    return True


def figure_of(result: EvaluationResult, shown: Sequence[MetricRecord]) -> Figure:
    """One panel per metric, a title above the panels and a legend below them."""
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    width = max(_PANEL * columns, 2 * _PANEL)
    figure = Figure(figsize=(width, 3.0 * rows + 1.2), dpi=120, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for metric, axes in zip(shown, panels, strict=False):
        _draw(result, metric, axes)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    abreast = min(len(labels), int(width / _NAME))
    figure.suptitle(title_of(result), fontsize=10)
    figure.legend(handles, labels, loc="outside lower center", ncols=abreast, frameon=False)
    return figure


def title_of(result: EvaluationResult) -> str:
    """Title of the pictures: the data, the date, and the held-out follows."""
    split = result.split
    held_out = {
        "share": f"{split.share or 0:.0%} of each account's follows held out",
        "time": f"the newest {split.share or 0:.0%} of the follows held out",
        "file": f"follows of {split.test} held out",
        "since": f"follows new since run {split.run} held out",
        None: "",
    }
    data = Path(result.data).name if len(result.data) > 60 else result.data
    what = "by activity segment and its number of accounts"
    return f"evaluation of {data}, {result.date}\n{held_out[split.split]}; {what}"


def _draw(result: EvaluationResult, metric: MetricRecord, axes: Axes) -> None:
    """One panel: a point with its interval per source and segment."""
    segments, sources = [*(segment.name for segment in result.segments), ALL], result.sources
    name = f"{metric.name}@{result.lengths[-1]}"
    width = 0.7 / len(sources)
    for index, source in enumerate(sources):
        rows = {row.segment: row for row in only(result.means, source=source, metric=name)}
        positions = [i for i, segment in enumerate(segments) if rows[segment].mean is not None]
        defined = [rows[segments[i]] for i in positions]
        means = np.array([row.mean for row in defined], np.float64)
        bounds = np.array([_bounds(row) for row in defined], np.float64).reshape(-1, 2).T
        colour, marker = series_style(index)
        axes.errorbar(
            np.array(positions) + width * (index - (len(sources) - 1) / 2),
            means,
            np.abs(bounds - means),
            fmt=marker,
            color=colour,
            markersize=5,
            capsize=2,
            linestyle="none",
            label=source,
        )
    axes.axvline(len(result.segments) - 0.5, color="0.8", linewidth=1)
    counts = [segment.accounts for segment in result.segments]
    counts.append(sum(counts[1:]))  # accounts without follows stand beside the others
    ticks = [f"{segment}\n{count:,}" for segment, count in zip(segments, counts, strict=True)]
    axes.set_xticks(range(len(segments)), ticks)
    unit = f" ({metric.unit})" if metric.unit else ""
    better = {"lower": ", lower is better", "higher": "", None: ""}[metric.better]
    axes.set_title(f"{name.replace('_', ' ')}{unit}{better}", fontsize=10)
    axes.set_xlim(-0.5, len(segments) - 0.5)
    if metric.name in metric_names() or axes.get_ylim()[0] >= 0:
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.grid(axis="y", alpha=0.3)


def _bounds(row: MeanRow) -> tuple[float | None, float | None]:
    """Bounds of the interval; the mean twice if there is no interval, so that no bar is drawn."""
    return (row.mean if row.low is None else row.low, row.mean if row.high is None else row.high)
