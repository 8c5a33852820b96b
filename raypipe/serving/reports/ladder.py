"""The ladder: which strategy leads for which accounts, and the measurements that decided."""

from itertools import groupby

from raypipe.serving.reports.content import Cell, Content, Line, Report, Table, Value
from raypipe.storage.records import OVER_BUDGET, LadderDecision, StrategyRow


def ladder_report(decision: LadderDecision) -> Report:
    """The measured strategies as a table, or the reason why none was measured."""
    if decision.decided_by != "holdout":
        return (Line(decision.why),)
    segments = [list(rows) for _, rows in groupby(decision.table, lambda row: row.segment)]
    names = [row.strategy for row in max(segments, key=len)]
    since = decision.since
    of_new = since is not None and since.decides
    columns = [_column(rows, names, of_new) for rows in segments]
    labels = ("accounts", *names, "ahead by", "from", "to", "at random")[: len(columns[0])]
    table = Table(
        ("follows", *(_follows(rows[0]) for rows in segments)),
        tuple(zip(labels, *columns, strict=True)),
        f"{decision.metric} on {'new follows' if of_new else 'follows held out'}; *: leads",
        keys=1,
    )
    found: list[Content] = [table]
    if of_new:
        found.append(Line("at random: what a random hold-out claims for the strategy that leads"))
    if since:
        found.append(Line(f"evidence: {since.why}"))
    for first, *_ in segments:
        if not first.accounts:
            found.append(Line(f"ladder: {first.segment}: {first.why}; {first.strategy}"))
    found += [
        Line(f"ladder: {row.segment}: {row.strategy}: {row.why} {decision.metric}")
        for row in decision.table
        if row.why.startswith(OVER_BUDGET)
    ]
    if decision.blend:
        found.append(Line(decision.blend.why))
    return tuple(found)


def _follows(row: StrategyRow) -> str:
    if row.max_follows is None:
        return f"{row.min_follows} up"
    if row.min_follows == row.max_follows:
        return f"{row.min_follows}"
    return f"{row.min_follows} to {row.max_follows}"


def _column(rows: list[StrategyRow], names: list[str], of_new: bool) -> tuple[Cell, ...]:
    """One segment: accounts, means, lead of the best over the next one, interval, random claim."""
    leader = next(row for row in rows if row.leads)
    by_name = {row.strategy: row for row in rows}
    if not leader.accounts:
        return (
            0,
            *("*" if name == leader.strategy else "-" for name in names),
            *"---",
            *"-" * of_new,
        )
    means = (Value(by_name[name].ndcg, "short", best=by_name[name].leads) for name in names)
    ahead = leader.difference, leader.difference_low, leader.difference_high
    claim = (leader.at_random,) if of_new else ()
    return (leader.accounts, *means, *(Value(number, "short") for number in (*ahead, *claim)))
