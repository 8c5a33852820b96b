"""Measure the lists of each source for every account of a split, shard by shard."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, nan
from typing import Any, NamedTuple, TypeVar

import numpy as np

from raypipe.config import RunConfig
from raypipe.evaluation.lists import LADDER, ladders_of, lists_of
from raypipe.evaluation.measures import Measures
from raypipe.evaluation.metric_choice import choose_metrics, values_by_account
from raypipe.evaluation.metric_spec import MetricSpec, Popularity
from raypipe.evaluation.splits import SEGMENTS, Split
from raypipe.kernels.arrays import Flags
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.shards import Shard, cut_short, heaviest_first
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.context import (
    NightInputs,
    ShardContext,
    called_sources,
    list_rules,
    shard_context,
    with_silent_sources,
)
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import Filters
from raypipe.recommend.filters.registry import FILTERS
from raypipe.recommend.ladder import FILL_UP, Tier, fixed_ladder
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.sources.registry import sources_of
from raypipe.recommend.work_estimate import blend_ns, estimate_ns
from raypipe.storage.evaluations import ALL

#: Approximate number of seconds of a shard.
SHARD_SECONDS = 2.0

Done = TypeVar("Done", bound=tuple[Any, ...])
RunShards = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
#: Further arguments of :func:`measure_lists` and :func:`by_shard`: run_shards, shards, advance.
Work = tuple[RunShards, int, Callable[[float], None]]


@dataclass(frozen=True)
class Measuring:
    """The values that every shard needs, put into the object store once.

    Attributes:
        context: of the train graph; its audience are the accounts to be measured.
        ladders: the ladder that makes the lists of each source, by its name.
        test: held-out follows; one row per account of the graph.
        heard: bool[n], the accounts from whose follows a ranker may learn.
        test_rejections: held-out rejections, in the same form; None: there are none.
        segments: uint8[m], index in SEGMENTS of each account to be measured.
        lengths: lengths of lists at which they are measured, ascending.
        shards: number of shards that the config asks for; None: by the estimated cost.
        shard_accounts: maximum number of accounts in a shard, for its memory; None: no limit.
    """

    context: ShardContext
    ladders: dict[str, tuple[Tier, ...]]
    test: Adjacency
    heard: Flags
    test_rejections: Adjacency | None
    segments: np.ndarray
    metrics: tuple[MetricSpec, ...]
    lengths: tuple[int, ...]
    seed: int
    shards: int | None
    shard_accounts: int | None

    @property
    def source_names(self) -> set[str]:
        """Names of all sources on the ladders; each is called for every account."""
        return source_names_of(self.ladders)

    @property
    def estimated_seconds(self) -> np.ndarray:
        """float64[m]: estimated seconds per account, at rates measured on another machine."""
        context, tiers = self.context, [tier for tiers in self.ladders.values() for tier in tiers]
        alone = {name for tier in tiers if tier.how == FILL_UP for name in tier.sources}
        # The neighbours are searched once, even if several sources need them.
        alone |= {name for name in self.source_names if context.sources[name].needs_neighbours}
        estimate = estimate_ns(context, alone)
        for tier in tiers:
            if tier.how != FILL_UP:  # a blend calls its sources by itself
                parts = (context.sources[name].source for name in tier.sources)
                estimate = estimate + sum(part.estimated_ns(context.accounts) for part in parts)
                estimate = estimate + blend_ns(tier, context.lists.blend.candidates_per_source)
        return estimate * 1e-9

    def of(self, chosen: np.ndarray) -> "Measuring":
        """The measuring of a part of the accounts; bool[m]."""
        context = replace(self.context, accounts=self.context.accounts[chosen])
        return replace(self, context=context, segments=self.segments[chosen])

    def with_ranker(self, ranker: Ranker) -> "Measuring":
        """The same, with lists by this ranker."""
        return replace(self, context=self.context.with_ranker(ranker))


class ShardMeasures(NamedTuple):
    """The measured values of one shard of m accounts.

    Attributes:
        shard: (start, stop), positions among the accounts to be measured.
        metrics: names with their lengths, as ``recall@10``.
        values: float64[sources, metrics, m].
        recommended: int32, the distinct recommended accounts by the indices (source, length,
            segment); empty if no metric needs them.
        same: bool[segments, sources, sources], True where two sources make the same lists for all
            accounts.
    """

    shard: tuple[int, int]
    metrics: tuple[str, ...]
    values: np.ndarray
    recommended: dict[tuple[int, int, int], np.ndarray]
    same: np.ndarray


def source_names_of(ladders: dict[str, tuple[Tier, ...]]) -> set[str]:
    """Names of all sources on these ladders."""
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
    """The values that shards need to measure these sources on a split.

    Where no account has follows left, no index is built, and the sources that need a model retrieve
    nothing, as they would with one.

    Args:
        model: of ``split.train``; None: no source needs one, or no account has follows left.
        ladder: for the name LADDER, decided without the test follows; None: the fixed ladder.
        available: free bytes of memory on this machine.

    Raises:
        ConfigError: there is no such source or metric.
        TooLargeError: there is too little memory, or ``memory_per_task`` is too small.
    """
    test_rejections = split.test_rejections
    metrics = choose_metrics(config.evaluation.metrics, test_rejections is not None)
    known = sources_of(config)
    lengths = tuple(config.evaluation.k)
    lists = config.recommendations.model_copy(update={"per_account": lengths[-1]})
    config = config.model_copy(update={"recommendations": lists})
    ladder = ladder or fixed_ladder(config, model is not None)
    ladders = ladders_of(sources, ladder, config)
    graph, feedback = split.train, split.rejections
    filters = split.filters or Filters(graph.accounts, FILTERS, {})
    exclusions = exclusions_of(filters if feedback is None else filters.rejecting(feedback.rows))
    inputs = NightInputs(graph, split.accounts, exclusions, feedback, model, split.votes)
    rules = list_rules(config, ladder, inputs, ranker)
    shard_accounts = None
    if split.segments.any():
        room = available - inputs.model_bytes
        searched = searched_graph(graph, len(split.accounts), config, room)
        shard_accounts = searched.fit.shard_accounts
        names = called_sources(source_names_of(ladders), graph, config)
        search = any(known[name].spec.needs_neighbours for name in names)
        index = neighbour_search(searched, config) if search else None
        context = shard_context(inputs, config, rules, index)
    else:
        inputs = inputs._replace(model=None)
        context = with_silent_sources(shard_context(inputs, config, rules, None), config)
    return Measuring(
        context=context,
        ladders=ladders,
        test=split.test,
        heard=split.votes.heard,
        test_rejections=test_rejections,
        segments=split.segments,
        metrics=metrics,
        lengths=lengths,
        seed=config.seed,
        shards=config.shards,
        shard_accounts=shard_accounts,
    )


def measure_shard(measuring: Measuring, shard: tuple[int, int]) -> ShardMeasures:
    """Make the lists of one shard, and measure them."""
    context = measuring.context
    accounts, segments = context.accounts[slice(*shard)], measuring.segments[slice(*shard)]
    test, test_rejections = take(measuring.test, accounts), measuring.test_rejections
    rejected = None if test_rejections is None else take(test_rejections, accounts)
    follows = context.follows
    popularity = Popularity(
        follows.follower_counts, int(np.count_nonzero(follows.followees.degrees))
    )
    by_metric, recommended, all_codes = [], {}, []
    for source, codes in enumerate(lists_of(context, measuring.ladders, accounts)):
        chosen = measuring.metrics, measuring.lengths
        by_metric.append(values_by_account(codes, test, popularity, *chosen, rejected))
        all_codes.append(codes)
        if of_lists(measuring.metrics):
            for length, k in enumerate(measuring.lengths):
                for segment in np.unique(segments).tolist():
                    shown = np.unique(codes[segments == segment, :k])
                    recommended[source, length, segment] = shown[shown >= 0]
    values = np.array([list(values.values()) for values in by_metric])
    values = values.reshape(len(by_metric), len(by_metric[0]), len(accounts))
    same = np.array(
        [
            [[np.array_equal(a[members], b[members]) for b in all_codes] for a in all_codes]
            for members in (segments == segment for segment in range(len(SEGMENTS)))
        ]
    )
    return ShardMeasures(shard, tuple(by_metric[0]), values, recommended, same)


def measure_lists(
    measuring: Measuring,
    run_shards: RunShards = map,
    shards: int = 1,
    advance: Callable[[float], None] | None = None,
) -> Measures:
    """Measure the sources on all accounts of the split; the values do not depend on the shards.

    Args:
        run_shards: the builtin ``map``, or its equivalent over Ray tasks.
        advance: receives the estimated seconds of work that each shard has completed.
    """
    context, lengths = measuring.context, measuring.lengths
    names: tuple[str, ...] = ()
    parts: dict[int, np.ndarray] = {}
    accounts = len(context.follows.follower_counts)
    shape = len(measuring.ladders), len(lengths), len(SEGMENTS), accounts
    recommended = np.zeros(shape if of_lists(measuring.metrics) else (0, 0, 0, 0), np.bool_)
    sources = len(measuring.ladders)
    same = np.ones((len(SEGMENTS), sources, sources), np.bool_)
    for done in by_shard(measuring, partial(measure_shard, measuring), run_shards, shards, advance):
        names, parts[done.shard[0]] = done.metrics, done.values
        same &= done.same
        for index, codes in done.recommended.items():
            recommended[index][codes] = True
    return Measures(
        sources=tuple(measuring.ladders),
        metrics=names,
        values=np.concatenate([parts[start] for start in sorted(parts)], axis=2),
        accounts=context.accounts,
        segments=measuring.segments,
        of_lists=_values_of_lists(measuring, recommended),
        same=same,
    )


def by_shard(
    measuring: Measuring,
    make: Callable[[Shard], Done],
    run_shards: RunShards,
    shards: int,
    advance: Callable[[float], None] | None = None,
) -> Iterator[Done]:
    """What ``make`` returns for each shard, its range of accounts first, as they are done."""
    seconds = measuring.estimated_seconds
    todo = heaviest_first(cut_short(seconds, shards, measuring.shard_accounts), seconds)
    for done in run_shards(make, todo):
        yield done
        if advance:
            advance(float(seconds[slice(*done[0])].sum()))


def shards_of(measuring: Measuring, seconds: float, cpus: int) -> int:
    """Number of shards for this number of seconds of work."""
    # Every shard builds all column blocks, so there are as few shards as possible.
    search = measuring.context.search
    rounds = 1 if search and search.blocks else max(1, round(seconds / cpus / SHARD_SECONDS))
    return measuring.shards or cpus * rounds


def measure(
    config: RunConfig, split: Split, source: str = LADDER, model: FactorModel | None = None
) -> dict[str, float]:
    """Mean of every metric over the accounts of a split, in this process: the objective of a sweep.

    Accounts without follows in train are not part of it. The ladder is the fixed one.

    Args:
        model: of ``split.train``; None: the source needs none.

    Example:
        >>> import pandas as pd
        >>> from raypipe.config import load_config
        >>> from raypipe.evaluation.splits import split_follows
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabb"), "followingId": list("xyxy")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> config = load_config(None, {"evaluation.k": [1], "evaluation.min_follows": 2})
        >>> held_out, accounts = np.array([False, True, False, False]), np.arange(4, dtype=np.int32)
        >>> split = split_follows(graph, held_out, accounts, config.evaluation, config.seed)
        >>> measure(config, split, "popular")["ndcg@1"]
        1.0
    """
    measures = measure_lists(measuring_of(split, config, [source], model))
    of_all = measures.values[0][:, measures.of_all]
    means = {
        metric: float(np.mean(values[~np.isnan(values)])) if not np.isnan(values).all() else nan
        for metric, values in zip(measures.metrics, of_all, strict=True)
    }
    return means | {
        metric: value for (_, metric, segment), value in measures.of_lists.items() if segment == ALL
    }


def of_lists(chosen: Sequence[MetricSpec]) -> list[MetricSpec]:
    """The metrics that have one value for all lists together."""
    return [spec for spec in chosen if not spec.by_account]


def _values_of_lists(
    measuring: Measuring, recommended: np.ndarray
) -> dict[tuple[str, str, str], float]:
    """The metrics of all lists together, by (source, metric, segment).

    The catalogue is the set of accounts with at least one follower in train, or with at least
    ``candidates.min_followers``.
    """
    chosen = of_lists(measuring.metrics)
    if not chosen:
        return {}
    minimum = max(1, measuring.context.lists.min_followers)
    catalogue = measuring.context.follows.follower_counts >= minimum
    by_metric = {}
    for source, by_length in zip(measuring.ladders, recommended, strict=True):
        for k, by_segment in zip(measuring.lengths, by_length, strict=True):
            shown = {
                ALL: by_segment[1:].any(axis=0),
                **dict(zip(SEGMENTS, by_segment, strict=True)),
            }
            for segment, codes in shown.items():
                for spec in chosen:
                    value = float(spec(codes, catalogue))
                    by_metric[source, f"{spec.name}@{k}", segment] = value
    return by_metric
