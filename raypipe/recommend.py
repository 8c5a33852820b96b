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
from raypipe.candidates import Source, co_followed, factors, follow_back, popular, similar, two_hop
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
from raypipe.kernels.neighbourhood import union_sizes
from raypipe.kernels.tanimoto import Neighbours, SimilarityIndex, build_index, work
from raypipe.kernels.ties import Asked
from raypipe.ladder import SOURCES, Rung, fixed_ladder, rungs_of
from raypipe.memory import Fit, fit_tasks, refuse_what_is_too_large
from raypipe.reasons import Reasons, reasons_of

_REFUSED_SCHEMA = pa.schema(
    [(SOURCE, pa.string()), ("reason", pa.string()), ("candidates", pa.int64())]
)

#: Candidates held at a time, at about 20 bytes each; a single account may have more.
_BATCH = 2_000_000


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
        shard_accounts: at most so many in a shard, for the memory of a task; None: no limit.
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
    shard_accounts: int | None = None


def prepare(
    graph: FollowGraph,
    accounts: np.ndarray,
    config: RunConfig,
    available: float = math.inf,
    model: FactorModel | None = None,
    ladder: tuple[Rung, ...] | None = None,
    search: bool = True,
    refusals: Refusals | None = None,
) -> Night:
    """What the shards of a night need of its graph.

    Args:
        accounts: int32, the audience.
        available: bytes of memory that are free here.
        model: of the graph, for phase 3; without one there is none.
        ladder: which sources lead for whom; None: the phases by number of follows.
        search: will neighbours be asked for? If not, nothing is prepared for that.
        refusals: who is not shown to whom, beside followees; None: there is nobody.

    Raises:
        TooLargeError: that is too little, or ``memory_per_task`` is; nothing is built then.
    """
    if model is not None:  # its factors are copied, of those that can be recommended
        available -= model.factors.followee_factors.nbytes
    found = searched_graph(graph, len(accounts), config, available)
    refusals = refusals or no_refusals(graph.accounts)
    least, hidden = config.candidates.min_followers, refusals.hidden
    sources: list[Source] = [
        popular.Popular.of(graph, hidden),
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
        shard_accounts=found.fit.shard_accounts,
    )


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
    leads = np.array([rung.sources[0] for rung in night.ladder])[rungs]
    for name, source in night.sources.items():
        theirs = np.flatnonzero(leads == name) if asked is None else np.arange(len(accounts))
        if asked is None or name in asked:
            found[theirs] += source.work(accounts[theirs])
    return found


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
) -> tuple[ranking.Recommendations, Counter[tuple[str, str]]]:
    """The lists of some accounts, and how many candidates were refused by (source, reason).

    Args:
        near: the neighbours of the accounts.
    """
    batches = [
        _recommend_batch(night, accounts[batch], Neighbours(*(array[batch] for array in near)))
        for batch in _batches(night, accounts, near)
    ]
    lists = ranking.Recommendations(
        *(np.concatenate(arrays) for arrays in zip(*(lists for lists, _ in batches), strict=True))
    )
    return lists, sum((counts for _, counts in batches), Counter())


def _recommend_batch(
    night: Night, accounts: np.ndarray, near: Neighbours
) -> tuple[ranking.Recommendations, Counter[tuple[str, str]]]:
    """The lists of some accounts, and how many candidates were refused by (source, reason)."""
    lists = ranking.empty_lists(len(accounts), night.config.recommendations.per_account)
    refused: Counter[tuple[str, str]] = Counter()
    rungs = rungs_of(night.ladder, night.followees.degrees_of(accounts))
    for rung in np.unique(rungs):
        members = np.flatnonzero(rungs == rung)
        theirs = Neighbours(*(array[members] for array in near))
        sources = {**night.sources, similar.NAME: similar.Similar(night.followees, theirs)}
        climbing = [sources[name] for name in night.ladder[rung].sources]
        some, counts = _climb(night, accounts[members], climbing)
        ranking.put(lists, members, some)
        refused += counts
    return lists, refused


def _climb(
    night: Night, accounts: np.ndarray, sources: list[Source]
) -> tuple[ranking.Recommendations, Counter[tuple[str, str]]]:
    """The same for accounts of one rung: each source fills up what those before have left short."""
    n = night.config.recommendations.per_account
    least = night.config.candidates.min_followers
    lists = ranking.empty_lists(len(accounts), n)
    refused: Counter[tuple[str, str]] = Counter()
    enough = n + at_most_refused(night.followees, night.refusals, accounts)
    for source in sources:
        candidates = source(accounts, np.where(lists.counts < n, enough, 0))
        reasons = filter_reasons(
            night.followees, night.followers, night.refusals, accounts, candidates, least
        )
        eligible = reasons == FilterReason.ELIGIBLE
        lists = ranking.fill_from(lists, SOURCES.index(source.name), candidates, eligible)
        for reason, count in count_reasons(reasons).items():
            refused[source.name, reason] = count
    return lists, refused


def _batches(night: Night, accounts: np.ndarray, near: Neighbours) -> Iterator[slice]:
    """Ranges of the shard with at most _BATCH candidates each, or one account."""
    sizes = union_sizes(night.followees, near.counts, near.codes)
    sizes += at_most_refused(night.followees, night.refusals, accounts)
    sizes += night.config.recommendations.per_account
    done = np.concatenate([[0], np.cumsum(sizes)])
    start = 0
    while start < len(accounts):
        stop = int(np.searchsorted(done, done[start] + _BATCH, side="right")) - 1
        stop = max(stop, start + 1)
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
