"""What the sources of two steps share: the walk through intermediary accounts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raypipe.config import TwoStepConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.walks import NS_PER_WALK, best_of_walks, count_walks, weights_of
from raypipe.recommend.sources import Candidates, SourceInputs, may_be_retrieved


@dataclass(frozen=True)
class Walks:
    """Retrieves the accounts that the intermediaries of an account follow.

        score(a, c) = sum of weights[b] over the intermediaries b of a that follow c

    Attributes:
        intermediaries: the intermediaries of every account.
        followees: the accounts that every account follows.
        weights: float64[n], of every account as an intermediary; 0 for one that is skipped.
        retrieved: bool[n], the accounts that may be retrieved.
    """

    intermediaries: Adjacency
    followees: Adjacency
    weights: np.ndarray
    retrieved: np.ndarray

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        walks = count_walks(self.intermediaries, self.followees, self.weights, accounts)
        return np.asarray(NS_PER_WALK * walks)

    def __call__(
        self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours | None = None
    ) -> Candidates:
        return best_of_walks(
            self.intermediaries, self.followees, self.weights, self.retrieved, accounts, wanted
        )


def walks_through(
    intermediaries: Adjacency, graph: FollowGraph, config: TwoStepConfig, inputs: SourceInputs
) -> Walks:
    """The source that walks through these intermediaries; holds the graph's arrays, not copies."""
    limit = config.max_intermediary_follows
    return Walks(
        intermediaries,
        graph.followees,
        weights_of(graph.followees.degrees, config.intermediary_weight, limit),
        may_be_retrieved(graph.followers.degrees, inputs.min_followers, inputs.globally_excluded),
    )
