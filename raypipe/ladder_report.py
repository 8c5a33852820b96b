"""Which phase leads for whom, and what decided it, in a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from raypipe.show import print_line, print_table, short


def print_ladder(facts: dict[str, Any]) -> None:
    """What ``evidence.choose_ladder`` returned: a table where something was measured, and why."""
    if facts["decided_by"] == "evidence":
        sizes = [list(rows) for _, rows in groupby(facts["table"], lambda row: row["size"])]
        names = [row["name"] for row in max(sizes, key=len)]
        print_table(
            ["follows", "accounts", *names, "leads by"],
            (_line(rows, len(names)) for rows in sizes),
            f"who leads, by {facts['metric']} of follows held out",
        )
        for first, *_ in sizes:
            if not first["accounts"]:
                print_line(f"ladder: {first['size']}: {first['why']}; {first['name']}")
    else:
        print_line(facts["why"])


def _line(rows: list[dict[str, Any]], phases: int) -> list[Any]:
    """A size: the mean of each phase, and by how much the leader is ahead of the best other one.

    Example:
        >>> about = {"min_follows": 3, "max_follows": 9, "accounts": 120}
        >>> ahead = {"difference": 0.06, "difference_low": 0.04, "difference_high": 0.08}
        >>> behind = {**about, **ahead, "name": "popular", "ndcg": 0.05, "leads": False}
        >>> leads = {**about, **ahead, "name": "similar", "ndcg": 0.11, "leads": True}
        >>> _line([behind, leads], 2)
        ['3 to 9', 120, '.050', '.110', 'similar .060 .040-.080']
    """
    leader = next(row for row in rows if row["leads"])
    least, most = leader["min_follows"], leader["max_follows"]
    means = [short(row["ndcg"]) for row in rows] if leader["accounts"] else ["-"] * phases
    by, low, high = (
        short(leader[key]) for key in ("difference", "difference_low", "difference_high")
    )
    name = leader["name"]
    return [
        f"{least} up" if most is None else f"{least} to {most}",
        leader["accounts"],
        *means,
        f"{name} {by} {low}-{high}" if leader["accounts"] else name,
    ]
