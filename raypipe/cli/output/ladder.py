"""What is shown to whom, and what decided it, in a terminal."""

from __future__ import annotations

from itertools import groupby

from raypipe.cli.output.terminal import print_line, print_table, short
from raypipe.storage.records import LadderDecision, StrategyRow


def print_ladder(decision: LadderDecision) -> None:
    """A ladder: a table where something was measured, and why."""
    if decision.decided_by != "holdout":
        print_line(decision.why)
        return
    segments = [list(rows) for _, rows in groupby(decision.table, lambda row: row.segment)]
    names = [row.strategy for row in max(segments, key=len)]
    print_table(
        ["follows", *(_follows(rows[0]) for rows in segments)],
        zip(
            ["accounts", *names, "ahead by"],
            *(_column(rows, names) for rows in segments),
            strict=True,
        ),
        f"{decision.metric} on follows held out; *: leads",
    )
    for first, *_ in segments:
        if not first.accounts:
            print_line(f"ladder: {first.segment}: {first.why}; {first.strategy}")
    if decision.blend:
        print_line(decision.blend.why)


def _follows(row: StrategyRow) -> str:
    if row.max_follows is None:
        return f"{row.min_follows} up"
    return f"{row.min_follows} to {row.max_follows}"


def _column(rows: list[StrategyRow], names: list[str]) -> list[int | str]:
    """A segment: its accounts, the mean of each strategy, and the leader's lead over the next."""
    leader = next(row for row in rows if row.leads)
    by_name = {row.strategy: row for row in rows}
    if not leader.accounts:
        return [0, *("*" if name == leader.strategy else "-" for name in names), "-"]
    means = [short(by_name[name].ndcg) + "*" * by_name[name].leads for name in names]
    by, low, high = map(short, (leader.difference, leader.difference_low, leader.difference_high))
    return [leader.accounts, *means, f"{by} {low}-{high}"]
