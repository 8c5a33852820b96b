"""The ranker of a blend: trained on what was held out, measured on accounts it has not seen.

accounts --shards--> examples --train--> a ranker of each half of the accounts, and one of all
each half's lists, by the ranker of the other half --metrics--> values by account
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from raypipe.evaluation.examples import examples_of_shard, together
from raypipe.evaluation.measuring import Measuring, RunShards, measure_lists
from raypipe.kernels.shards import cut_short, heaviest_first
from raypipe.recommend.blend.examples import Examples
from raypipe.recommend.blend.features import feature_names
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.blend.training import train_ranker
from raypipe.recommend.ladder import Tier
from raypipe.storage.records import RankerRecord, TrainingRecord

#: Held-out follows among the candidates, in all: of fewer, a ranker learns what chance did.
FEWEST_FOLLOWS = 1000
#: Of so many it has learned what there is to learn; the same from four times as many on a network
#: of 7,000 accounts made its lists 2 % better by ndcg.
ENOUGH_FOLLOWS = 20_000
ROUNDS = 4
#: Features that are told of, those by which the training gained most.
_TOLD = 8


class Learned(NamedTuple):
    """What came of a training.

    Attributes:
        ranker: trained on all accounts; None: too few of their held-out follows are candidates.
        values: float64[m], the metric of each account's list, by a ranker that was trained on other
            accounts; None where there is no ranker.
        record: of the training.
    """

    ranker: Ranker | None
    values: np.ndarray | None
    record: RankerRecord


def learn(
    measuring: Measuring,
    tier: Tier,
    again: Callable[[int], Measuring] | None,
    run_shards: RunShards,
    shards: int,
    advance: Callable[[float], None],
) -> Learned:
    """Train the ranker of a blend, and measure it.

    Where few follows were held out, others of the same accounts are, up to ROUNDS times in all.

    The accounts are halved, every other one; the lists of each half are made by a ranker that was
    trained on the other. The one that is returned was trained on both halves, and so may be
    expected to find no less than was measured. Neither depends on the shards.

    Args:
        measuring: of one metric at one length.
        tier: the learned blend.
        again: the blend on other follows held out; is told which time that is, from 1. None: once
            is enough.
        advance: is told how many seconds of work are done, as estimated: those of the blend for the
            examples of each time, and again for the lists.
    """
    seed = measuring.seed
    measuring = of_blend(measuring, tier)
    examples = _examples(measuring, tier, seed, run_shards, shards, advance)
    for time in range(1, times(again is not None)):
        if again is None or np.count_nonzero(examples.followed) >= ENOUGH_FOLLOWS:
            break
        more = _examples(again(time), tier, seed + time, run_shards, shards, advance)
        examples = together([examples, more])
    follows = int(np.count_nonzero(examples.followed))
    if follows < FEWEST_FOLLOWS:
        why = (
            f"blend: no ranker ({follows:,} held-out follows are among the candidates, "
            f"{FEWEST_FOLLOWS:,} are needed)"
        )
        return Learned(None, None, RankerRecord(why=why))
    names = feature_names(tier.sources)
    accounts = measuring.context.accounts
    half = np.arange(len(accounts)) % 2
    half_of_example = half[np.searchsorted(accounts, examples.accounts)]
    values = np.empty(len(accounts))
    for one in (0, 1):
        others = Examples(*(array[half_of_example != one] for array in examples))
        ranker = train_ranker(others, names, seed)
        some = _some(measuring, half == one, ranker)
        values[half == one] = measure_lists(some, run_shards, shards, advance).values[0, 0]
    ranker = train_ranker(examples, names, seed)
    return Learned(ranker, values, _record(ranker))


def times(more: bool) -> int:
    """At most so many times follows are held out; is there ``more`` than one?"""
    return ROUNDS if more else 1


def of_blend(measuring: Measuring, tier: Tier) -> Measuring:
    """The same accounts, of which the blend alone is measured."""
    return replace(measuring, ladders={tier.name: (tier,)})


def _examples(
    measuring: Measuring,
    tier: Tier,
    seed: int,
    run_shards: RunShards,
    shards: int,
    advance: Callable[[float], None],
) -> Examples:
    seconds = measuring.estimated_seconds
    todo = heaviest_first(cut_short(seconds, shards, measuring.shard_accounts), seconds)
    parts: dict[int, Examples] = {}
    for shard, examples in run_shards(partial(examples_of_shard, measuring, tier, seed), todo):
        parts[shard[0]] = examples
        advance(float(seconds[slice(*shard)].sum()))
    return together([parts[start] for start in sorted(parts)])


def _some(measuring: Measuring, chosen: np.ndarray, ranker: Ranker) -> Measuring:
    """Some of the accounts, and the ranker that makes their lists."""
    context = replace(measuring.context, accounts=measuring.context.accounts[chosen])
    context = context.with_ranker(ranker)
    return replace(measuring, context=context, segments=measuring.segments[chosen])


def _record(ranker: Ranker) -> RankerRecord:
    most = np.argsort(-ranker.gains, kind="stable")[:_TOLD]
    trained_on = TrainingRecord(**ranker.facts)
    return RankerRecord(
        why=f"blend: ranker trained on {trained_on.follows:,} held-out follows of "
        f"{trained_on.accounts:,} accounts, and {trained_on.others:,} other candidates",
        trained_on=trained_on,
        gains={ranker.features[place]: round(float(ranker.gains[place]), 3) for place in most},
    )
