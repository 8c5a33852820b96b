"""One shard of accounts, from follows to ranked recommendations. Runs inside a task."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe import ranking
from raypipe.blend.features import Surroundings
from raypipe.blend.ranker import Ranker
from raypipe.blend.scores import fixed_scores, learned_scores
from raypipe.candidates import (
    Candidates,
    Source,
    co_followed,
    factors,
    follow_back,
    popular,
    similar,
    two_hop,
)
from raypipe.columns import RANK, SCORE, SOURCE
from raypipe.config import RunConfig
from raypipe.eligibility import (
    FilterReason,
    Refusals,
    at_most_refused,
    count_reasons,
    filter_reasons,
    no_refusals,
)
from raypipe.factors.model import FactorModel
from raypipe.graph import FollowGraph
from raypipe.kernels.capped import capped_neighbours, without_hubs
from raypipe.kernels.column_blocks import ColumnBlocks, neighbours_in, work_in_blocks
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.merged import Merged, merge
from raypipe.kernels.neighbourhood import union_sizes
from raypipe.kernels.tanimoto import Neighbours, SimilarityIndex, build_index, work
from raypipe.kernels.ties import Asked
from raypipe.kernels.topk import best_of_rows
from raypipe.ladder import FILL_UP, LEARNED, SOURCES, Rung, fixed_ladder, rungs_of
from raypipe.memory import BLENDED, Fit, blend_length, fit_tasks, refuse_what_is_too_large
from raypipe.reasons import Reasons, reasons_of
from raypipe.rejections import Rejections

_REFUSED_SCHEMA = pa.schema(
    [(SOURCE, pa.string()), ("reason", pa.string()), ("candidates", pa.int64())]
)

#: Candidates held at a time, at about 20 bytes each; a single account may have more.
_BATCH = 2_000_000
#: Nanoseconds that the ranker takes for a candidate, features and all.
_RANKED = 1100.0

Refused = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Night:
    """What every shard needs, put into the object store once.

    Attributes:
        followees: whom every account follows.
        followers: int32[n], number of followers of every account.
        follower_rows: who they are.
        refusals: who else is not shown to whom.
        index: the follows prepared for neighbour search, without those of hubs left out; in blocks
            that the tasks prepare, where a task may not hold the whole. None: nobody will search.
        hubs_left_out: accounts with more followers than the config lets into the search; where
            there are none, the search is exact.
        sources: by name, those that are ready for any account; similar needs its neighbours first.
        ladder: which of the sources lead for whom.
        accounts: int32, the audience, ascending; a shard is a range of its positions.
        config: of the run.
        around: the graph, as a ranker sees it; None: there is to be none.
        ranker: of the learned blend; None: there is none.
        shard_accounts: at most so many in a shard, for the memory of a task; None: no limit.
        rejected: whom every account has rejected, where that teaches; else None.
    """

    followees: Adjacency
    followers: np.ndarray
    follower_rows: Adjacency
    refusals: Refusals
    index: SimilarityIndex | ColumnBlocks | None
    hubs_left_out: int
    sources: dict[str, Source]
    ladder: tuple[Rung, ...]
    accounts: np.ndarray
    config: RunConfig
    around: Surroundings | None = None
    ranker: Ranker | None = None
    shard_accounts: int | None = None
    rejected: Adjacency | None = None


def prepare(
    graph: FollowGraph,
    accounts: np.ndarray,
    config: RunConfig,
    available: float = math.inf,
    model: FactorModel | None = None,
    ladder: tuple[Rung, ...] | None = None,
    search: bool = True,
    refusals: Refusals | None = None,
    rejections: Rejections | None = None,
    ranker: Ranker | None = None,
) -> Night:
    """What the shards of a night need of its graph.

    Args:
        accounts: int32, the audience.
        available: bytes of memory that are free here.
        model: of the graph, for phase 3; without one there is none.
        ladder: which sources lead for whom; None: the phases by number of follows.
        search: will neighbours be asked for? If not, nothing is prepared for that.
        refusals: who is not shown to whom, beside followees; None: there is nobody.
        rejections: that teach; None: there are none.
        ranker: for the learned blend; without one there is none.

    Raises:
        TooLargeError: that is too little, or ``memory_per_task`` is; nothing is built then.
    """
    if model is not None:  # its factors are copied, of those that can be recommended
        available -= model.factors.followee_factors.nbytes
    found = searched_graph(graph, len(accounts), config, available)
    refusals = refusals or no_refusals(graph.accounts)
    least, hidden = config.candidates.min_followers, refusals.hidden
    learns = config.blend.combine == LEARNED
    sources: list[Source] = [
        popular.Popular.of(graph, hidden, rejections, config.rejections.popular),
        follow_back.FollowBack.of(graph, least, hidden),
        two_hop.TwoHop.of(graph, config.two_hop, least, hidden),
        co_followed.CoFollowed.of(graph, config.co_followed, least, hidden),
    ]
    if model is not None:
        sources.append(factors.Factors.of(model, graph, least, hidden))
    return Night(
        followees=graph.followees,
        followers=graph.followers.degrees.astype(np.int32),
        follower_rows=graph.followers,
        refusals=refusals,
        index=_index(found) if search else None,
        hubs_left_out=found.hubs_left_out,
        sources={source.name: source for source in sources},
        ladder=ladder or fixed_ladder(config, trained=model is not None),
        accounts=accounts,
        config=config,
        around=_around(graph, config) if learns else None,
        ranker=ranker,
        shard_accounts=found.fit.shard_accounts,
        rejected=None if rejections is None else rejections.rows,
    )


def _around(graph: FollowGraph, config: RunConfig) -> Surroundings:
    return Surroundings.of(graph, config.two_hop.max_follows, config.co_followed.max_follows)


def _index(searched: Searched) -> SimilarityIndex | ColumnBlocks:
    if searched.fit.blocks:
        return ColumnBlocks(searched.followees, searched.fit.blocks)
    return build_index(*searched.followees, *searched.followers)


class Searched(NamedTuple):
    """What neighbours are looked for in.

    Attributes:
        followees, followers: both sides of the graph, without the hubs that are left out.
        hubs_left_out: how many these are.
        fit: how it fits into the memory of tasks.
    """

    followees: Adjacency
    followers: Adjacency
    hubs_left_out: int
    fit: Fit


def searched_graph(
    graph: FollowGraph, audience: int, config: RunConfig, available: float
) -> Searched:
    """What neighbours are looked for in, if its index is not too large to be built.

    Args:
        audience: number of accounts that get lists.
        available: bytes of memory that are free here.

    Raises:
        TooLargeError: that is too little, or ``memory_per_task`` is.
    """
    cap = config.similar.max_followers_in_similarity
    is_hub = np.zeros(graph.accounts, bool) if cap is None else graph.followers.degrees > cap
    sides = graph.followees, graph.followers
    if is_hub.any():
        sides = without_hubs(graph.followees, is_hub)
    fit = fit_tasks(*sides, audience, config)
    refuse_what_is_too_large(fit, available, config)
    return Searched(*sides, int(np.count_nonzero(is_hub)), fit)


def column_blocks(night: Night) -> tuple[np.ndarray, ...]:
    """int32[...] each, the accounts of a block; none where there is one index of all."""
    return night.index.blocks if isinstance(night.index, ColumnBlocks) else ()


def estimate_work(night: Night, asked: Collection[str] | None = None) -> np.ndarray:
    """float64[audience]: nanoseconds of each account, on a machine that may not be this one.

    Args:
        asked: names of sources that are asked for a list of every account; None: those of a night,
            which searches neighbours for all, and asks who leads on the ladder.
    """
    accounts = night.accounts
    found = np.zeros(len(accounts))
    if asked is None or similar.NAME in asked:
        if column_blocks(night):
            of_search = work_in_blocks(night.index)
        else:
            of_search = work(night.index, night.config.similar.threshold_fraction)
        found += of_search[accounts]
    found += work_of_list(night.config) * (1 if asked is None else len(asked))
    rungs = rungs_of(night.ladder, night.followees.degrees_of(accounts))
    for name, source in night.sources.items():
        leads = np.array([_is_asked(rung, name) for rung in night.ladder])
        theirs = np.flatnonzero(leads[rungs]) if asked is None else np.arange(len(accounts))
        if asked is None or name in asked:
            found[theirs] += source.work(accounts[theirs])
    if asked is None:
        found += np.array([work_of_blend(rung, night.config) for rung in night.ladder])[rungs]
    return found


def _is_asked(rung: Rung, name: str) -> bool:
    """Is a source asked for the list of every account on a rung? What fills up mostly is not."""
    return name == rung.sources[0] if rung.how == FILL_UP else name in rung.sources


def work_of_blend(rung: Rung, config: RunConfig) -> float:
    """Nanoseconds of scoring the candidates of one account on this rung together."""
    if rung.how != LEARNED:
        return 0.0
    return _RANKED * len(rung.sources) * blend_length(config)


def work_of_list(config: RunConfig) -> float:
    """Nanoseconds of making one list of recommendations and their reasons, beside the search."""
    return 300.0 * config.recommendations.per_account


def warm_up(_: object = None) -> None:
    """Import, and load what was compiled: for a worker to do before its first shard comes."""
    rows = Adjacency(np.array([0, 1, 2, 2]), np.array([2, 2], np.int32))
    graph = FollowGraph(pa.array("abc", pa.large_string()), rows, transpose(rows), "")
    recommend_shard(prepare(graph, np.arange(3, dtype=np.int32), RunConfig()), (0, 3))


def nearest(night: Night, accounts: np.ndarray) -> Neighbours:
    """The neighbours of some accounts, exact where no hub is left out."""
    k, threshold = night.config.similar.neighbours, night.config.similar.threshold_fraction
    if night.hubs_left_out:
        return capped_neighbours(night.index, night.followees, accounts, k, threshold)
    return neighbours_in(night.index, accounts, k, threshold)


@dataclass(frozen=True)
class ShardResult:
    """The lists of one shard, accounts as codes.

    Attributes:
        shard: (start, stop), positions in the audience.
        tables: ``neighbours``: account, rank, other, score; ``recommendations``: account, rank,
            other, score, source (its place in SOURCES), and the columns of ``reasons.Reasons``;
            ``refused``: source, reason, candidates.
    """

    shard: tuple[int, int]
    tables: dict[str, pa.Table]


def recommend_shard(night: Night, shard: tuple[int, int]) -> ShardResult:
    """Neighbours, then candidates, then who may be shown, then the n best, of one shard."""
    return make_lists(night, shard, nearest(night, night.accounts[slice(*shard)]))


def make_lists(night: Night, shard: tuple[int, int], near: Neighbours) -> ShardResult:
    """What follows when the neighbours of a shard are there."""
    accounts = night.accounts[slice(*shard)]
    lists, refused = recommend_to(night, accounts, near)
    tables = {
        "neighbours": _long_table(accounts, near.counts, near.codes, near.scores),
        "recommendations": _long_table(
            accounts,
            lists.counts,
            lists.codes,
            lists.scores,
            lists.sources,
            why_recommended(night, accounts, lists, near),
        ),
        "refused": pa.table(
            {
                SOURCE: [source for source, _ in refused],
                "reason": [reason for _, reason in refused],
                "candidates": list(refused.values()),
            },
            _REFUSED_SCHEMA,
        ),
    }
    return ShardResult(shard, tables)


def why_recommended(
    night: Night, accounts: np.ndarray, lists: ranking.Recommendations, near: Neighbours
) -> Reasons:
    """The reason of every entry of the lists of some accounts."""
    asked = Asked(accounts, accounts, night.followees, night.refusals.rows)
    hidden = night.refusals.hidden
    return reasons_of(
        asked, lists.counts, lists.codes, near, night.followees, night.follower_rows, hidden
    )


def recommend_to(
    night: Night, accounts: np.ndarray, near: Neighbours
) -> tuple[ranking.Recommendations, Refused]:
    """The lists of some accounts, and how many candidates were refused by (source, reason).

    Args:
        near: the neighbours of the accounts.
    """
    made = [
        _recommend_batch(night, accounts[batch], Neighbours(*(array[batch] for array in near)))
        for batch in batches(night, accounts, near)
    ]
    lists = ranking.Recommendations(
        *(np.concatenate(arrays) for arrays in zip(*(lists for lists, _ in made), strict=True))
    )
    return lists, sum((counts for _, counts in made), Counter())


def _recommend_batch(
    night: Night, accounts: np.ndarray, near: Neighbours
) -> tuple[ranking.Recommendations, Refused]:
    """The lists of some accounts, and how many candidates were refused by (source, reason)."""
    lists = ranking.empty_lists(len(accounts), night.config.recommendations.per_account)
    refused: Refused = Counter()
    rungs = rungs_of(night.ladder, night.followees.degrees_of(accounts))
    for place in np.unique(rungs):
        rung = night.ladder[place]
        members = np.flatnonzero(rungs == place)
        step = len(members) if rung.how == FILL_UP else BLENDED
        for start in range(0, len(members), step):
            some = members[start : start + step]
            sources = sources_of_rung(night, rung, Neighbours(*(array[some] for array in near)))
            if rung.how == FILL_UP:
                found, counts = _climb(night, accounts[some], sources)
            else:
                found, counts = _blend(night, accounts[some], rung, sources)
            ranking.put(lists, some, found)
            refused += counts
    return lists, refused


def sources_of_rung(night: Night, rung: Rung, near: Neighbours) -> list[Source]:
    """Those of a rung, in order, for the accounts whose neighbours are given."""
    of_neighbours = similar.Similar(night.followees, near, night.rejected, night.config.rejections)
    sources = {**night.sources, similar.NAME: of_neighbours}
    return [sources[name] for name in rung.sources]


def _climb(
    night: Night, accounts: np.ndarray, sources: list[Source]
) -> tuple[ranking.Recommendations, Refused]:
    """Each source fills up what those before it have left short."""
    n = night.config.recommendations.per_account
    lists = ranking.empty_lists(len(accounts), n)
    refused: Refused = Counter()
    for source in sources:
        wanted = np.where(lists.counts < n, n, 0)
        candidates, eligible = _ask(night, accounts, source, wanted, refused)
        lists = ranking.fill_from(lists, SOURCES.index(source.name), candidates, eligible)
    return lists, refused


def _blend(
    night: Night, accounts: np.ndarray, rung: Rung, sources: list[Source]
) -> tuple[ranking.Recommendations, Refused]:
    """The best of what all sources bring, scored together."""
    merged, refused = merged_candidates(night, accounts, sources)
    scores = blend_scores(night, accounts, rung, merged)
    n = night.config.recommendations.per_account
    return best_of(night, rung, merged, scores, n), refused


def blend_scores(night: Night, accounts: np.ndarray, rung: Rung, merged: Merged) -> np.ndarray:
    """float64[c]: of what several sources bring, by the ranker or by weights, as the rung says."""
    if rung.how == LEARNED:
        return learned_scores(night.ranker, night.around, accounts, merged)
    weights = night.config.blend.weights.model_dump()
    return fixed_scores([weights[name] for name in rung.sources], merged)


def best_of(
    night: Night, rung: Rung, merged: Merged, scores: np.ndarray, n: int
) -> ranking.Recommendations:
    """The n best of a blend, with no more from one source than the night's lists may have."""
    places = np.array([SOURCES.index(name) for name in rung.sources])
    numerator, denominator = night.config.blend.most_fraction
    most = max(1, night.config.recommendations.per_account * numerator // denominator)
    return ranking.best_of_blend(merged, scores, places, n, most)


def merged_candidates(
    night: Night, accounts: np.ndarray, sources: list[Source]
) -> tuple[Merged, Refused]:
    """Whom a blend looks at: the best eligible candidates of each source, for some accounts."""
    length = blend_length(night.config)
    refused: Refused = Counter()
    wanted = np.full(len(accounts), length)
    best = []
    for source in sources:
        candidates, eligible = _ask(night, accounts, source, wanted, refused)
        best.append(best_of_rows(*candidates, eligible, length))
    lists = (np.stack(arrays) for arrays in zip(*best, strict=True))
    return merge(*lists, len(night.followers)), refused


def _ask(
    night: Night, accounts: np.ndarray, source: Source, wanted: np.ndarray, refused: Refused
) -> tuple[Candidates, np.ndarray]:
    """So many candidates of a source at least, and who of them may be shown: bool[candidates].

    Those who may not are counted in ``refused``.
    """
    enough = wanted + at_most_refused(night.followees, night.refusals, accounts)
    candidates = source(accounts, np.where(wanted > 0, enough, 0))
    reasons = filter_reasons(
        night.followees,
        night.followers,
        night.refusals,
        accounts,
        candidates,
        night.config.candidates.min_followers,
    )
    for reason, count in count_reasons(reasons).items():
        refused[source.name, reason] += count
    return candidates, reasons == FilterReason.ELIGIBLE


def batches(
    night: Night, accounts: np.ndarray, near: Neighbours, most: int | None = None
) -> Iterator[slice]:
    """Ranges of the accounts with at most _BATCH candidates each, or one account.

    Args:
        most: accounts of a range; None: no limit.
    """
    sizes = union_sizes(night.followees, near.counts, near.codes)
    sizes += at_most_refused(night.followees, night.refusals, accounts)
    sizes += night.config.recommendations.per_account
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
