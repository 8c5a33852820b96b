"""Terminal output: tables, facts, lines and progress bars."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from math import isfinite
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from raypipe.serving.reports.cells import text

#: Seconds between lines that say that a stage still runs.
_BEAT_SECONDS = 8.0
#: A stage that runs for longer prints a line each time that it has run this long again.
_LONG_SECONDS = 300.0


def print_json(value: Any) -> None:
    """Print JSON for programs."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n")


def _finite(value: Any) -> Any:
    """The value with null in place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(found) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(found) for found in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def print_answer(values: Any, line: str, as_json: bool) -> None:
    """Print JSON for programs, or a line for people."""
    print_json(values) if as_json else print(line)


def print_rows(rows: Sequence[dict[str, Any]], nothing: str, as_json: bool) -> None:
    """Print rows as JSON for programs, or as a table for people; ``nothing`` where it is empty."""
    if as_json or not rows:
        print_answer(rows, nothing, as_json)
    else:
        print_table(list(rows[0]), (list(row.values()) for row in rows))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None
) -> None:
    """Print a table for people; numbers are aligned to the right."""
    rows = [list(row) for row in rows]
    table = Table(header_style="bold")
    for place, name in enumerate(columns):
        number = rows and all(isinstance(row[place], int | float | None) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(text(value)) for value in row))
    _print_titled(table, title)


def print_facts(facts: dict[str, Any], title: str | None = None) -> None:
    """Print names and values, one pair per line."""
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(justify="right")
    for name, value in facts.items():
        table.add_row(name, Text(text(value)))
    _print_titled(table, title)


def print_line(line: str, console: Console | None = None) -> None:
    """Print a line for people; it is folded in a terminal, but not in a log."""
    console = console or Console()
    console.print(line, highlight=False, markup=False, soft_wrap=not console.is_terminal)


def _print_titled(table: Table, title: str | None) -> None:
    """The title is a line of its own, as wide as it is; without markup, as it may hold ids."""
    console = Console()
    if title is not None:
        console.print(Text(text(title), style="italic"))
    console.print(table)


class Bars(AbstractContextManager["Bars"]):
    """Progress bars on standard error; without a terminal, one plain line per stage.

    Without a terminal, a long stage prints a line every 8 seconds, after five minutes one every
    five minutes. Implements :class:`raypipe.compute.progress.Progress`.
    """

    def __init__(self, live: bool = True) -> None:
        """Args: live: False prints one line per stage in a terminal, too."""
        self._console = Console(stderr=True)
        self._live = live and self._console.is_terminal
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._done = threading.Event()
        self._stage = ("start", time.monotonic())

    def __enter__(self) -> Bars:
        if self._live:
            self._bars.start()
        else:
            threading.Thread(target=self._beat, name="progress", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        if self._live:
            if not any(error):
                self._finish()
            self._bars.stop()

    def stage(self, name: str, total: float | None = None) -> None:
        """Start a bar; without a total, it only shows activity."""
        if not self._live:
            self._stage = (name, time.monotonic())
            print_line(f"{name} ...", self._console)
            return
        self._finish()
        self._task = self._bars.add_task(name, total=total)

    def advance(self, work: float) -> None:
        """Move the current bar."""
        if self._task is not None:
            self._bars.advance(self._task, work)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        print_line(text, self._console)

    def _beat(self) -> None:
        """Print a line from time to time while a stage runs."""
        printed = time.monotonic()
        while not self._done.wait(_BEAT_SECONDS / 8):
            name, started = self._stage
            now = time.monotonic()
            pause = _BEAT_SECONDS if now - started < _LONG_SECONDS else _LONG_SECONDS
            if now - max(printed, started) >= pause:
                print_line(f"{name} ... {now - started:.0f} s", self._console)
                printed = now

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=1, completed=1)
