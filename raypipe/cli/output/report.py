"""Print a report in a terminal, within its width."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from raypipe.cli.output.terminal import print_facts, print_json, print_line, print_table
from raypipe.serving.reports.cells import cell_text, shown
from raypipe.serving.reports.content import Content, Facts, Table

#: Characters of a border and its spaces, for each column.
_BORDER = 3
#: A column of text may be folded to this width; below it, rows are printed in lines.
_NARROWEST = 12


def print_report(report: Iterable[Content]) -> None:
    """Print each piece of content, one below the other."""
    for content in report:
        if isinstance(content, Table):
            _print_table(content)
        elif isinstance(content, Facts):
            print_facts({name: shown(cell) for name, cell in content.items}, content.title)
        else:
            print_line(content.text)


def print_result(values: Any, report: Iterable[Content], json: bool) -> None:
    """Print a result as JSON values for programs, or as a report for people."""
    if json:
        print_json(values)
    else:
        print_report(report)


def _print_table(table: Table) -> None:
    width = Console().width
    widths = [
        max(len(name), *(len(cell_text(row[place])) for row in table.rows), 0)
        for place, name in enumerate(table.columns)
    ]
    if sum(widths) + _BORDER * len(widths) + 1 <= width:
        _print_columns(table, range(len(widths)))
        return
    if table.keys:
        for columns in _cut(widths, table.keys, width):
            _print_columns(table, columns)
        return
    numbers = [
        all(not isinstance(shown(row[place]), str) for row in table.rows)
        for place in range(len(widths))
    ]
    least = [
        size if is_number else min(size, _NARROWEST)
        for size, is_number in zip(widths, numbers, strict=True)
    ]
    if sum(least) + _BORDER * len(least) + 1 <= width:
        _print_columns(table, range(len(widths)))
    else:
        _print_stacked(table, widths, width)


def _cut(widths: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """Split the columns into groups that fit; each group starts with the key columns.

    Example:
        >>> _cut([4, 10, 10, 10], 1, 34)
        [[0, 1, 2], [0, 3]]
    """
    first = list(range(keys))
    room = width - 1 - sum(widths[place] + _BORDER for place in first)
    groups: list[list[int]] = []
    used = room
    for place in range(keys, len(widths)):
        size = widths[place] + _BORDER
        if used + size > room or not groups:
            groups.append([*first])
            used = 0
        groups[-1].append(place)
        used += size
    return groups


def _print_columns(table: Table, columns: Iterable[int]) -> None:
    places = list(columns)
    rows = [[shown(row[place]) for place in places] for row in table.rows]
    print_table([table.columns[place] for place in places], rows, table.title)


def _print_stacked(table: Table, widths: Sequence[int], width: int) -> None:
    """Print each row as a line of its short cells, and its longest cell folded below."""
    longest = max(range(len(widths)), key=lambda place: widths[place])
    others = [place for place in range(len(widths)) if place != longest]
    if table.title:
        print_line(table.title)
    if sum(widths[place] + 2 for place in others) > width:
        for row in table.rows:
            for name, cell in zip(table.columns, row, strict=True):
                _print_folded(f"{name}: {cell_text(cell)}", width, "  ")
            print_line("")
        return
    heads = "  ".join(table.columns[place].ljust(widths[place]) for place in others)
    print_line(heads.rstrip())
    for row in table.rows:
        line = "  ".join(cell_text(row[place]).ljust(widths[place]) for place in others)
        print_line(line.rstrip())
        _print_folded(f"    {cell_text(row[longest])}", width, "    ")


def _print_folded(line: str, width: int, indent: str) -> None:
    for part in textwrap.wrap(line, width, subsequent_indent=indent) or [line]:
        print_line(part)
