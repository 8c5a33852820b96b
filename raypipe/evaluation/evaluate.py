"""The evaluation, on one screen: read, hold out, recommend from the rest, measure, compare.

follows --> train, test --shards--> values by account --bootstrap--> means, intervals, verdicts
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from raypipe.compute.engines import Runner, memory_available, runner
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import InputError
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.evaluation.lists import LADDER, asks_for_model, check_sources, measurable
from raypipe.evaluation.measuring import Measures, measure_lists, measuring_of, shards_of
from raypipe.evaluation.metrics import REJECTED, check_names
from raypipe.evaluation.neighbour_recall import walk_facts
from raypipe.evaluation.reading import digest_of_data, open_data, read_split
from raypipe.evaluation.results import Row, differences_by_segment, means_by_segment
from raypipe.recommend.audience import audience, read_accounts
from raypipe.recommend.blend.training import check_blend
from raypipe.recommend.ladder import LEARNED_RANKER, ladder_of
from raypipe.recommend.models.algorithms import check_factors, train
from raypipe.recommend.shard import warm_up


@dataclass(frozen=True)
class Evaluation:
    """How good the recommendations of some sources are.

    Attributes:
        digest: of config, sources and input: equal ones give equal means, to the last bit.
        ids: large_string[m], the accounts measured, in the order of ``measures.accounts``.
        measures: by account.
        means: rows of ``results.means_by_segment``.
        differences: rows of ``results.differences_by_segment``.
        facts: JSON values: split, config, ladder (as it is where the night stands on train; None
            where it was not asked for), walks (``recall.walk_facts``), engines, seconds by stage.
    """

    digest: str
    ids: pa.LargeStringArray
    measures: Measures
    means: list[Row]
    differences: list[Row]
    facts: dict[str, Any]

    @property
    def longest(self) -> int:
        """The largest length at which lists are measured."""
        return self.facts["config"]["evaluation"]["k"][-1]

    @property
    def headline(self) -> str | None:
        """The metric that decides: ndcg at the longest length, or else the first there is.

        None where no metric has a value an account, or that of rejections alone: with it who finds
        nobody would lead.
        """
        names = [
            name
            for name in self.measures.metrics
            if name.endswith(f"@{self.longest}") and not name.startswith(f"{REJECTED}@")
        ]
        ndcg = f"ndcg@{self.longest}"
        return ndcg if ndcg in names else next(iter(names), None)


def evaluate(
    config: RunConfig,
    sources: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Hold out a part of the follows, recommend from the others, and see what is found again.

    Args:
        sources: names of sources; ``a+b`` for a filled up by b; ``ladder`` for what a night shows.
            None: each that the config has, lowest phase first, and the ladder.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`.
    """
    named = bool(sources)
    sources = check_sources(sources or (*measurable(config), LADDER), config)
    check_names(config.evaluation.metrics, config.evaluation.rejections is not None)
    check_factors(config)
    check_blend(config)
    stages = Stages(progress or Silent())
    with stages.stage("check"):
        accounts = read_accounts(config.audience)
        files = open_data(config)
        told = f"{config.digest()}\n{' '.join(sources)}\n{digest_of_data(config, accounts, files)}"
        digest = hashlib.sha256(told.encode()).hexdigest()[:8]
    with ExitStack() as stack:
        data = read_split(config, accounts, files, stages, stack)

        def run_on(seconds: float) -> Runner:
            return runner(config, data.engine, seconds, stack, warm_up)

        ladder = None
        ranker = None
        if {LADDER, LEARNED_RANKER} & set(sources):
            # Decided within train: the test follows are hidden from it, too.
            without_test = data.split.train
            asked = audience(without_test, accounts, config.audience.min_follows)
            taught = data.split.rejections
            decided = choose_ladder(without_test, asked, config, stages, run_on, taught)
            ladder, ranker = decided
            if LEARNED_RANKER in sources and not ranker:
                why = f"source {LEARNED_RANKER}: {(ladder.blend or ladder).why}"
                if named:
                    raise InputError(why)
                stages.progress.say(why)
                sources = tuple(name for name in sources if name != LEARNED_RANKER)
        tiers = ladder_of(ladder.tiers) if ladder else ()
        model = None
        if asks_for_model(sources, tiers, config):
            with stages.stage("train"):
                split = data.split
                model = train(split.train, config, memory_available(), split.rejections)
        with stages.stage("prepare"):
            measuring = measuring_of(data.split, config, sources, model, tiers, ranker=ranker)
            seconds = float(measuring.estimated_seconds.sum())
            run_shards, cpus, why_cluster = run_on(seconds)
            stages.progress.say(why_cluster)
        with stages.stage("measure", total=seconds):
            shards = shards_of(measuring, seconds, cpus)
            measures = measure_lists(measuring, run_shards, shards, stages.progress.advance)
    with stages.stage("intervals"):
        resamples = config.evaluation.bootstrap
        means = means_by_segment(measures, resamples, config.seed)
        differences = differences_by_segment(measures, resamples, config.seed)
    facts = {
        "split": data.split.facts,
        "config": config.model_dump(mode="json"),
        "ladder": ladder and ladder.model_dump(mode="json"),
        "walks": {
            name: about.model_dump(mode="json")
            for name, about in walk_facts(measuring.context.follows, config).items()
            if name in measuring.asked
        },
        "engines": {"frames": data.why_frames, "cluster": why_cluster},
        "stages": [stage._asdict() for stage in stages.meter.stages],
    }
    ids = data.split.train.ids.take(pa.array(measures.accounts))
    return Evaluation(digest, ids, measures, means, differences, facts)
