"""What bounds cost honest accounts, and what they leave to attackers: recall against the price."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import raypipe
from raypipe.cli.output.terminal import print_table
from raypipe.config import load_config
from raypipe.evaluation.evaluate import evaluate
from raypipe.evaluation.intervals import compare
from raypipe.pipeline.run import run_night
from raypipe.serving.reports.cells import short
from raypipe.storage.runs.store import RunStore
from tests.benchmarks.sources import NETWORKS

SEEDS = (0, 1, 2)
#: Values of ``integrity.unproven_votes``; the last one trims no votes of a proven account.
UNPROVEN = (0, 0.5, 1, 2, 5, 10, 1000)
DEFAULT = 5
#: Values of ``integrity.new_unproven_votes``; with the first one no fake is held back.
NEWLY = (1000, 0.1, 0.01, 0)
#: No limits but that of all votes, as in the first night of a network.
FIRST_NIGHT = {"integrity.new_entries": 10**6, "integrity.new_unproven_votes": 1000}
BUDGET = 3000
SETTINGS = {"cluster": "none", "blend.method": "rank_fusion", "evaluation.bootstrap": 200}


def bench(data: Path) -> None:
    """Print tables for each network: recall against the price, demotion, and a second night."""
    for name in ("advogato", "wiki-vote", "slashdot"):
        told = {**SETTINGS, "input.follows": str(data / NETWORKS[name])}
        told |= {"evaluation.max_accounts": 8000}
        values = (DEFAULT,) if name == "slashdot" else UNPROVEN
        rows = [[value, *_differences(told, value), *_prices(told, value)] for value in values]
        seeds = [f"recall@20, seed {seed}" for seed in SEEDS]
        columns = ["unproven_votes", *seeds, "first night", "later night"]
        print_table(columns, rows, f"{name}: recall less that without bounds; lists for a follow")
        if name != "slashdot":
            learned = _differences({**told, "blend.method": "learned_ranker"})
            print_table(seeds, [learned], f"{name}, learned ranker, default bounds")
            columns = ["new_unproven_votes", "lists", "rank 1"]
            title = f"{name}: lists that {BUDGET:,} follows of reverse_bandwagon take"
            print_table(columns, [[value, *_taken(told, value)] for value in NEWLY], title)
            _second_night(data / NETWORKS[name])


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
    for limits in (FIRST_NIGHT, {"integrity.new_entries": 0}):
        asked = {"integrity.unproven_votes": unproven, **limits}
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


def _taken(told: dict[str, object], newly: float) -> tuple[int, int]:
    """Lists, and first places, that the most shown account loses."""
    asked = {"integrity.new_unproven_votes": newly, "attack.strategies": ["rank_fusion"]}
    asked |= {"attack.budgets": [BUDGET], "attack.attacks": ["reverse_bandwagon"]}
    bought = raypipe.attack({**told, **asked}).attacks[0].bought
    return bought.reached_before - bought.reached, bought.first_before - bought.first


def _second_night(path: Path) -> None:
    """Recall@10 where 2 % of the follows are new since the night before, less that without one."""
    follows = pd.read_csv(path, dtype=str)[["followerId", "followingId"]].drop_duplicates()
    follows = follows[follows["followerId"] != follows["followingId"]]
    rng = np.random.default_rng(0)
    counts = follows.groupby("followerId")["followerId"].transform("size")
    held_out = (rng.random(len(follows)) < 0.2) & (counts >= 5)
    train, test = follows[~held_out], follows[held_out]
    earlier = train[rng.random(len(train)) >= 0.02]
    wanted = test.groupby("followerId")["followingId"].agg(set)
    recall = []
    with tempfile.TemporaryDirectory() as folder:
        for nights in ((earlier, train), (train,)):
            store = RunStore(Path(folder) / f"after {len(nights)}")
            for number, night in enumerate(nights, 1):
                file = Path(folder) / "follows.csv"
                night.to_csv(file, index=False)
                told = {"input.follows": str(file), "cluster": "none", "frames": "pandas"}
                run = run_night(load_config(None, told), store, f"2026-03-0{number}").run
            lists = run.table("recommendations").to_pandas()
            shown = lists.groupby("accountId")["candidateId"].agg(set)
            hits = [len(test & shown.get(account, set())) for account, test in wanted.items()]
            recall.append(np.array(hits) / wanted.map(len))
    paired = recall[0] - recall[1]
    mean, error = short(paired.mean()), short(paired.std() / len(paired) ** 0.5)
    print(f"second night: recall@10 {mean} above that of a first one, standard error {error}")
