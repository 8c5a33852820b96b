"""An experiment with attacks: what each attack has bought with each budget."""

from raypipe.serving.reports.content import Cell, Line, Report, Table, Value
from raypipe.storage.attacks import NEWCOMERS, SLEEPER, AttackResult, AttackRow, over_seeds
from raypipe.storage.evaluations import LEVEL

_COLUMNS = (
    *("attack", "budget", "accounts", "won", "rank 1", "for each follow"),
    *("rank shift", "recall lost"),
)
_LEGEND = (
    "won: real lists with a fake or the target, less those that had the target before",
    "rank shift: ranks that the target, or the best fake, rises in a list on average",
    "recall lost: by real lists, of held-out follows",
    "newcomers: honest accounts in their first nights; the bounds hold them back too",
    f"behind each mean: where {LEVEL:.0%} of the means of resampled accounts lie",
)


def attack_report(result: AttackResult, folder: str) -> Report:
    """The report of an experiment with its files in a folder: a table for each strategy."""
    by_strategy: dict[str, dict[tuple[str, int, int], list[AttackRow]]] = {}
    for row in result.attacks:
        cases = by_strategy.setdefault(row.strategy, {})
        cases.setdefault((row.attack, row.budget, row.night), []).append(row)
    tables = [
        Table(_COLUMNS, tuple(map(_cells, cases.values())), f"strategy {strategy}", keys=2)
        for strategy, cases in by_strategy.items()
    ]
    row = result.attacks[0]
    how = {
        "ranker": "strategies as in the clean night; each attacked night trains its ranker",
        "all": "each attacked night selects its strategies and trains its ranker",
        "none": "strategies and ranker as in the clean night",
    }[result.retrain]
    recall = row.bought.recall_before
    before = "" if recall is None else f"; recall without an attack {recall:.3f}"
    lines = (
        *_LEGEND,
        f"lists of {row.bought.lists:,} real accounts, {result.length} long{before}",
        *([how] if result.ladder else []),
        result.engines.cluster,
        f"result: {folder}",
    )
    return (*tables, _detections(result), *map(Line, lines))


def _cells(rows: list[AttackRow]) -> tuple[Cell, ...]:
    first, all_bought = rows[0], [row.bought for row in rows]
    counts = (
        sum(row.accounts for row in rows),
        sum(bought.reached - bought.reached_before for bought in all_bought),
        sum(bought.first - bought.first_before for bought in all_bought),
    )
    estimates = (
        over_seeds([getattr(bought, name) for bought in all_bought])
        for name in ("price", "rank_shift", "recall_lost")
    )
    return (
        _name(first),
        first.budget,
        *(round(count / len(rows)) for count in counts),
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
    columns = ("attack", "budget", "seed", "AUC", "fakes found", "real flagged")
    return Table(columns, tuple(cells), "suspects", keys=2)
