"""Save an experiment with attacks: the result as JSON, the reached accounts, and a picture.

attacks/<date>-<digest>/
    attack.json       storage.attacks.AttackResult
    attack.parquet    accountId, attack, strategy, budget, seed, night, rank
    attack.png
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from raypipe.attacks.run import Attacks
from raypipe.columns import ACCOUNT, RANK
from raypipe.evaluation.plots import series_style
from raypipe.storage.attacks import NEWCOMERS, RESULT, AttackResult, AttackRow, over_seeds
from raypipe.storage.data_files import parquet_writer, save_figure
from raypipe.storage.evaluations import save_evaluation

_TEXT, _NUMBER = pa.dictionary(pa.int32(), pa.string()), pa.int64()
REACHED_SCHEMA = pa.schema(
    [
        (ACCOUNT, pa.string()),
        ("attack", _TEXT),
        ("strategy", _TEXT),
        ("budget", _NUMBER),
        ("seed", _NUMBER),
        ("night", _NUMBER),
        (RANK, pa.int32()),
    ]
)


def save(attacks: Attacks, folder: Path) -> Path:
    """Write an experiment, as :func:`raypipe.storage.evaluations.save_evaluation` says."""

    def write(path: Path) -> None:
        with parquet_writer(path / "attack.parquet", REACHED_SCHEMA, "zstd") as writer:
            for row, ranks in zip(attacks.result.attacks, attacks.ranks, strict=True):
                reached = np.flatnonzero(ranks)
                values = row.attack, row.strategy, row.budget, row.seed, row.night
                columns = [
                    attacks.ids.take(pa.array(reached)).cast(pa.string()),
                    *(pa.array([value] * len(reached)) for value in values),
                    pa.array(ranks[reached], pa.int32()),
                ]
                names = REACHED_SCHEMA.names
                writer.write_table(pa.table(columns, names).cast(REACHED_SCHEMA))
        save_figure(path / "attack.png", figure_of(attacks.result))

    return save_evaluation(attacks.result, folder, write, RESULT)


def figure_of(result: AttackResult) -> Figure:
    """One panel per strategy: lists won by budget, with intervals; newcomers are dashed."""
    nights = {row.attack: row.night for row in result.attacks}  # the last one
    rows = [row for row in result.attacks if row.night == nights[row.attack]]
    strategies = list(dict.fromkeys(row.strategy for row in rows))
    figure = Figure(figsize=(5.5 * len(strategies) + 2, 4.5), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(strategies), squeeze=False, sharey=True)[0]
    budgets = sorted({row.budget for row in rows})
    for strategy, axes in zip(strategies, panels, strict=True):
        for index, name in enumerate(nights):
            of_line = [row for row in rows if (row.attack, row.strategy) == (name, strategy)]
            values = np.array([_won(of_line, budget) for budget in budgets]).T
            colour, marker = series_style(index)
            style = "--" if name == NEWCOMERS else "-"
            axes.errorbar(
                budgets, values[0], np.abs(values[1:] - values[0]), fmt=style + marker,
                color=colour, markersize=5, capsize=2, label=name,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
        axes.minorticks_off()
        axes.set(title=strategy, xlabel="fake follows and rejections")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"of {rows[0].bought.lists:,} real lists: won (lost: below 0)")
    figure.suptitle(f"attacks on {Path(result.data).name}, {result.date}", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure


def _won(rows: Sequence[AttackRow], budget: int) -> list[float]:
    """Lists won with a budget, over all seeds: mean, and the bounds of its interval."""
    some = [row for row in rows if row.budget == budget]
    price = over_seeds([row.bought.price for row in some])
    spent = sum(row.follows + row.rejections for row in some) / len(some)
    return [
        spent * (np.nan if one is None else one) for one in (price.value, price.low, price.high)
    ]
