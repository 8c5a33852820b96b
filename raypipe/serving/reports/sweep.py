"""A sweep: failed trials, the best trial, and its measures on unseen data."""

from collections.abc import Mapping

from raypipe.serving.reports.content import Cell, Content, Facts, Line, Report, Table, Value
from raypipe.storage.sweeps import MisledRecord, SweepResult


def sweep_report(result: SweepResult, name: str, best_file: str, new: bool = True) -> Report:
    """The report of a sweep.

    Args:
        name: name of the folder of the sweep.
        best_file: file with the best config.
        new: False if the sweep was finished before.
    """
    best, misled = result.best, result.misled
    found: list[Content] = []
    failed = [trial for trial in result.trials if trial.state == "failed"]
    if failed:
        rows = tuple((trial.trial, trial.error, settings_text(trial.settings)) for trial in failed)
        found.append(Table(("failed", "error", "settings"), rows))
    counts = ", ".join(f"{count} {state}" for state, count in result.states.items() if count)
    items: list[tuple[str, Cell]] = [("trials", counts), ("best", f"trial {best.trial}")]
    for key, value in best.settings.items():
        items.append((key.rpartition(".")[2], setting_text(value)))
    if best.epochs is not None:
        items.append(("epochs", best.epochs))
    found.append(Facts(tuple(items), name))
    shown = {"in the sweep": best.measures, "again": result.measured_again}
    if misled and misled.picks:
        shown[f"what {misled.objective} picks"] = misled.picks.measures
    found.append(
        Table(
            ("", *shown),
            tuple(
                (metric, *(Value(measures.get(metric), "exact") for measures in shown.values()))
                for metric in best.measures
            ),
            keys=1,
        )
    )
    found.append(Line(f"in the sweep: {result.measured_on.in_sweep}"))
    found.append(Line(f"again: {result.measured_on.again}"))
    if misled:
        found.append(Line(_misled_text(misled)))
    if not new:
        found.append(Line("this sweep was finished before"))
    return (*found, Line(f"result: {best_file}"))


def settings_text(settings: Mapping[str, object]) -> str:
    """Settings as one line, with the last part of each key.

    Example:
        >>> settings_text({"sources.factors.algorithm": "SVD", "sources.factors.weight": 0.0123456})
        'algorithm SVD, weight 0.01235'
    """
    return ", ".join(
        f"{key.rpartition('.')[2]} {setting_text(value)}" for key, value in settings.items()
    )


def setting_text(value: object) -> str:
    """A setting as text; floats have four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _misled_text(misled: MisledRecord) -> str:
    name, picked = misled.objective, misled.picks
    if picked is None:
        return f"{name}: no trial has one; only the scores of SVD are estimates of 0 and 1"
    epochs = "" if picked.epochs is None else f" after {picked.epochs} epochs"
    return (
        f"{name} would have picked trial {picked.trial}{epochs}, {settings_text(picked.settings)}"
    )
