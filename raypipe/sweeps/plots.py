"""Pictures of a sweep: its objective over the trials, and which parameters go with which value."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from raypipe.storage.data_files import save_figure
from raypipe.sweeps.space import Dimension
from raypipe.sweeps.trials import Goal, Trial, best_so_far, best_trial

_FONT: Any = {"font.size": 9}
_MARKS = {"finished": ("o", "tab:blue"), "stopped": ("v", "tab:gray")}


def plot_progress(trials: Sequence[Trial], goal: Goal, path: Path, about: str) -> None:
    """Plot the value of each trial by number, the best value so far, and failed trials as crosses.

    Values far worse than most are drawn hollow at the upper edge (at the lower edge if higher
    values are better).

    Args:
        about: data and date, for the title.
    """
    trials = sorted(trials, key=lambda trial: trial.number)
    measured = _measured(trials, goal)
    bottom, top = _window([value for value, _ in measured], goal)
    edge = bottom if goal.more else top
    with matplotlib.rc_context(_FONT):
        figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        for state, (mark, colour) in _MARKS.items():
            shown = [(trial.number, value) for value, trial in measured if trial.state == state]
            if shown:
                numbers, found = map(np.array, zip(*shown, strict=True))
                inside = (bottom <= found) & (found <= top)
                label = "stopped early" if state == "stopped" else state
                look: dict[str, Any] = {"color": colour, "ms": 5, "alpha": 0.8}
                axes.plot(numbers[inside], found[inside], mark, label=label, **look)
                at_edge = np.full(np.count_nonzero(~inside), edge)
                axes.plot(numbers[~inside], at_edge, mark, mfc="white", **look)
        failed = [trial.number for trial in trials if trial.state == "failed"]
        if failed:
            axes.plot(failed, [edge] * len(failed), "rx", label="failed")
        best = [math.nan if value is None else value for value in best_so_far(trials, goal)]
        all_numbers = [trial.number for trial in trials]
        axes.step(all_numbers, best, where="post", color="tab:orange", label="best so far")
        won = best_trial(trials, goal)
        if won is not None and (found_best := won.value(goal)) is not None:
            axes.annotate(
                f"trial {won.number}: {found_best:.4f}",
                (won.number, found_best),
                xytext=(0, 12 if goal.more else -14),
                textcoords="offset points",
                ha="center",
            )
        margin = (top - bottom) * 0.12
        if any(not bottom <= value <= top for value, _ in measured):
            axes.axhline(edge, color="tab:gray", lw=0.8, ls=":")
            axes.annotate(
                f"hollow: worse than {edge:.4f}",
                (1, edge),
                xycoords=("axes fraction", "data"),
                xytext=(-4, -6 if goal.more else 6),
                textcoords="offset points",
                ha="right",
                va="top" if goal.more else "bottom",
            )
        axes.set(xlabel="trial", ylabel=goal.metric, ylim=(bottom - margin, top + margin))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        better = "more" if goal.more else "less"
        title = f"{len(trials)} trials by {goal.metric}, {better} is better"
        axes.set_title(f"sweep on {about}\n{title}")
        axes.grid(alpha=0.3)
        axes.legend()
        save_figure(path, figure)


def plot_parallel(
    trials: Sequence[Trial], space: Sequence[Dimension], goal: Goal, path: Path, about: str
) -> None:
    """Plot each trial as a line over its parameters, coloured by its value; the best is thick."""
    shown = _measured(trials, goal)
    values = [value for value, _ in shown]
    bottom, top = _window(values, goal)
    colours = ScalarMappable(Normalize(bottom, top), "viridis_r" if goal.more else "viridis")
    won = best_trial([trial for _, trial in shown], goal)
    size = max(6, 1.7 * (len(space) + 1)), 4.5
    with matplotlib.rc_context(_FONT):
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        axes = figure.add_subplot()
        # The best is drawn last, on top of the others.
        worst_first = sorted(shown, key=lambda pair: pair[0], reverse=not goal.more)
        for value, trial in worst_first:
            points = [
                (x, _position(dimension, trial.settings[dimension.key]))
                for x, dimension in enumerate(space)
                if dimension.key in trial.settings
            ]
            to_scale: Any = min(max(value, bottom), top)
            width = 3 if trial is won else 1
            look: dict[str, Any] = {"lw": width, "marker": "o", "ms": width + 2, "alpha": 0.85}
            axes.plot(*zip(*points, strict=True), color=colours.to_rgba(to_scale), **look)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
        for x, dimension in enumerate(space):
            axes.axvline(x, color="black", lw=0.8, zorder=0)
            for height, label in _ticks(dimension):
                beside: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points"}
                axes.annotate(label, (x, height), va="center", bbox=box, **beside)
        names = [
            dimension.key.rpartition(".")[2] + ("\n(log)" if dimension.log else "")
            for dimension in space
        ]
        axes.set_xticks(range(len(space)), names)
        axes.set(yticks=[], ylim=(-0.06, 1.06), xlim=(-0.2, len(space) - 1 + 0.5))
        axes.spines[:].set_visible(False)
        title = f"sweep on {about}\nparameters of each trial"
        if won is not None:
            title += f"; thick: trial {won.number}, {goal.metric} {won.value(goal) or 0:.4f}"
        axes.set_title(title)
        cut = any(not bottom <= value <= top for value in values)
        beyond = ("min" if goal.more else "max") if cut else "neither"
        figure.colorbar(colours, ax=axes, label=goal.metric, extend=beyond)
        save_figure(path, figure)


def _measured(trials: Sequence[Trial], goal: Goal) -> list[tuple[float, Trial]]:
    """The trials that did not fail and have a value, each behind its value."""
    found = [(trial.value(goal), trial) for trial in trials if trial.state != "failed"]
    return [(value, trial) for value, trial in found if value is not None]


def _window(values: Sequence[float], goal: Goal) -> tuple[float, float]:
    """The range drawn to scale: from the best value, three times the distance to the median."""
    if not values:
        return 0.0, 1.0
    best = max(values) if goal.more else min(values)
    far = max(3 * abs(float(np.median(values)) - best), 1e-4)
    bottom, top = (best - far, best) if goal.more else (best, best + far)
    bottom = max(bottom, min(values))
    return bottom, max(min(top, max(values)), bottom + 1e-4)


def _position(dimension: Dimension, value: Any) -> float:
    if dimension.kind in ("choice", "grid"):
        return dimension.index(value) / max(1, len(dimension.values) - 1)
    low, high = dimension.values
    if dimension.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    result: float = (value - low) / (high - low)
    return result


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    if dimension.kind in ("choice", "grid"):
        return [(_position(dimension, value), str(value)) for value in dimension.values]
    low, high = dimension.values
    middle = math.sqrt(low * high) if dimension.log else (low + high) / 2
    if dimension.kind == "int":
        middle = round(middle)
    return [(_position(dimension, value), f"{value:.3g}") for value in (low, middle, high)]
