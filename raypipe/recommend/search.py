"""The neighbour search: the follows that it reads, its memory, and the neighbours that it finds."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.capped import capped_neighbours, without_hubs
from raypipe.kernels.column_blocks import ColumnBlocks, neighbours_in
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.similarity_index import SimilarityIndex, build_index
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.memory import Fit, fit_tasks, refuse_what_is_too_large


@dataclass(frozen=True)
class NeighbourSearch:
    """What tasks need to find the neighbours of accounts.

    Attributes:
        index: the follows prepared for the search, without those of hubs that are left out; in
            column blocks, which the tasks build, where a task may not hold all of it.
        hubs_left_out: number of accounts with more followers than ``max_followers``; the search is
            exact where it is 0.
        neighbours: maximum number of neighbours of an account.
        threshold: a neighbour is more similar than this (numerator, denominator).
    """

    index: SimilarityIndex | ColumnBlocks
    hubs_left_out: int
    neighbours: int
    threshold: tuple[int, int]

    @property
    def blocks(self) -> tuple[np.ndarray, ...]:
        """int32[...] each, the accounts of a column block; empty for one index of all accounts."""
        return self.index.blocks if isinstance(self.index, ColumnBlocks) else ()

    def nearest(self, followees: Adjacency, accounts: np.ndarray) -> Neighbours:
        """The neighbours of some accounts, exact where no hub is left out.

        Args:
            followees: the accounts that every account follows, hubs too.
        """
        query = accounts, self.neighbours, self.threshold
        if self.hubs_left_out:
            return capped_neighbours(self.index, followees, *query)
        return neighbours_in(self.index, *query)


class SearchedGraph(NamedTuple):
    """The follows that the neighbour search reads.

    Attributes:
        followees, followers: both sides of the graph, without the hubs that are left out.
    """

    followees: Adjacency
    followers: Adjacency
    hubs_left_out: int
    fit: Fit


def searched_graph(
    graph: FollowGraph, audience: int, config: RunConfig, available: float
) -> SearchedGraph:
    """The follows that the search reads, after checking that their index fits into memory.

    Args:
        audience: number of accounts that get lists.
        available: free bytes of memory on this machine.

    Raises:
        TooLargeError: there is too little memory, or ``memory_per_task`` is too small.
    """
    limit = config.sources.similar.max_followers
    is_hub = np.zeros(graph.accounts, bool) if limit is None else graph.followers.degrees > limit
    sides = graph.followees, graph.followers
    if is_hub.any():
        sides = without_hubs(graph.followees, is_hub)
    fit = fit_tasks(*sides, audience, config)
    refuse_what_is_too_large(fit, available, config)
    return SearchedGraph(*sides, int(np.count_nonzero(is_hub)), fit)


def neighbour_search(searched: SearchedGraph, config: RunConfig) -> NeighbourSearch:
    """The search, its index built; column blocks are built by the tasks."""
    index = (
        ColumnBlocks(searched.followees, searched.fit.blocks)
        if searched.fit.blocks
        else build_index(searched.followees, searched.followers)
    )
    similar = config.sources.similar
    return NeighbourSearch(
        index, searched.hubs_left_out, similar.neighbours, similar.threshold_fraction
    )
