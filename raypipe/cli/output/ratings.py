"""What people read after an evaluation or a plan on ratings."""

from __future__ import annotations

from typing import Any

from raypipe.cli.output.terminal import print_facts, print_line, print_table


def print_rating_evaluation(facts: dict[str, Any]) -> None:
    """``RatingEvaluation.facts``: a row an algorithm, a column a fold, and what became of rows."""
    algorithms, folds, metrics = facts["algorithms"], facts["folds"], facts["metrics"]
    first = metrics[0]
    print_table(
        ["algorithm", *metrics, "fit s", "test s"],
        (
            [
                found["algorithm"],
                *(_measure(found[name]) for name in metrics),
                found["fit_seconds"],
                found["test_seconds"],
            ]
            for found in algorithms
        ),
        f"mean of {folds} folds, seed {facts['seed']}; seconds of all",
    )
    print_table(
        [f"{first} by fold", *map(str, range(1, folds + 1))],
        (
            [found["algorithm"], *(_measure(fold[first]) for fold in found["folds"])]
            for found in algorithms
        ),
    )
    _print_rows(facts["counts"])
    print_line(facts["engines"]["cluster"])


def print_rating_plan(planned: dict[str, Any]) -> None:
    """What ``rating_evaluation.plan_ratings`` returned."""
    _print_rows(planned["counts"])
    memory = planned["memory_bytes"]
    print_table(
        ["algorithm", "seconds of a CPU", "MB of a task", "fits"],
        (
            [
                found["algorithm"],
                float(found["seconds"]),
                found["task_bytes"] / 1e6,
                "no" if found["refusal"] else "yes",
            ]
            for found in planned["algorithms"]
        ),
        f"{planned['folds']} folds, {memory['folds'] / 1e6:,.0f} MB that all tasks share",
    )
    print_line(f"{memory['limited_by']} leaves {memory['task_limit'] / 1e6:,.0f} MB a task")
    for found in planned["algorithms"]:
        if found["refusal"]:
            print_line(found["refusal"])


def _measure(value: float | None) -> str:
    """With four decimals: good algorithms differ in the third."""
    return "-" if value is None else f"{value:.4f}"


def _print_rows(counts: dict[str, int]) -> None:
    print_facts(
        {
            "rows in": counts["rows_in"],
            "= used": counts["rows_used"],
            "+ duplicates": counts["duplicates"],
            "+ quarantined": counts["quarantined"],
            "users": counts["users"],
            "items": counts["items"],
        }
    )
