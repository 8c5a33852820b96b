"""Detectors against attacks with fakes of a hundredth of the accounts: AUC and false positives."""

from __future__ import annotations

from pathlib import Path

from raypipe.cli.output.terminal import print_table
from tests.benchmarks.timing import in_turns
from tests.integrity._builders import attacked, detected, real_graph, suspicion

NETWORKS = ("advogato", "wiki-vote", "slashdot")
ATTACKS = ("ring", "follow_farm", "bandwagon", "random", "follow_spam", "copycat", "sleeper")


def bench(data: Path) -> None:
    """Print a table a network: the worst of three seeds, and the seconds of the detectors."""
    for name in NETWORKS:
        graph, rows = real_graph(data, name), []
        for attack, returned in [*((attack, 0) for attack in ATTACKS), ("ring", 5)]:
            found = [detected(graph, attack, seed, returned) for seed in range(3)]
            one = attacked(graph, attack, 0, returned).graph
            seconds = in_turns({"": lambda one=one: suspicion(one)}, rounds=3)[""]
            worst = min(found, key=lambda record: record.auc)
            flagged = max(record.false_positives for record in found)
            what = f"{attack}, {returned} returned" if returned else attack
            rows.append([what, worst.auc, worst.detected, f"{flagged:.3%}", seconds])
        title = f"{name}: {graph.accounts:,} accounts, the worst of three seeds"
        print_table(["attack", "AUC", "found", "real flagged", "seconds"], rows, title)
