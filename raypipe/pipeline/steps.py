"""The steps of a night before writing: check, filter, select, plan, recommend, report."""

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.compute.engines import Runner, RunShards
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import RunError
from raypipe.evaluation.factor_recall import factor_facts
from raypipe.evaluation.holdout_selection import Decision, choose_ladder
from raypipe.evaluation.neighbour_recall import similarity_facts, walk_facts
from raypipe.evaluation.since import since_earlier_run
from raypipe.graph.follow_graph import load_graph
from raypipe.integrity.labels import Labels, label_accounts
from raypipe.integrity.votes import Bounds, read_bounds
from raypipe.kernels.shards import heaviest_first
from raypipe.pipeline.checkpoints import Shard, cut_once, decide_once, shard_name
from raypipe.pipeline.cost.sample import (
    Cost,
    cut_shards,
    measure_cost,
    reason_of_blocks,
)
from raypipe.pipeline.entries import FinishedShards, limit_entries
from raypipe.pipeline.load import Loaded, NightFilters, Prepared, check_config
from raypipe.recommend.audience import read_accounts
from raypipe.recommend.context import ShardContext
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import FilterInputs, filters_of, read_filters, unknown_of
from raypipe.recommend.filters.readers import digest_of_files
from raypipe.recommend.negative_feedback import rejections_of
from raypipe.recommend.shard import recommend_shard
from raypipe.recommend.sources.registry import digest_of_custom_sources, sources_of
from raypipe.recommend.work_estimate import estimate_ns
from raypipe.storage.intake.inputs import InputFiles, digest_of_inputs, open_inputs
from raypipe.storage.intake.spellings import unknown_ids
from raypipe.storage.records import EntriesRecord, FactorRecord, SimilarityRecord, WalkRecord
from raypipe.storage.runs.labels import REPUTATION_FILE, has_reputation, load_reputation
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.staging import Staging
from raypipe.storage.runs.store import RunStore


class Checked(NamedTuple):
    """The inputs of a night, opened and checked.

    Attributes:
        accounts: ids of the audience; None: every account.
        inputs: the files of follows.
        filters: the filters and rejections, as read.
        bounds: which follows count, and ids of the accounts from which trust starts.
        warm: the run of an earlier date where reputation starts; None: a cold start.
        digest: of everything that the lists depend on besides date and config.
        earlier: the published runs of earlier dates, newest first, if the ladder is measured or
            entries are bounded. The digest depends on the newest only: a night that is done stays
            so when others are pruned.
    """

    accounts: pa.Array | None
    inputs: InputFiles
    filters: FilterInputs
    bounds: Bounds
    warm: Run | None
    digest: str
    earlier: tuple[Run, ...]

    @property
    def night_before(self) -> Run | None:
        """The run whose votes and lists bound those of tonight."""
        return self.earlier[0] if self.earlier and self.bounds.config.bounds else None


class Night(NamedTuple):
    """A night that has begun: its config and checked inputs, where it writes, and its stages."""

    config: RunConfig
    checked: Checked
    staging: Staging
    stages: Stages


class ShardPlan(NamedTuple):
    """How the shards of a night run.

    Attributes:
        shards: ranges of the audience.
        cost: predicted seconds of each account.
        run_shards: runs a function on shards, here or over Ray.
        cpus: number of shards that run at a time.
        why_cluster: where the shards run and the reason, as a message to the user.
        why_blocks: the cost of column blocks, as a message to the user; None: one index.
    """

    shards: list[Shard]
    cost: Cost
    run_shards: RunShards
    cpus: int
    why_cluster: str
    why_blocks: str | None

    @property
    def seconds(self) -> float:
        """Predicted seconds of one CPU."""
        return sum(map(self.cost.of, self.shards))


class SearchReport(NamedTuple):
    """What the limits on hubs and intermediaries, and bounded retrieval by the model, left out."""

    similarity: SimilarityRecord
    factors: FactorRecord | None
    walks: dict[str, WalkRecord]


def check_inputs(config: RunConfig, store: RunStore, date: str, stages: Stages) -> Checked:
    """Open and check the inputs, before anything is computed."""
    with stages.stage("check"):
        check_config(config)
        sources_of(config)  # raises if a user's own source cannot be used
        accounts = read_accounts(config.audience, config.input)
        inputs = open_inputs(config.input)
        filters, bounds = read_filters(config, store, date), read_bounds(config)
        digest = digest_of_inputs(inputs, accounts).encode() + filters.digest()
        digest += bounds.digest()
        digest += digest_of_custom_sources(config.sources)
        warm = store.newest(before=date)
        if warm is not None and not has_reputation(warm):
            warm = None
        if warm is not None:
            digest += digest_of_files(warm, (REPUTATION_FILE,))
        compares = config.ladder == "holdout" or config.integrity.bounds
        earlier = store.published(date) if compares else []
        if earlier:
            digest += digest_of_files(earlier[0], ("graph/", "recommendations/"))
    identity = hashlib.sha256(digest).hexdigest()
    return Checked(accounts, inputs, filters, bounds, warm, identity, tuple(earlier))


