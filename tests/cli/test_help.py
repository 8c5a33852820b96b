"""Help pages: grouped, with examples, readable in narrow terminals."""

from __future__ import annotations

import re

import pytest
import typer
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.cli.help import GROUPS

ROOT = typer.main.get_command(app)


def pages() -> list[tuple[str, ...]]:
    """The words of every command and of every group."""
    found: list[tuple[str, ...]] = [()]
    for name, command in ROOT.commands.items():
        found += [(name,), *((name, below) for below in getattr(command, "commands", ()))]
    return found


LEAVES = [
    words for words in pages()[1:] if (*words, "list") not in pages() and words != ("config",)
]


@pytest.fixture
def page(monkeypatch):
    """The help of a command at a width."""

    def show(words: tuple[str, ...], columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        result = CliRunner().invoke(app, [*words, "--help"], terminal_width=columns)
        assert result.exit_code == 0, result.output
        return result.stdout

    return show


@pytest.mark.parametrize("columns", [50, 80])
@pytest.mark.parametrize("words", pages(), ids=" ".join)
def test_help_fits_and_cuts_no_word(words, columns, page):
    shown = page(words, columns)
    assert max(map(len, shown.splitlines())) <= columns
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("columns", [50, 80])
@pytest.mark.parametrize("words", pages(), ids=" ".join)
def test_help_names_no_type(words, columns, page):
    assert re.findall(r"<\S+>", page(words, columns)) == []


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_placeholders_are_in_capitals_and_flags_have_none(words):
    command = ROOT
    for word in words:
        command = command.commands[word]
    for param in command.get_params(typer.Context(command)):
        if getattr(param, "is_flag", False):
            assert param.metavar == ""
        else:
            assert param.metavar, param.name
            assert param.metavar.partition(",")[0] == param.metavar.partition(",")[0].upper()


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_help_of_a_command_shows_an_example(words, page):
    shown = page(words, 80)
    assert f"Example: raypipe {' '.join(words)}" in shown
    assert ("--json" in shown) == (words not in (("jobs", "logs"), ("jobs", "stop"), ("serve",)))


def test_help_groups_every_command_and_begins_with_run(page):
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(ROOT.commands)
    for columns in (50, 80):
        shown = page((), columns)
        places = [
            re.search(rf"^[^\w\n]*{panel}\b.*[:\u256e]$", shown, re.M).start() for panel in GROUPS
        ]
        assert places == sorted(places)
        assert "Commands" not in shown
        first = next(line for line in shown[places[0] :].splitlines()[1:])
        assert first.strip("\u2502 ").startswith("run ")
