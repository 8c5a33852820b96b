"""The learned ranker: trained on held-out follows, cross-validated on two halves of the accounts.

accounts --shards--> examples --train--> one ranker per half of the accounts, and one for all
lists of each half, made by the ranker of the other half --metrics--> values by account
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from raypipe.evaluation.examples import concatenate, examples_of_shard
from raypipe.evaluation.measuring import Measuring, Work, by_shard, measure_lists
from raypipe.recommend.blend.examples import Examples
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.blend.scores import feature_names
from raypipe.recommend.blend.training import train_ranker
from raypipe.recommend.ladder import Tier
from raypipe.storage.records import RankerRecord, TrainingRecord

#: Minimum number of held-out follows among the candidates; a ranker trained on fewer learns noise.
MIN_FOLLOWS = 1000
#: Number of held-out follows after which no more are learned from: on a network of 7,000 accounts,
#: four times as many made the lists 2 % better by ndcg; on one of 82,000, 2.5 times as many made
#: them no better.
ENOUGH_FOLLOWS = 20_000
#: Maximum number of hold-outs.
ROUNDS = 4
#: Number of features that the record names, those with the largest gain.
_RECORDED_FEATURES = 8


class Learned(NamedTuple):
    """The result of training a ranker.

    Attributes:
        ranker: trained on all accounts; None: too few of their held-out follows are candidates.
        values: float64[m], the metric of the list of each account of all parts, made by a ranker
            that was trained on other accounts; None where there is no ranker.
    """

    ranker: Ranker | None
    values: np.ndarray | None
    record: RankerRecord


def learn(
    parts: Sequence[Measuring],
    tier: Tier,
    further: Sequence[Callable[[], Measuring]],
    work: Work,
    unseen: Sequence[Measuring] = (),
) -> Learned:
    """Train the ranker of a blend and measure it by two-fold cross-validation.

    The folds are every other account; the lists of each fold are made by a ranker that was trained
    on the other fold. The returned ranker was trained on both folds, so it is expected to recover
    at least the measured share. Neither depends on the shards.

    Args:
        parts, tier, further, work: as for :func:`gather_examples`.
        unseen: parts that are measured after the others, and that nothing is learned from.
    """
    examples = gather_examples(parts, tier, further, work)
    follows = int(np.count_nonzero(examples.followed))
    if follows < MIN_FOLLOWS:
        why = (
            f"blend: no ranker ({follows:,} held-out follows of accounts whose votes count are "
            f"among the candidates, {MIN_FOLLOWS:,} are needed)"
        )
        return Learned(None, None, RankerRecord(why=why))
    names, seed = feature_names(tier.sources), parts[0].seed
    measured = [of_blend(part, tier) for part in (*parts, *unseen)]
    position = _positions(parts)
    fold_of_example = position(examples.accounts) % 2
    halves = (Examples(*(array[fold_of_example != fold] for array in examples)) for fold in (0, 1))
    with ThreadPoolExecutor(2) as pool:  # LightGBM trains without Python's lock
        ranker, *of_folds = pool.map(
            lambda some: train_ranker(some, names, seed), (examples, *halves)
        )
    values = [np.empty(len(part.context.accounts)) for part in measured]
    for fold, of_fold in enumerate(of_folds):
        for part, of_part in zip(measured, values, strict=True):
            chosen = position(part.context.accounts) % 2 == fold
            if chosen.any():
                test_fold = part.of(chosen).with_ranker(of_fold)
                of_part[chosen] = measure_lists(test_fold, *work).values[0, 0]
    return Learned(ranker, np.concatenate(values), _record(ranker))


def gather_examples(
    parts: Sequence[Measuring], tier: Tier, further: Sequence[Callable[[], Measuring]], work: Work
) -> Examples:
    """Examples for a ranker, from the accounts that are heard.

    A half of the accounts teaches first. While there are fewer than ENOUGH_FOLLOWS to learn from,
    the other half is added, and then further hold-outs.

    Args:
        parts: of one metric at one length; an account that is in several is in one fold.
        further: each makes another hold-out; its accounts are not measured.
        work: receives the estimated seconds that are done: those of the blend for the examples of
            each round, and once more for the lists.
    """
    seed, position = parts[0].seed, _positions(parts)

    def half_of(part: Measuring, half: int) -> Measuring:
        return part.of(position(part.context.accounts) // 2 % 2 == half)

    rounds: list[list[Callable[[], Measuring]]] = []
    rounds += [[partial(half_of, part, half) for part in parts] for half in (0, 1)]
    rounds += [[make] for make in further]
    found: list[Examples] = []
    for number, makers in enumerate(rounds, -1):
        round_seed = seed + max(0, number)
        for make in makers:
            part = of_blend(teachers(make()), tier)
            make_shard = partial(examples_of_shard, part, tier, round_seed)
            by_part = dict(by_shard(part, make_shard, *work))
            found += [by_part[shard] for shard in sorted(by_part)]
        if sum(np.count_nonzero(some.followed) for some in found) >= ENOUGH_FOLLOWS:
            break
    return concatenate(found)


def _positions(parts: Sequence[Measuring]) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function: the positions of accounts among those of all parts."""
    everybody = np.unique(np.concatenate([part.context.accounts for part in parts]))
    return lambda accounts: np.searchsorted(everybody, accounts)


def teachers(measuring: Measuring) -> Measuring:
    """The accounts that are heard: many fakes must not teach the ranker what they follow."""
    return measuring.of(measuring.heard[measuring.context.accounts])


def of_blend(measuring: Measuring, tier: Tier) -> Measuring:
    """The same accounts, with the blend as the only source that is measured."""
    return replace(measuring, ladders={tier.name: (tier,)})


def _record(ranker: Ranker) -> RankerRecord:
    largest = np.argsort(-ranker.gains, kind="stable")[:_RECORDED_FEATURES]
    trained_on = TrainingRecord(**ranker.facts)
    return RankerRecord(
        why=f"blend: ranker trained on {trained_on.follows:,} held-out follows and "
        f"{trained_on.others:,} other candidates",
        trained_on=trained_on,
        gains={ranker.features[index]: round(float(ranker.gains[index]), 3) for index in largest},
    )
