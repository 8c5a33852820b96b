"""What a night will cost, before it runs: seconds, memory, and the accounts that cost most."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from raypipe.audience import read_accounts
from raypipe.config import RunConfig
from raypipe.cost import measure_cost, write_seconds
from raypipe.degree_cost import measure_degrees
from raypipe.degrees import Degrees, without_hubs
from raypipe.errors import ConfigError
from raypipe.graph import FollowGraph
from raypipe.kernels.similarity_index import HUBS
from raypipe.loading import Stages, load
from raypipe.progress import Progress, Silent
from raypipe.recall import similarity_facts
from raypipe.statistics import wedges

#: Where there are only degrees: seconds of a CPU to read a row of CSV and number its ids, and of
#: one thread to put a follow into the graph, and into the index. Measured on 16 and 100 M follows
#: between UUIDs; fewer take less, as more of them are in the cache.
READ_SECONDS = 0.8e-6
GRAPH_SECONDS = 0.2e-6
PREPARE_SECONDS = 0.15e-6
#: Bytes of an id where there are none: a UUID, and where it ends.
ID_BYTES = 44
#: While it is read, a frame takes so many times its size: 1.4 to 3.1 were measured.
FRAME_PEAK = 2
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
    graph = loaded.graph
    return {
        "counts": {
            **{key: loaded.statistics[key] for key in ("accounts", "follows", "wedges")},
            "audience": len(cost),
        },
        "seconds": _seconds(
            {stage["stage"]: stage["seconds"] for stage in stages.meter.stages},
            float(cost.sum()),
            max(cost.sum() / (nodes * cpus), cost.max(initial=0.0)),
            write_seconds(len(cost), config),
        ),
        "nodes": nodes,
        "cpus": cpus,
        "memory_bytes": memory_by_part(
            graph.accounts,
            graph.follows,
            loaded.rows["rows_in"],
            graph.ids.nbytes / max(1, graph.accounts),
            sum(array.nbytes for array in loaded.night.index),
            nodes,
            cpus,
        ),
        "hubs": costly_hubs(graph),
        "similarity": similarity_facts(graph, loaded.night),
    }


def plan_degrees(
    config: RunConfig, degrees: Degrees, nodes: int, cpus: int, progress: Progress | None = None
) -> dict[str, Any]:
    """What :func:`plan_night` says, of a network of which only the degrees are known.

    A part of a network with these degrees is drawn, and searches in it are timed. Reading, graph
    and index are predicted from rates that were measured elsewhere; hubs have no ids.

    Raises:
        ConfigError: the audience is a list of ids.
    """
    if config.audience.accounts is not None:
        raise ConfigError(
            "audience.accounts: names accounts, but a degree table has none; plan without it: "
            "--set audience.accounts=null"
        )
    stages = Stages(progress or Silent())
    with stages.stage("plan"):
        cost = measure_degrees(degrees, config)
    sizes, accounts = degrees.of_follows
    audience = int(accounts[sizes >= config.audience.min_follows].sum())
    one_cpu = float(cost @ accounts)
    return {
        "counts": {
            "accounts": degrees.accounts,
            "follows": degrees.follows,
            "wedges": degrees.wedges,
            "audience": audience,
        },
        "seconds": _seconds(
            {
                "read": degrees.follows * READ_SECONDS / (nodes * cpus),
                "graph": degrees.follows * GRAPH_SECONDS,
                "prepare": degrees.follows * PREPARE_SECONDS,
                "plan": stages.meter.stages[-1]["seconds"],
            },
            one_cpu,
            max(one_cpu / (nodes * cpus), cost.max()),
            write_seconds(audience, config),
        ),
        "nodes": nodes,
        "cpus": cpus,
        "memory_bytes": memory_by_part(
            degrees.accounts,
            degrees.follows,
            degrees.follows,
            ID_BYTES,
            index_bytes(without_hubs(degrees, config.similar.max_followers_in_similarity)),
            nodes,
            cpus,
        ),
        "hubs": hubs_of_degrees(degrees),
        "similarity": similarity_of_degrees(degrees, config.similar.max_followers_in_similarity),
    }


def memory_by_part(
    accounts: int,
    follows: int,
    rows: int,
    id_bytes: float,
    index_bytes: int,
    nodes: int,
    cpus: int,
) -> dict[str, int]:
    """Bytes that a night holds on one machine, by part.

    The frame is there while it is read, shared out among the nodes; graph and index are there once
    on each of them, whatever the number of its workers.

    Args:
        rows: of the input.
        id_bytes: of one id.
        index_bytes: of the similarity index.
    """
    return {
        "frame": int(rows * 2 * id_bytes * FRAME_PEAK / nodes),
        "ids": int(accounts * id_bytes),
        "follows": 2 * (8 * (accounts + 1) + 4 * follows),
        "similarity_index": index_bytes,
        "workers": int(cpus * (WORKER_BYTES + 4 * accounts)),
    }


def index_bytes(degrees: Degrees) -> int:
    """Bytes of the similarity index where no two accounts have the same follow set."""
    sizes, accounts = degrees.of_follows
    following = int(accounts[sizes > 0].sum())
    followees = int(degrees.of_followers.accounts[degrees.of_followers.numbers > 0].sum())
    of_groups = (4 + 4 + 8 + 4 + 8 + HUBS // 8) * following + 16
    return (
        8 * degrees.follows
        + 4 * degrees.accounts
        + of_groups
        + 8 * (followees + 1)
        + 4 * (int(sizes[-1]) + 2)
    )


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
    first = np.argsort(-followers, kind="stable")[:_HUBS]
    ids = [graph.ids[int(code)].as_py() for code in first]
    return _hubs(ids, followers[first], wedges(graph))


def hubs_of_degrees(degrees: Degrees) -> list[dict[str, Any]]:
    """What :func:`costly_hubs` says, without the ids, that are not known."""
    numbers, accounts = (array[::-1] for array in degrees.of_followers)
    first = np.repeat(numbers, np.minimum(accounts, _HUBS))[:_HUBS]
    return _hubs([None] * len(first), first, degrees.wedges)


def similarity_of_degrees(degrees: Degrees, cap: int | None) -> dict[str, Any]:
    """What `recall.similarity_facts` says; which share of the neighbours is found is not known."""
    numbers, accounts = degrees.of_followers
    left_out = 0 if cap is None else int(accounts[numbers > cap].sum())
    return {
        "max_followers": cap,
        "hubs_left_out": left_out,
        "share_of_wedges_left": round(without_hubs(degrees, cap).wedges / degrees.wedges, 4),
        "recall": None if left_out else 1.0,
        "low": 0.0 if left_out else 1.0,
        "high": 1.0,
        "sample": 0,
    }


def _hubs(ids: list[str | None], followers: np.ndarray, all_wedges: int) -> list[dict[str, Any]]:
    return [
        {
            "account": account,
            "followers": int(count),
            "share_of_wedges": round(float(count) ** 2 / (all_wedges or 1), 4),
        }
        for account, count in zip(ids, followers, strict=True)
    ]


def _seconds(
    before: dict[str, float], one_cpu: float, recommend: float, write: float
) -> dict[str, float]:
    """Seconds by stage, and of all of them together."""
    seconds = {
        **before,
        "recommend_on_one_cpu": one_cpu,
        "recommend": recommend,
        "write": write,
        "total": sum(before.values()) + recommend + write,
    }
    return {name: round(float(value), 3) for name, value in seconds.items()}
