"""What a walk of the source pagerank costs and finds, on graphs of up to a million accounts."""

from __future__ import annotations

import time

import numpy as np

from raypipe.cli.output.terminal import print_table
from raypipe.config.sources import PageRankConfig
from raypipe.kernels.push import Walk, best_by_push, count_steps, weighted_degrees
from raypipe.kernels.topk import TieRule, best_of_rows
from tests.benchmarks.similarity import graphs

#: Name -> how a graph is made.
GRAPHS = {
    "slashdot": lambda: graphs.make("slashdot"),
    "rmat17": lambda: graphs.make("rmat17"),
    "100,000 in communities": graphs.community,
    "1,000,000 in communities": lambda: graphs.community(1_000_000),
}
ACCOUNTS, BATCH, BEST = 5000, 256, 50
#: An epsilon of which the best are taken for the exact ones, and the accounts compared.
ALMOST_EXACT, COMPARED = 1e-7, 100
COLUMNS = ("graph", "accounts", "follows read", "CPU microseconds", f"of the exact {BEST} best")


def bench() -> None:
    """Print a row a graph: means of a sample of its accounts."""
    print_table(COLUMNS, [_row(name, make()) for name, make in GRAPHS.items()], "pagerank")


def _row(name: str, graph: graphs.Graph) -> list[object]:
    config = PageRankConfig()
    degrees = weighted_degrees(*graph, config.backward_weight)
    walk = Walk(*graph, degrees, config.backward_weight, config.alpha, config.epsilon)
    linked = np.flatnonzero(degrees).astype(np.int32)
    accounts = np.random.default_rng(0).choice(linked, ACCOUNTS, replace=False)
    _best(walk, accounts[:1])
    started = time.process_time()
    for start in range(0, ACCOUNTS, BATCH):
        _best(walk, accounts[start : start + BATCH])
    each = (time.process_time() - started) / ACCOUNTS
    compared = accounts[:COMPARED]
    found, exact = (_best(on, compared) for on in (walk, walk._replace(epsilon=ALMOST_EXACT)))
    share = np.mean([np.isin(exact[i], found[i]).mean() for i in range(COMPARED)])
    steps = count_steps(walk, accounts).mean()
    return [name, graph.accounts, round(steps), f"{each * 1e6:.0f}", f"{share:.2f}"]


def _best(walk: Walk, accounts: np.ndarray) -> np.ndarray:
    """int32[m, BEST], best first; -1 where a walk reaches fewer."""
    every = np.ones(len(walk.degrees), bool)
    positions = np.arange(len(every), dtype=np.uint32)
    rule = TieRule(walk.followers.degrees.astype(np.int32), positions)
    found = best_by_push(walk, every, accounts, np.full(len(accounts), BEST), rule)
    return best_of_rows(found, np.ones(len(found.codes), bool), BEST, accounts, rule).codes
