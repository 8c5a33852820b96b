"""What people see of a sweep while it runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from raypipe.cli.output.trials import TrialTable
from raypipe.sweeps.trials import Report
from tests.sweeps.trying import RMSE, trial_of


def follow(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with TrialTable(RMSE, 4, [trial_of(0, 0.95, settings={"n": 1})], console) as table:
        for number in (1, 2, 3):
            table.begin(number, {"sources.factors.parameters.lr_all": 0.01 * number})
        table.report(1, Report(10, {"rmse": 0.93}))
        table.report(2, Report(10, {"rmse": 0.91}))
        shown = Console(file=io.StringIO(), width=100)
        shown.print(table._table())
        table.end(trial_of(1, 0.93, 0.94, state="stopped", settings={"x.lr_all": 0.1}))
        table.end(trial_of(2, 0.91, 0.9012345, state="stopped", settings={"x.lr_all": 0.2}))
        table.end(trial_of(3, state="failed", error="ValueError: no", settings={"x.lr_all": 0.03}))
        last = Console(file=io.StringIO(), width=100)
        last.print(table._table())
    return console.file.getvalue(), shown.file.getvalue(), last.file.getvalue()


def test_a_line_a_trial_where_there_is_no_terminal():
    said, _, _ = follow(False)
    assert said.splitlines() == [
        "trial 1 stopped (2 of 4): rmse 0.9300 after 10 epochs, the best so far, 1.5 s; lr_all 0.1",
        "trial 2 stopped (3 of 4): rmse 0.9012 after 20 epochs, the best so far, 1.5 s; lr_all 0.2",
        "trial 3 failed (4 of 4): ValueError: no; lr_all 0.03",
    ]


def test_a_table_with_the_running_ones_first_then_the_best():
    _, shown, last = follow(False)
    rows = [line.split("│")[1:4] for line in shown.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["1", "running", "10"],
        ["2", "running", "10"],
        ["3", "running", "-"],
        ["0", "finished", "-"],
    ]
    assert "1 of 4 trials, best rmse 0.9500" in shown
    assert "4 of 4 trials, best rmse 0.9012" in last
    numbers = [line.split("│")[1].strip() for line in last.splitlines() if line.startswith("│")]
    assert numbers == ["2", "1", "0", "3"]
    assert "ValueError: no" in last


@pytest.mark.parametrize("no_color", [True, False])
def test_colours_only_where_they_are_wanted(no_color, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    said, _, _ = follow(True)
    assert "trials, best rmse 0.9012" in said
    assert ("\x1b[31m" in said or "\x1b[36m" in said) is not no_color
