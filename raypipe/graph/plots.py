"""Plots of a graph."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from raypipe.errors import InputError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Floats, Offsets
from raypipe.storage.data_files import save_figure
from raypipe.storage.files import disk_errors


def plot_degrees(graph: FollowGraph, path: Path, about: str) -> None:
    """Write a PNG: the share of accounts with at least a number of follows, and of followers.

    Both axes are logarithmic; a straight line is a power law, and the hubs are at its right end.

    Args:
        about: the data and its date, for the title.

    Raises:
        InputError: the graph has no follows.
        RunError: the picture cannot be written.

    Source:
        Clauset, Shalizi and Newman (2009), "Power-law distributions in empirical data", on why to
        plot the cumulative distribution, not a histogram.
    """
    if not graph.follows:
        raise InputError("the graph has no follows: nothing to draw")
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, degrees in (("follows", graph.followees), ("followers", graph.followers)):
        values, share = at_least(degrees.degrees)
        axes.plot(values, share, drawstyle="steps-pre", label=name)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="follows or followers of an account, at least",
        ylabel="share of the accounts",
        title=f"degrees of {about}\n{graph.accounts:,} accounts, {graph.follows:,} follows",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    with disk_errors(f"{path}: cannot be written"):
        save_figure(path, figure)


def at_least(degrees: Offsets) -> tuple[Offsets, Floats]:
    """Distinct positive degrees, and the share of all accounts with at least each of them.

    Example:
        >>> values, share = at_least(np.array([0, 1, 1, 4]))
        >>> values.tolist(), share.tolist()
        ([1, 4], [0.75, 0.25])
    """
    values, counts = np.unique(degrees[degrees > 0], return_counts=True)
    return values, counts[::-1].cumsum()[::-1] / max(1, len(degrees))
