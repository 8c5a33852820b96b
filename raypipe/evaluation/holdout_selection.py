"""Hold-out selection: per activity segment, the strategy that recovers most held-out follows.

follows --> train, test --shards--> ndcg of each strategy, by account --bootstrap--> tiers

Where enough accounts have follows that are new since an earlier run, those are held out: lists are
made from the earlier follows alone. Else, whatever ``evaluation.split`` says, the follows of the
night are split at random with the seed: a share of each account's follows is held out, at least
one. For accounts without follows, a second split holds out all follows of some accounts. Where new
follows decide and teach the ranker too little, earlier ones are held out of the earlier follows at
random, to teach it more. Beside the means stand those that a random hold-out of the same accounts
would have claimed.

The segment of an account depends on the number of its remaining follows. The strategies are the
phases, the other sources and, if the config blends, the blends. Each is measured exactly as the
night would use it: a source filled up by phase 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from raypipe.compute.engines import Runner, memory_available
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import TooLargeError
from raypipe.evaluation import blending, leading
from raypipe.evaluation.blending import Learned, gather_examples, learn, of_blend, teachers
from raypipe.evaluation.measuring import Measuring, Work, measure_lists, measuring_of, shards_of
from raypipe.evaluation.since import Past, Since
from raypipe.evaluation.splits import (
    SEGMENTS,
    Split,
    draw_accounts,
    hold_out_share,
    segments_if_measured,
    split_follows,
    split_of,
)
from raypipe.evaluation.stand_ins import draw_stand_ins, hide_all_follows
from raypipe.graph.follow_graph import FollowGraph
from raypipe.integrity.votes import Bounds
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.blend.scores import feature_names
from raypipe.recommend.blend.training import train_ranker
from raypipe.recommend.ladder import (
    FILL_UP,
    LEARNED_RANKER,
    Tier,
    blend,
    fixed_ladder,
    needs_model,
    strategies,
)
from raypipe.recommend.models.algorithms import train
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.search import searched_graph
from raypipe.recommend.work_estimate import estimate_ns
from raypipe.storage.records import LadderDecision, SinceRecord, StrategyRow, TierRecord

#: Maximum number of accounts sampled per segment: enough to know the mean to about .01.
MAX_ACCOUNTS = 3000
#: The same where a ranker is trained: sources are called four times then, and more accounts made no
#: better ranker.
MAX_ACCOUNTS_LEARNED = 2000


class Decision(NamedTuple):
    """The ladder of a run, and the ranker of its learned blend.

    Attributes:
        ranker: None where the ladder has no learned blend to use.
    """

    ladder: LadderDecision
    ranker: Ranker | None


class Sample(NamedTuple):
    """The accounts whose follows are held out.

    Attributes:
        accounts: int32, ascending; a share of their follows is held out.
        stand_ins: int32, ascending; all their follows are held out, in a split of its own.
        measurable: number of accounts of each of SEGMENTS that could be measured.
        every: True if ``accounts`` are all accounts that could be. The network is small then, and a
            ranker is trained on several hold-outs.
    """

    accounts: np.ndarray
    stand_ins: np.ndarray
    measurable: tuple[int, ...]
    every: bool


class Evidence(NamedTuple):
    """The measured values on which the ladder is decided.

    Attributes:
        tried: the strategies, the ranker last where one was trained.
        values: float64[strategies, m], the ndcg of each account.
        segments: uint8[m], index in SEGMENTS of each account.
        ns: float64[strategies, m], estimated nanoseconds for the list of each account.
        learned: the result of training a ranker; None: no ranker was to be trained.
        at_random: what a random hold-out claims, where new follows decide.
    """

    tried: tuple[Tier, ...]
    values: np.ndarray
    segments: np.ndarray
    ns: np.ndarray
    learned: Learned | None
    at_random: Evidence | None = None

    def of(self, part: slice) -> Evidence:
        """The values of some accounts."""
        values, segments, ns = self.values[:, part], self.segments[part], self.ns[:, part]
        return self._replace(values=values, segments=segments, ns=ns)


def choose_ladder(
    graph: FollowGraph,
    audience: np.ndarray,
    config: RunConfig,
    stages: Stages,
    run_on: Callable[[float], Runner],
    rejections: Rejections | None = None,
    since: Since | None = None,
    bounds: Bounds | None = None,
) -> Decision:
    """Choose the strategy of each activity segment; measuring takes a stage ``holdout``.

    The result depends on the graph, the audience, the config, the rejections and the new follows
    only, not on the shards or the runner.

    Args:
        audience: int32, accounts that will get lists, ascending; a sample of them is measured.
        run_on: returns a runner for a number of seconds of work.
        rejections: negative feedback; rejected pairs are never shown; None: there is none.
        since: new follows, which are held out if there are enough; None: no earlier run.

    Raises:
        TooLargeError: the machine has too little memory to measure.
    """
    fixed = fixed_ladder(config, config.sources.factors.trained)
    if config.ladder == "fixed":
        return _decided(config, "fixed", "ladder: fixed (config)", fixed)
    past = since.past if since and since.record.decides else None
    record = since.record if since else None
    sample = draw_sample(past.graph if past else graph, past.audience if past else audience, config)
    new, measurable = _draw_new(past, config) if past else ([], sample.measurable)
    if max(measurable) < leading.MIN_ACCOUNTS:
        counts = ", ".join(map("{} {}".format, measurable, SEGMENTS))
        needed = f"{leading.MIN_ACCOUNTS} of a segment are needed"
        why = f"ladder: as fixed ({counts} accounts could be measured; {needed})"
        return _decided(config, "too few", why, fixed, since=record)
    with stages.stage("holdout", total=1.0):
        # Raises now if the night itself would not fit into memory, before the work is done.
        searched_graph(graph, len(audience), config, memory_available())
        if past:
            graph, rejections = past.graph, past.carry(rejections)
        bounds = bounds and bounds.of_night(graph)
        taught = partial(replace, rejections=rejections, bounds=bounds)
        evidence = _measure(graph, sample, new, config, stages, run_on, taught)
    values = {
        segment: evidence.values[:, evidence.segments == index]
        for index, segment in enumerate(SEGMENTS)
        if measurable[index] >= leading.MIN_ACCOUNTS
    }
    work = leading.work_of(evidence.ns, evidence.segments, measurable)
    tiers, table = leading.decide(values, measurable, evidence.tried, config, work)
    table = tuple(_with_claim(row, evidence) for row in table)
    share = f"{config.evaluation.share:.0%} of the follows, held out"
    why = f"ladder: by ndcg on {'new follows' if new else share}"
    return _decided(config, "holdout", why, tiers, table, evidence.learned, record)


def draw_sample(graph: FollowGraph, audience: np.ndarray, config: RunConfig) -> Sample:
    """Draw the accounts whose follows are held out.

    A segment with too few accounts is drawn only where a ranker is trained: on accounts of all
    segments, even if it leads for some of them only.
    """
    stand_ins = draw_stand_ins(graph, audience, _limit(config), config.seed)
    segments = segments_if_measured(graph.followees.degrees_of(audience), config)
    others = [audience[segments == index] for index in range(1, len(SEGMENTS))]
    drawn = _draw((stand_ins, *others), config)
    return Sample(
        np.sort(np.concatenate(drawn[1:])),
        drawn[0],
        (len(stand_ins), *map(len, others)),
        list(map(len, drawn[1:])) == list(map(len, others)),
    )


def _draw_new(past: Past, config: RunConfig) -> tuple[list[Split], tuple[int, ...]]:
    """The splits that hold out new follows, and as many at random; accounts of each segment."""
    groups = past.measurable(config.evaluation)
    accounts = np.sort(np.concatenate(_draw(groups, config)))
    evaluation = config.evaluation.model_copy(update={"max_accounts": None})
    parts = (past.graph, past.new), past.at_random(config.seed)
    splits = [split_of(*part, accounts, evaluation, config.seed) for part in parts]
    return splits, tuple(map(len, groups))


def _draw(groups: Sequence[np.ndarray], config: RunConfig) -> list[np.ndarray]:
    """A sample of the accounts of each segment; without a ranker none of a segment with too few."""
    learns, limit = config.blend.method == LEARNED_RANKER, _limit(config)
    least = 0 if learns else leading.MIN_ACCOUNTS
    return [
        draw_accounts(accounts, limit if len(accounts) >= least else 0, config.seed)
        for accounts in groups
    ]


def _limit(config: RunConfig) -> int:
    return MAX_ACCOUNTS_LEARNED if config.blend.method == LEARNED_RANKER else MAX_ACCOUNTS


def _measure(
    graph: FollowGraph,
    sample: Sample,
    new: Sequence[Split],
    config: RunConfig,
    stages: Stages,
    run_on: Callable[[float], Runner],
    taught: Callable[[Split], Split],
) -> Evidence:
    """The ndcg of each strategy, at the length of the published lists.

    Args:
        graph: the follows that are split at random.
        new: the split that decides, with all of ``graph`` in train, and that of a random hold-out
            of the same accounts; empty: the follows of ``graph`` decide.
        taught: adds rejections and bounds to a split.
    """

    def measuring(split: Split, tried: Sequence[Tier]) -> Measuring:
        return _measuring_of(taught(split), tried, config)

    tried = strategies(config, ranker=False)
    tier = blend(config, LEARNED_RANKER, config.sources.factors.trained)
    learns = config.blend.method == LEARNED_RANKER
    random, further = _hold_outs(graph, sample, config)
    if new:
        further = [*random, *further]
    parts = [measuring(split, tried) for split in new or [make() for make in random]]
    teaching = parts[:1] if new else parts
    seconds = total = sum(float(part.estimated_seconds.sum()) for part in parts)
    if learns:  # the examples of each hold-out, then the lists
        lists = [of_blend(part, tier).estimated_seconds for part in parts]
        examples = [of_blend(teachers(part), tier).estimated_seconds for part in teaching]
        total += sum(map(np.sum, [*lists, *examples])) + len(further) * examples[0].sum()
    run = run_on(total)

    def advance(done: float) -> None:
        stages.progress.advance(done / total)

    work = run.run_shards, shards_of(parts[0], seconds, run.cpus), advance
    measured = [measure_lists(part, *work) for part in parts]
    values = np.concatenate([part.values[:, 0] for part in measured], axis=1)
    learned = None
    if learns:
        more = [lambda make=make: measuring(make(), [tier]) for make in further]
        unseen = parts[len(teaching) :]
        learned = learn(teaching, tier, more, work, unseen)
        if learned.values is not None:
            values = np.concatenate([values, learned.values[None]])
            tried = (*tried, tier)
    segments = np.concatenate([part.segments for part in measured])
    every = Evidence(tried, values, segments, _ns_of(parts, tried), learned)
    if not new:
        return every
    count = len(new[0].accounts)
    return every.of(slice(count))._replace(at_random=every.of(slice(count, None)))


def train_again(
    graph: FollowGraph,
    audience: np.ndarray,
    config: RunConfig,
    run_on: Callable[[float], Runner],
    decision: Decision,
    rejections: Rejections | None = None,
    bounds: Bounds | None = None,
) -> Decision:
    """The decision of another night, with its ranker trained on these follows.

    Training equals that of :func:`choose_ladder`, which would select strategies, too. Where too
    little can be learned from, the other ranker stays.
    """
    if decision.ranker is None:
        return decision
    sample = draw_sample(graph, audience, config)
    tier = blend(config, LEARNED_RANKER, config.sources.factors.trained)
    bounds = bounds and bounds.of_night(graph)

    def measuring(make: Callable[[], Split]) -> Measuring:
        split = replace(make(), rejections=rejections, bounds=bounds)
        return _measuring_of(split, [tier], config)

    random, further = _hold_outs(graph, sample, config)
    parts = list(map(measuring, random))
    seconds = sum(float(part.estimated_seconds.sum()) for part in parts)
    run = run_on(seconds)
    work: Work = run.run_shards, shards_of(parts[0], seconds, run.cpus), lambda _: None
    examples = gather_examples(parts, tier, [partial(measuring, make) for make in further], work)
    if np.count_nonzero(examples.followed) < blending.MIN_FOLLOWS:
        return decision
    return decision._replace(
        ranker=train_ranker(examples, feature_names(tier.sources), config.seed)
    )


def _hold_outs(
    graph: FollowGraph, sample: Sample, config: RunConfig
) -> tuple[list[Callable[[], Split]], list[Callable[[], Split]]]:
    """The random hold-outs of a sample, and those from which a ranker may learn more."""
    rounds = (blending.ROUNDS if sample.every else 1) if len(sample.accounts) else 0
    seeds = range(config.seed, config.seed + rounds)
    make = [partial(_hold_out, graph, sample.accounts, config, seed) for seed in seeds]
    idle = partial(hide_all_follows, graph, sample.stand_ins, config.evaluation, config.seed)
    return [*make[:1], *([idle] if len(sample.stand_ins) else [])], [*make[1:]]


def _with_claim(row: StrategyRow, evidence: Evidence) -> StrategyRow:
    """A measured row, with what a random hold-out claims."""
    claimed = evidence.at_random
    if claimed is None or not row.accounts:
        return row
    strategy = [tier.name for tier in evidence.tried].index(row.strategy)
    values = claimed.values[strategy, claimed.segments == SEGMENTS.index(row.segment)]
    return row.model_copy(update={"at_random": float(values.mean()) if len(values) else None})


def _ns_of(parts: Sequence[Measuring], tried: Sequence[Tier]) -> np.ndarray:
    """float64[strategies, m]: estimated nanoseconds for the list of each account.

    Without the neighbour search: every night does it, and its cost depends on column blocks.
    """
    contexts = [replace(part.context, search=None) for part in parts]
    ladders = [tier._replace(min_follows=0) for tier in tried]
    ns = [[estimate_ns(context.with_ladder(tier)) for context in contexts] for tier in ladders]
    return np.array(list(map(np.concatenate, ns)))


def _hold_out(graph: FollowGraph, accounts: np.ndarray, config: RunConfig, seed: int) -> Split:
    evaluation = config.evaluation.model_copy(update={"max_accounts": None})
    held_out = hold_out_share(graph, evaluation.share_fraction, evaluation.min_follows, seed)
    return split_follows(graph, held_out, accounts, evaluation, seed)


def _measuring_of(split: Split, tried: Sequence[Tier], config: RunConfig) -> Measuring:
    """The strategies, measured by ndcg at the length of the published lists."""
    n = config.recommendations.per_account
    evaluation = config.evaluation.model_copy(update={"k": [n], "metrics": ["ndcg"]})
    names = ["+".join(tier.sources) if tier.how == FILL_UP else tier.name for tier in tried]
    try:
        model = None
        if split.segments.any() and needs_model(tried, config):
            model = train(split.votes.graph, config, memory_available(), split.rejections)
        return measuring_of(
            split,
            config.model_copy(update={"evaluation": evaluation}),
            names,
            model,
            available=memory_available(),
        )
    except TooLargeError as error:
        raise TooLargeError(
            f"hold-out selection for the ladder: {error}; or set ladder: fixed"
        ) from None


def _decided(
    config: RunConfig,
    decided_by: Literal["holdout", "fixed", "too few"],
    why: str,
    tiers: tuple[Tier, ...],
    table: tuple[StrategyRow, ...] = (),
    learned: Learned | None = None,
    since: SinceRecord | None = None,
) -> Decision:
    ladder = LadderDecision(
        decided_by=decided_by,
        why=why,
        metric=f"ndcg@{config.recommendations.per_account}",
        table=table,
        tiers=tuple(TierRecord(**tier._asdict()) for tier in tiers),
        blend=learned.record if learned else None,
        since=since,
    )
    return Decision(ladder, learned.ranker if learned else None)
