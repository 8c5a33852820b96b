"""What the shards of a night need of its graph, made once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.capped import without_hubs
from raypipe.kernels.column_blocks import ColumnBlocks
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.read_only import freeze
from raypipe.kernels.tanimoto import SimilarityIndex, build_index
from raypipe.recommend.blend.features import GraphFeatures
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.filters.eligibility import Exclusions, no_exclusions
from raypipe.recommend.ladder import LEARNED_RANKER, Tier, fixed_ladder
from raypipe.recommend.memory import Fit, fit_tasks, refuse_what_is_too_large
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.sources import Source, co_followed, factors, follow_back, popular, two_hop


@dataclass(frozen=True)
class ShardContext:
    """What every shard needs, put into the object store once; its arrays are read-only.

    Attributes:
        followees: whom every account follows.
        followers: int32[n], number of followers of every account.
        follower_rows: who they are.
        exclusions: who else is not shown to whom.
        index: the follows prepared for neighbour search, without those of hubs left out; in blocks
            that the tasks prepare, where a task may not hold the whole. None: nobody will search.
        hubs_left_out: accounts with more followers than the config lets into the search; where
            there are none, the search is exact.
        sources: by name, those that are ready for any account; similar needs its neighbours first.
        ladder: which of the sources lead for whom.
        accounts: int32, the audience, ascending; a shard is a range of its positions.
        config: of the run.
        graph_features: the graph, as a ranker sees it; None: there is to be none.
        ranker: of the learned blend; None: there is none.
        shard_accounts: at most so many in a shard, for the memory of a task; None: no limit.
        rejected: whom every account has rejected, where that teaches; else None.
    """

    followees: Adjacency
    followers: np.ndarray
    follower_rows: Adjacency
    exclusions: Exclusions
    index: SimilarityIndex | ColumnBlocks | None
    hubs_left_out: int
    sources: dict[str, Source]
    ladder: tuple[Tier, ...]
    accounts: np.ndarray
    config: RunConfig
    graph_features: GraphFeatures | None = None
    ranker: Ranker | None = None
    shard_accounts: int | None = None
    rejected: Adjacency | None = None

    def __post_init__(self) -> None:
        freeze(self)


def prepare(
    graph: FollowGraph,
    accounts: np.ndarray,
    config: RunConfig,
    available: float = math.inf,
    model: FactorModel | None = None,
    ladder: tuple[Tier, ...] | None = None,
    search: bool = True,
    exclusions: Exclusions | None = None,
    rejections: Rejections | None = None,
    ranker: Ranker | None = None,
) -> ShardContext:
    """What the shards of a night need of its graph.

    Args:
        accounts: int32, the audience.
        available: bytes of memory that are free here.
        model: of the graph, for phase 3; without one there is none.
        ladder: which sources lead for whom; None: the phases by number of follows.
        search: will neighbours be asked for? If not, nothing is prepared for that.
        exclusions: who is not shown to whom, beside followees; None: there is nobody.
        rejections: that teach; None: there are none.
        ranker: for the learned blend; without one there is none.

    Raises:
        TooLargeError: that is too little, or ``memory_per_task`` is; nothing is built then.
    """
    if model is not None:  # its factors are copied, of those that can be recommended
        available -= model.factors.followee_factors.nbytes
    found = searched_graph(graph, len(accounts), config, available)
    exclusions = exclusions or no_exclusions(graph.accounts)
    least, globally_excluded = config.candidates.min_followers, exclusions.globally_excluded
    learns = config.blend.method == LEARNED_RANKER
    sources: list[Source] = [
        popular.Popular.of(graph, globally_excluded, rejections, config.feedback.negative.popular),
        follow_back.FollowBack.of(graph, least, globally_excluded),
        two_hop.TwoHop.of(graph, config.sources.two_hop, least, globally_excluded),
        co_followed.CoFollowed.of(graph, config.sources.co_followed, least, globally_excluded),
    ]
    if model is not None:
        sources.append(factors.Factors.of(model, graph, least, globally_excluded))
    return ShardContext(
        followees=graph.followees,
        followers=graph.followers.degrees.astype(np.int32),
        follower_rows=graph.followers,
        exclusions=exclusions,
        index=_index(found) if search else None,
        hubs_left_out=found.hubs_left_out,
        sources={source.name: source for source in sources},
        ladder=ladder or fixed_ladder(config, trained=model is not None),
        accounts=accounts,
        config=config,
        graph_features=_graph_features(graph, config) if learns else None,
        ranker=ranker,
        shard_accounts=found.fit.shard_accounts,
        rejected=None if rejections is None else rejections.rows,
    )


def _graph_features(graph: FollowGraph, config: RunConfig) -> GraphFeatures:
    return GraphFeatures.of(
        graph,
        config.sources.two_hop.max_intermediary_follows,
        config.sources.co_followed.max_intermediary_follows,
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
    cap = config.sources.similar.max_followers
    is_hub = np.zeros(graph.accounts, bool) if cap is None else graph.followers.degrees > cap
    sides = graph.followees, graph.followers
    if is_hub.any():
        sides = without_hubs(graph.followees, is_hub)
    fit = fit_tasks(*sides, audience, config)
    refuse_what_is_too_large(fit, available, config)
    return Searched(*sides, int(np.count_nonzero(is_hub)), fit)


def column_blocks(context: ShardContext) -> tuple[np.ndarray, ...]:
    """int32[...] each, the accounts of a block; none where there is one index of all."""
    return context.index.blocks if isinstance(context.index, ColumnBlocks) else ()
