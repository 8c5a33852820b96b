"""The ranker of a blend: trained on what was held out, measured on accounts it has not seen.

accounts --shards--> examples --train--> a ranker of each half of the accounts, and one of all
each half's lists, by the ranker of the other half --metrics--> values by account
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from raypipe.blend.features import feature_names, features
from raypipe.blend.ranker import Ranker
from raypipe.blend.training import Examples, is_example, train_ranker
from raypipe.evaluation.measuring import Measuring, RunShards, measure_lists
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.merged import Merged
from raypipe.kernels.shards import cut_short, heaviest_first
from raypipe.kernels.tanimoto import Neighbours
from raypipe.ladder import Rung
from raypipe.memory import BLENDED
from raypipe.recommend import merged_candidates, nearest, sources_of_rung

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
        facts: JSON values: ``why`` in words; of a ranker ``trained_on`` and ``gains``, the features
            by which it gained most, with the part of each.
    """

    ranker: Ranker | None
    values: np.ndarray | None
    facts: dict[str, Any]


def learn(
    measuring: Measuring,
    rung: Rung,
    again: Callable[[int], Measuring],
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
        rung: the learned blend.
        again: the same with other follows held out; is told which time that is, from 1.
        advance: is told how many seconds of work are done, as estimated: as many for the examples,
            and again for the lists, as the blend takes.
    """
    seed = measuring.night.config.seed
    measuring = replace(measuring, ladders={rung.name: (rung,)})
    examples = _examples(measuring, rung, run_shards, shards, advance)
    for time in range(1, ROUNDS):
        if np.count_nonzero(examples.followed) >= ENOUGH_FOLLOWS:
            break
        more = replace(again(time), ladders=measuring.ladders)
        more = _examples(more, rung, run_shards, shards, lambda _: None)  # few: they take no time
        examples = _together([examples, more])
    follows = int(np.count_nonzero(examples.followed))
    if follows < FEWEST_FOLLOWS:
        why = (
            f"blend: no ranker ({follows:,} held-out follows are among the candidates, "
            f"{FEWEST_FOLLOWS:,} are needed)"
        )
        return Learned(None, None, {"why": why})
    names = feature_names(rung.sources)
    accounts = measuring.night.accounts
    half = np.arange(len(accounts)) % 2
    half_of_example = half[np.searchsorted(accounts, examples.accounts)]
    values = np.empty(len(accounts))
    for one in (0, 1):
        others = Examples(*(array[half_of_example != one] for array in examples))
        ranker = train_ranker(others, names, seed)
        some = _some(measuring, half == one, ranker)
        values[half == one] = measure_lists(some, run_shards, shards, advance).values[0, 0]
    ranker = train_ranker(examples, names, seed)
    return Learned(ranker, values, _facts(ranker))


def examples_of_shard(
    measuring: Measuring, rung: Rung, shard: tuple[int, int]
) -> tuple[tuple[int, int], Examples]:
    """What a ranker is trained on, of one shard of accounts."""
    night, (start, stop) = measuring.night, shard
    near = nearest(night, night.accounts[start:stop])
    parts = []
    for first in range(start, stop, BLENDED):
        some = slice(first, min(first + BLENDED, stop))
        accounts = night.accounts[some]
        theirs = Neighbours(*(array[some.start - start : some.stop - start] for array in near))
        merged, _ = merged_candidates(night, accounts, sources_of_rung(night, rung, theirs))
        followed = _are_in(merged, take(measuring.test, accounts))
        of = accounts[merged.rows]
        kept = is_example(of, merged.codes, followed, night.config.seed)
        values = features(night.around, accounts, merged)
        parts.append(Examples(of[kept], values[kept], followed[kept]))
    return shard, _together(parts)


def _examples(
    measuring: Measuring,
    rung: Rung,
    run_shards: RunShards,
    shards: int,
    advance: Callable[[float], None],
) -> Examples:
    work = measuring.work
    todo = heaviest_first(cut_short(work, shards, measuring.night.shard_accounts), work)
    parts: dict[int, Examples] = {}
    for shard, examples in run_shards(partial(examples_of_shard, measuring, rung), todo):
        parts[shard[0]] = examples
        advance(float(work[slice(*shard)].sum()))
    return _together([parts[start] for start in sorted(parts)])


def _some(measuring: Measuring, chosen: np.ndarray, ranker: Ranker) -> Measuring:
    """Some of the accounts, and the ranker that makes their lists."""
    night = replace(measuring.night, accounts=measuring.night.accounts[chosen], ranker=ranker)
    return replace(measuring, night=night, sizes=measuring.sizes[chosen])


def _are_in(merged: Merged, rows: Adjacency) -> np.ndarray:
    """bool[c]: which candidates stand in their account's row; rows of the same m accounts."""
    n = 1 + max(merged.codes.max(initial=0), rows.codes.max(initial=0)).astype(np.int64)
    theirs = np.repeat(np.arange(len(rows.degrees)) * n, rows.degrees) + rows.codes
    return np.isin(merged.rows * n + merged.codes, theirs)


def _together(parts: list[Examples]) -> Examples:
    return Examples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _facts(ranker: Ranker) -> dict[str, Any]:
    most = np.argsort(-ranker.gains, kind="stable")[:_TOLD]
    trained_on = ranker.facts
    return {
        "why": f"blend: ranker trained on {trained_on['follows']:,} held-out follows of "
        f"{trained_on['accounts']:,} accounts, and {trained_on['others']:,} other candidates",
        "trained_on": trained_on,
        "gains": {ranker.features[place]: round(float(ranker.gains[place]), 3) for place in most},
    }
