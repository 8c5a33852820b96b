"""What people read after a command: runs, plans, statistics, lists."""

from __future__ import annotations

from typing import Any

from raypipe.cli.output.report import print_report
from raypipe.cli.output.terminal import print_facts, print_line, print_table
from raypipe.columns import ACCOUNT
from raypipe.serving.reports.content import Table
from raypipe.serving.reports.runs import run_report
from raypipe.storage.runs.run import Run


def print_rows(rows: list[dict[str, Any]], title: str) -> None:
    """The rows of one account, without the column that names it."""
    if rows:
        names = tuple(name for name in rows[0] if name != ACCOUNT)
        cells = tuple(tuple(row[name] for name in names) for row in rows)
        print_report((Table(names, cells, title),))
    else:
        print_line(f"{title}: none")


def print_nothing_to_do(run: Run, published: str | None) -> None:
    """That the run was there already, and which one readers see if it is not this one."""
    print_line("nothing to do: this input has been run with this config and date before")
    if published != run.id:
        print_line(
            f"published is {published}; to publish this one again: raypipe runs rollback {run.id}"
        )


def print_run(run: Run) -> None:
    """What a run read, made and took."""
    print_report(run_report(run.manifest, str(run.path)))


def print_statistics(statistics: dict[str, Any], title: str) -> None:
    """What ``statistics.graph_statistics`` said, and ``triangle_statistics`` if it was asked."""
    plain = {name: value for name, value in statistics.items() if not isinstance(value, dict)}
    print_facts({name.replace("_", " "): value for name, value in plain.items()}, title)
    described = ("follows_per_follower", "followers_per_followee")
    print_table(
        ["", *(name.replace("_", " ") for name in described)],
        (
            [key, *(_whole(statistics[name][key]) for name in described)]
            for key in ("count", "mean", "std", "min", "25%", "50%", "75%", "max")
        ),
    )


def _whole(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number
