"""How good the lists of each source are for every account of a split; over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from raypipe.config import RunConfig
from raypipe.evaluation.lists import LADDER, ladders_of, lists_of
from raypipe.evaluation.metric_choice import choose_metrics, values_by_account
from raypipe.evaluation.metric_spec import MetricSpec, Popularity
from raypipe.evaluation.splits import SEGMENTS, Split
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.shards import cut_short, heaviest_first
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.context import NightInputs, ShardContext, list_rules, shard_context
from raypipe.recommend.filters.eligibility import no_exclusions, rejections_alone
from raypipe.recommend.ladder import FILL_UP, Tier, fixed_ladder
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.sources.registry import sources_of
from raypipe.recommend.work_estimate import blend_ns, estimate_ns
from raypipe.storage.evaluations import ALL

#: A shard is about so long.
SHARD_SECONDS = 2.0

RunShards = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True)
class Measuring:
    """What every shard needs, put into the object store once.

    Attributes:
        context: of the train graph; its audience are the accounts to be measured.
        ladders: by source to be measured, the ladder on which it stands alone.
        test: a row for each account of the graph.
        test_rejections: the same, of rejections.
        segments: uint8, of each account to be measured.
        metrics: to be measured.
        lengths: at which they are taken, ascending.
        seed: of the config.
        shards: number of shards that the config asks for; None: by the estimated cost.
        shard_accounts: maximum number of accounts in a shard, for its memory; None: no limit.
    """

    context: ShardContext
    ladders: dict[str, tuple[Tier, ...]]
    test: Adjacency
    test_rejections: Adjacency | None
    segments: np.ndarray
    metrics: tuple[MetricSpec, ...]
    lengths: tuple[int, ...]
    seed: int
    shards: int | None
    shard_accounts: int | None

    @property
    def asked(self) -> set[str]:
        """Names of all sources on the ladders: each is asked for a list of every account."""
        return asked_of(self.ladders)

    @property
    def estimated_seconds(self) -> np.ndarray:
        """float64[m]: seconds of each account, on a machine that may not be this one."""
        context, tiers = self.context, [tier for tiers in self.ladders.values() for tier in tiers]
        alone = {name for tier in tiers if tier.how == FILL_UP for name in tier.sources}
        # The neighbours are searched once, whatever number of sources needs them.
        alone |= {name for name in self.asked if context.sources[name].needs_neighbours}
        estimate = estimate_ns(context, alone)
        for tier in tiers:
            if tier.how != FILL_UP:  # a blend calls its sources by itself
                parts = (context.sources[name].source for name in tier.sources)
                estimate = estimate + sum(part.estimated_ns(context.accounts) for part in parts)
                estimate = estimate + blend_ns(tier, context.lists.blend.candidates_per_source)
        return estimate * 1e-9


@dataclass(frozen=True)
class ShardMeasures:
    """What came of one shard of m accounts.

    Attributes:
        shard: (start, stop), positions among the accounts to be measured.
        metrics: names with their lengths, as ``recall@10``.
        values: float64[sources, metrics, m].
        recommended: int32 codes, each once, by (source, length, segment), these as indices; empty
            where no metric needs them.
        same: bool[segments, sources, sources], are their lists the same, for every account?
    """

    shard: tuple[int, int]
    metrics: tuple[str, ...]
    values: np.ndarray
    recommended: dict[tuple[int, int, int], np.ndarray]
    same: np.ndarray


@dataclass(frozen=True)
class Measures:
    """How good the lists of some sources are.

    Attributes:
        sources: names, as they were asked for.
        metrics: those with a value an account, with their lengths, as ``recall@10``.
        values: float64[sources, metrics, m]; NaN where an account has no value.
        accounts: int32[m], codes.
        segments: uint8[m], places in SEGMENTS.
        of_lists: values of all lists of a segment together, as coverage, by (source, metric,
            segment); segment is ALL or one of SEGMENTS.
        same: bool[segments, sources, sources], are their lists the same, for every account?
    """

    sources: tuple[str, ...]
    metrics: tuple[str, ...]
    values: np.ndarray
    accounts: np.ndarray
    segments: np.ndarray
    of_lists: dict[tuple[str, str, str], float]
    same: np.ndarray

    def are_same(self, first: str, second: str, segment: str = ALL) -> bool:
        """Do two sources make the same lists for the accounts of a segment?"""
        pair = self.same[:, self.sources.index(first), self.sources.index(second)]
        return bool(pair.all() if segment == ALL else pair[SEGMENTS.index(segment)])

    @property
    def same_lists_as(self) -> dict[str, str]:
        """Of each source whose lists an earlier source makes too, the earliest such one."""
        earliest = {
            name: self.sources[int(np.argmax(np.all(self.same, axis=0)[i]))]
            for i, name in enumerate(self.sources)
        }
        return {name: other for name, other in earliest.items() if other != name}


def asked_of(ladders: dict[str, tuple[Tier, ...]]) -> set[str]:
    """Names of all sources that stand on some ladders."""
    return {name for tiers in ladders.values() for tier in tiers for name in tier.sources}


def measuring_of(
    split: Split,
    config: RunConfig,
    sources: Sequence[str],
    model: FactorModel | None = None,
    ladder: tuple[Tier, ...] | None = None,
    available: float = inf,
    ranker: Ranker | None = None,
) -> Measuring:
    """What the shards need to measure these sources on a split.

    Args:
        model: of ``split.train``, where a source needs one.
        ladder: that LADDER stands for, decided without a look at the test follows; None: the phases
            by number of follows.
        available: bytes of memory that are free here.
        ranker: for the learned blend.

    Raises:
        ConfigError: there is no such source or metric.
        TooLargeError: that is too little, or ``memory_per_task`` is.
    """
    held = split.test_rejections
    metrics = choose_metrics(config.evaluation.metrics, held is not None)
    known = sources_of(config)
    lengths = tuple(config.evaluation.k)
    lists = config.recommendations.model_copy(update={"per_account": lengths[-1]})
    config = config.model_copy(update={"recommendations": lists})
    ladder = ladder or fixed_ladder(config, model is not None)
    ladders = ladders_of(sources, ladder, config)
    graph, taught = split.train, split.rejections
    exclusions = no_exclusions(graph.accounts) if taught is None else rejections_alone(taught.rows)
    inputs = NightInputs(graph, split.accounts, exclusions, taught, model)
    searched = searched_graph(graph, len(split.accounts), config, available - inputs.model_bytes)
    names = asked_of(ladders)
    search = any(source.spec.needs_neighbours and name in names for name, source in known.items())
    context = shard_context(
        inputs,
        config,
        list_rules(config, ladder, graph, ranker),
        neighbour_search(searched, config) if search else None,
    )
    return Measuring(
        context=context,
        ladders=ladders,
        test=split.test,
        test_rejections=held,
        segments=split.segments,
        metrics=metrics,
        lengths=lengths,
        seed=config.seed,
        shards=config.shards,
        shard_accounts=searched.fit.shard_accounts,
    )


def measure_shard(measuring: Measuring, shard: tuple[int, int]) -> ShardMeasures:
    """Lists, then metrics, of one shard."""
    context = measuring.context
    accounts, segments = context.accounts[slice(*shard)], measuring.segments[slice(*shard)]
    test, held = take(measuring.test, accounts), measuring.test_rejections
    rejected = None if held is None else take(held, accounts)
    follows = context.follows
    popularity = Popularity(
        follows.follower_counts, int(np.count_nonzero(follows.followees.degrees))
    )
    found, recommended, all_codes = [], {}, []
    for place, codes in enumerate(lists_of(context, measuring.ladders, accounts)):
        asked = measuring.metrics, measuring.lengths
        found.append(values_by_account(codes, test, popularity, *asked, rejected))
        all_codes.append(codes)
        if of_lists(measuring.metrics):
            for length, k in enumerate(measuring.lengths):
                for segment in np.unique(segments).tolist():
                    shown = np.unique(codes[segments == segment, :k])
                    recommended[place, length, segment] = shown[shown >= 0]
    values = np.array([list(values.values()) for values in found])
    values = values.reshape(len(found), len(found[0]), len(accounts))
    same = np.array(
        [
            [[np.array_equal(a[here], b[here]) for b in all_codes] for a in all_codes]
            for here in (segments == segment for segment in range(len(SEGMENTS)))
        ]
    )
    return ShardMeasures(shard, tuple(found[0]), values, recommended, same)


def measure_lists(
    measuring: Measuring,
    run_shards: RunShards = map,
    shards: int = 1,
    advance: Callable[[float], None] | None = None,
) -> Measures:
    """Measure the sources on all accounts of the split. The answer does not depend on the shards.

    Args:
        run_shards: the builtin ``map``, or its equal over Ray tasks.
        shards: how many to cut the accounts into.
        advance: is told how many seconds of work are done, as estimated.
    """
    context, lengths = measuring.context, measuring.lengths
    seconds = measuring.estimated_seconds
    todo = heaviest_first(cut_short(seconds, shards, measuring.shard_accounts), seconds)
    names: tuple[str, ...] = ()
    parts: dict[int, np.ndarray] = {}
    accounts = len(context.follows.follower_counts)
    shape = len(measuring.ladders), len(lengths), len(SEGMENTS), accounts
    recommended = np.zeros(shape if of_lists(measuring.metrics) else (0, 0, 0, 0), np.bool_)
    sources = len(measuring.ladders)
    same = np.ones((len(SEGMENTS), sources, sources), np.bool_)
    for done in run_shards(partial(measure_shard, measuring), todo):
        names, parts[done.shard[0]] = done.metrics, done.values
        same &= done.same
        for place, codes in done.recommended.items():
            recommended[place][codes] = True
        if advance:
            advance(float(seconds[slice(*done.shard)].sum()))
    return Measures(
        sources=tuple(measuring.ladders),
        metrics=names,
        values=np.concatenate([parts[start] for start in sorted(parts)], axis=2),
        accounts=context.accounts,
        segments=measuring.segments,
        of_lists=_values_of_lists(measuring, recommended),
        same=same,
    )


def shards_of(measuring: Measuring, seconds: float, cpus: int) -> int:
    """Number of shards for this number of seconds of work."""
    # Every shard builds all column blocks: no more shards than are needed.
    search = measuring.context.search
    rounds = 1 if search and search.blocks else max(1, round(seconds / cpus / SHARD_SECONDS))
    return measuring.shards or cpus * rounds


def measure(
    config: RunConfig, split: Split, source: str = LADDER, model: FactorModel | None = None
) -> dict[str, float]:
    """The mean of every metric over the accounts of a split, in this process: a sweep's objective.

    The ladder is that of ``ladder: fixed``.

    Args:
        model: of ``split.train``, where the source needs one.

    Example:
        >>> import pandas as pd
        >>> from raypipe.config import load_config
        >>> from raypipe.evaluation.splits import split_follows
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabb"), "followingId": list("xyxy")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> config = load_config(None, {"evaluation.k": [1], "evaluation.min_follows": 2})
        >>> held, everybody = np.array([False, True, False, False]), np.arange(4, dtype=np.int32)
        >>> split = split_follows(graph, held, everybody, config.evaluation, config.seed)
        >>> measure(config, split, "popular")["ndcg@1"]
        1.0
    """
    found = measure_lists(measuring_of(split, config, [source], model))
    means = {
        metric: float(np.mean(values[~np.isnan(values)])) if not np.isnan(values).all() else nan
        for metric, values in zip(found.metrics, found.values[0], strict=True)
    }
    return means | {
        metric: value for (_, metric, segment), value in found.of_lists.items() if segment == ALL
    }


def of_lists(chosen: Sequence[MetricSpec]) -> list[MetricSpec]:
    """Those that have one value for all lists together."""
    return [spec for spec in chosen if not spec.by_account]


def _values_of_lists(
    measuring: Measuring, recommended: np.ndarray
) -> dict[tuple[str, str, str], float]:
    """Metrics of all lists together.

    The catalogue are the accounts with a follower in train, or as many as the config asks for.
    """
    chosen = of_lists(measuring.metrics)
    if not chosen:
        return {}
    least = max(1, measuring.context.lists.min_followers)
    catalogue = measuring.context.follows.follower_counts >= least
    found = {}
    for source, by_length in zip(measuring.ladders, recommended, strict=True):
        for k, by_segment in zip(measuring.lengths, by_length, strict=True):
            shown = {ALL: by_segment.any(axis=0), **dict(zip(SEGMENTS, by_segment, strict=True))}
            for segment, codes in shown.items():
                for spec in chosen:
                    value = float(spec(codes, catalogue))
                    found[source, f"{spec.name}@{k}", segment] = value
    return found
