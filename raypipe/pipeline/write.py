"""The last steps of a night: write the files of the run, check the lists, report the facts."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.columns import REPUTATION_SCHEMA, SUSPECTS_SCHEMA
from raypipe.compute.stages import StageMeasure, Stages
from raypipe.compute.versions import versions
from raypipe.config import RunConfig, to_yaml
from raypipe.evaluation.holdout_selection import Decision
from raypipe.graph.follow_graph import FollowGraph, save_graph
from raypipe.integrity.labels import Labels
from raypipe.integrity.votes import save_votes
from raypipe.pipeline.checkpoints import PUBLISHED, count_lists, published_tables, reserve_of
from raypipe.pipeline.cost.sample import write_seconds
from raypipe.pipeline.entries import FinishedShards
from raypipe.pipeline.load import Loaded, NightFilters, Prepared
from raypipe.pipeline.publish_gate import check_lists, check_reserve
from raypipe.pipeline.steps import Checked, SearchReport, ShardPlan
from raypipe.recommend.blend.ranker import save_ranker
from raypipe.recommend.filters.eligibility import own_reasons
from raypipe.recommend.models.model import save_model
from raypipe.recommend.sources.registry import sources_of
from raypipe.storage.data_files import write_json, write_parquet
from raypipe.storage.files import disk_errors, write_atomic
from raypipe.storage.records import EntriesRecord, StageRecord
from raypipe.storage.runs import manifest as records
from raypipe.storage.runs.filter_arrays import FilterArrays, save_filters
from raypipe.storage.runs.labels import save_labels
from raypipe.storage.runs.parts import write_parts
from raypipe.storage.runs.reserve import save_reserve
from raypipe.storage.runs.staging import Staging

Parts = dict[str, tuple[records.PartRecord, ...]]


class Computed(NamedTuple):
    """The results of the steps before writing.

    Attributes:
        checked: the inputs.
        loaded: the graph.
        labels: of its accounts.
        filters: the exclusions.
        decision: the ladder.
        prepared: search, sources and model.
        plan: the shards, and their cost.
        shards: their tables, with the limit on new entries.
        entries: what that held back; None: there are no bounds.
    """

    checked: Checked
    loaded: Loaded
    labels: Labels
    filters: NightFilters
    decision: Decision
    prepared: Prepared
    plan: ShardPlan
    shards: FinishedShards
    entries: EntriesRecord | None


def write_run(config: RunConfig, night: Computed, staging: Staging, stages: Stages) -> Parts:
    """Write the files of the run into its staging folder; returns the parts of each table."""
    loaded, names = night.loaded, tuple(sources_of(config))
    model, ranker = night.prepared.inputs.model, night.prepared.context.lists.blend.ranker
    with stages.stage("write"):
        parts = {
            kind: write_parts(
                staging.path,
                kind,
                published_tables(night.shards.every(), loaded.graph, kind, names),
            )
            for kind in PUBLISHED
        }
        with disk_errors(f"{staging.path}: cannot be written"):
            write_atomic(staging.path / "config.yaml", to_yaml(config).encode(), sync=False)
            write_json(staging.path / "statistics.json", dict(loaded.statistics), sync=False)
            write_parquet(staging.path / "quarantine.parquet", loaded.quarantine, sync=False)
            save_labels(staging.path, *_label_tables(night.labels, loaded.graph))
            save_graph(loaded.graph, staging.path / "graph")
            save_votes(loaded.votes, staging.path / "graph")
        if config.recommendations.reserve:
            accounts = loaded.graph.accounts
            save_reserve(staging.path, reserve_of(night.shards.every(), accounts))
        save_filters(staging.path, _filter_arrays(night.filters))
        if model:
            save_model(model, staging.path / "model")
        if ranker:
            save_ranker(ranker, staging.path / "ranker.json")
    return parts


def _label_tables(labels: Labels, graph: FollowGraph) -> tuple[pa.Table, pa.Table]:
    """As columns.REPUTATION_SCHEMA and columns.SUSPECTS_SCHEMA."""
    codes, *columns = labels.suspects
    ids = graph.ids.take(pa.array(codes))
    return (
        pa.table([graph.ids, labels.reputation], REPUTATION_SCHEMA.names),
        pa.table([ids, *map(pa.array, columns)], SUSPECTS_SCHEMA.names),
    )


def _integrity(night: Computed) -> records.IntegrityRecord:
    """The counts of the labels."""
    labels, warm = night.labels, night.checked.warm
    return records.IntegrityRecord(
        trusted=labels.trusted.why,
        warm_from=warm and warm.id,
        with_reputation=int(np.count_nonzero(labels.reputation)),
        suspects=len(np.unique(labels.suspects.codes)),
        by_detector=dict(sorted(Counter(labels.suspects.detectors).items())),
    )


def _filter_arrays(night: NightFilters) -> FilterArrays:
    return FilterArrays(
        *night.exclusions.rows,
        night.exclusions.reasons,
        own_reasons(night.filters, night.exclusions.rows),
        *night.filters.previously_followed,
        night.exclusions.globally_excluded,
        night.filters.shown,
    )


def check_at_the_gate(night: Computed, parts: Parts, staging: Staging, stages: Stages) -> int:
    """Check the written lists and the reserve; returns the number of published recommendations.

    Raises:
        LeakError: at least one of them must not be shown.
    """
    with stages.stage("gate"):
        graph, filters = night.loaded.graph, night.filters.filters
        if night.prepared.context.lists.reserve:
            check_reserve(staging.path, graph, filters)
        return check_lists(staging.path, parts["recommendations"], graph, filters)


def run_facts(
    config: RunConfig,
    night: Computed,
    search: SearchReport,
    parts: Parts,
    at_the_gate: int,
    staging: Staging,
    stages: Stages,
) -> records.RunFacts:
    """The facts that the manifest reports.

    Args:
        at_the_gate: number of recommendations that the gate checked.
    """
    plan, read = night.plan, night.checked.filters
    predicted, actual = _predicted_and_actual(
        stages.measured,
        plan.seconds / plan.cpus,
        write_seconds(len(plan.cost.accounts), config),
    )
    return records.RunFacts(
        config_digest=config.digest(),
        fingerprint=night.loaded.graph.fingerprint,
        network=config.network,
        seed=config.seed,
        counts=_counts(config, night, parts, at_the_gate),
        feedback=records.FeedbackRecord(
            url=config.feedback.url,
            store=read.rejections.identity,
            watermark=read.rejections.watermark,
            previously_followed_in=read.before and read.before.id,
            shown_in=read.shown_in and read.shown_in.id,
        ),
        integrity=_integrity(night),
        ladder=night.decision.ladder,
        entries=night.entries,
        similarity=search.similarity,
        factors=search.factors,
        walks=search.walks,
        parts=parts,
        inputs=tuple(
            records.InputRecord(file=str(path), bytes=size)
            for path, size in night.checked.inputs.sizes
        ),
        engines=records.RunEngines(
            frames=night.loaded.why_frames, cluster=plan.why_cluster, similarity=plan.why_blocks
        ),
        predicted=predicted,
        actual=actual,
        stages=tuple(StageRecord(**stage._asdict()) for stage in stages.measured),
        versions=versions(),
        notices=night.loaded.notices + night.filters.notices,
    )


def _counts(
    config: RunConfig, night: Computed, parts: Parts, at_the_gate: int
) -> records.RunCounts:
    shards, ladder = night.plan.shards, night.prepared.context.lists.ladder
    lists = count_lists(night.shards.every(), ladder, tuple(sources_of(config)))
    return records.RunCounts(
        rows=records.RowCounts(**night.loaded.rows),
        graph=night.loaded.statistics.counts,
        lines_not_rows=night.loaded.lines_not_rows,
        audience=len(night.plan.cost.accounts),
        with_lists=lists.accounts,
        neighbours=sum(part.rows for part in parts["neighbours"]),
        recommendations=lists.recommendations,
        excluded=lists.excluded,
        filters=night.filters.filters.counts,
        checked_at_the_gate=at_the_gate,
        shards=len(shards),
    )


def _predicted_and_actual(
    stages: Sequence[StageMeasure], recommend: float, write: float
) -> tuple[records.SecondsRecord, records.SecondsRecord]:
    """Seconds as predicted before the shards ran, and as measured."""
    seconds = {stage.stage: stage.seconds for stage in stages}
    total = sum(seconds.values())
    before = total - seconds["recommend"] - seconds["write"]

    def record(recommend: float, write: float, total: float) -> records.SecondsRecord:
        return records.SecondsRecord(
            recommend_seconds=round(recommend, 3),
            write_seconds=round(write, 3),
            total_seconds=round(total, 3),
        )

    return (
        record(recommend, write, before + recommend + write),
        record(seconds["recommend"], seconds["write"], total),
    )
