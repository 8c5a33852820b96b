"""Reports in terminals of several widths."""

from __future__ import annotations

import pytest

from raypipe.cli.output.report import print_report
from raypipe.serving.reports.content import Facts, Line, Table, Value

REASON = "followed by ann, bob and 12 others you follow, who all live in the same town"
LIST = Table(
    ("rank", "candidateId", "score", "source", "reason"),
    ((1, "jazz-0042", 0.123, "learned_ranker", REASON), (2, "x", 0.1, "popular", "popular")),
    "jazz-0001, run 2026-03-01-0a1b2c3d",
)
MATRIX = Table(
    ("", *(f"source_{n}" for n in range(5))),
    (("recall@10", *(Value(0.1 * n, "short", 0.01, 0.9, best=n == 4) for n in range(5))),),
    keys=1,
)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("width", [50, 80, 200])
def test_print_report_any_width_is_kept_and_nothing_is_lost(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    facts = Facts((("follows in train", 12_345),), "split")
    print_report((LIST, MATRIX, facts, Line("done")))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown
    words = " ".join(shown.replace("│", " ").split())
    for text in ("jazz-0042", "learned_ranker", ".400* .010-.900", "12,345", "done"):
        assert text in words
    for n in range(5):
        assert f"source_{n}" in shown


def test_print_report_list_at_50_columns_keeps_words_whole(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "50")
    print_report((LIST,))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "jazz-0001, run 2026-03-01-0a1b2c3d",
        "rank  candidateId  score  source",
        "1     jazz-0042    0.123  learned_ranker",
    ]
    assert " ".join(" ".join(lines[3:5]).split()) == REASON
    assert all(line.startswith("    ") for line in lines[3:5])


def test_print_report_wide_matrix_is_cut_between_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "50")
    print_report((MATRIX,))
    heads = [line for line in capsys.readouterr().out.splitlines() if "source_" in line]
    assert [line.count("source_") for line in heads] == [2, 2, 1]


def test_print_report_ids_are_no_markup(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    print_report((Table(("id",), (("[red]\x1b[31m[/x]",),)), Line("[bold]x[/bold]")))
    shown = capsys.readouterr().out
    assert "[red]" in shown
    assert "[bold]x[/bold]" in shown
    assert "\x1b" not in shown
