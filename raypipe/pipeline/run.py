"""The nightly flow, on one screen: read, graph, ladder, recommend, write, publish.

follows --intake--> frame --encode--> FollowGraph --evidence--> ladder
FollowGraph, ladder --shards--> lists --parts--> run --gate--> published
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from raypipe.compute.engines import Runner, runner
from raypipe.compute.meter import StageMeasure
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.compute.versions import versions
from raypipe.config import RunConfig, to_yaml
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.evaluation.neighbour_recall import similarity_facts, walk_facts
from raypipe.graph.follow_graph import save_graph
from raypipe.kernels.shards import heaviest_first
from raypipe.pipeline.checkpoints import (
    PUBLISHED,
    count_lists,
    cut_once,
    decide_once,
    published_tables,
    shard_name,
)
from raypipe.pipeline.cost.sample import (
    cut_shards,
    estimate_cost,
    measure_cost,
    reason_of_blocks,
    write_seconds,
)
from raypipe.pipeline.load import load, prepare_night
from raypipe.pipeline.publish_gate import check_lists
from raypipe.recommend.audience import read_accounts
from raypipe.recommend.blend.ranker import save_ranker
from raypipe.recommend.filters.eligibility import exclusions_of, own_reasons
from raypipe.recommend.filters.inputs import FilterInputs, feedback_store, filters_of, read_filters
from raypipe.recommend.ladder import ladder_of
from raypipe.recommend.models.model import save_model
from raypipe.recommend.negative_feedback import rejections_of
from raypipe.recommend.shard import recommend_shard, warm_up
from raypipe.recommend.sources.registry import sources_of
from raypipe.storage.data_files import write_json, write_parquet
from raypipe.storage.files import disk_errors, write_atomic
from raypipe.storage.intake.inputs import InputFiles, digest_of_inputs, open_inputs
from raypipe.storage.records import StageRecord
from raypipe.storage.runs.filter_arrays import save_filters
from raypipe.storage.runs.manifest import (
    EngineRecord,
    FeedbackRecord,
    GraphCounts,
    InputRecord,
    RowCounts,
    RunCounts,
    RunFacts,
    SecondsRecord,
)
from raypipe.storage.runs.parts import write_parts
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.staging import Staging
from raypipe.storage.runs.store import RunStore


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the finished run, and whether this call made or published it."""

    run: Run
    new: bool


def run_night(
    config: RunConfig, store: RunStore, date: str, progress: Progress | None = None
) -> Outcome:
    """Turn the follows that ``config`` names into published recommendations.

    A second call with the same date, config and input finds the first one's run and changes
    nothing. After a kill, it goes on from the shards that were finished.

    Args:
        date: of the run, as ``2026-03-01``.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`; nothing is published then.
    """
    name = f"{date}-{config.digest()}"
    stages = Stages(progress or Silent())
    with store.lock():
        with stages.stage("check"):
            accounts = read_accounts(config.audience)
            inputs = open_inputs(config.input)
            filters = read_filters(config, store, date)
            digest = digest_of_inputs(inputs, accounts)
            digest = hashlib.sha256(digest.encode() + filters.digest()).hexdigest()
        found = store.find(name, digest)
        if found and store.was_published(found):
            return Outcome(found, new=False)
        if found is None:
            staging = store.open_staging(name, digest)
            facts = _compute(config, accounts, inputs, filters, staging, stages)
            with closing(feedback_store(config, store)) as feedback:
                # Unreadable, and nothing is published; what came meanwhile, readers filter live.
                since = feedback.watermark() - filters.rejections.watermark
            read = facts.feedback.model_copy(update={"events_during_the_night": since})
            facts = facts.model_copy(update={"feedback": read})
            stages.progress.stage("publish")
            found = store.finish(staging, facts)
        return Outcome(store.publish(found), new=True)


