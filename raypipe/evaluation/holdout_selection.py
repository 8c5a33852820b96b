"""Hold-out selection: for accounts of each segment, the strategy that best finds hidden follows.

follows --> train, test --shards--> ndcg of each strategy, by account --bootstrap--> tiers

Tonight's own follows are split once more, whatever ``evaluation.split`` is: a share of each
account's, as drawn with the seed. The segment of an account is how many it follows in what is left,
as the night will see it. The strategies are the phases and, where the config blends, the other
sources and the blends. Each is measured as the night would show it, and shown as it was measured: a
source filled up by phase 1.
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
from raypipe.evaluation.blending import Learned, learn, of_blend, times
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

#: The ndcg of an account varies by about .25 around the mean: of 100 accounts the mean is known to
#: .05, which is less than popular and similar mostly differ by; of fewer, chance would lead.
FEWEST = 100
#: Of so many accounts of a segment it is known to .01; more would only make the night longer.
MOST = 3000
#: Where a ranker is trained the sources are asked four times instead of once; of so many accounts
#: of each segment it has learned what there is.
MOST_LEARNED = 2000

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
    """Choose the strategy of each activity segment; in a stage ``holdout`` where it measures.

    The result depends on the graph, the audience, the config and the rejections, and not on how it
    is run.

    Args:
        audience: int32, accounts that will get lists, ascending; a sample of these is measured.
        run_on: returns a runner for a number of seconds of work.
        rejections: negative feedback, which is never shown; None: there is none.

    Raises:
        TooLargeError: there is too little memory to measure.
    """
    if config.ladder == "fixed":
        tiers = fixed_ladder(config, config.sources.factors.trained)
        return _decided(config, "fixed", "ladder: fixed (config)", tiers)
    segments = segments_if_measured(graph.followees.degrees_of(audience), config)
    can_be = [audience[segments == place] for place in range(len(SEGMENTS))]
    is_enough = [len(accounts) >= FEWEST for accounts in can_be]
    # A ranker is trained on accounts of all segments, though it may lead for some of them alone.
    learns = config.blend.method == LEARNED_RANKER
    drawn = [
        draw_accounts(accounts, MOST_LEARNED if learns else MOST, config.seed)
        for accounts, enough in zip(can_be, is_enough, strict=True)
        if enough or learns
    ]
    found = Evidence({}, None)
    if any(is_enough):
        with stages.stage("holdout", total=1.0):
            # What is refused for the night itself is refused before the work.
            searched_graph(graph, len(audience), config, memory_available())
            accounts = np.sort(np.concatenate(drawn))
            every = len(accounts) == sum(map(len, can_be))
            found = _measure(graph, accounts, every, config, stages, run_on, rejections)
    values = {
        segment: found.values[segment]
        for segment, enough in zip(SEGMENTS, is_enough, strict=True)
        if enough
    }
    shown = strategies(config, ranker=bool(found.learned and found.learned.ranker))
    tiers, table = decide(values, list(map(len, can_be)), shown, config)
    if values:
        why = f"ladder: by ndcg on {config.evaluation.share:.0%} of the follows, held out"
        return _decided(config, "holdout", why, tiers, table, found.learned)
    counts = ", ".join(
        f"{len(some)} {segment}" for segment, some in zip(SEGMENTS, can_be, strict=True)
    )
    what = "blend by weights" if config.blend.blends else "phase 2"
    why = f"ladder: {what} ({counts} accounts could be measured; {FEWEST} of a segment are needed)"
    return _decided(config, "too few", why, tiers, table)


def segments_if_measured(follows: np.ndarray, config: RunConfig) -> np.ndarray:
    """int64: the place in SIZES of accounts with so many follows, when a share is held out.

    -1 for those that are not to be measured: they have fewer than ``evaluation.min_follows``, or so
    few are left that they get phase 1 whatever is found.

    Example:
        >>> segments_if_measured(np.array([4, 5, 12, 13, 100]), RunConfig()).tolist()
        [-1, 0, 1, 1, 2]
    """
    evaluation = config.evaluation
    left = follows - held_out_of(follows, evaluation.share_fraction)
    segments = np.searchsorted(
        [evaluation.segments.warm, evaluation.segments.hot], left, side="right"
    )
    is_one = (follows >= evaluation.min_follows) & (left >= config.sources.similar.min_follows)
    return np.where(is_one, segments, -1)


def by_segment(values: np.ndarray, segments: np.ndarray) -> Values:
    """The values of each segment that was measured.

    Args:
        values: float64[strategies, m].
        segments: uint8[m], places in SEGMENTS.
    """
    return {
        segment: values[:, segments == place]
        for place, segment in enumerate(SEGMENTS)
        if np.any(segments == place)
    }


def decide(
    values: Values,
    can_be: Sequence[int],
    shown: Sequence[Tier],
    config: RunConfig,
) -> tuple[tuple[Tier, ...], tuple[StrategyRow, ...]]:
    """Which strategy leads for accounts of each activity segment.

    Of phases 1 and 2 the one with the larger mean; on a tie phase 2, as nothing speaks against what
    ``ladder: fixed`` does. Any later one costs more: it leads only where the interval of its
    difference from the one that led so far, account by account, lies above 0. For the ranker, the
    last one, a larger mean is enough: what was measured learned from half of the accounts. A
    segment that was not measured has phase 2, or the blend by weights where there is one; accounts
    with fewer than ``sources.similar.min_follows`` have phase 1.

    Args:
        values: of the segments that were measured.
        can_be: how many accounts of each of SEGMENTS could be measured.
        shown: the strategies: phase 1, phase 2, then the others.

    Returns:
        The ladder, and one row for each segment and strategy. The leader is compared with the best
        other strategy, each other one with the leader. A segment that was not measured has one row,
        of its leader.
    """
    rows: list[StrategyRow] = []
    tiers = [shown[0]]
    untried = next((place for place, tier in enumerate(shown) if tier.how == RANK_FUSION), 1)
    for place, segment in enumerate(SEGMENTS):
        least, most = _follows_of(place, config)
        if most is not None and most < least:
            continue
        if segment in values:
            leader, found = _judge(values[segment], shown, config)
        else:
            leader = untried
            found = [_Judgement(untried, True, _too_few(can_be[place]))]
        accounts = values[segment].shape[1] if segment in values else 0
        for judged in found:
            tier = shown[judged.strategy]
            measured = judged._asdict()
            against = measured.pop("against")
            rows.append(
                StrategyRow(
                    **measured
                    | {
                        "segment": segment,
                        "min_follows": least,
                        "max_follows": most,
                        "accounts": accounts,
                        "strategy": tier.name,
                        "sources": tier.sources,
                        "against": None if against is None else shown[against].name,
                    }
                )
            )
        tiers.append(shown[leader]._replace(min_follows=least))
    steps = (tier for before, tier in pairwise(tiers) if tier[1:] != before[1:])
    return (tiers[0], *steps), tuple(rows)


class _Judgement(NamedTuple):
    """One strategy in one segment; strategies by their index."""

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
    values: np.ndarray, shown: Sequence[Tier], config: RunConfig
) -> tuple[int, list[_Judgement]]:
    """Index of the leader, and all judgements; from float64[strategies, accounts]."""
    how = config.evaluation.bootstrap, config.seed
    found = bootstrap_means(values.T, *how)
    leader = 1 if found.means[1] >= found.means[0] else 0
    why = {0: "smaller mean", 1: "smaller mean"}
    why[leader] = "equal means: as fixed" if found.means[0] == found.means[1] else "larger mean"
    for place in range(2, len(values)):
        ahead = compare(values[place, :, None], values[leader, :, None], *how)
        if shown[place].how == LEARNED_RANKER:
            is_ahead = ahead.means[0] > 0
            why[place] = "larger mean" if is_ahead else "not larger mean"
        else:
            is_ahead = ahead.low[0] > 0
            why[place] = f"{'' if is_ahead else 'not '}larger beyond the interval"
        leader = place if is_ahead else leader
    best_other = max(set(range(len(values))) - {leader}, key=lambda place: found.means[place])
    rows = []
    for place in range(len(values)):
        other = best_other if place == leader else leader
        by = compare(values[place, :, None], values[other, :, None], *how)
        rows.append(
            _Judgement(
                strategy=place,
                leads=place == leader,
                why=why[place],
                ndcg=float(found.means[place]),
                low=float(found.low[place]),
                high=float(found.high[place]),
                against=other,
                difference=float(by.means[0]),
                difference_low=float(by.low[0]),
                difference_high=float(by.high[0]),
            )
        )
    return leader, rows


def _follows_of(place: int, config: RunConfig) -> tuple[int, int | None]:
    """The least and the most follows of accounts of a segment that do not get phase 1 anyway."""
    segments = config.evaluation.segments
    least = (0, segments.warm, segments.hot)[place]
    most = (segments.warm - 1, segments.hot - 1, None)[place]
    return max(least, config.sources.similar.min_follows), most


def _too_few(count: int) -> str:
    return f"{count} accounts could be measured, {FEWEST} are needed"


def _hold_out(graph: FollowGraph, accounts: np.ndarray, config: RunConfig, seed: int) -> Split:
    evaluation = config.evaluation.model_copy(update={"max_accounts": None})
    share, least = evaluation.share_fraction, evaluation.min_follows
    held = hold_out_share(graph, share, least, seed)
    return split_follows(graph, held, accounts, evaluation, seed)


class Evidence(NamedTuple):
    """What was measured.

    Attributes:
        values: of each strategy, in their order.
        learned: what came of training a ranker; None where none was to be trained.
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
    """The ndcg of each strategy, at the length of the lists that are shown.

    Args:
        every: are these accounts all that could be measured? Then the network is so small that a
            ranker may be shown more than one hold-out of it.
    """

    def measuring_at(time: int, shown: Sequence[Tier]) -> Measuring:
        split = _hold_out(graph, accounts, config, config.seed + time)
        return _measuring_of(replace(split, rejections=rejections), shown, config)

    measuring = measuring_at(0, strategies(config, ranker=False))
    learns = config.blend.method == LEARNED_RANKER
    tier = blend(config, LEARNED_RANKER, config.sources.factors.trained)
    seconds = total = float(measuring.estimated_seconds.sum())
    if learns:  # the examples of each time, then the lists
        total += (1 + times(every)) * float(of_blend(measuring, tier).estimated_seconds.sum())
    run = run_on(total)
    shards = shards_of(measuring, seconds, run.cpus)

    def advance(done: float) -> None:
        stages.progress.advance(done / total)

    values = measure_lists(measuring, run.run_shards, shards, advance).values[:, 0]
    if not learns:
        return Evidence(by_segment(values, measuring.segments), None)

    def again(time: int) -> Measuring:
        return measuring_at(time, [tier])

    more = again if every else None
    learned = learn(measuring, tier, more, run.run_shards, shards, advance)
    if learned.values is not None:
        values = np.concatenate([values, learned.values[None]])
    return Evidence(by_segment(values, measuring.segments), learned)


def _measuring_of(split: Split, shown: Sequence[Tier], config: RunConfig) -> Measuring:
    """Some strategies, by the one metric that decides."""
    n = config.recommendations.per_account
    evaluation = config.evaluation.model_copy(update={"k": [n], "metrics": ["ndcg"]})
    names = ["+".join(tier.sources) if tier.how == FILL_UP else tier.name for tier in shown]
    try:
        model = None
        if needs_model(shown, config):
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
