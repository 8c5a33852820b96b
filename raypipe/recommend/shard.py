"""One shard of accounts, from follows to ranked recommendations. Runs inside a task."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
import pyarrow as pa

from raypipe.columns import RANK, SCORE, SOURCE
from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.candidate_union import CandidateUnion, unite, with_scores
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.neighbourhood import union_sizes
from raypipe.kernels.tanimoto import Neighbours, no_neighbours
from raypipe.kernels.ties import Asked
from raypipe.kernels.topk import best_of_rows
from raypipe.recommend import ranking
from raypipe.recommend.blend.scores import fixed_scores, learned_scores
from raypipe.recommend.context import NightInputs, ShardContext, list_rules, shard_context
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.eligibility import (
    count_reasons,
    filter_reasons,
    max_excluded,
    no_exclusions,
)
from raypipe.recommend.ladder import FILL_UP, LEARNED_RANKER, Tier, fixed_ladder, tiers_of
from raypipe.recommend.memory import BLENDED
from raypipe.recommend.reasons import Reasons, reasons_of
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.sources import Candidates, Scorer

_EXCLUDED_SCHEMA = pa.schema(
    [(SOURCE, pa.string()), ("reason", pa.string()), ("candidates", pa.int64())]
)

#: Maximum number of candidates in memory, at about 20 bytes each; one account may have more.
_BATCH = 2_000_000

#: Number of candidates by (source, reason).
Excluded = Counter[tuple[str, str]]


def warm_up(_: object = None) -> None:
    """Import modules and load compiled kernels, before the first shard of a worker."""
    rows = Adjacency(np.array([0, 1, 2, 2]), np.array([2, 2], np.int32))
    graph = FollowGraph(pa.array("abc", pa.large_string()), rows, transpose(rows), "")
    config = RunConfig()
    inputs = NightInputs(graph, np.arange(3, dtype=np.int32), no_exclusions(3))
    search = neighbour_search(searched_graph(graph, 3, config, inf), config)
    rules = list_rules(config, fixed_ladder(config))
    recommend_shard(shard_context(inputs, config, rules, search), (0, 3))


def nearest(context: ShardContext, accounts: np.ndarray) -> Neighbours:
    """The neighbours of some accounts; none where the context has no search."""
    if context.search is None:
        return no_neighbours(len(accounts), 0)
    return context.search.nearest(context.follows.followees, accounts)


@dataclass(frozen=True)
class ShardResult:
    """The lists of one shard, by account index.

    Attributes:
        shard: (start, stop), positions in the audience.
        tables: ``neighbours``: account, rank, other, score, of those published;
            ``recommendations``: account, rank,
            other, score, source (its index), and the columns of ``reasons.Reasons``;
            ``reserve``: the same without rank, of the candidates that follow these;
            ``excluded``: source (its name), reason, candidates.
    """

    shard: tuple[int, int]
    tables: dict[str, pa.Table]


def recommend_shard(context: ShardContext, shard: tuple[int, int]) -> ShardResult:
    """The lists of one shard: neighbours, candidates, filters, ranking."""
    return make_lists(context, shard, nearest(context, context.accounts[slice(*shard)]))


def make_lists(context: ShardContext, shard: tuple[int, int], near: Neighbours) -> ShardResult:
    """The lists of one shard whose neighbours are found."""
    accounts = context.accounts[slice(*shard)]
    made, excluded = recommend_to(context, accounts, near)
    lists, reserve = ranking.split(made, context.lists.per_account)
    why = why_recommended(context, accounts, made, near)
    used = np.arange(made.codes.shape[1]) < made.counts[:, None]
    in_list = np.flatnonzero(used) % used.shape[1] < context.lists.per_account
    of_lists, of_reserve = (Reasons(*(one[part] for one in why)) for part in (in_list, ~in_list))
    published = context.lists.neighbours
    shown = np.minimum(near.counts, published)
    tables = {
        "neighbours": _long_table(
            accounts, shown, near.codes[:, :published], near.scores[:, :published]
        ),
        "recommendations": _long_table(accounts, *lists, of_lists),
        "reserve": _long_table(accounts, *reserve, of_reserve).drop_columns([RANK]),
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
    followees, followers, _ = context.follows
    return reasons_of(
        Asked(accounts, accounts, followees, context.exclusions.rows),
        lists.counts,
        lists.codes,
        near,
        followees,
        followers,
        context.exclusions.globally_excluded,
    )


def recommend_to(
    context: ShardContext, accounts: np.ndarray, near: Neighbours
) -> tuple[ranking.Recommendations, Excluded]:
    """The lists of some accounts, and the number of excluded candidates by (source, reason).

    The reserve, if there is one, follows the ``per_account`` entries of a list.
    """
    made = [
        _recommend_batch(context, accounts[batch], near.take(batch))
        for batch in batches(context, accounts, near)
    ]
    lists = ranking.Recommendations(
        *(np.concatenate(arrays) for arrays in zip(*(lists for lists, _ in made), strict=True))
    )
    return lists, sum((counts for _, counts in made), Counter())


def _recommend_batch(
    context: ShardContext, accounts: np.ndarray, near: Neighbours
) -> tuple[ranking.Recommendations, Excluded]:
    lists = ranking.empty_lists(len(accounts), context.lists.per_account + context.lists.reserve)
    excluded: Excluded = Counter()
    tiers = tiers_of(context.lists.ladder, context.follows.followees.degrees_of(accounts))
    for index in np.unique(tiers):
        tier = context.lists.ladder[index]
        members = np.flatnonzero(tiers == index)
        unites = tier.how != FILL_UP or any(context.sources[name].scores for name in tier.sources)
        step = BLENDED if unites else len(members)
        make = _fill_up if tier.how == FILL_UP else _blend
        for start in range(0, len(members), step):
            rows = members[start : start + step]
            made, counts = make(context, accounts[rows], tier, near.take(rows))
            ranking.put(lists, rows, made)
            excluded += counts
    return lists, excluded


def _fill_up(
    context: ShardContext, accounts: np.ndarray, tier: Tier, near: Neighbours
) -> tuple[ranking.Recommendations, Excluded]:
    """Lists where each source fills up what the sources before it left short."""
    n = context.lists.per_account + context.lists.reserve
    lists = ranking.empty_lists(len(accounts), n)
    excluded: Excluded = Counter()
    for name in tier.sources:
        wanted = np.where(lists.counts < n, n, 0)
        candidates, eligible = _retrieve(context, accounts, name, wanted, near, excluded)
        best = best_of_rows(candidates, eligible, n, accounts, context.follows.tie_rule)
        lists = ranking.fill_from(lists, context.sources[name].index, best)
    return lists, excluded


def _blend(
    context: ShardContext, accounts: np.ndarray, tier: Tier, near: Neighbours
) -> tuple[ranking.Recommendations, Excluded]:
    """Lists of the best candidates of all sources, scored together."""
    union, excluded = candidate_union(context, accounts, tier, near)
    scores = blend_scores(context, accounts, tier, union)
    lists = context.lists
    return best_of(
        context, accounts, tier, union, scores, lists.per_account, lists.reserve
    ), excluded


def blend_scores(
    context: ShardContext, accounts: np.ndarray, tier: Tier, union: CandidateUnion
) -> np.ndarray:
    """float64[c]: the score of each candidate of a blend, by the ranker or by rank fusion.

    Raises:
        ValueError: the tier is a learned blend, and the context has no ranker.
    """
    blend = context.lists.blend
    if tier.how == LEARNED_RANKER:
        if blend.ranker is None or blend.graph_features is None:
            raise ValueError("a learned blend needs a ranker and graph features")
        return learned_scores(blend.ranker, blend.graph_features, accounts, union)
    return fixed_scores([blend.weights[name] for name in tier.sources], union)


def best_of(
    context: ShardContext,
    accounts: np.ndarray,
    tier: Tier,
    union: CandidateUnion,
    scores: np.ndarray,
    n: int,
    more: int = 0,
) -> ranking.Recommendations:
    """The n best of a blend, and more after them.

    No source fills more than its largest share of a published list, or of what follows a full one.
    """
    indices = np.array([context.sources[name].index for name in tier.sources])
    limits = context.lists.blend.limit(context.lists.per_account), context.lists.blend.limit(more)
    asked = accounts, context.follows.tie_rule
    return ranking.best_of_blend(union, scores, indices, (n, more), limits, *asked)


def candidate_union(
    context: ShardContext, accounts: np.ndarray, tier: Tier, near: Neighbours
) -> tuple[CandidateUnion, Excluded]:
    """The best eligible candidates of each source of a tier, for some accounts.

    A scorer scores the candidates of the other sources; if there is no other, those of its own
    sources.
    """
    length = context.lists.blend.candidates_per_source
    excluded: Excluded = Counter()
    asked = accounts, context.follows.tie_rule
    wanted = np.full(len(accounts), length)
    retrieving = [name for name in tier.sources if not context.sources[name].scores]
    best = []
    for name in retrieving or tier.sources:
        candidates, eligible = _retrieve(context, accounts, name, wanted, near, excluded)
        best.append(best_of_rows(candidates, eligible, length, *asked))
    counts, codes, scores = (np.stack(arrays) for arrays in zip(*best, strict=True))
    union = unite(counts, codes, scores, len(context.follows.follower_counts))
    if retrieving:
        for position, name in enumerate(tier.sources):
            scorer = context.sources[name].source
            if isinstance(scorer, Scorer):
                scored = scorer.score(accounts, Adjacency(union.indptr, union.codes))
                union = with_scores(union, position, scored, *asked)
    return union, excluded


def _retrieve(
    context: ShardContext,
    accounts: np.ndarray,
    name: str,
    wanted: np.ndarray,
    near: Neighbours,
    excluded: Excluded,
) -> tuple[Candidates, np.ndarray]:
    """Candidates of a source, enough for ``wanted`` eligible ones, and bool: which are eligible.

    The others are counted in ``excluded``; a scorer has none, as its sources have left them out.
    """
    followees, follower_counts = context.follows.followees, context.follows.follower_counts
    enough = wanted + max_excluded(followees, context.exclusions, accounts)
    source = context.sources[name].source
    if isinstance(source, Scorer):
        pool = Tier(0, context.sources[name].scores)
        union, _ = candidate_union(context, accounts, pool, near)
        scored = source.score(accounts, Adjacency(union.indptr, union.codes))
        return Candidates(union.indptr, union.codes, scored), scored > -np.inf
    candidates = source(accounts, np.where(wanted > 0, enough, 0), near)
    reasons = filter_reasons(
        followees,
        follower_counts,
        context.exclusions,
        accounts,
        candidates,
        context.lists.min_followers,
    )
    for reason, count in count_reasons(reasons, context.exclusions.added).items():
        excluded[name, reason] += count
    return candidates, reasons == FilterReason.ELIGIBLE


def batches(
    context: ShardContext, accounts: np.ndarray, near: Neighbours, limit: int | None = None
) -> Iterator[slice]:
    """Ranges of the accounts with at most _BATCH candidates each, or of one account.

    Args:
        limit: maximum number of accounts of a range; None: no limit.
    """
    followees = context.follows.followees
    sizes = union_sizes(followees, near.counts, near.codes)
    sizes += max_excluded(followees, context.exclusions, accounts)
    sizes += context.lists.per_account + context.lists.reserve
    done = np.concatenate([[0], np.cumsum(sizes)])
    start = 0
    while start < len(accounts):
        stop = int(np.searchsorted(done, done[start] + _BATCH, side="right")) - 1
        stop = max(stop, start + 1)
        stop = stop if limit is None else min(stop, start + limit)
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
    """Lists of up to n entries, as one row an entry."""
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
