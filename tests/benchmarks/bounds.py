"""What bounds cost honest accounts, and what they leave to attackers: recall against the price."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import raypipe
from raypipe.cli.output.terminal import print_table
from raypipe.config import load_config
from raypipe.evaluation.evaluate import evaluate
from raypipe.evaluation.intervals import compare
from raypipe.serving.reports.cells import short
from tests.benchmarks.sources import NETWORKS

SEEDS = (0, 1, 2)
#: Values of ``integrity.unproven_votes``; the last one trims no votes of a proven account.
UNPROVEN = (0, 0.5, 1, 2, 5, 10, 1000)
#: ``integrity.new_entries`` without a limit, as in the first night of a network.
NO_LIMIT = 10**6
BUDGET = 3000
SETTINGS = {"cluster": "none", "blend.method": "rank_fusion", "evaluation.bootstrap": 200}


def bench(data: Path) -> None:
    """Print a table a network, by rank fusion, and the recall of the learned ranker."""
    for name in ("advogato", "wiki-vote", "slashdot"):
        told = {**SETTINGS, "input.follows": str(data / NETWORKS[name])}
        told |= {"evaluation.max_accounts": 8000}
        rows = [[value, *_differences(told, value), *_prices(told, value)] for value in UNPROVEN]
        seeds = [f"recall@20, seed {seed}" for seed in SEEDS]
        columns = ["unproven_votes", *seeds, "first night", "later night"]
        print_table(columns, rows, f"{name}: recall less that without bounds; lists for a follow")
        if name != "slashdot":
            learned = _differences({**told, "blend.method": "learned_ranker"})
            print_table(seeds, [learned], f"{name}, learned ranker, default bounds")


def _differences(told: dict[str, object], unproven: float | None = None) -> list[str]:
    """Recall@20 with the bounds minus that without, by seed, with its interval."""
    asked = {"evaluation.k": [20], "evaluation.metrics": ["recall"], "evaluation.min_follows": 5}
    asked |= {"recommendations.per_account": 20}
    bounded = {} if unproven is None else {"integrity.unproven_votes": unproven}
    found = []
    for seed in SEEDS:
        recall = []
        for more in (bounded, {"integrity.bounds": False}):
            config = load_config(None, {**told, **asked, **more, "seed": seed})
            recall.append(evaluate(config, [str(told["blend.method"])]).measures.values[0])
        paired = compare(*(values.T for values in recall), 1000, seed)
        low, mean, high = (short(float(one[0])) for one in (paired.low, paired.means, paired.high))
        found.append(f"{mean} {low} to {high}")
    return found


def _prices(told: dict[str, object], unproven: float) -> list[str]:
    """Lists for each fake follow of the cheapest attack, without and with a limit on new ones."""
    prices = []
    for entries in (NO_LIMIT, 0):
        asked = {"integrity.unproven_votes": unproven, "integrity.new_entries": entries}
        asked |= {"attack.strategies": ["rank_fusion"], "attack.budgets": [BUDGET]}
        asked |= {"attack.attacks": ["random", "follow_farm", "ring", "copycat"]}
        rows = raypipe.attack({**told, **asked, "attack.seeds": len(SEEDS)}).attacks
        names = {row.attack for row in rows}
        by_attack = {
            name: np.mean([row.bought.price.value for row in rows if row.attack == name])
            for name in names
        }
        worst = max(sorted(by_attack), key=lambda name: by_attack[name])
        prices.append(f"{short(float(by_attack[worst]))} {worst}")
    return prices
