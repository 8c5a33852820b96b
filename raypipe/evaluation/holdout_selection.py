"""Hold-out selection: per activity segment, the strategy that recovers most held-out follows.

follows --> train, test --shards--> ndcg of each strategy, by account --bootstrap--> tiers

The follows of the night are split at random with the seed, whatever ``evaluation.split`` says: a
share of each account's follows is held out. The segment of an account depends on the number of its
remaining follows. The strategies are the phases and, if the config blends, the other sources and
the blends. Each strategy is measured exactly as the night would use it: a source filled up by
phase 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from raypipe.compute.engines import Runner, memory_available
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import TooLargeError
from raypipe.evaluation.blending import Learned, learn, of_blend, rounds
from raypipe.evaluation.intervals import bootstrap_means, compare
from raypipe.evaluation.measuring import Measuring, measure_lists, measuring_of, shards_of
from raypipe.evaluation.splits import (
    SEGMENTS,
    Split,
    draw_accounts,
    held_out_of,
    hold_out_share,
    split_follows,
)
from raypipe.graph.follow_graph import FollowGraph
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.ladder import (
    FILL_UP,
    LEARNED_RANKER,
    RANK_FUSION,
    Tier,
    blend,
    fixed_ladder,
    needs_model,
    strategies,
)
from raypipe.recommend.models.algorithms import train
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.search import searched_graph
from raypipe.storage.records import LadderDecision, StrategyRow, TierRecord

#: Minimum number of accounts per segment. The ndcg of accounts has a standard deviation of about
#: .25, so the mean of 100 accounts is known to .05; popular and similar mostly differ by more.
MIN_ACCOUNTS = 100
#: Maximum number of accounts sampled per segment: enough to know the mean to about .01.
MAX_ACCOUNTS = 3000
#: The same where a ranker is trained: sources are called four times then, and more accounts made no
#: better ranker.
MAX_ACCOUNTS_LEARNED = 2000

#: By segment: float64[strategies, accounts], the ndcg of each account.
Values = dict[str, np.ndarray]


class Decision(NamedTuple):
    """The ladder of a run, and the ranker of its learned blend.

    Attributes:
        ladder: the tiers, and what was measured.
        ranker: None where the ladder has no learned blend to use.
    """

    ladder: LadderDecision
    ranker: Ranker | None


def choose_ladder(
    graph: FollowGraph,
    audience: np.ndarray,
    config: RunConfig,
    stages: Stages,
    run_on: Callable[[float], Runner],
    rejections: Rejections | None = None,
) -> Decision:
    """Choose the strategy of each activity segment; measuring takes a stage ``holdout``.

    The result depends on the graph, the audience, the config and the rejections only, not on the
    shards or the runner.

    Args:
        audience: int32, accounts that will get lists, ascending; a sample of them is measured.
        run_on: returns a runner for a number of seconds of work.
        rejections: negative feedback; rejected pairs are never shown; None: there is none.

    Raises:
        TooLargeError: the machine has too little memory to measure.
    """
    if config.ladder == "fixed":
        tiers = fixed_ladder(config, config.sources.factors.trained)
        return _decided(config, "fixed", "ladder: fixed (config)", tiers)
    segments = segments_if_measured(graph.followees.degrees_of(audience), config)
    measurable = [audience[segments == index] for index in range(len(SEGMENTS))]
    is_enough = [len(accounts) >= MIN_ACCOUNTS for accounts in measurable]
    # A ranker is trained on accounts of all segments, even if it leads for some of them only.
    learns = config.blend.method == LEARNED_RANKER
    drawn = [
        draw_accounts(accounts, MAX_ACCOUNTS_LEARNED if learns else MAX_ACCOUNTS, config.seed)
        for accounts, enough in zip(measurable, is_enough, strict=True)
        if enough or learns
    ]
    evidence = Evidence({}, None)
    if any(is_enough):
        with stages.stage("holdout", total=1.0):
            # Raises now if the night itself would not fit into memory, before the work is done.
            searched_graph(graph, len(audience), config, memory_available())
            accounts = np.sort(np.concatenate(drawn))
            every = len(accounts) == sum(map(len, measurable))
            evidence = _measure(graph, accounts, every, config, stages, run_on, rejections)
    values = {
        segment: evidence.values[segment]
        for segment, enough in zip(SEGMENTS, is_enough, strict=True)
        if enough
    }
    tried = strategies(config, ranker=bool(evidence.learned and evidence.learned.ranker))
    tiers, table = decide(values, list(map(len, measurable)), tried, config)
    if values:
        why = f"ladder: by ndcg on {config.evaluation.share:.0%} of the follows, held out"
        return _decided(config, "holdout", why, tiers, table, evidence.learned)
    counts = ", ".join(
        f"{len(accounts)} {segment}" for segment, accounts in zip(SEGMENTS, measurable, strict=True)
    )
    what = "rank fusion" if config.blend.blends else "phase 2"
    needed = f"{MIN_ACCOUNTS} of a segment are needed"
    why = f"ladder: {what} ({counts} accounts could be measured; {needed})"
    return _decided(config, "too few", why, tiers, table)


def segments_if_measured(follows: np.ndarray, config: RunConfig) -> np.ndarray:
    """int64: index in SEGMENTS of accounts with these numbers of follows, after the hold-out.

    -1 for accounts that are not measured: they have fewer follows than ``evaluation.min_follows``,
    or too few remain and they get phase 1 in any case.

    Example:
        >>> segments_if_measured(np.array([4, 5, 12, 13, 100]), RunConfig()).tolist()
        [-1, 0, 1, 1, 2]
    """
    evaluation = config.evaluation
    left = follows - held_out_of(follows, evaluation.share_fraction)
    segments = np.searchsorted(
        [evaluation.segments.warm, evaluation.segments.hot], left, side="right"
    )
    measured = (follows >= evaluation.min_follows) & (left >= config.sources.similar.min_follows)
    return np.where(measured, segments, -1)


def by_segment(values: np.ndarray, segments: np.ndarray) -> Values:
    """The values of each segment that was measured.

    Args:
        values: float64[strategies, m].
        segments: uint8[m], indices in SEGMENTS.
    """
    return {
        segment: values[:, segments == index]
        for index, segment in enumerate(SEGMENTS)
        if np.any(segments == index)
    }


def decide(
    values: Values,
    measurable: Sequence[int],
    tried: Sequence[Tier],
    config: RunConfig,
) -> tuple[tuple[Tier, ...], tuple[StrategyRow, ...]]:
    """The leading strategy of each activity segment, and the comparison of all strategies.

    Phases 1 and 2: the larger mean leads; on a tie phase 2, as with ``ladder: fixed``. A later
    strategy costs more, so it leads only if the interval of its paired difference from the leader
    so far lies above 0. For the ranker, which comes last, a larger mean is enough: it was measured
    after training on half of the accounts. A segment that was not measured gets phase 2, or rank
    fusion if the config has it. Accounts with fewer follows than ``sources.similar.min_follows``
    get phase 1.

    Args:
        values: of the measured segments.
        measurable: number of accounts of each of SEGMENTS that could be measured.
        tried: the strategies: phase 1, phase 2, then the others.

    Returns:
        The ladder, and one row per segment and strategy. The leader is compared with the best other
        strategy, every other strategy with the leader. A segment that was not measured has one row,
        for its leader.
    """
    rows: list[StrategyRow] = []
    tiers = [tried[0]]
    default = next((index for index, tier in enumerate(tried) if tier.how == RANK_FUSION), 1)
    for index, segment in enumerate(SEGMENTS):
        minimum, maximum = _follows_range(index, config)
        if maximum is not None and maximum < minimum:
            continue
        if segment in values:
            leader, judgements = _judge(values[segment], tried, config)
        else:
            leader = default
            judgements = [_Judgement(default, True, _too_few(measurable[index]))]
        accounts = values[segment].shape[1] if segment in values else 0
        for judgement in judgements:
            tier = tried[judgement.strategy]
            measured = judgement._asdict()
            against = measured.pop("against")
            rows.append(
                StrategyRow(
                    **measured
                    | {
                        "segment": segment,
                        "min_follows": minimum,
                        "max_follows": maximum,
                        "accounts": accounts,
                        "strategy": tier.name,
                        "sources": tier.sources,
                        "against": None if against is None else tried[against].name,
                    }
                )
            )
        tiers.append(tried[leader]._replace(min_follows=minimum))
    steps = (tier for before, tier in pairwise(tiers) if tier[1:] != before[1:])
    return (tiers[0], *steps), tuple(rows)


class _Judgement(NamedTuple):
    """The comparison of one strategy in one segment; strategies are given by index."""

    strategy: int
    leads: bool
    why: str
    ndcg: float | None = None
    low: float | None = None
    high: float | None = None
    against: int | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None


def _judge(
    values: np.ndarray, tried: Sequence[Tier], config: RunConfig
) -> tuple[int, list[_Judgement]]:
    """Index of the leader, and all judgements; from float64[strategies, accounts]."""
    bootstrap = config.evaluation.bootstrap, config.seed
    ndcg = bootstrap_means(values.T, *bootstrap)
    leader = 1 if ndcg.means[1] >= ndcg.means[0] else 0
    why = {0: "smaller mean", 1: "smaller mean"}
    why[leader] = "equal means: as fixed" if ndcg.means[0] == ndcg.means[1] else "larger mean"
    for index in range(2, len(values)):
        ahead = compare(values[index, :, None], values[leader, :, None], *bootstrap)
        if tried[index].how == LEARNED_RANKER:
            is_ahead = ahead.means[0] > 0
            why[index] = "larger mean" if is_ahead else "not larger mean"
        else:
            is_ahead = ahead.low[0] > 0
            why[index] = f"{'' if is_ahead else 'not '}larger beyond the interval"
        leader = index if is_ahead else leader
    best_other = max(set(range(len(values))) - {leader}, key=lambda index: ndcg.means[index])
    rows = []
    for index in range(len(values)):
        other = best_other if index == leader else leader
        difference = compare(values[index, :, None], values[other, :, None], *bootstrap)
        rows.append(
            _Judgement(
                strategy=index,
                leads=index == leader,
                why=why[index],
                ndcg=float(ndcg.means[index]),
                low=float(ndcg.low[index]),
                high=float(ndcg.high[index]),
                against=other,
                difference=float(difference.means[0]),
                difference_low=float(difference.low[0]),
                difference_high=float(difference.high[0]),
            )
        )
    return leader, rows


def _follows_range(index: int, config: RunConfig) -> tuple[int, int | None]:
    """Minimum and maximum number of follows in a segment, without the accounts that get phase 1."""
    segments = config.evaluation.segments
    minimum = (0, segments.warm, segments.hot)[index]
    maximum = (segments.warm - 1, segments.hot - 1, None)[index]
    return max(minimum, config.sources.similar.min_follows), maximum


def _too_few(count: int) -> str:
    return f"{count} accounts could be measured, {MIN_ACCOUNTS} are needed"


def _hold_out(graph: FollowGraph, accounts: np.ndarray, config: RunConfig, seed: int) -> Split:
    evaluation = config.evaluation.model_copy(update={"max_accounts": None})
    held_out = hold_out_share(graph, evaluation.share_fraction, evaluation.min_follows, seed)
    return split_follows(graph, held_out, accounts, evaluation, seed)


class Evidence(NamedTuple):
    """The measured values on which the ladder is decided.

    Attributes:
        values: of each strategy, in their order.
        learned: the result of training a ranker; None: no ranker was to be trained.
    """

    values: Values
    learned: Learned | None


def _measure(
    graph: FollowGraph,
    accounts: np.ndarray,
    every: bool,
    config: RunConfig,
    stages: Stages,
    run_on: Callable[[float], Runner],
    rejections: Rejections | None,
) -> Evidence:
    """The ndcg of each strategy, at the length of the published lists.

    Args:
        every: True if these are all accounts that can be measured. The network is small then, and
            a ranker is trained on several hold-outs.
    """

    def measuring_at(number: int, tried: Sequence[Tier]) -> Measuring:
        split = _hold_out(graph, accounts, config, config.seed + number)
        return _measuring_of(replace(split, rejections=rejections), tried, config)

    measuring = measuring_at(0, strategies(config, ranker=False))
    learns = config.blend.method == LEARNED_RANKER
    tier = blend(config, LEARNED_RANKER, config.sources.factors.trained)
    seconds = total = float(measuring.estimated_seconds.sum())
    if learns:  # the examples of each hold-out, then the lists
        total += (1 + rounds(every)) * float(of_blend(measuring, tier).estimated_seconds.sum())
    run = run_on(total)
    shards = shards_of(measuring, seconds, run.cpus)

    def advance(done: float) -> None:
        stages.progress.advance(done / total)

    values = measure_lists(measuring, run.run_shards, shards, advance).values[:, 0]
    if not learns:
        return Evidence(by_segment(values, measuring.segments), None)

    def again(number: int) -> Measuring:
        return measuring_at(number, [tier])

    repeat = again if every else None
    learned = learn(measuring, tier, repeat, run.run_shards, shards, advance)
    if learned.values is not None:
        values = np.concatenate([values, learned.values[None]])
    return Evidence(by_segment(values, measuring.segments), learned)


def _measuring_of(split: Split, tried: Sequence[Tier], config: RunConfig) -> Measuring:
    """The strategies, measured by ndcg at the length of the published lists."""
    n = config.recommendations.per_account
    evaluation = config.evaluation.model_copy(update={"k": [n], "metrics": ["ndcg"]})
    names = ["+".join(tier.sources) if tier.how == FILL_UP else tier.name for tier in tried]
    try:
        model = None
        if needs_model(tried, config):
            model = train(split.train, config, memory_available(), split.rejections)
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
) -> Decision:
    ladder = LadderDecision(
        decided_by=decided_by,
        why=why,
        metric=f"ndcg@{config.recommendations.per_account}",
        table=table,
        tiers=tuple(TierRecord(**tier._asdict()) for tier in tiers),
        blend=learned.record if learned else None,
    )
    return Decision(ladder, learned.ranker if learned else None)
