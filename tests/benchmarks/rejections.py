"""What a million rejections cost: to acknowledge one more, and to prove that none is published."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.cli.output.terminal import print_facts
from raypipe.graph.follow_graph import build_graph, encode
from raypipe.pipeline.publish_gate import check_lists
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import FilterInputs, filters_of
from raypipe.recommend.filters.readers import PairTable
from raypipe.recommend.filters.registry import FILTERS
from raypipe.storage.feedback.store import FeedbackStore, Snapshot
from raypipe.storage.runs.parts import write_parts
from tests.storage.feedback.writers import write_from_eight_processes

ACCOUNTS = 100_000
#: Account i follows the 10 after it, is recommended the next 10, and has rejected the next 10.
EACH = 10


def bench() -> None:
    """Print seconds, with 1 M follows, 1 M recommendations and 1 M rejections."""
    ids = np.array([f"account-{i:06d}" for i in range(ACCOUNTS)], dtype=object)
    follows = pairs(ids, 1)
    graph, _ = build_graph([encode(pd.DataFrame(follows, columns=["followerId", "followingId"]))])
    rejected = pairs(ids, 1 + 2 * EACH)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = write_parts(folder, "recommendations", [recommendations(pairs(ids, 1 + EACH))])
        none = inputs_of(Snapshot(0, table_of(rejected[:0])))
        with closing(FeedbackStore(f"sqlite:///{folder}/feedback.sqlite")) as store:
            facts = {"import": seconds(lambda: store.import_table(table_of(rejected)))}
            inputs = inputs_of(store.snapshot())
            facts |= {
                "snapshot": seconds(store.snapshot),
                "digest": seconds(inputs.digest),
                "into codes": seconds(lambda: exclusions_of(filters_of(inputs, graph))),
            }
            for word, told in (("without", none), ("with", inputs)):
                filters = filters_of(told, graph)
                check_lists(folder, parts, graph, filters)
                facts[f"gate {word}"] = seconds(
                    lambda filters=filters: check_lists(folder, parts, graph, filters)
                )
            taken = [
                seconds(lambda i=i: store.reject("me", f"account-{i:06d}")) for i in range(500)
            ]
        url = f"sqlite:///{folder}/eight.sqlite"
        with closing(FeedbackStore(url)) as store:
            facts["10,000 from 8 processes"] = seconds(
                lambda: write_from_eight_processes(url, 10_000)
            )
            assert store.snapshot().pairs.num_rows == store.snapshot().watermark == 10_000
    facts["a night more, in all"] = sum(
        (facts["snapshot"], facts["digest"], facts["into codes"])
    ) + (facts["gate with"] - facts["gate without"])
    facts["reject, median ms"] = 1e3 * statistics.median(taken)
    facts["reject, 99 % ms"] = 1e3 * float(np.quantile(taken, 0.99))
    print_facts({name: float(value) for name, value in facts.items()}, "seconds")


def inputs_of(rejections: Snapshot) -> FilterInputs:
    """A night that excludes rejections and nothing else."""
    return FilterInputs(((FILTERS[0], PairTable(rejections.pairs)),), rejections)


def pairs(ids: np.ndarray, first: int) -> np.ndarray:
    """Each account with EACH others, from the one that stands so many places after it."""
    rows = np.repeat(np.arange(len(ids)), EACH)
    others = (rows + first + np.tile(np.arange(EACH), len(ids))) % len(ids)
    return np.column_stack([ids[rows], ids[others]])


def table_of(rows: np.ndarray) -> pa.Table:
    columns = [pa.array(rows[:, place], pa.large_string()) for place in (0, 1)]
    return pa.table(
        [*columns, pa.nulls(len(rows), pa.large_string())], ["accountId", "candidateId", "reason"]
    )


def recommendations(rows: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "accountId": rows[:, 0],
            "rank": np.tile(np.arange(1, EACH + 1, dtype=np.int32), len(rows) // EACH),
            "candidateId": rows[:, 1],
            "score": np.zeros(len(rows)),
            "source": ["similar"] * len(rows),
            "reason": ["popular"] * len(rows),
        }
    )


def seconds(function) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
