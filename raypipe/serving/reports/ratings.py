"""Evaluations on ratings, and their plans."""

from raypipe.serving.reports.content import Facts, Line, Report, Table, Value
from raypipe.storage.ratings import RatingCounts, RatingPlan, RatingResult


def rating_report(result: RatingResult, folder: str) -> Report:
    """Means by algorithm, values by fold, counts of the input rows, and the folder of the files."""
    metrics, first = result.metrics, result.metrics[0]
    return (
        Table(
            ("algorithm", *metrics, "fit s", "test s"),
            tuple(
                (
                    found.algorithm,
                    *(Value(getattr(found, name), "exact") for name in metrics),
                    found.fit_seconds,
                    found.test_seconds,
                )
                for found in result.algorithms
            ),
            f"mean of {result.folds} folds, seed {result.seed}; seconds of all",
            keys=1,
        ),
        Table(
            (f"{first} by fold", *map(str, range(1, result.folds + 1))),
            tuple(
                (found.algorithm, *(Value(getattr(fold, first), "exact") for fold in found.folds))
                for found in result.algorithms
            ),
            keys=1,
        ),
        _counts(result.counts),
        Line(result.engines.cluster),
        Line(f"result: {folder}"),
    )


def rating_plan_report(plan: RatingPlan) -> Report:
    """Seconds and memory of each training, and the trainings that do not fit."""
    memory = plan.memory
    shared = f"{plan.folds} folds, {memory.folds_bytes / 1e6:,.0f} MB that all tasks share"
    return (
        _counts(plan.counts),
        Table(
            ("algorithm", "seconds of a CPU", "MB of a task", "fits"),
            tuple(
                (
                    found.algorithm,
                    found.seconds,
                    Value(found.task_bytes, "megabytes"),
                    "no" if found.refusal else "yes",
                )
                for found in plan.algorithms
            ),
            shared,
        ),
        Line(f"{memory.limited_by} leaves {memory.task_limit_bytes / 1e6:,.0f} MB a task"),
        *(Line(found.refusal) for found in plan.algorithms if found.refusal),
    )


def _counts(counts: RatingCounts) -> Facts:
    return Facts(
        (
            ("rows in", counts.rows_in),
            ("= used", counts.rows_used),
            ("+ duplicates", counts.duplicates),
            ("+ quarantined", counts.quarantined),
            ("users", counts.users),
            ("items", counts.items),
        )
    )
