"""The nightly flow, on one screen.

follows --read--> graph --hold-out--> ladder
graph, ladder --prepare--> context --shards--> lists --write--> run --gate--> published
"""

from contextlib import ExitStack, closing
from dataclasses import dataclass

import pandas as pd

from raypipe.compute.engines import Runner, runner
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.pipeline import guard, steps
from raypipe.pipeline.load import load, prepare_night
from raypipe.pipeline.write import Computed, check_at_the_gate, run_facts, write_run
from raypipe.recommend.filters.inputs import feedback_store
from raypipe.recommend.shard import warm_up
from raypipe.recommend.sources.factors import settle_model_of
from raypipe.storage.runs.compare import Side
from raypipe.storage.runs.manifest import RunFacts
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.store import RunStore


@dataclass(frozen=True)
class NightResult:
    """The result of a night.

    Attributes:
        run: the finished run.
        new: whether this call made or published it.
        newer: id of the published run, if it is of a later date: then this one is not published.
    """

    run: Run
    new: bool
    newer: str | None = None

    def to_pandas(self) -> pd.DataFrame:
        """All published lists: accountId, rank, candidateId, score, source, reason.

        Raises:
            RunError: the run's files are gone or damaged.
        """
        lists: pd.DataFrame = self.run.table("recommendations").to_pandas()
        return lists


def run_night(
    config: RunConfig, store: RunStore, date: str, progress: Progress | None = None
) -> NightResult:
    """Make and publish the recommendations of one night.

    A second call with the same date, config and input returns the existing run and changes nothing.
    After a kill, the next call continues with the shards that are not finished.

    Args:
        date: of the run, as ``2026-03-01``.

    A run of an earlier date than the published one is finished, but not published.

    Raises:
        HeldError: the run differs too much from the published one; it is finished, not published.
        RaypipeError: one of :mod:`raypipe.errors`; nothing is published then.
    """
    name = f"{date}-{config.digest()}"
    stages = Stages(progress or Silent())
    with store.lock():
        published = store.last_published()
        guard.check_network_name(config, published)
        checked = steps.check_inputs(config, store, date, stages)
        run = store.find(name, checked.digest)
        if run and store.was_published(run):
            return NightResult(run, new=False)
        made = run is None
        if run is None:
            staging = store.open_staging(name, checked.digest)
            facts = _make_run(steps.Night(config, checked, staging, stages), published)
            facts = _count_late_events(config, checked, store, facts)
            compared = guard.compare(config.guard, published, Side(staging.path, facts))
            stages.progress.stage("publish")
            run = store.finish(staging, facts.model_copy(update={"guard": compared}))
        if published and run.date < published.date:
            return NightResult(run, new=made, newer=published.id)
        guard.release(run, config.guard)
        return NightResult(store.publish(run), new=True)


def _make_run(night: steps.Night, published: Run | None) -> RunFacts:
    """All steps from the input to the checked files of a run."""
    config, checked, staging, stages = night
    with ExitStack() as stack:

        def run_on(seconds: float) -> Runner:
            return runner(night.config, loaded.engine, seconds, stack, warm_up)

        loaded = load(
            config,
            checked.accounts,
            checked.inputs,
            stages,
            stack,
            checked.bounds,
            scratch=staging.scratch,
            filters=checked.filters,
            night_before=checked.night_before,
        )
        guard.check_network(config, published, loaded.graph)
        checked.inputs.check_unchanged()  # before a checkpoint is kept under the old digest
        config = settle_model_of(loaded.graph, config, stages.progress.say)
        night = night._replace(config=config)
        labels = steps.label(night, loaded)
        filters = steps.apply_filters(night, loaded)
        decision = steps.select_ladder(night, loaded, filters, run_on)
        prepared = prepare_night(config, loaded, decision, stages, filters, staging.scratch)
        plan = steps.plan_shards(night, prepared, run_on)
        steps.recommend(night, prepared.context, plan)
    shards, entries = steps.limit_new_entries(night, loaded, plan)
    made = Computed(loaded, labels, filters, decision, prepared, plan, shards, entries)
    search = steps.report_search(night, prepared)
    parts = write_run(night, made)
    at_the_gate = check_at_the_gate(night, made, parts)
    return run_facts(night, made, search, parts, at_the_gate)


def _count_late_events(
    config: RunConfig, checked: steps.Checked, store: RunStore, facts: RunFacts
) -> RunFacts:
    """Add the number of rejections since the check; lookups apply these rejections live.

    Raises:
        FeedbackError: the store can no longer be read; nothing is published then.
    """
    with closing(feedback_store(config, store)) as feedback:
        since = feedback.watermark() - checked.filters.rejections.watermark
    read = facts.feedback.model_copy(update={"events_during_the_night": since})
    return facts.model_copy(update={"feedback": read})