def _compute(
    config: RunConfig,
    accounts: pa.Array | None,
    inputs: InputFiles,
    filter_inputs: FilterInputs,
    staging: Staging,
    stages: Stages,
) -> RunFacts:
    """Everything between the input and a finished run; returns what its manifest says."""
    with ExitStack() as stack:
        loaded = load(config, accounts, inputs, stages, stack, staging.scratch)
        inputs.check_unchanged()  # before a checkpoint is kept under the old digest

        def run_on(seconds: float) -> Runner:
            return runner(config, loaded.engine, seconds, stack, warm_up)

        graph, asked = loaded.graph, loaded.audience
        filters = filters_of(filter_inputs, graph)
        exclusions, rejections = exclusions_of(filters), None
        if config.feedback.negative.teach and len(filters.rejected.codes):
            rejections = rejections_of(filters.rejected, graph, filters.shown)
        decided = decide_once(
            staging, lambda: choose_ladder(graph, asked, config, stages, run_on, rejections)
        )
        ladder = decided.ladder
        context, model, shard_accounts = prepare_night(
            loaded,
            config,
            ladder_of(ladder.tiers),
            decided.ranker,
            stages,
            staging.scratch,
            exclusions,
            rejections,
        )
        with stages.stage("plan"):
            run_shards, cpus, why_cluster = run_on(estimate_cost(context))
            stages.progress.say(why_cluster)
            cost = measure_cost(context, config.seed)
            shards = cut_once(
                staging,
                config.memory_per_task,
                lambda: cut_shards(cost, cpus, config.shards, shard_accounts),
            )
            predicted = sum(map(cost.of, shards))
            why_blocks = reason_of_blocks(context.search, cost, shards, config.memory_per_task)
            if why_blocks:
                stages.progress.say(why_blocks)

        with stages.stage("recommend", total=predicted):
            kept = set(staging.shards())
            todo = [
                shard
                for shard in heaviest_first(shards, cost.accounts)
                if shard_name(shard) not in kept
            ]
            for shard in set(shards) - set(todo):
                stages.progress.advance(cost.of(shard))
            for result in run_shards(partial(recommend_shard, context), todo):
                staging.save_shard(shard_name(result.shard), result.tables)
                stages.progress.advance(cost.of(result.shard))

    hubs = context.search and context.search.hubs_left_out
    with stages.stage("recall") if hubs else nullcontext():
        similarity = similarity_facts(loaded.graph, context, config)

    stands = {name for tier in context.lists.ladder for name in tier.sources}
    facts = walk_facts(context.follows, config)
    walks = {name: about for name, about in facts.items() if name in stands}
    names = tuple(sources_of(config))

    with stages.stage("write"):
        parts = {
            kind: write_parts(
                staging.path, kind, published_tables(staging, shards, loaded.graph, kind, names)
            )
            for kind in PUBLISHED
        }
        with disk_errors(f"{staging.path}: cannot be written"):
            write_atomic(staging.path / "config.yaml", to_yaml(config).encode(), sync=False)
            write_json(staging.path / "statistics.json", loaded.statistics, sync=False)
            write_parquet(staging.path / "quarantine.parquet", loaded.quarantine, sync=False)
            save_graph(loaded.graph, staging.path / "graph")
        save_filters(
            staging.path,
            exclusions.rows,
            exclusions.reasons,
            own_reasons(filters, exclusions.rows),
            filters.previously_followed,
            exclusions.globally_excluded,
            filters.shown,
        )
        if model:
            save_model(model, staging.path / "model")
        if context.lists.blend.ranker:
            save_ranker(context.lists.blend.ranker, staging.path / "ranker.json")

    with stages.stage("gate"):
        checked = check_lists(staging.path, parts["recommendations"], loaded.graph, filters)

    predicted_seconds, actual_seconds = _predicted_and_actual(
        stages.meter.stages, predicted / cpus, write_seconds(len(cost.accounts), config)
    )
    return RunFacts(
        config_digest=config.digest(),
        fingerprint=loaded.graph.fingerprint,
        seed=config.seed,
        counts=RunCounts(
            rows=RowCounts(**loaded.rows),
            graph=GraphCounts(
                **{
                    key: loaded.statistics[key]
                    for key in ("accounts", "follows", "co_follow_pairs")
                }
            ),
            audience=len(cost.accounts),
            neighbours=sum(part.rows for part in parts["neighbours"]),
            **count_lists(staging, shards, context.lists.ladder, names),
            filters=filters.counts,
            checked_at_the_gate=checked,
            shards=len(shards),
        ),
        feedback=FeedbackRecord(
            url=config.feedback.url,
            watermark=filter_inputs.rejections.watermark,
            previously_followed_in=filter_inputs.before and filter_inputs.before.id,
            shown_in=filter_inputs.shown_in and filter_inputs.shown_in.id,
        ),
        ladder=ladder,
        similarity=similarity,
        walks=walks,
        parts=parts,
        inputs=tuple(InputRecord(file=str(path), bytes=size) for path, size in inputs.sizes),
        engines=EngineRecord(
            frames=loaded.why_frames, cluster=why_cluster, similarity=why_blocks or None
        ),
        predicted=predicted_seconds,
        actual=actual_seconds,
        stages=tuple(StageRecord(**stage._asdict()) for stage in stages.meter.stages),
        versions=versions(),
    )


def _predicted_and_actual(
    stages: Sequence[StageMeasure], recommend: float, write: float
) -> tuple[SecondsRecord, SecondsRecord]:
    """Seconds as predicted before the shards ran, and as measured."""
    seconds = {stage.stage: stage.seconds for stage in stages}
    total = sum(seconds.values())
    before = total - seconds["recommend"] - seconds["write"]

    def record(recommend: float, write: float, total: float) -> SecondsRecord:
        return SecondsRecord(
            recommend_seconds=round(recommend, 3),
            write_seconds=round(write, 3),
            total_seconds=round(total, 3),
        )

    return (
        record(recommend, write, before + recommend + write),
        record(seconds["recommend"], seconds["write"], total),
    )
