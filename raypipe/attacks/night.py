"""The lists of real accounts on a graph, made as a night makes them: select, train, recommend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.attacks.attacks import Injection
from raypipe.compute.engines import Runner, memory_available
from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import InputError
from raypipe.evaluation.holdout_selection import Decision, choose_ladder, train_again
from raypipe.evaluation.lists import LADDER, asks_for_model, lists_of
from raypipe.evaluation.measuring import Measuring, by_shard, measuring_of, shards_of
from raypipe.evaluation.splits import Split
from raypipe.graph.follow_graph import FollowGraph, with_more
from raypipe.integrity.entries import Before, admitted, chances, rows_of
from raypipe.integrity.votes import EarlierVotes, votes_for_later
from raypipe.kernels.csr import Adjacency, Pairs, adjacency
from raypipe.kernels.shards import Shard
from raypipe.recommend.audience import audience
from raypipe.recommend.filters.inputs import FilterInputs, filters_of
from raypipe.recommend.ladder import LEARNED_RANKER, ladder_of
from raypipe.recommend.models.algorithms import train
from raypipe.recommend.negative_feedback import rejections_of


@dataclass(frozen=True)
class Ground:
    """What all nights of an experiment have in common.

    Attributes:
        config: its ``evaluation`` measures recall at the length of the published lists.
        strategies: names of the strategies whose lists are made.
        split: the clean graph and its held-out follows; lists are made for ``split.accounts``.
        audience_ids: as the config names them; None: every account, fakes too.
        filters: as read; they are applied to every graph by id.
        run_on: returns a runner for a number of seconds of work.
    """

    config: RunConfig
    strategies: tuple[str, ...]
    split: Split
    audience_ids: pa.Array | None
    filters: FilterInputs
    run_on: Callable[[float], Runner]


class Made(NamedTuple):
    """The lists of m real accounts, as they are made.

    Attributes:
        codes: int32[strategies, m, n + r], best first, then -1; a list and its reserve.
        votes: of the accounts of ``graph``.
        graph: of the night, real accounts first.
        decision: the ladder and the ranker; None: no strategy needs one.
    """

    codes: np.ndarray
    votes: EarlierVotes
    graph: FollowGraph
    decision: Decision | None


class Night(NamedTuple):
    """The lists of m real accounts, as they are shown.

    Attributes:
        codes: int32[strategies, m, n], best first, then -1.
        votes: as made.
    """

    codes: np.ndarray
    votes: EarlierVotes

    def without(self, accounts: np.ndarray) -> Night:
        """The night as it was before some accounts came."""
        codes = np.where(np.isin(self.codes, accounts), np.int32(-1), self.codes)
        return Night(codes, self.votes.without(accounts))


def make_night(ground: Ground, split: Split, decision: Decision | None = None) -> Made:
    """Select the ladder and train what it needs on ``split.train``, then make the lists.

    Args:
        split: of ``ground``, or with an injection.
        decision: of the clean night; what of it is used here, ``attack.retrain`` says. None: this
            is the clean night.

    Raises:
        InputError: the strategy learned_ranker was asked for, and cannot be trained.
    """
    config, names, tiers = ground.config, ground.strategies, None
    retrain = config.attack.retrain
    if {LADDER, LEARNED_RANKER} & set(names) and (decision is None or retrain != "none"):
        members = audience(split.train, ground.audience_ids, config.audience.min_follows)
        night, taught = (split.train, members, config), (split.rejections, split.bounds)
        if decision is None or retrain == "all":
            stages = Stages(Silent())
            decision = choose_ladder(*night, stages, ground.run_on, taught[0], None, taught[1])
        else:
            decision = train_again(*night, ground.run_on, decision, *taught)
    if decision is not None:
        tiers = ladder_of(decision.ladder.tiers)
        if LEARNED_RANKER in names and not decision.ranker:
            why = (decision.ladder.blend or decision.ladder).why
            raise InputError(f"attack.strategies: {LEARNED_RANKER}: {why}")
    model = None
    if asks_for_model(names, tiers or (), config):
        model = train(split.votes.graph, config, memory_available(), split.rejections)
    ranker = decision.ranker if decision else None
    measuring = measuring_of(split, config, names, model, tiers, ranker=ranker)
    seconds = float(measuring.estimated_seconds.sum())
    run = ground.run_on(seconds)
    shards = shards_of(measuring, seconds, run.cpus)
    parts = dict(by_shard(measuring, partial(_lists_of_shard, measuring), run.run_shards, shards))
    codes = np.concatenate([parts[shard] for shard in sorted(parts)], axis=1)
    return Made(codes, votes_for_later(split.votes, split.train.fingerprint), split.train, decision)


def shown(ground: Ground, made: Made, earlier: Night | None = None) -> Night:
    """The lists as they are shown, with the limit on new entries since an earlier night.

    Args:
        earlier: of the same real accounts; None: the first night, which has no limit.
    """
    config, n = ground.config.integrity, ground.config.recommendations.per_account
    if earlier is None or not config.bounds:
        return Night(made.codes[:, :, :n], made.votes)
    accounts, ids = ground.split.accounts, made.graph.tie_rule.positions
    listed, drawn = np.ones(len(accounts), np.bool_), chances(ids, earlier.votes.fingerprint)
    votes = earlier.votes.padded(made.graph.accounts).counted
    codes = np.full_like(earlier.codes, -1)
    for strategy, lists in enumerate(made.codes):
        of_night = earlier.codes[strategy]
        before = Before(rows_of(of_night), of_night[:, 0], listed, votes, drawn)
        kept = admitted(lists, np.zeros_like(lists, "u1"), n, before, ids[accounts], config)
        codes[strategy] = np.where(kept < 0, -1, np.take_along_axis(lists, kept, axis=1))
    return Night(codes, made.votes)


def _lists_of_shard(measuring: Measuring, shard: Shard) -> tuple[Shard, np.ndarray]:
    accounts = measuring.context.accounts[slice(*shard)]
    return shard, np.stack(lists_of(measuring.context, measuring.ladders, accounts))


def fake_ids(ids: pa.LargeStringArray, count: int) -> list[str]:
    """Ids of new accounts: none of them is in ``ids``, and they sort after all of these.

    They begin with the last id, and so sort after it.

    Example:
        >>> fake_ids(pa.array(["7", "9"], pa.large_string()), 2)
        ['9~fake0000001', '9~fake0000002']
    """
    return [f"{ids[-1].as_py()}~fake{number:07}" for number in range(1, count + 1)]


def attacked(
    split: Split, filters: FilterInputs, injection: Injection, night: int, earlier: EarlierVotes
) -> Split:
    """The split with the follows of the first nights of an attack; rejections come in the last one.

    Args:
        night: number of nights, from 1.
        earlier: the votes of the night before.
    """
    graph, fakes = split.train, injection.fakes
    follows = np.concatenate(injection.nights[:night])
    keep = ~np.isin(graph.followees.codes, injection.newcomers)
    train = with_more(graph, fake_ids(graph.ids, fakes), follows[:, 0], follows[:, 1], keep)
    rejected = [injection.rejections if night == len(injection.nights) else np.empty((0, 2), int)]
    shown = np.zeros(train.accounts, np.int64)
    if split.rejections is not None:
        rows = split.rejections.rows
        accounts = np.repeat(np.arange(graph.accounts), rows.degrees)
        rejected.append(np.column_stack([accounts, rows.codes]))
        shown[: graph.accounts] = split.rejections.shown
    rejections, pairs = None, np.concatenate(rejected).astype(np.int32)
    if len(pairs):
        every = np.arange(train.accounts, dtype=np.int32)
        rows, _, _ = adjacency([Pairs(pairs[:, 0], pairs[:, 1], every)], train.accounts)
        rejections = rejections_of(rows, train, shown)
    indptr = np.append(split.test.indptr, np.full(fakes, split.test.indptr[-1]))
    return replace(
        split,
        train=train,
        test=Adjacency(indptr, split.test.codes),
        rejections=rejections,
        filters=filters_of(filters, train),
        bounds=split.bounds and split.bounds._replace(earlier=earlier.padded(train.accounts)),
    )
