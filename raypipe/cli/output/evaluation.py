"""An evaluation in a terminal, 80 columns wide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from raypipe.cli.output.ladder import print_ladder
from raypipe.cli.output.terminal import print_facts, print_line, print_table, short
from raypipe.evaluation.evaluate import Evaluation
from raypipe.evaluation.intervals import LEVEL
from raypipe.evaluation.measuring import ALL
from raypipe.evaluation.metrics import REJECTED
from raypipe.evaluation.results import Row, leaders, only
from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.records import LadderDecision

#: Columns with an interval that fit beside a name.
_ABREAST = 3
#: What is said of a split beside its name, where it is known.
_HOW = ("share", "train_until", "test")


def print_evaluation(evaluation: Evaluation, place: Path) -> None:
    """What was measured on whom, every metric, the headline by account segment, and who leads.

    Args:
        place: where its files are.
    """
    split = evaluation.facts["split"]
    print_facts(
        {
            "follows in train": split["follows"]["train"],
            "follows in test": split["follows"]["test"],
            **_rejections(split),
            **{
                f"accounts {reason.replace('_', ' ')}": count
                for reason, count in split["accounts"].items()
                if count or reason == "measured"
            },
            **_segments(evaluation),
        },
        f"split: {', '.join(str(split[key]) for key in ('split', *_HOW) if key in split)}",
    )
    sources = list(evaluation.measures.sources)
    for start in range(0, len(sources), _ABREAST):
        _print_metrics(evaluation, sources[start : start + _ABREAST])
    _print_segments(evaluation)
    _print_leaders(evaluation)
    if evaluation.facts["ladder"]:
        print_ladder(LadderDecision(**evaluation.facts["ladder"]))
    for name, about in evaluation.facts["walks"].items():
        print_line(
            f"{name}: {about['share_of_walks_left']:.1%} of walks left, without "
            f"{about['left_out']:,} accounts of over {about['max_intermediary_follows']:,} follows"
        )
    for line in (
        f"behind each mean: where {LEVEL:.0%} of the means of resampled accounts lie",
        *(evaluation.facts["engines"][key] for key in ("frames", "cluster")),
        f"result: {place}",
    ):
        print_line(line)


def _rejections(split: dict[str, Any]) -> dict[str, int]:
    found = split.get("rejections")
    if found is None:
        return {}
    return {
        "rejections that teach": found["train"],
        "rejections held out": found["test"],
        "accounts measured that have some": found["accounts_measured"],
    }


def _print_metrics(evaluation: Evaluation, sources: list[str]) -> None:
    rows = only(evaluation.means, segment=ALL)
    names = dict.fromkeys(row["metric"] for row in rows)
    by_place = {(row["source"], row["metric"]): row for row in rows}
    print_table(
        ["", *sources],
        ([_label(name), *(_cell(by_place[source, name]) for source in sources)] for name in names),
        "all accounts",
    )


def _label(metric: str) -> str:
    less = " (less is better)" if metric.startswith(f"{REJECTED}@") else ""
    return metric.replace("_", " ") + less


def _segments(evaluation: Evaluation) -> dict[str, int]:
    """How many accounts of each segment were measured, by what the segment means."""
    bounds = evaluation.facts["config"]["evaluation"]["segments"]
    meaning = {
        "cold": f"fewer than {bounds['warm']}",
        "warm": f"{bounds['warm']} to {bounds['hot'] - 1}",
        "hot": f"{bounds['hot']} or more",
    }
    counts = np.bincount(evaluation.measures.segments, minlength=len(SEGMENTS))
    return {
        f"{segment}: {meaning[segment]} follows in train": int(count)
        for segment, count in zip(SEGMENTS, counts, strict=True)
    }


def _print_segments(evaluation: Evaluation) -> None:
    if evaluation.headline is None:
        return
    others = (f"{name}@{evaluation.longest}" for name in ("recall", "hit_rate"))
    shown = [evaluation.headline]
    shown += [name for name in others if name in evaluation.measures.metrics and name not in shown]
    rows = []
    for segment in SEGMENTS:
        found = only(evaluation.means, segment=segment)
        cells = {(row["source"], row["metric"]): _cell(row) for row in found}
        for place, source in enumerate(evaluation.measures.sources):
            rows.append([segment if not place else "", source, *(cells[source, m] for m in shown)])
    print_table(["", "source", *(name.replace("_", " ") for name in shown)], rows, "by segment")


def _print_leaders(evaluation: Evaluation) -> None:
    if evaluation.headline is None:
        return
    rows = leaders(evaluation.means, evaluation.differences, evaluation.headline)
    if rows:
        print_table(
            ["", "first", "second", "by", "low", "high", "sure"],
            (
                [
                    row["segment"],
                    row["first"],
                    row["second"],
                    *(short(row[key], 4) for key in ("difference", "low", "high")),
                    {None: "-", "neither": "no"}.get(row["verdict"], "yes"),
                ]
                for row in rows
            ),
            f"who leads by {evaluation.headline}, compared account by account",
        )


def _cell(row: Row) -> str:
    """A mean and its interval, as short as can be.

    Example:
        >>> _cell({"mean": 0.2761, "low": 0.2684, "high": 0.2839})
        '.276 .268-.284'
        >>> _cell({"mean": 5.3, "low": None, "high": None})
        '5.30'
    """
    if row["mean"] is None or row["low"] is None:
        return short(row["mean"])
    return f"{short(row['mean'])} {short(row['low'])}-{short(row['high'])}"
