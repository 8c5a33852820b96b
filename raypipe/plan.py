"""What a night will cost, before it runs: seconds, memory, and the accounts that cost most."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from raypipe.audience import read_accounts
from raypipe.config import RunConfig
from raypipe.cost import measure_cost
from raypipe.graph import FollowGraph
from raypipe.loading import Loaded, Stages, load
from raypipe.progress import Progress, Silent
from raypipe.recall import similarity_facts
from raypipe.statistics import wedges

#: Rows of Parquet made of checkpoints, written and hashed in a second; measured with UUIDs.
ROWS_WRITTEN_PER_SECOND = 1e6
#: Bytes of a worker that its index and graph are not part of: its imports, and the candidates that
#: it holds at a time. Measured.
WORKER_BYTES = 300e6
_HUBS = 5


def plan_night(
    config: RunConfig, nodes: int, cpus: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Read and prepare a night, measure a sample of its accounts, and predict the rest.

    Args:
        nodes: machines that the shards would run on, each like this one.
        cpus: of each machine.

    Returns:
        JSON values: ``counts``, ``seconds`` by stage, ``memory_bytes`` by part, ``hubs``,
        ``similarity`` as the run will report it. Seconds of read, graph, prepare and plan are
        measured; those of recommend and write are predicted.

    Raises:
        RaypipeError: what a run would raise for the same input.
    """
    stages = Stages(progress or Silent())
    with ExitStack() as stack:
        loaded = load(config, read_accounts(config.audience), stages, stack)
        with stages.stage("plan"):
            cost = measure_cost(loaded.night)
    measured = {stage["stage"]: stage["seconds"] for stage in stages.meter.stages}
    one_cpu = float(cost.sum())
    lists = config.similar.neighbours + config.recommendations.per_account
    return {
        "counts": {
            **{key: loaded.statistics[key] for key in ("accounts", "follows", "wedges")},
            "audience": len(cost),
        },
        "seconds": {
            **measured,
            "recommend_on_one_cpu": round(one_cpu, 3),
            "recommend": round(max(one_cpu / (nodes * cpus), cost.max(initial=0.0)), 3),
            "write": round(len(cost) * lists / ROWS_WRITTEN_PER_SECOND, 3),
        },
        "nodes": nodes,
        "cpus": cpus,
        "memory_bytes": memory_by_part(loaded, cpus),
        "hubs": costly_hubs(loaded.graph),
        "similarity": similarity_facts(loaded.graph, loaded.night),
    }


def memory_by_part(loaded: Loaded, cpus: int) -> dict[str, int]:
    """Bytes that a night holds on one machine, by part; graph and index are there once."""
    graph, index = loaded.graph, loaded.night.index
    sides = (*graph.followees, *graph.followers)
    return {
        "ids": graph.ids.nbytes,
        "follows": sum(array.nbytes for array in sides),
        "similarity_index": sum(array.nbytes for array in index),
        "workers": int(cpus * (WORKER_BYTES + 4 * graph.accounts)),
    }


def costly_hubs(graph: FollowGraph) -> list[dict[str, Any]]:
    """The most followed accounts: each adds the square of its followers to the wedges.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("abc"), "followingId": list("xxy")})
        >>> costly_hubs(build_graph([encode(frame)])[0])[0]
        {'account': 'x', 'followers': 2, 'share_of_wedges': 0.8}
    """
    followers = graph.followers.degrees
    all_wedges = wedges(graph) or 1
    first = np.argsort(-followers, kind="stable")[:_HUBS]
    return [
        {
            "account": graph.ids[int(code)].as_py(),
            "followers": int(followers[code]),
            "share_of_wedges": round(float(followers[code]) ** 2 / all_wedges, 4),
        }
        for code in first
    ]
