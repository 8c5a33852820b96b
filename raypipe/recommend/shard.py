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
from raypipe.kernels.candidate_union import Merged, merge
from raypipe.kernels.capped import capped_neighbours
from raypipe.kernels.column_blocks import neighbours_in
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.neighbourhood import union_sizes
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.ties import Asked
from raypipe.kernels.topk import best_of_rows
from raypipe.recommend import ranking
from raypipe.recommend.blend.scores import fixed_scores, learned_scores
from raypipe.recommend.context import Night, prepare
from raypipe.recommend.filters.eligibility import (
    FilterReason,
    at_most_refused,
    count_reasons,
    filter_reasons,
)
from raypipe.recommend.ladder import FILL_UP, LEARNED, SOURCES, Rung, rungs_of
from raypipe.recommend.memory import BLENDED, blend_length
from raypipe.recommend.reasons import Reasons, reasons_of
from raypipe.recommend.sources import Candidates, Source, similar

_REFUSED_SCHEMA = pa.schema(
    [(SOURCE, pa.string()), ("reason", pa.string()), ("candidates", pa.int64())]
)

#: Candidates held at a time, at about 20 bytes each; a single account may have more.
_BATCH = 2_000_000

#: Candidates by (source, reason).
Refused = Counter[tuple[str, str]]


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
