"""The table of trials while a sweep runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from raypipe.cli.output.terminal import print_line
from raypipe.serving.reports.cells import text
from raypipe.serving.reports.sweep import settings_text
from raypipe.sweeps.space import Settings
from raypipe.sweeps.trials import Goal, Report, Trial, best_trial, value_text

#: Rows of the table for trials that ended: the best ones, and the failed ones among the last.
_BEST, _FAILED = 8, 3


_COLOURS = {"failed": "red", "stopped": "dim", "running": "cyan"}


class TrialTable(AbstractContextManager["TrialTable"]):
    """Shows trials on standard error. Implements :class:`Watch`."""

    def __init__(
        self, goal: Goal, count: int, ended: Iterable[Trial], console: Console | None = None
    ) -> None:
        """Args: count: number of all trials; ended: trials that ended before."""
        self._goal, self._count = goal, count
        self._ended = list(ended)
        self._running: dict[int, tuple[Settings, Report | None]] = {}
        self._console = console or Console(stderr=True)
        self._live = Live(
            console=self._console, get_renderable=self._table, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> TrialTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def begin(self, number: int, settings: Settings) -> None:
        """Add a row."""
        self._running[number] = (settings, None)

    def report(self, number: int, report: Report) -> None:
        """Update the row of a trial."""
        settings, _ = self._running[number]
        self._running[number] = (settings, report)

    def end(self, trial: Trial) -> None:
        """Keep the row if the trial is one of the best; without a terminal, print a line."""
        self._running.pop(trial.number)
        self._ended.append(trial)
        if trial.state == "failed" or not self._console.is_terminal:
            print_line(self._line(trial), self._console)

    def _line(self, trial: Trial) -> str:
        told = f"trial {trial.number} {trial.state} ({len(self._ended)} of {self._count})"
        if trial.state == "failed":
            return f"{told}: {trial.error}; {settings_text(trial.settings)}"
        report, best = trial.best_report(self._goal), best_trial(self._ended, self._goal)
        if report is None:
            return f"{told}: no {self._goal.metric}; {settings_text(trial.settings)}"
        return (
            f"{told}: {self._goal.metric} {value_text(report.measures[self._goal.metric])}"
            f"{'' if report.epochs is None else f' after {report.epochs} epochs'}"
            f"{', the best so far' if best is trial else ''}, {trial.seconds:.1f} s; "
            f"{settings_text(trial.settings)}"
        )

    def _table(self) -> Table:
        best = best_trial(self._ended, self._goal)
        title = f"{len(self._ended)} of {self._count} trials"
        if best is not None:
            title += f", best {self._goal.metric} {value_text(best.value(self._goal))}"
        table = Table(title=title, title_justify="left", header_style="bold")
        for name in ("trial", "state", "epochs", self._goal.metric, "seconds"):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        table.add_column("settings", overflow="fold")
        for number, (settings, report) in sorted(self._running.items()):
            seen = report or Report(None, {})
            value = value_text(seen.measures.get(self._goal.metric))
            cells = [number, "running", seen.epochs, value, None, settings_text(settings)]
            table.add_row(*(Text(text(cell)) for cell in cells), style=_COLOURS["running"])
        for trial in self._shown():
            report = trial.best_report(self._goal) or Report(None, {})
            value = value_text(trial.value(self._goal))
            note = trial.error or settings_text(trial.settings)
            cells = [trial.number, trial.state, report.epochs, value, trial.seconds, note]
            table.add_row(*(Text(text(cell)) for cell in cells), style=_COLOURS.get(trial.state))
        return table

    def _shown(self) -> list[Trial]:
        good = [trial for trial in self._ended if trial.loss(self._goal) is not None]
        good = [trial for trial in good if trial.state != "failed"]
        failed = [trial for trial in self._ended if trial.state == "failed"]
        ranked = sorted(good, key=lambda trial: (trial.loss(self._goal), trial.number))
        return [*ranked[:_BEST], *failed[-_FAILED:]]
