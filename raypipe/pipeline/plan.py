"""Predict the cost of a night before it runs: seconds, memory, and the most expensive hubs."""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from raypipe.compute.engines import Runner
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import ConfigError
from raypipe.evaluation import leading
from raypipe.evaluation.factor_recall import factor_facts
from raypipe.evaluation.holdout_selection import (
    MAX_ACCOUNTS,
    MAX_ACCOUNTS_LEARNED,
    choose_ladder,
    segments_if_measured,
)
from raypipe.evaluation.neighbour_recall import similarity_facts
from raypipe.graph.degree_table import Degrees, without_hubs
from raypipe.graph.follow_graph import FollowGraph
from raypipe.graph.statistics import co_follow_pairs
from raypipe.integrity.votes import read_bounds
from raypipe.kernels.column_blocks import ColumnBlocks
from raypipe.kernels.factor_scores import block_bytes
from raypipe.pipeline.cost.sample import cut_shards, measure_cost, write_seconds
from raypipe.pipeline.cost.sample_degrees import measure_degrees, seconds_of_sources
from raypipe.pipeline.load import check_config, load, prepare_night
from raypipe.recommend.audience import read_accounts
from raypipe.recommend.ladder import LEARNED_RANKER
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
#: ids; add it to the graph; add it to the index. Measured on 16 and 100 M follows between UUIDs;
#: smaller networks are faster, since more of them fits into the cache.
READ_SECONDS = 0.8e-6
GRAPH_SECONDS = 0.2e-6
PREPARE_SECONDS = 0.15e-6
#: The same, to hold out a share of the follows and build a graph of the others.
HOLD_OUT_SECONDS = 0.2e-6
#: Seconds to train the rankers of a night, whose examples do not grow with the network.
RANKER_SECONDS = 20.0
#: How often lists are made of a measured account: of the sources alone and of each blend; for a
#: ranker, its examples too.
_TIMES_MEASURED = {"none": 1, "rank_fusion": 2, LEARNED_RANKER: 4}
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
    exact = factors is None or factors.retrieval == "exact"
    blocks = search.blocks if search else ()
    shards = cut_shards(cost, nodes * cpus, config.shards, prepared.shard_accounts)
    one_cpu = sum(map(cost.of, shards))
    longest = float(cost.accounts.max(initial=0.0)) + cost.building
    memory = memory_by_part(
        graph.accounts,
        graph.follows,
        loaded.rows["rows_in"],
        graph.ids.nbytes / max(1, graph.accounts),
        sum(array.nbytes for array in _shared_index(search)),
        nodes,
        cpus,
        config.memory_per_task if blocks else None,
        config.evaluation.share if decided.ladder.decided_by == "holdout" else None,
    )
    return Plan(
        counts=PlanCounts(**dict(loaded.statistics.counts), audience=len(cost.accounts)),
        column_blocks=len(blocks),
        seconds=_seconds(
            {stage.stage: stage.seconds for stage in stages.measured},
            one_cpu,
            max(one_cpu / (nodes * cpus), longest),
            write_seconds(len(cost.accounts), config),
        ),
        nodes=nodes,
        cpus=cpus,
        memory_bytes=memory | memory_of_lists(config, graph.accounts, graph.follows, exact, cpus),
        hubs=costly_hubs(graph),
        similarity=similarity_facts(graph, prepared.context, config),
        factors=factors,
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
    factors = factors_of_degrees(degrees, config)
    exact = factors is None or factors.retrieval == "exact"
    holdout = holdout_of_degrees(degrees, cost, config, nodes * cpus)
    room = room_of_a_task(searched, audience, config)
    blocks = 0 if room.block is None else blocks_needed(searched, room.block)
    prepare = degrees.follows * PREPARE_SECONDS
    shards = max(nodes * cpus, -(-audience // (room.shard or audience or 1))) if blocks else 0
    one_cpu = float(cost @ accounts) + shards * prepare
    memory = memory_by_part(
        degrees.accounts,
        degrees.follows,
        degrees.follows,
        ID_BYTES,
        4 * searched.following if blocks else index_bytes(searched),
        nodes,
        cpus,
        config.memory_per_task if blocks else None,
        None if holdout is None else config.evaluation.share,
    )
    return Plan(
        counts=PlanCounts(
            accounts=degrees.accounts,
            follows=degrees.follows,
            co_follow_pairs=degrees.co_follow_pairs,
            audience=audience,
        ),
        column_blocks=blocks,
        seconds=_seconds(
            {
                "read": degrees.follows * READ_SECONDS / (nodes * cpus),
                "graph": degrees.follows * GRAPH_SECONDS,
                **({} if holdout is None else {"holdout": holdout}),
                **({"train": training} if training else {}),
                "prepare": 0.0 if blocks else prepare,
                "plan": stages.measured[-1].seconds,
            },
            one_cpu,
            max(one_cpu / (nodes * cpus), cost.max() + (prepare if blocks else 0.0)),
            write_seconds(audience, config),
        ),
        nodes=nodes,
        cpus=cpus,
        memory_bytes=memory
        | memory_of_lists(config, degrees.accounts, degrees.follows, exact, cpus),
        hubs=hubs_of_degrees(degrees),
        factors=factors,
        similarity=similarity_of_degrees(degrees, config.sources.similar.max_followers),
    )


def holdout_of_degrees(
    degrees: Degrees, cost: np.ndarray, config: RunConfig, cpus: int
) -> float | None:
    """Seconds of the hold-out selection of the ladder; None if the ladder is fixed.

    Args:
        cost: float64, as long as ``degrees.of_follows``, seconds per account.
    """
    numbers, accounts = degrees.of_follows
    segments = segments_if_measured(numbers, config)
    segments[numbers < config.audience.min_follows] = -1
    totals = np.bincount(segments[segments >= 0], accounts[segments >= 0])
    enough = np.flatnonzero(totals >= leading.MIN_ACCOUNTS)
    if config.ladder == "fixed" or not len(enough):
        return None
    most = MAX_ACCOUNTS_LEARNED if config.blend.method == LEARNED_RANKER else MAX_ACCOUNTS
    lists = sum(
        min(1.0, most / totals[segment])
        * float(cost[segments == segment] @ accounts[segments == segment])
        for segment in enough
    )
    left = 1 - config.evaluation.share
    # Accounts without follows have a split of their own; its lists need no index and cost little.
    splits = 2 if np.any((numbers == 0) & (config.audience.min_follows == 0)) else 1
    before = degrees.follows * (splits * HOLD_OUT_SECONDS + left * PREPARE_SECONDS)
    before += training_seconds(config, degrees.accounts, int(left * degrees.follows))
    if config.blend.method == LEARNED_RANKER:
        before += RANKER_SECONDS
    return float(before + _TIMES_MEASURED[config.blend.method] * lists / cpus)


def memory_by_part(
    accounts: int,
    follows: int,
    rows: int,
    id_bytes: float,
    shared_index: int,
    nodes: int,
    cpus: int,
    task_bytes: int | None = None,
    held_out: float | None = None,
) -> dict[str, int]:
    """Bytes of memory of a night on one machine, by part.

    The nodes share the frame while it is read. Graph and index are held once per node, whatever the
    number of its workers.

    Args:
        rows: number of input rows.
        id_bytes: bytes of one id.
        shared_index: bytes of the similarity index that workers share.
        task_bytes: bytes of a worker with column blocks; None: there is one index.
        held_out: share of the follows that hold-out selection holds out, in two splits at most,
            each adds a graph of the other follows; None: the ladder is fixed.
    """
    return {
        "frame": int(rows * 2 * id_bytes * FRAME_PEAK / nodes),
        "ids": int(accounts * id_bytes),
        "follows": 2 * (8 * (accounts + 1) + 4 * follows),
        "holdout": 0
        if held_out is None
        else 2 * int(3 * 8 * (accounts + 1) + 4 * follows * (2 - held_out)),
        "similarity_index": shared_index,
        "workers": int(cpus * (task_bytes or TASK_BYTES + 4 * accounts)),
    }


def memory_of_lists(
    config: RunConfig, accounts: int, follows: int, exact: bool, cpus: int
) -> dict[str, int]:
    """Bytes of memory of blends and models on one machine, by part.

    The training precedes the shards; all workers share the model.

    Args:
        exact: the model scores all accounts for each list.

    Example:
        >>> from raypipe.config import load_config
        >>> config = load_config(
        ...     None, {"sources.factors.algorithm": "TruncatedSVD", "blend.method": "none"})
        >>> memory_of_lists(config, 1_000_000, 50_000_000, False, 2)
        {'training': 2992000000, 'model': 1024000000}
        >>> config = load_config(None, {"blend.method": "rank_fusion"})
        >>> memory_of_lists(config, 1_000_000, 50_000_000, False, 2)
        {'blend': 186880000}
        >>> config = load_config(None, {"blend.method": "none"})
        >>> memory_of_lists(config, 1_000_000, 50_000_000, False, 2)
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
            followers=int(count),
            share_of_co_follow_pairs=round(float(count) ** 2 / (all_co_follow_pairs or 1), 4),
        )
        for account, count in zip(ids, followers, strict=True)
    )


def _seconds(
    before: dict[str, float], one_cpu: float, recommend: float, write: float
) -> dict[str, float]:
    """Seconds by stage, and their total."""
    seconds = {
        **before,
        "recommend_on_one_cpu": one_cpu,
        "recommend": recommend,
        "write": write,
        "total": sum(before.values()) + recommend + write,
    }
    return {name: round(float(value), 3) for name, value in seconds.items()}
