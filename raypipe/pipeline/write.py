"""The last steps of a night: write the files of the run, check the lists, report the facts."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.columns import REPUTATION_SCHEMA, SUSPECTS_SCHEMA
from raypipe.compute.stages import StageMeasure
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
from raypipe.pipeline.steps import Night, SearchReport, ShardPlan
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
from raypipe.storage.runs.run import Run

Parts = dict[str, tuple[records.PartRecord, ...]]


class Computed(NamedTuple):
    """The results of the steps before writing.

    Attributes:
        shards: their tables, with the limit on new entries.
        entries: what that held back; None: there are no bounds.
    """

    loaded: Loaded
    labels: Labels
    filters: NightFilters
    decision: Decision
    prepared: Prepared
    plan: ShardPlan
    shards: FinishedShards
    entries: EntriesRecord | None


def write_run(night: Night, made: Computed) -> Parts:
    """Write the files of the run into its staging folder; returns the parts of each table."""
    config, folder = night.config, night.staging.path
    loaded, names = made.loaded, tuple(sources_of(config))
    model, ranker = made.prepared.inputs.model, made.prepared.context.lists.blend.ranker
    with night.stages.stage("write"):
        parts = {}
        for kind in PUBLISHED:
            tables = published_tables(made.shards.every(), loaded.graph, kind, names)
            parts[kind] = write_parts(folder, kind, tables)
        with disk_errors(f"{folder}: cannot be written"):
            write_atomic(folder / "config.yaml", to_yaml(config).encode(), sync=False)
            write_json(folder / "statistics.json", dict(loaded.statistics), sync=False)
            write_parquet(folder / "quarantine.parquet", loaded.quarantine, sync=False)
            save_labels(folder, *_label_tables(made.labels, loaded.graph))
            save_graph(loaded.graph, folder / "graph")
            save_votes(loaded.votes, folder / "graph")
        if config.recommendations.reserve:
            save_reserve(folder, reserve_of(made.shards.every(), loaded.graph.accounts))
        save_filters(folder, _filter_arrays(made.filters))
        if model:
            save_model(model, folder / "model")
        if ranker:
            save_ranker(ranker, folder / "ranker.json")
    return parts


def _label_tables(labels: Labels, graph: FollowGraph) -> tuple[pa.Table, pa.Table]:
    """As columns.REPUTATION_SCHEMA and columns.SUSPECTS_SCHEMA."""
    codes, *columns = labels.suspects
    ids = graph.ids.take(pa.array(codes))
    return (
        pa.table([graph.ids, labels.reputation], REPUTATION_SCHEMA.names),
        pa.table([ids, *map(pa.array, columns)], SUSPECTS_SCHEMA.names),
    )


def _integrity(labels: Labels, warm: Run | None) -> records.IntegrityRecord:
    return records.IntegrityRecord(
        trusted=labels.trusted.why,
        warm_from=warm and warm.id,
        with_reputation=int(np.count_nonzero(labels.reputation)),
        suspects=len(np.unique(labels.suspects.codes)),
        by_detector=dict(sorted(Counter(labels.suspects.detectors).items())),
    )


def _filter_arrays(night: NightFilters) -> FilterArrays:
    filters, exclusions = night.filters, night.exclusions
    return FilterArrays(
        *exclusions.rows,
        exclusions.reasons,
        own_reasons(filters, exclusions.rows),
        *filters.previously_followed,
        exclusions.globally_excluded,
        filters.shown,
    )


def check_at_the_gate(night: Night, made: Computed, parts: Parts) -> int:
    """Check the written lists and the reserve; returns the number of published recommendations.

    Raises:
        LeakError: at least one of them must not be shown.
    """
    with night.stages.stage("gate"):
        folder, graph, filters = night.staging.path, made.loaded.graph, made.filters.filters
        if made.prepared.context.lists.reserve:
            check_reserve(folder, graph, filters)
        return check_lists(folder, parts["recommendations"], graph, filters)


def run_facts(
    night: Night, made: Computed, search: SearchReport, parts: Parts, at_the_gate: int
) -> records.RunFacts:
    """The facts that the manifest reports.

    Args:
        at_the_gate: number of recommendations that the gate checked.
    """
    config, checked, _, stages = night
    plan, read = made.plan, checked.filters
    writing = write_seconds(len(plan.cost.accounts), config)
    predicted, actual = _predicted_and_actual(stages.measured, plan.seconds / plan.cpus, writing)
    return records.RunFacts(
        config_digest=config.digest(),
        fingerprint=made.loaded.graph.fingerprint,
        network=config.network,
        seed=config.seed,
        counts=_counts(config, made, parts, at_the_gate),
        feedback=records.FeedbackRecord(
            url=config.feedback.url,
            store=read.rejections.identity,
            watermark=read.rejections.watermark,
            previously_followed_in=read.before and read.before.id,
            shown_in=read.shown_in and read.shown_in.id,
        ),
        integrity=_integrity(made.labels, checked.warm),
        ladder=made.decision.ladder,
        entries=made.entries,
        similarity=search.similarity,
        factors=search.factors,
        walks=search.walks,
        parts=parts,
        inputs=tuple(
            records.InputRecord(file=str(path), bytes=size) for path, size in checked.inputs.sizes
        ),
        engines=records.RunEngines(
            frames=made.loaded.why_frames, cluster=plan.why_cluster, similarity=plan.why_blocks
        ),
        predicted=predicted,
        actual=actual,
        stages=tuple(StageRecord(**stage._asdict()) for stage in stages.measured),
        versions=versions(),
        notices=made.loaded.notices + made.filters.notices,
    )


def _counts(config: RunConfig, made: Computed, parts: Parts, at_the_gate: int) -> records.RunCounts:
    ladder = made.prepared.context.lists.ladder
    names = tuple(sources_of(config))
    with_lists, recommendations, excluded = count_lists(made.shards.every(), ladder, names)
    return records.RunCounts(
        rows=records.RowCounts(**made.loaded.rows),
        graph=made.loaded.statistics.counts,
        lines_not_rows=made.loaded.lines_not_rows,
        audience=len(made.plan.cost.accounts),
        with_lists=with_lists,
        neighbours=sum(part.rows for part in parts["neighbours"]),
        recommendations=recommendations,
        excluded=excluded,
        filters=made.filters.filters.counts,
        checked_at_the_gate=at_the_gate,
        shards=len(made.plan.shards),
    )


def _predicted_and_actual(
    stages: Sequence[StageMeasure], recommend: float, write: float
) -> tuple[records.SecondsRecord, records.SecondsRecord]:
    """Seconds as predicted before the shards ran, and as measured."""
    seconds = {stage.stage: stage.seconds for stage in stages}
    before = sum(seconds.values()) - seconds["recommend"] - seconds["write"]

    def record(recommend: float, write: float) -> records.SecondsRecord:
        return records.SecondsRecord(
            recommend_seconds=round(recommend, 3),
            write_seconds=round(write, 3),
            total_seconds=round(before + recommend + write, 3),
        )

    return record(recommend, write), record(seconds["recommend"], seconds["write"])
