"""The first steps of a night: read the follows, build the graph, prepare search and sources."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.compute.engines import frame_engine, memory_available
from raypipe.compute.frames import FrameEngine
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import RunError, TooManyBadRows
from raypipe.evaluation.holdout_selection import Decision
from raypipe.evaluation.times import check_has_times, encode_timed, last_seconds
from raypipe.graph.follow_graph import FollowGraph, build_graph, encode, muted
from raypipe.graph.statistics import graph_statistics
from raypipe.integrity.votes import (
    Bounds,
    EarlierVotes,
    Standing,
    Votes,
    earlier_votes,
    standing_of,
)
from raypipe.recommend.audience import audience
from raypipe.recommend.blend.training import check_blend
from raypipe.recommend.context import NightInputs, ShardContext, list_rules, shard_context
from raypipe.recommend.filters.eligibility import Exclusions, no_exclusions
from raypipe.recommend.filters.inputs import FilterInputs, Filters
from raypipe.recommend.ladder import has_learned, ladder_of, needs_model
from raypipe.recommend.models.algorithms import check_factors, train
from raypipe.recommend.models.model import FactorModel, load_model, save_model
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.storage.data_files import write_parquet
from raypipe.storage.files import disk_errors, is_folder, remove_tree
from raypipe.storage.intake.inputs import InputFiles
from raypipe.storage.intake.read import Intake, read_follows
from raypipe.storage.intake.spellings import spelling_notices, unknown_ids
from raypipe.storage.records import GraphStatistics, Notice
from raypipe.storage.runs.run import Run


@dataclass(frozen=True)
class Loaded:
    """The follows of a night, as read.

    Attributes:
        votes: the follows that count for others than the follower.
        audience: int32, the accounts that get lists, ascending.
        rows: numbers of input rows: read, used, and dropped by reason.
        quarantine: the bad rows, as columns.QUARANTINE_SCHEMA.
        engine, why_frames: the frame engine that read the follows, and the reason for it.
        lines_not_rows: number of lines that are no rows.
        notices: what else was found in the follows and the audience.
        inactive: bool[n], the accounts whose last follow is too long ago; None: it does not matter.
        earlier: the votes of the night before; None: this is the first night.
    """

    graph: FollowGraph
    standing: Standing
    votes: Votes
    audience: np.ndarray
    rows: dict[str, int]
    quarantine: pa.Table
    statistics: GraphStatistics
    engine: FrameEngine
    why_frames: str
    lines_not_rows: int = 0
    notices: tuple[Notice, ...] = ()
    inactive: np.ndarray | None = None
    earlier: EarlierVotes | None = None


def check_config(config: RunConfig) -> None:
    """Refuse a model or a blend that cannot be trained, before any data is read.

    Raises:
        ConfigError: with what was expected.
    """
    check_factors(config)
    check_blend(config)


def load(
    config: RunConfig,
    accounts: pa.Array | None,
    inputs: InputFiles,
    stages: Stages,
    stack: ExitStack,
    bounds: Bounds,
    scratch: Path | None = None,
    filters: FilterInputs | None = None,
    night_before: Run | None = None,
) -> Loaded:
    """Read the follows, and build their graph.

    Args:
        accounts: from ``audience.read_accounts``.
        inputs: from ``intake.inputs.open_inputs``.
        stack: closes Ray, if it is started here.
        bounds: which follows count.
        scratch: folder of this run for work in progress; if there are too many bad rows, the
            quarantine is written there.
        filters: their silent accounts neither vote nor get lists.
        night_before: its votes bound those of tonight; None: this is the first night.

    Raises:
        TooManyBadRows: more rows are bad than the config allows.
        RunError: the counts of rows do not add up, or files of the night before are damaged.
    """
    with stages.stage("read"):
        engine, why_frames = frame_engine(config, inputs.sizes, stack)
        stages.progress.say(why_frames)
        intake = _read(inputs, engine, scratch and scratch / "quarantine.parquet")
        since, timed = filters and filters.active_since, None
        if since is None:
            parts = engine.map_partitions(encode, intake.frame)
        else:
            check_has_times(intake.frame.columns, config.input.transform)
            timed = engine.map_partitions(encode_timed, intake.frame)
            parts = [part.follows for part in timed]
        intake = replace(intake, frame=None)  # it is released

    with stages.stage("graph"):
        graph, dropped = build_graph(parts, () if accounts is None else accounts)
        inactive = None if timed is None else last_seconds(graph, timed) < since
        del parts, timed
        silent = np.zeros(graph.accounts, np.bool_) if filters is None else filters.silent(graph)
        graph, kept = muted(graph, silent)
        rows = {**intake.counts, **dropped._asdict(), "rows_used": graph.follows}
        rows["of_bots"] = len(kept) - graph.follows
        if sum(rows.values()) != 2 * rows["rows_in"]:  # every row is counted exactly once
            raise RunError(f"rows do not add up: {rows}; this is a defect of raypipe, report it")
        statistics = graph_statistics(graph)
        chosen = audience(graph, accounts, config.audience.min_follows)
        chosen = chosen[~silent[chosen]]
        standing = standing_of(graph, bounds.trusted)
        earlier = earlier_votes(night_before, graph) if night_before else None
        votes = bounds._replace(standing=standing, earlier=earlier).votes_of(graph)
    notices = intake.notices + _notices_of_ids(graph, accounts, config)
    for notice in notices:
        stages.progress.say(notice.text)
    return Loaded(
        graph=graph,
        standing=standing,
        votes=votes,
        audience=chosen,
        rows=rows,
        quarantine=intake.quarantine,
        statistics=statistics,
        engine=engine,
        why_frames=why_frames,
        lines_not_rows=intake.lines_not_rows,
        notices=notices,
        inactive=inactive,
        earlier=earlier,
    )


class NightFilters(NamedTuple):
    """The filters of a night on its graph.

    Attributes:
        filters: by account index, as the gate checks them.
        exclusions: the candidates that must not be shown, besides followees.
        rejections: negative feedback to learn from; None: there is none.
        notices: ids of the filters' files and of trusted accounts that are not in the follows.
    """

    filters: Filters
    exclusions: Exclusions
    rejections: Rejections | None
    notices: tuple[Notice, ...] = ()


class Prepared(NamedTuple):
    """A night that is ready for its shards.

    Attributes:
        context: the values that every shard needs.
        inputs: what it was made from, with the trained factor model, if the ladder needs one.
        shard_accounts: maximum number of accounts in a shard, for its memory; None: no limit.
    """

    context: ShardContext
    inputs: NightInputs
    shard_accounts: int | None


def prepare_night(
    config: RunConfig,
    loaded: Loaded,
    decision: Decision,
    stages: Stages,
    filters: NightFilters | None = None,
    scratch: Path | None = None,
) -> Prepared:
    """Train the model that the ladder needs, if any, and prepare search and sources.

    Args:
        filters: None: no exclusions and no rejections.
        scratch: folder of this run for work in progress; it may hold a model trained before a kill.

    Raises:
        TooLargeError: there is too little memory; raised before the index is built.
    """
    graph, ladder = loaded.graph, ladder_of(decision.ladder.tiers)
    exclusions = filters.exclusions if filters else no_exclusions(graph.accounts)
    rejections = filters.rejections if filters else None
    model = None
    if needs_model(ladder, config):
        with stages.stage("train"):
            kept = scratch and scratch / "model"
            model = _train_once(loaded.votes.graph, config, kept, rejections)
    with stages.stage("prepare"):
        inputs = NightInputs(graph, loaded.audience, exclusions, rejections, model, loaded.votes)
        free = memory_available() - inputs.model_bytes
        searched = searched_graph(graph, len(loaded.audience), config, free)
        rules = list_rules(config, ladder, inputs, decision.ranker if has_learned(ladder) else None)
        rules = replace(rules, reserve=config.recommendations.reserve)
        context = shard_context(inputs, config, rules, neighbour_search(searched, config))
    return Prepared(context, inputs, searched.fit.shard_accounts)


def _notices_of_ids(
    graph: FollowGraph, accounts: pa.Array | None, config: RunConfig
) -> tuple[Notice, ...]:
    """Spellings of ids, and ids of the audience that are in no follow."""
    follows, followed = graph.followees.degrees > 0, graph.followers.degrees > 0
    notices = spelling_notices(graph.ids, follows, followed, config.input)
    if accounts is None:
        return notices
    idle = ~(follows | followed)[graph.codes(accounts)]
    return notices + unknown_ids(accounts, idle, "audience.accounts", "ids are in no follow")


def _read(inputs: InputFiles, engine: FrameEngine, bad_rows: Path | None) -> Intake:
    """Read the follows; if too many rows are bad, the quarantine is written."""
    try:
        return read_follows(inputs, engine)
    except TooManyBadRows as error:
        if bad_rows is None:
            raise
        with disk_errors(f"{bad_rows}: cannot be written"):
            write_parquet(bad_rows, error.quarantine)
        raise TooManyBadRows(f"{error}; all of them: {bad_rows}", error.quarantine) from None


def _train_once(
    graph: FollowGraph, config: RunConfig, kept: Path | None, rejections: Rejections | None
) -> FactorModel:
    """The model of this run: loaded if it was trained before a kill, else trained.

    Shards that were finished before the kill used that model. A second training may round
    differently, depending on the number of CPUs.
    """
    if kept and is_folder(kept):
        try:
            return load_model(kept, verify=True)
        except RunError:
            # The model is incomplete after a kill or a power cut. Shards made with it may exist.
            remove_tree(kept)
            remove_tree(kept.parent / "shards", ignore_errors=True)
    model = train(graph, config, memory_available(), rejections)
    if kept is None:
        return model
    save_model(model, kept)
    return load_model(kept)  # mapped: what is not read again takes no memory
