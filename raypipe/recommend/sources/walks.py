"""What the sources of two steps share: the walk through intermediary accounts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raypipe.config import TwoStepConfig
from raypipe.graph.degree_table import Degrees
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


def estimate_from_degrees(degrees: Degrees, limit: int | None, through: str) -> np.ndarray:
    """float64: nanoseconds of an account with each number of follows; only degrees are known.

    The followers of an account are assumed not to depend on its follows.

    Args:
        limit: maximum number of follows of an intermediary.
        through: the side of the intermediaries, ``followees`` or ``followers``.
    """
    numbers, accounts = degrees.of_follows
    of_followee, of_follower = degrees.walks_per_follow
    kept = numbers**2.0 * accounts
    left = 1.0 if limit is None else kept[numbers <= limit].sum() / max(1.0, kept.sum())
    if through == "followees":
        return np.asarray(NS_PER_WALK * left * of_followee * numbers)
    followers = degrees.follows / max(1, degrees.accounts)
    return np.full(len(numbers), NS_PER_WALK * left * of_follower * followers)


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
