"""Which strategy leads in each activity segment, from the values of its measured accounts."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from raypipe.config import RunConfig
from raypipe.evaluation.intervals import bootstrap_means, compare
from raypipe.evaluation.splits import SEGMENTS, limits_of
from raypipe.recommend.ladder import LEARNED_RANKER, Tier
from raypipe.storage.records import OVER_BUDGET, StrategyRow

#: Minimum number of accounts per segment. The ndcg of accounts has a standard deviation of about
#: .25, so the mean of 100 accounts is known to .05; popular and similar mostly differ by more.
MIN_ACCOUNTS = 100


def decide(
    values: Mapping[str, np.ndarray],
    measurable: Sequence[int],
    tried: Sequence[Tier],
    config: RunConfig,
    work: Mapping[str, np.ndarray],
) -> tuple[tuple[Tier, ...], tuple[StrategyRow, ...]]:
    """The leading strategy of each activity segment, and the comparison of all strategies.

    Phases 1 and 2: the larger mean leads; on a tie phase 1. A later strategy costs more, so it
    leads only if the interval of its paired difference from the leader so far lies above 0. The
    ranker, which comes last, leads unless that interval lies below 0: it was measured after
    training on half of the accounts, and the night's is trained on all. A later strategy with more
    work than ``budget`` never leads; its reason says what it would gain. A segment that was not
    measured takes the decision of the nearest one that was; of two at equal distance, that with
    fewer follows.

    Args:
        values: float64[strategies, accounts] of each measured segment, at least one.
        measurable: number of accounts of each of SEGMENTS that could be measured.
        tried: the strategies: phase 1, phase 2, then the others.
        work: float64[strategies] of each measured segment: estimated work per account, as a
            multiple of the plain night's.

    Returns:
        The ladder, and one row per segment and strategy. The leader is compared with the best other
        strategy, every other strategy with the leader. A segment that was not measured has one row,
        for its leader.
    """
    measured = [index for index, segment in enumerate(SEGMENTS) if segment in values]
    leaders = {
        index: _leader(values[SEGMENTS[index]], tried, config, work[SEGMENTS[index]])
        for index in measured
    }
    rows: list[StrategyRow] = []
    tiers: list[Tier] = []
    for index, (minimum, maximum) in enumerate(limits_of(config.evaluation)):
        nearest = min(measured, key=lambda other: (abs(other - index), other))
        leader, why = leaders[nearest]
        segment = {"segment": SEGMENTS[index], "min_follows": minimum, "max_follows": maximum}
        if nearest == index:
            of_segment = values[SEGMENTS[index]], work[SEGMENTS[index]]
            rows += _rows(*of_segment, leader, why, tried, config, segment)
        else:
            as_other = f"{measurable[index]} accounts of the {MIN_ACCOUNTS} needed"
            as_other += f"; as {SEGMENTS[nearest]}"
            rows.append(_row(tried[leader], segment, accounts=0, leads=True, why=as_other))
        tiers.append(tried[leader]._replace(min_follows=minimum))
    steps = (tier for before, tier in pairwise(tiers) if tier[1:] != before[1:])
    return (tiers[0], *steps), tuple(rows)


def work_of(
    ns: np.ndarray, segments: np.ndarray, measurable: Sequence[int]
) -> dict[str, np.ndarray]:
    """Estimated work per account of each strategy, as a multiple of the plain night's, by segment.

    The plain night gives every account phase 2; its mean counts each segment by its accounts.

    Args:
        ns: float64[strategies, m], estimated nanoseconds for the list of each account.
        segments: uint8[m], index in SEGMENTS of each account.

    Example:
        >>> ns = np.array([[1.0, 1], [2, 4], [60, 90]])
        >>> work = work_of(ns, np.array([1, 3]), [5] * 5)
        >>> {name: work.round(2).tolist() for name, work in work.items()}
        {'few': [0.33, 0.67, 20.0], 'warm': [0.33, 1.33, 30.0]}
    """
    means = {index: ns[:, segments == index].mean(axis=1) for index in np.unique(segments).tolist()}
    counts = [measurable[index] for index in means]
    plain = np.average([mean[1] for mean in means.values()], weights=counts)
    return {SEGMENTS[index]: mean / plain for index, mean in means.items()}


def _leader(
    values: np.ndarray, tried: Sequence[Tier], config: RunConfig, work: np.ndarray
) -> tuple[int, dict[int, str]]:
    """Index of the leading strategy, and why each leads or does not."""
    bootstrap = config.evaluation.bootstrap, config.seed
    means = bootstrap_means(values.T, *bootstrap).means
    leader = 1 if means[1] > means[0] else 0
    why = {0: "smaller mean", 1: "smaller mean"}
    why[leader] = "equal means: the simpler" if means[0] == means[1] else "larger mean"
    over = {
        index for index in range(2, len(values)) if config.budget and work[index] > config.budget
    }
    for index in set(range(2, len(values))) - over:
        ahead = compare(values[index, :, None], values[leader, :, None], *bootstrap)
        if tried[index].how == LEARNED_RANKER:
            is_ahead = ahead.high[0] > 0
            why[index] = f"{'not ' if is_ahead else ''}behind beyond the interval"
        else:
            is_ahead = ahead.low[0] > 0
            why[index] = f"{'' if is_ahead else 'not '}larger beyond the interval"
        leader = index if is_ahead else leader
    for index in over:
        gain = means[index] - means[leader]
        why[index] = f"{OVER_BUDGET} ({work[index]:.0f} x a plain list); {gain:+.3f}"
    return leader, why


def _rows(
    values: np.ndarray,
    work: np.ndarray,
    leader: int,
    why: Mapping[int, str],
    tried: Sequence[Tier],
    config: RunConfig,
    segment: Mapping[str, Any],
) -> list[StrategyRow]:
    """The rows of one measured segment."""
    bootstrap = config.evaluation.bootstrap, config.seed
    ndcg = bootstrap_means(values.T, *bootstrap)
    best_other = max(set(range(len(values))) - {leader}, key=lambda index: ndcg.means[index])
    rows = []
    for index, tier in enumerate(tried):
        other = best_other if index == leader else leader
        difference = compare(values[index, :, None], values[other, :, None], *bootstrap)
        rows.append(
            _row(
                tier,
                segment,
                accounts=values.shape[1],
                leads=index == leader,
                why=why[index],
                ndcg=float(ndcg.means[index]),
                low=float(ndcg.low[index]),
                high=float(ndcg.high[index]),
                against=tried[other].name,
                difference=float(difference.means[0]),
                difference_low=float(difference.low[0]),
                difference_high=float(difference.high[0]),
                work=float(work[index]),
            )
        )
    return rows


def _row(tier: Tier, segment: Mapping[str, Any], **measured: Any) -> StrategyRow:
    return StrategyRow(strategy=tier.name, sources=tier.sources, **segment, **measured)
