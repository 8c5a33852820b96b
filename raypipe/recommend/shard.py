"""One shard of accounts, from follows to ranked recommendations. Runs inside a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raypipe.columns import RANK, SCORE, SOURCE
from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.candidate_union import CandidateUnion, unite
from raypipe.kernels.capped import capped_neighbours
from raypipe.kernels.column_blocks import neighbours_in
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.neighbourhood import union_sizes
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.ties import Asked
from raypipe.kernels.topk import best_of_rows
from raypipe.recommend import ranking
from raypipe.recommend.blend.scores import fixed_scores, learned_scores
from raypipe.recommend.context import ShardContext, prepare
from raypipe.recommend.filters.eligibility import (
    FilterReason,
    count_reasons,
    filter_reasons,
    max_excluded,
)
from raypipe.recommend.ladder import FILL_UP, LEARNED_RANKER, SOURCES, Tier, tiers_of
from raypipe.recommend.memory import BLENDED, blend_length
from raypipe.recommend.reasons import Reasons, reasons_of
from raypipe.recommend.sources import Candidates, Source, similar

_EXCLUDED_SCHEMA = pa.schema(
    [(SOURCE, pa.string()), ("reason", pa.string()), ("candidates", pa.int64())]
)

#: Candidates held at a time, at about 20 bytes each; a single account may have more.
_BATCH = 2_000_000

#: Candidates by (source, reason).
Excluded = Counter[tuple[str, str]]


def warm_up(_: object = None) -> None:
    """Import, and load what was compiled: for a worker to do before its first shard comes."""
    rows = Adjacency(np.array([0, 1, 2, 2]), np.array([2, 2], np.int32))
    graph = FollowGraph(pa.array("abc", pa.large_string()), rows, transpose(rows), "")
    recommend_shard(prepare(graph, np.arange(3, dtype=np.int32), RunConfig()), (0, 3))


def nearest(context: ShardContext, accounts: np.ndarray) -> Neighbours:
    """The neighbours of some accounts, exact where no hub is left out."""
    k, threshold = (
        context.config.sources.similar.neighbours,
        context.config.sources.similar.threshold_fraction,
    )
    if context.hubs_left_out:
        return capped_neighbours(context.index, context.followees, accounts, k, threshold)
    return neighbours_in(context.index, accounts, k, threshold)


@dataclass(frozen=True)
class ShardResult:
    """The lists of one shard, accounts as codes.

    Attributes:
        shard: (start, stop), positions in the audience.
        tables: ``neighbours``: account, rank, other, score; ``recommendations``: account, rank,
            other, score, source (its place in SOURCES), and the columns of ``reasons.Reasons``;
            ``excluded``: source, reason, candidates.
    """

    shard: tuple[int, int]
    tables: dict[str, pa.Table]


def recommend_shard(context: ShardContext, shard: tuple[int, int]) -> ShardResult:
    """Neighbours, then candidates, then who may be shown, then the n best, of one shard."""
    return make_lists(context, shard, nearest(context, context.accounts[slice(*shard)]))


def make_lists(context: ShardContext, shard: tuple[int, int], near: Neighbours) -> ShardResult:
    """What follows when the neighbours of a shard are there."""
    accounts = context.accounts[slice(*shard)]
    lists, excluded = recommend_to(context, accounts, near)
    tables = {
        "neighbours": _long_table(accounts, near.counts, near.codes, near.scores),
        "recommendations": _long_table(
            accounts,
            lists.counts,
            lists.codes,
            lists.scores,
            lists.sources,
            why_recommended(context, accounts, lists, near),
        ),
        "excluded": pa.table(
            {
                SOURCE: [source for source, _ in excluded],
                "reason": [reason for _, reason in excluded],
                "candidates": list(excluded.values()),
            },
            _EXCLUDED_SCHEMA,
        ),
    }
    return ShardResult(shard, tables)


def why_recommended(
    context: ShardContext, accounts: np.ndarray, lists: ranking.Recommendations, near: Neighbours
) -> Reasons:
    """The reason of every entry of the lists of some accounts."""
    asked = Asked(accounts, accounts, context.followees, context.exclusions.rows)
    globally_excluded = context.exclusions.globally_excluded
    return reasons_of(
        asked,
        lists.counts,
        lists.codes,
        near,
        context.followees,
        context.follower_rows,
        globally_excluded,
    )


def recommend_to(
    context: ShardContext, accounts: np.ndarray, near: Neighbours
) -> tuple[ranking.Recommendations, Excluded]:
    """The lists of some accounts, and how many candidates were refused by (source, reason).

    Args:
        near: the neighbours of the accounts.
    """
    made = [
        _recommend_batch(context, accounts[batch], Neighbours(*(array[batch] for array in near)))
        for batch in batches(context, accounts, near)
    ]
    lists = ranking.Recommendations(
        *(np.concatenate(arrays) for arrays in zip(*(lists for lists, _ in made), strict=True))
    )
    return lists, sum((counts for _, counts in made), Counter())


def _recommend_batch(
    context: ShardContext, accounts: np.ndarray, near: Neighbours
) -> tuple[ranking.Recommendations, Excluded]:
    """The lists of some accounts, and how many candidates were refused by (source, reason)."""
    lists = ranking.empty_lists(len(accounts), context.config.recommendations.per_account)
    excluded: Excluded = Counter()
    tiers = tiers_of(context.ladder, context.followees.degrees_of(accounts))
    for place in np.unique(tiers):
        tier = context.ladder[place]
        members = np.flatnonzero(tiers == place)
        step = len(members) if tier.how == FILL_UP else BLENDED
        for start in range(0, len(members), step):
            some = members[start : start + step]
            sources = sources_of_tier(context, tier, Neighbours(*(array[some] for array in near)))
            if tier.how == FILL_UP:
                found, counts = _climb(context, accounts[some], sources)
            else:
                found, counts = _blend(context, accounts[some], tier, sources)
            ranking.put(lists, some, found)
            excluded += counts
    return lists, excluded


def sources_of_tier(context: ShardContext, tier: Tier, near: Neighbours) -> list[Source]:
    """Those of a tier, in order, for the accounts whose neighbours are given."""
    of_neighbours = similar.Similar(
        context.followees, near, context.rejected, context.config.feedback.negative
    )
    sources = {**context.sources, similar.NAME: of_neighbours}
    return [sources[name] for name in tier.sources]


def _climb(
    context: ShardContext, accounts: np.ndarray, sources: list[Source]
) -> tuple[ranking.Recommendations, Excluded]:
    """Each source fills up what those before it have left short."""
    n = context.config.recommendations.per_account
    lists = ranking.empty_lists(len(accounts), n)
    excluded: Excluded = Counter()
    for source in sources:
        wanted = np.where(lists.counts < n, n, 0)
        candidates, eligible = _ask(context, accounts, source, wanted, excluded)
        lists = ranking.fill_from(lists, SOURCES.index(source.name), candidates, eligible)
    return lists, excluded


def _blend(
    context: ShardContext, accounts: np.ndarray, tier: Tier, sources: list[Source]
) -> tuple[ranking.Recommendations, Excluded]:
    """The best of what all sources bring, scored together."""
    union, excluded = candidate_union(context, accounts, sources)
    scores = blend_scores(context, accounts, tier, union)
    n = context.config.recommendations.per_account
    return best_of(context, tier, union, scores, n), excluded


def blend_scores(
    context: ShardContext, accounts: np.ndarray, tier: Tier, union: CandidateUnion
) -> np.ndarray:
    """float64[c]: of what several sources bring, by the ranker or by weights, as the tier says."""
    if tier.how == LEARNED_RANKER:
        return learned_scores(context.ranker, context.graph_features, accounts, union)
    weights = context.config.sources.weights
    return fixed_scores([weights[name] for name in tier.sources], union)


def best_of(
    context: ShardContext, tier: Tier, union: CandidateUnion, scores: np.ndarray, n: int
) -> ranking.Recommendations:
    """The n best of a blend, with no more from one source than the night's lists may have."""
    places = np.array([SOURCES.index(name) for name in tier.sources])
    numerator, denominator = context.config.blend.most_fraction
    most = max(1, context.config.recommendations.per_account * numerator // denominator)
    return ranking.best_of_blend(union, scores, places, n, most)


def candidate_union(
    context: ShardContext, accounts: np.ndarray, sources: list[Source]
) -> tuple[CandidateUnion, Excluded]:
    """Whom a blend looks at: the best eligible candidates of each source, for some accounts."""
    length = blend_length(context.config)
    excluded: Excluded = Counter()
    wanted = np.full(len(accounts), length)
    best = []
    for source in sources:
        candidates, eligible = _ask(context, accounts, source, wanted, excluded)
        best.append(best_of_rows(*candidates, eligible, length))
    lists = (np.stack(arrays) for arrays in zip(*best, strict=True))
    return unite(*lists, len(context.followers)), excluded


def _ask(
    context: ShardContext,
    accounts: np.ndarray,
    source: Source,
    wanted: np.ndarray,
    excluded: Excluded,
) -> tuple[Candidates, np.ndarray]:
    """So many candidates of a source at least, and who of them may be shown: bool[candidates].

    Those who may not are counted in ``excluded``.
    """
    enough = wanted + max_excluded(context.followees, context.exclusions, accounts)
    candidates = source(accounts, np.where(wanted > 0, enough, 0))
    reasons = filter_reasons(
        context.followees,
        context.followers,
        context.exclusions,
        accounts,
        candidates,
        context.config.candidates.min_followers,
    )
    for reason, count in count_reasons(reasons).items():
        excluded[source.name, reason] += count
    return candidates, reasons == FilterReason.ELIGIBLE


def batches(
    context: ShardContext, accounts: np.ndarray, near: Neighbours, most: int | None = None
) -> Iterator[slice]:
    """Ranges of the accounts with at most _BATCH candidates each, or one account.

    Args:
        most: accounts of a range; None: no limit.
    """
    sizes = union_sizes(context.followees, near.counts, near.codes)
    sizes += max_excluded(context.followees, context.exclusions, accounts)
    sizes += context.config.recommendations.per_account
    done = np.concatenate([[0], np.cumsum(sizes)])
    start = 0
    while start < len(accounts):
        stop = int(np.searchsorted(done, done[start] + _BATCH, side="right")) - 1
        stop = max(stop, start + 1)
        stop = stop if most is None else min(stop, start + most)
        yield slice(start, stop)
        start = stop


def _long_table(
    accounts: np.ndarray,
    counts: np.ndarray,
    codes: np.ndarray,
    scores: np.ndarray,
    sources: np.ndarray | None = None,
    reasons: Reasons | None = None,
) -> pa.Table:
    """Lists of up to n as one row an entry."""
    used = np.arange(codes.shape[1]) < counts[:, None]
    ranks = np.broadcast_to(np.arange(1, codes.shape[1] + 1, dtype=np.int32), codes.shape)
    columns = {
        "account": np.repeat(accounts.astype(np.int32), counts),
        RANK: ranks[used],
        "other": codes[used],
        SCORE: scores[used],
    }
    if sources is not None:
        columns[SOURCE] = sources[used]
    if reasons is not None:
        columns |= reasons._asdict()
    return pa.table(columns)