def label(night: Night, loaded: Loaded) -> Labels:
    """The reputation of every account, and the suspects."""
    graph, stages, warm = loaded.graph, night.stages, night.checked.warm
    with stages.stage("labels"):
        start = None
        if warm is not None:
            try:
                codes = graph.codes(load_graph(warm.path / "graph").ids)
                before = load_reputation(warm)
            except RunError as error:  # a damaged earlier run must not keep this night from running
                stages.progress.say(f"reputation starts cold: {error}")
            else:
                start = np.zeros(graph.accounts)
                start[codes[codes >= 0]] = before[codes >= 0]
        labels = label_accounts(graph, loaded.standing, start)
        stages.progress.say(f"trusted: {labels.trusted.why}")
    return labels


def apply_filters(night: Night, loaded: Loaded) -> NightFilters:
    """The filters by account index, and the rejections to learn from."""
    graph, inputs, trusted = loaded.graph, night.checked.filters, night.checked.bounds.trusted
    filters, notices = filters_of(inputs, graph, loaded.inactive), unknown_of(inputs, graph)
    if trusted is not None:
        notices += unknown_ids(trusted, graph.codes(trusted) < 0, "integrity.trusted")
    for notice in notices:
        night.stages.progress.say(notice.text)
    rejections = None
    if night.config.feedback.negative.teach and len(filters.rejected.codes):
        rejections = rejections_of(filters.rejected, graph, filters.shown)
    return NightFilters(filters, exclusions_of(filters), rejections, notices)


def select_ladder(
    night: Night, loaded: Loaded, filters: NightFilters, run_on: Callable[[float], Runner]
) -> Decision:
    """Select the ladder; after a kill, the ladder that was selected before."""
    config, checked, staging, stages = night
    graph, audience = loaded.graph, loaded.audience

    def decide() -> Decision:
        since = None
        if checked.earlier and config.ladder == "holdout":
            with stages.stage("since"):
                since = since_earlier_run(checked.earlier, graph, audience, config.evaluation)
        bounds = checked.bounds._replace(standing=loaded.standing, earlier=loaded.earlier)
        taught = filters.rejections, since, bounds
        return choose_ladder(graph, audience, config, stages, run_on, *taught)

    return decide_once(staging, decide)


def plan_shards(night: Night, prepared: Prepared, run_on: Callable[[float], Runner]) -> ShardPlan:
    """Measure the cost of a sample and cut the audience into shards; after a kill, as before."""
    config, _, staging, stages = night
    context = prepared.context
    with stages.stage("plan"):
        # Rates of another machine: right within a factor of about two.
        run_shards, cpus, why_cluster = run_on(float(estimate_ns(context).sum()) * 1e-9)
        stages.progress.say(why_cluster)
        cost = measure_cost(context, config.seed)
        cut = partial(cut_shards, cost, cpus, config.shards, prepared.shard_accounts)
        shards = cut_once(staging, config.memory_per_task, cut)
        why_blocks = reason_of_blocks(context.search, cost, shards, config.memory_per_task)
        if why_blocks:
            stages.progress.say(why_blocks)
    return ShardPlan(shards, cost, run_shards, cpus, why_cluster, why_blocks)


def recommend(night: Night, context: ShardContext, plan: ShardPlan) -> None:
    """Make the lists of every unfinished shard, and store them in the staging folder."""
    staging, stages = night.staging, night.stages
    with stages.stage("recommend", total=plan.seconds):
        finished = set(staging.shards())
        ordered = heaviest_first(plan.shards, plan.cost.accounts)
        todo = [shard for shard in ordered if shard_name(shard) not in finished]
        for shard in set(plan.shards) - set(todo):
            stages.progress.advance(plan.cost.of(shard))
        for result in plan.run_shards(partial(recommend_shard, context), todo):
            staging.save_shard(shard_name(result.shard), result.tables)
            stages.progress.advance(plan.cost.of(result.shard))


def limit_new_entries(
    night: Night, loaded: Loaded, plan: ShardPlan
) -> tuple[FinishedShards, EntriesRecord | None]:
    """Hold back changes since the night before beyond the limits."""
    config, checked, staging, stages = night
    length = config.recommendations.per_account
    finished = FinishedShards(staging, plan.shards, loaded.audience, length)
    earlier = checked.night_before
    with stages.stage("entries") if earlier else nullcontext():
        return limit_entries(config, loaded.graph, loaded.earlier, earlier, finished)


def report_search(night: Night, prepared: Prepared) -> SearchReport:
    """What was left out, for the sources on the ladder."""
    config, stages = night.config, night.stages
    inputs, context = prepared.inputs, prepared.context
    hubs = context.search and context.search.hubs_left_out
    scores = any(source.scores for source in context.sources.values())
    with stages.stage("recall") if hubs or scores else nullcontext():
        similarity = similarity_facts(inputs.graph, context, config)
        factors = factor_facts(inputs, context, config)
    used = {name for tier in context.lists.ladder for name in tier.sources}
    walks = walk_facts(context.follows, config)
    return SearchReport(similarity, factors, {name: walks[name] for name in walks if name in used})
