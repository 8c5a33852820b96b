"""What is shown to whom, and what decided it, in a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from raypipe.cli.output.terminal import print_line, print_table, short


def print_ladder(facts: dict[str, Any]) -> None:
    """A ladder as its manifest tells of it: a table where something was measured, and why."""
    if facts["decided_by"] == "holdout":
        segments = [list(rows) for _, rows in groupby(facts["table"], lambda row: row["segment"])]
        names = [_name(row) for row in max(segments, key=len)]
        print_table(
            ["follows", *(_follows(rows[0]) for rows in segments)],
            zip(
                ["accounts", *names, "ahead by"],
                *(_column(rows, names) for rows in segments),
                strict=True,
            ),
            f"{facts['metric']} on follows held out; *: leads",
        )
        for first, *_ in segments:
            if not first["accounts"]:
                print_line(f"ladder: {first['segment']}: {first['why']}; {_name(first)}")
        if facts.get("blend"):
            print_line(facts["blend"]["why"])
    else:
        print_line(facts["why"])


def _name(row: dict[str, Any]) -> str:
    """Runs of an earlier raypipe have phases alone, without names."""
    return row.get("name") or row["sources"][0]


def _follows(row: dict[str, Any]) -> str:
    least, most = row["min_follows"], row["max_follows"]
    return f"{least} up" if most is None else f"{least} to {most}"


def _column(rows: list[dict[str, Any]], names: list[str]) -> list[Any]:
    """A segment: its accounts, the mean of each strategy, how far the leader is ahead of the next.

    Example:
        >>> ahead = {"difference": 0.06, "difference_low": 0.04, "difference_high": 0.08}
        >>> behind = {"accounts": 120, "name": "popular", "ndcg": 0.05, "leads": False}
        >>> leads = {**ahead, "accounts": 120, "name": "similar", "ndcg": 0.11, "leads": True}
        >>> _column([behind, leads], ["popular", "similar"])
        [120, '.050', '.110*', '.060 .040-.080']
    """
    leader = next(row for row in rows if row["leads"])
    by_name = {_name(row): row for row in rows}
    if not leader["accounts"]:
        return [0, *("*" if name == _name(leader) else "-" for name in names), "-"]
    means = [short(by_name[name]["ndcg"]) + "*" * by_name[name]["leads"] for name in names]
    by, low, high = (
        short(leader[key]) for key in ("difference", "difference_low", "difference_high")
    )
    return [leader["accounts"], *means, f"{by} {low}-{high}"]
