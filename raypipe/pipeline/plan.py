"""Predict the cost of a night before it runs: seconds, memory, and the most expensive hubs."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from raypipe.compute.engines import Runner
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import ConfigError
from raypipe.evaluation.factor_recall import factor_facts
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.evaluation.neighbour_recall import similarity_facts
from raypipe.graph.degree_table import Degrees, without_hubs
from raypipe.graph.follow_graph import FollowGraph
from raypipe.graph.statistics import co_follow_pairs
from raypipe.integrity.votes import read_bounds
from raypipe.kernels.column_blocks import ColumnBlocks
from raypipe.kernels.factor_scores import block_bytes
from raypipe.pipeline.cost.sample import cut_shards, measure_cost, write_seconds
from raypipe.pipeline.cost.sample_degrees import (
    PREPARE_SECONDS,
    holdout_of_degrees,
    measure_degrees,
    seconds_of_sources,
)
from raypipe.pipeline.load import check_config, load, prepare_night
from raypipe.recommend.audience import read_accounts
from raypipe.recommend.memory import (
    TASK_BYTES,
    Sizes,
    blend_bytes,
    blocks_needed,
    index_bytes,
    room_of_a_task,
)
from raypipe.recommend.models.algorithms import (
    check_factors,
    shape_of,
    training_bytes,
    training_seconds,
)
from raypipe.recommend.search import NeighbourSearch
from raypipe.recommend.sources.factors import (
    following_in,
    retrieval_from,
    settle_model,
    settle_model_of,
)
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.plans import HubRow, Plan, PlanCounts
from raypipe.storage.records import EXACT, NOT_MEASURED, FactorRecord, SimilarityRecord

#: Rates for plans from degrees, in seconds of one CPU per follow: read a row of CSV and number its
#: ids; add it to the graph. Measured on 16 and 100 M follows between UUIDs; smaller networks are
#: faster, since more of them fits into the cache.
READ_SECONDS, GRAPH_SECONDS = 0.8e-6, 0.2e-6
#: Bytes of an id for plans from degrees: a UUID and its offset.
ID_BYTES = 44
#: Peak memory of a frame while it is read, as a multiple of its size; 1.4 to 3.1 were measured.
FRAME_PEAK = 2
_HUBS = 5


def plan_night(config: RunConfig, nodes: int, cpus: int, progress: Progress | None = None) -> Plan:
    """Plan a night: read and prepare it, measure a sample of its accounts, predict the rest.

    Seconds of read, graph, holdout, prepare and plan are measured in this process; seconds of
    recommend and write are predicted.

    Args:
        nodes: number of machines for the shards, each like this one.
        cpus: number of CPUs of each machine.

    Raises:
        RaypipeError: the same error that a run would raise for this input.
    """
    stages = Stages(progress or Silent())
    check_config(config)
    with ExitStack() as stack:
        inputs = open_inputs(config.input)
        here = Runner(map, 1, "")
        accounts, bounds = read_accounts(config.audience, config.input), read_bounds(config)
        loaded = load(config, accounts, inputs, stages, stack, bounds)
        graph = loaded.graph
        config = settle_model_of(graph, config, stages.progress.say)
        decided = choose_ladder(graph, loaded.audience, config, stages, lambda _: here)
        prepared = prepare_night(config, loaded, decided, stages)
        search = prepared.context.search
        with stages.stage("plan"):
            cost = measure_cost(prepared.context, config.seed)
    factors = factor_facts(prepared.inputs, prepared.context, config)
    shards = cut_shards(cost, nodes * cpus, config.shards, prepared.shard_accounts)
    return _plan_of(
        config,
        nodes,
        cpus,
        _Found(
            counts=PlanCounts(**dict(loaded.statistics.counts), audience=len(cost.accounts)),
            rows=loaded.rows["rows_in"],
            id_bytes=graph.ids.nbytes / max(1, graph.accounts),
            shared_index=sum(array.nbytes for array in _shared_index(search)),
            blocks=len(search.blocks) if search else 0,
            before={stage.stage: stage.seconds for stage in stages.measured},
            one_cpu=sum(map(cost.of, shards)),
            longest=float(cost.accounts.max(initial=0.0)) + cost.building,
            measured=decided.ladder.decided_by == "holdout",
            hubs=costly_hubs(graph),
            similarity=similarity_facts(graph, prepared.context, config),
            factors=factors,
        ),
    )


def plan_degrees(
    config: RunConfig, degrees: Degrees, nodes: int, cpus: int, progress: Progress | None = None
) -> Plan:
    """Plan a night from the degrees of a network alone.

    A part of a random network with these degrees is drawn, and searches in it are timed. Reading,
    graph and index, walks, blends and models are predicted from rates that were measured on another
    machine; hubs have no ids. If the index needs column blocks, the time to build them is predicted
    from the same rates, for each shard. The plan ignores that searching several blocks takes longer
    than one index.

    Raises:
        ConfigError: the audience is a list of ids.
        TooLargeError: ``memory_per_task`` is too small for this network.
    """
    check_factors(config)
    if config.audience.accounts is not None:
        raise ConfigError(
            "audience.accounts: names accounts, but a degree table has none; plan without it: "
            "--set audience.accounts=null"
        )
    stages = Stages(progress or Silent())
    config = settle_model(config, following_in(degrees), degrees.accounts, stages.progress.say)
    with stages.stage("plan"):
        cost = measure_degrees(degrees, config) + seconds_of_sources(degrees, config)
    sizes, accounts = degrees.of_follows
    audience = int(accounts[sizes >= config.audience.min_follows].sum())
    searched = sizes_of_degrees(degrees, config)
    training = training_seconds(config, degrees.accounts, degrees.follows)
    holdout = holdout_of_degrees(degrees, cost, config, nodes * cpus)
    room = room_of_a_task(searched, audience, config)
    blocks = 0 if room.block is None else blocks_needed(searched, room.block)
    prepare = degrees.follows * PREPARE_SECONDS
    shards = max(nodes * cpus, -(-audience // (room.shard or audience or 1))) if blocks else 0
    return _plan_of(
        config,
        nodes,
        cpus,
        _Found(
            counts=PlanCounts(
                accounts=degrees.accounts,
                follows=degrees.follows,
                co_follow_pairs=degrees.co_follow_pairs,
                audience=audience,
            ),
            rows=degrees.follows,
            id_bytes=ID_BYTES,
            shared_index=4 * searched.following if blocks else index_bytes(searched),
            blocks=blocks,
            before={
                "read": degrees.follows * READ_SECONDS / (nodes * cpus),
                "graph": degrees.follows * GRAPH_SECONDS,
                **({} if holdout is None else {"holdout": holdout}),
                **({"train": training} if training else {}),
                "prepare": 0.0 if blocks else prepare,
                "plan": stages.measured[-1].seconds,
            },
            one_cpu=float(cost @ accounts) + shards * prepare,
            longest=float(cost.max()) + (prepare if blocks else 0.0),
            measured=holdout is not None,
            hubs=hubs_of_degrees(degrees),
            similarity=similarity_of_degrees(degrees, config.sources.similar.max_followers),
            factors=factors_of_degrees(degrees, config),
        ),
    )


class _Found(NamedTuple):
    """What is known of a night before it runs.

    Attributes:
        rows: number of input rows.
        id_bytes: bytes of one id.
        shared_index: bytes of the similarity index that the workers of a machine share.
        blocks: number of column blocks; 0: there is one index.
        before: seconds by stage, before the shards.
        one_cpu: seconds of one CPU for all shards.
        longest: seconds of the shortest shard that holds the most expensive account.
        measured: whether the ladder is measured on held-out follows.
    """

    counts: PlanCounts
    rows: int
    id_bytes: float
    shared_index: int
    blocks: int
    before: dict[str, float]
    one_cpu: float
    longest: float
    measured: bool
    hubs: tuple[HubRow, ...]
    similarity: SimilarityRecord
    factors: FactorRecord | None


def _plan_of(config: RunConfig, nodes: int, cpus: int, found: _Found) -> Plan:
    """The seconds by stage, and the bytes of memory of one machine by part.

    The nodes share the frame while it is read. Graph and index are held once per node, whatever the
    number of its workers. A hold-out makes two splits at most; each adds a graph of the follows
    that it leaves.
    """
    accounts, follows, audience = (
        getattr(found.counts, name) for name in ("accounts", "follows", "audience")
    )
    left = 4 * follows * (2 - config.evaluation.share)
    worker = config.memory_per_task if found.blocks else None
    memory = {
        "frame": found.rows * 2 * found.id_bytes * FRAME_PEAK / nodes,
        "ids": accounts * found.id_bytes,
        "follows": 2 * (8 * (accounts + 1) + 4 * follows),
        "holdout": 2 * int(3 * 8 * (accounts + 1) + left) if found.measured else 0,
        "similarity_index": found.shared_index,
        "workers": cpus * (worker or TASK_BYTES + 4 * accounts),
    }
    exact = found.factors is None or found.factors.retrieval == "exact"
    recommend = max(found.one_cpu / (nodes * cpus), found.longest)
    write = write_seconds(audience, config)
    seconds = {
        **found.before,
        "recommend_on_one_cpu": found.one_cpu,
        "recommend": recommend,
        "write": write,
        "total": sum(found.before.values()) + recommend + write,
    }
    return Plan(
        counts=found.counts,
        column_blocks=found.blocks,
        seconds={name: round(float(value), 3) for name, value in seconds.items()},
        nodes=nodes,
        cpus=cpus,
        memory_bytes={name: int(size) for name, size in memory.items()}
        | memory_of_lists(config, accounts, follows, exact, cpus),
        hubs=found.hubs,
        similarity=found.similarity,
        factors=found.factors,
    )


def memory_of_lists(
    config: RunConfig, accounts: int, follows: int, exact: bool, cpus: int
) -> dict[str, int]:
    """Bytes of memory of blends and models on one machine, by part.

    The training precedes the shards; all workers share the model.

    Args:
        exact: the model scores all accounts for each list.

    Example:
        >>> from raypipe.config import load_config
        >>> model = {"sources.factors.algorithm": "TruncatedSVD", "blend.method": "none"}
        >>> for settings in (model, {"blend.method": "rank_fusion"}, {"blend.method": "none"}):
        ...     memory_of_lists(load_config(None, settings), 1_000_000, 50_000_000, False, 2)
        {'training': 2992000000, 'model': 1024000000}
        {'blend': 186880000}
        {}
    """
    memory = {"blend": cpus * blend_bytes(accounts, config)} if config.blend.blends else {}
    if not config.sources.factors.trained:
        return memory
    width, _ = shape_of(config.sources.factors)
    # Factors of both sides; to score all accounts, a copy of one side, and a block for each worker.
    copies, blocks = (3, cpus * block_bytes(accounts)) if exact else (2, 0)
    return memory | {
        "training": training_bytes(config, accounts, follows),
        "model": copies * 4 * width * accounts + blocks,
    }


def sizes_of_degrees(degrees: Degrees, config: RunConfig) -> Sizes:
    """The sizes that memory depends on, without the hubs that the config leaves out."""
    searched = without_hubs(degrees, config.sources.similar.max_followers)
    numbers, accounts = searched.of_follows
    k = config.sources.similar.neighbours
    before = np.cumsum(accounts[::-1]) - accounts[::-1]
    return Sizes(
        accounts=searched.accounts,
        following=int(accounts[numbers > 0].sum()),
        followed=int(searched.of_followers.accounts[searched.of_followers.numbers > 0].sum()),
        follows=searched.follows,
        largest=int(numbers[-1]),
        together=int(numbers[::-1] @ np.clip(k - before, 0, accounts[::-1])),
    )


def costly_hubs(graph: FollowGraph) -> tuple[HubRow, ...]:
    """The most followed accounts: each adds the square of its followers to the co-follow pairs.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> costly_hubs(graph_of("ax bx cy"))[0]
        HubRow(accountId='x', followers=2, share_of_co_follow_pairs=0.8)
    """
    followers = graph.followers.degrees
    first = np.argsort(-followers, kind="stable")[:_HUBS]
    ids = [graph.ids[int(code)].as_py() for code in first]
    return _hubs(ids, followers[first], co_follow_pairs(graph))


def hubs_of_degrees(degrees: Degrees) -> tuple[HubRow, ...]:
    """The most followed accounts; their ids are unknown."""
    numbers, accounts = (array[::-1] for array in degrees.of_followers)
    first = np.repeat(numbers, np.minimum(accounts, _HUBS))[:_HUBS]
    return _hubs([None] * len(first), first, degrees.co_follow_pairs)


def similarity_of_degrees(degrees: Degrees, limit: int | None) -> SimilarityRecord:
    """What the limit on hubs leaves out; the recall of the search is unknown."""
    numbers, accounts = degrees.of_followers
    left_out = 0 if limit is None else int(accounts[numbers > limit].sum())
    share = without_hubs(degrees, limit).co_follow_pairs / degrees.co_follow_pairs
    return SimilarityRecord(
        max_followers=limit,
        hubs_left_out=left_out,
        share_of_co_follow_pairs_left=round(share, 4),
        **dict(NOT_MEASURED if left_out else EXACT),
    )


def factors_of_degrees(degrees: Degrees, config: RunConfig) -> FactorRecord | None:
    """How the model's candidates would be retrieved; the recall is unknown. None: no model."""
    if not config.sources.factors.trained:
        return None
    exact, why = retrieval_from(degrees, config)
    measured = EXACT if exact else NOT_MEASURED
    return FactorRecord(retrieval="exact" if exact else "candidates", why=why, **dict(measured))


def _shared_index(search: NeighbourSearch | None) -> Sequence[np.ndarray]:
    """The arrays besides the graph that the tasks of a machine share to find neighbours."""
    if search is None:
        return ()
    if not isinstance(search.index, ColumnBlocks):
        return search.index
    return (*search.blocks, *(search.index.followees if search.hubs_left_out else ()))


def _hubs(
    ids: Sequence[str | None], followers: np.ndarray, all_co_follow_pairs: int
) -> tuple[HubRow, ...]:
    return tuple(
        HubRow(
            accountId=account,
            followers=count,
            share_of_co_follow_pairs=round(float(count) ** 2 / (all_co_follow_pairs or 1), 4),
        )
        for account, count in zip(ids, followers.tolist(), strict=True)
    )
