"""An experiment with attacks: what each attack has bought with each budget."""

from raypipe.serving.reports.content import Cell, Line, Report, Table, Value
from raypipe.storage.attacks import NEWCOMERS, SLEEPER, AttackResult, AttackRow, over_seeds
from raypipe.storage.evaluations import LEVEL

_COLUMNS = (
    *("attack", "budget", "accounts", "lists", "rank 1", "for each follow"),
    *("rank shift", "recall lost"),
)


def attack_report(result: AttackResult, folder: str) -> Report:
    """The report of an experiment: a table for each strategy.

    Args:
        folder: folder of the files.
    """
    by_strategy: dict[str, dict[tuple[str, int, int], list[AttackRow]]] = {}
    for row in result.attacks:
        cases = by_strategy.setdefault(row.strategy, {})
        cases.setdefault((row.attack, row.budget, row.night), []).append(row)
    tables = [
        Table(_COLUMNS, tuple(map(_cells, cases.values())), f"strategy {strategy}", keys=2)
        for strategy, cases in by_strategy.items()
    ]
    row = result.attacks[0]
    how = "selected and trained anew" if result.retrained else "that of the clean night"
    recall = row.bought.recall_before
    before = "" if recall is None else f"; recall without an attack {recall:.3f}"
    lines = (
        f"lists of {row.bought.lists:,} real accounts, {result.length} long{before}",
        *([f"strategy and ranker of each attacked night: {how}"] if result.ladder else []),
        f"behind each mean: where {LEVEL:.0%} of the means of resampled accounts lie",
        result.engines.cluster,
        f"result: {folder}",
    )
    return (*tables, _detections(result), *map(Line, lines))


def _cells(rows: list[AttackRow]) -> tuple[Cell, ...]:
    first, all_bought = rows[0], [row.bought for row in rows]
    counts = (
        [row.accounts for row in rows],
        [bought.reached for bought in all_bought],
        [bought.first for bought in all_bought],
    )
    estimates = (
        over_seeds([getattr(bought, name) for bought in all_bought])
        for name in ("price", "rank_shift", "recall_lost")
    )
    return (
        _name(first),
        first.budget,
        *(round(sum(count) / len(rows)) for count in counts),
        *(Value(one.value, "short", one.low, one.high) for one in estimates),
    )


def _name(row: AttackRow) -> str:
    return row.attack + (f", night {row.night}" if row.attack in (SLEEPER, NEWCOMERS) else "")


def _detections(result: AttackResult) -> Table:
    """How well the suspicion score finds the fakes."""
    cells: list[tuple[Cell, ...]] = []
    for row in result.attacks:
        if row.strategy == result.attacks[0].strategy:
            found = row.detection.auc, row.detection.detected, row.detection.false_positives
            shown = (Value(value, "fine") for value in found)
            cells.append((_name(row), row.budget, row.seed, *shown))
    columns = ("attack", "budget", "seed", "AUC", "found", "real flagged")
    return Table(columns, tuple(cells), "suspicion", keys=2)
