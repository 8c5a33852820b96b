"""The offline evaluation, on one screen: read, hold out, recommend, measure, compare.

follows --> train, test --shards--> values by account --bootstrap--> means, intervals, verdicts
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.compute.engines import Runner, memory_available, runner
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.compute.versions import versions
from raypipe.config import RunConfig
from raypipe.errors import InputError
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.evaluation.lists import LADDER, asks_for_model, check_sources, measurable
from raypipe.evaluation.measures import Measures
from raypipe.evaluation.measuring import measure_lists, measuring_of, shards_of
from raypipe.evaluation.metric_choice import choose_metrics
from raypipe.evaluation.metric_spec import MetricSpec
from raypipe.evaluation.neighbour_recall import walk_facts
from raypipe.evaluation.reading import Data, digest_of_data, open_data, read_split
from raypipe.evaluation.results import differences_by_segment, means_by_segment
from raypipe.evaluation.splits import SEGMENTS, limits_of
from raypipe.recommend.audience import audience, read_accounts
from raypipe.recommend.blend.training import check_blend
from raypipe.recommend.ladder import BLENDS, LEARNED_RANKER, ladder_of
from raypipe.recommend.models.algorithms import check_factors, train
from raypipe.recommend.shard import warm_up
from raypipe.recommend.sources.factors import settle_model, settle_model_of
from raypipe.storage.evaluations import EvaluationResult, MeanRow, MetricRecord, SegmentRecord
from raypipe.storage.records import EngineRecord, LadderDecision, StageRecord, WalkRecord
from raypipe.storage.runs.store import RunStore

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluation:
    """An evaluation: its result, and the values of every account.

    Attributes:
        result: means, differences, and the metrics, segments and split that they belong to.
        ids: large_string[m], ids of the measured accounts, in the order of ``measures.accounts``.
    """

    result: EvaluationResult
    ids: pa.LargeStringArray
    measures: Measures

    def to_pandas(self) -> pd.DataFrame:
        """The means; one row per segment, source and metric."""
        return self.result.to_pandas()


class Measured(NamedTuple):
    """The measured values, the ladder that they belong to, and how the tasks ran."""

    measures: Measures
    ladder: LadderDecision | None
    walks: dict[str, WalkRecord]
    why_cluster: str


def evaluate(
    config: RunConfig,
    sources: Sequence[str] | None = None,
    progress: Progress | None = None,
    date: str | None = None,
    runs_dir: Path | None = None,
) -> Evaluation:
    """Hold out part of the follows, recommend from the rest, and measure what is recovered.

    Args:
        sources: names of sources; ``a+b`` is a filled up by b; ``ladder`` is what a night shows.
            None: all sources that the config has, lowest phase first, and the ladder.
        date: of the evaluation, as ``2026-03-01``; None: today.
        runs_dir: folder of the runs, for split ``since``; None: there are none.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`.
    """
    named = bool(sources)
    smallest = settle_model(config, 0, 0)
    sources = check_sources(sources or (*measurable(smallest), LADDER), smallest)
    choose_metrics(config.evaluation.metrics, config.evaluation.rejections is not None)
    check_factors(config)
    check_blend(config)
    stages = Stages(progress or Silent())
    with stages.stage("check"):
        accounts = read_accounts(config.audience, config.input)
        files = open_data(config)
        of_data = digest_of_data(config, accounts, files)
        runs = RunStore(runs_dir).published() if runs_dir else []
    at_random: tuple[MeanRow, ...] = ()
    with ExitStack() as stack:
        data = read_split(config, accounts, files, stages, stack, runs)
        config = settle_model_of(data.split.train, config, stages.progress.say)
        sources = check_sources(sources if named else (*measurable(config), LADDER), config)
        measured = _measure(config, sources, named, accounts, data, stages, stack)
        if data.at_random:
            random = replace(data, split=data.at_random, since=None)
            claims = _measure(config, sources, named, accounts, random, stages, stack).measures
            at_random = means_by_segment(claims, config.evaluation.bootstrap, config.seed)
    if data.at_random:  # of the same input and another earlier run, another evaluation
        of_past = data.since.past.graph.fingerprint if data.since and data.since.past else ""
        of_data += data.split.train.fingerprint + of_past
    identity = f"{config.digest()}\n{' '.join(sources)}\n{of_data}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    measures = measured.measures
    with stages.stage("intervals"):
        resamples = config.evaluation.bootstrap
        means = means_by_segment(measures, resamples, config.seed)
        differences = differences_by_segment(measures, resamples, config.seed)
    chosen = choose_metrics(config.evaluation.metrics, data.split.test_rejections is not None)
    result = EvaluationResult(
        date=date or datetime.date.today().isoformat(),
        digest=digest,
        data=str(config.input.follows),
        sources=measures.sources,
        combined=tuple(name for name in measures.sources if name in (LADDER, *BLENDS)),
        same_lists_as=measures.same_lists_as,
        metrics=tuple(MetricRecord.model_validate(spec, from_attributes=True) for spec in chosen),
        lengths=tuple(config.evaluation.k),
        headline=_headline(chosen, config.evaluation.k[-1]),
        segments=_segments(measures, config),
        means=means,
        differences=differences,
        at_random=at_random,
        split=data.split.record,
        config=config.model_dump(mode="json"),
        ladder=measured.ladder,
        walks=measured.walks,
        engines=EngineRecord(frames=data.why_frames, cluster=measured.why_cluster),
        stages=tuple(StageRecord(**stage._asdict()) for stage in stages.measured),
        versions=versions(),
    )
    return Evaluation(result, data.split.train.ids.take(pa.array(measures.accounts)), measures)


def _measure(
    config: RunConfig,
    sources: tuple[str, ...],
    named: bool,
    accounts: pa.Array | None,
    data: Data,
    stages: Stages,
    stack: ExitStack,
) -> Measured:
    """Decide the ladder and train the model if a source needs them, then measure all sources.

    Args:
        named: True if the user named the sources; if not, a ranker that cannot be trained is left
            out.

    Raises:
        InputError: a named ranker cannot be trained.
    """

    def run_on(seconds: float) -> Runner:
        return runner(config, data.engine, seconds, stack, warm_up)

    split, decision = data.split, None
    splits = [split] if data.idle is None else [split, data.idle]
    if {LADDER, LEARNED_RANKER} & set(sources):
        # Decided on the train follows only, so the ladder cannot depend on the test follows; nor on
        # those of accounts that lose all.
        if accounts is not None:  # an earlier run may not know all of them
            accounts = accounts.filter(pa.array(split.train.codes(accounts) >= 0))
        members = audience(split.train, accounts, config.audience.min_follows)
        members = members if data.idle is None else np.setdiff1d(members, data.idle.accounts)
        decision = choose_ladder(
            split.train, members, config, stages, run_on, split.rejections, data.since, split.bounds
        )
        if LEARNED_RANKER in sources and not decision.ranker:
            why = f"source {LEARNED_RANKER}: {(decision.ladder.blend or decision.ladder).why}"
            if named:
                raise InputError(why)
            stages.progress.say(why)
            sources = tuple(name for name in sources if name != LEARNED_RANKER)
    tiers = ladder_of(decision.ladder.tiers) if decision else ()
    model = None
    if asks_for_model(sources, tiers, config):
        with stages.stage("train"):
            model = train(split.votes.graph, config, memory_available(), split.rejections)
    with stages.stage("prepare"):
        ranker = decision.ranker if decision else None
        parts = [
            measuring_of(part, config, sources, model, tiers, ranker=ranker) for part in splits
        ]
        seconds = [float(part.estimated_seconds.sum()) for part in parts]
        run_shards, cpus, why_cluster = run_on(sum(seconds))
        stages.progress.say(why_cluster)
    with stages.stage("measure", total=sum(seconds)):
        measured = (
            measure_lists(part, run_shards, shards_of(part, work, cpus), stages.progress.advance)
            for part, work in zip(parts, seconds, strict=True)
        )
        measures = reduce(Measures.beside, measured)
    walks = walk_facts(parts[0].context.follows, config)
    walks = {name: record for name, record in walks.items() if name in parts[0].source_names}
    return Measured(measures, decision and decision.ladder, walks, why_cluster)


def _headline(chosen: Sequence[MetricSpec], longest: int) -> str | None:
    """The metric that ranks the sources: ndcg if it is measured, else the first that can decide.

    If none can decide, the first with one value per account, except the metrics of rejections: a
    source with empty lists would lead by them.
    """
    ranked = [spec.name for spec in chosen if spec.decides]
    others = [spec.name for spec in chosen if spec.by_account and spec.needs != "rejections"]
    names = [name for name in ("ndcg",) if name in ranked] + ranked + others
    return f"{names[0]}@{longest}" if names else None


def _segments(measures: Measures, config: RunConfig) -> tuple[SegmentRecord, ...]:
    limits = limits_of(config.evaluation)
    counts = np.bincount(measures.segments, minlength=len(SEGMENTS)).tolist()
    return tuple(
        SegmentRecord(name=name, min_follows=minimum, max_follows=maximum, accounts=count)
        for name, (minimum, maximum), count in zip(SEGMENTS, limits, counts, strict=True)
    )
