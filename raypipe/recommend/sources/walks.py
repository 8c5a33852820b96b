"""The sources of two steps: walks through the followees, or the followers, of an account."""

from dataclasses import dataclass

import numpy as np

from raypipe.config import TwoStepConfig
from raypipe.config.sources import CoFollowedConfig, TwoHopConfig
from raypipe.graph.degree_table import Degrees
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.topk import TieRule
from raypipe.kernels.walks import NS_PER_WALK, best_of_walks, count_walks, weights_of
from raypipe.recommend.sources import NO_INPUTS, Candidates, SourceInputs, SourceSpec


@dataclass(frozen=True)
class Walks:
    """Retrieves the accounts that the intermediaries of an account follow.

        score(a, c) = sum of weights[b] over the intermediaries b of a that follow c

    Attributes:
        intermediaries: the intermediaries of every account.
        weights: float64[n], of every account as an intermediary; 0 for one that is skipped.
    """

    intermediaries: Adjacency
    followees: Adjacency
    weights: np.ndarray
    retrieved: np.ndarray
    tie_rule: TieRule

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        walks = count_walks(self.intermediaries, self.followees, self.weights, accounts)
        return np.asarray(NS_PER_WALK * walks)

    def __call__(
        self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours | None = None
    ) -> Candidates:
        return best_of_walks(
            self.intermediaries,
            self.followees,
            self.weights,
            self.retrieved,
            accounts,
            wanted,
            self.tie_rule,
        )


def estimate_from_degrees(degrees: Degrees, limit: int | None, through: str) -> np.ndarray:
    """float64: nanoseconds of an account with each number of follows; only degrees are known.

    The followers of an account are assumed not to depend on its follows.
    """
    numbers, accounts = degrees.of_follows
    of_followee, of_follower = degrees.walks_per_follow
    kept = numbers**2.0 * accounts
    left = 1.0 if limit is None else kept[numbers <= limit].sum() / max(1.0, kept.sum())
    if through == "followees":
        return np.asarray(NS_PER_WALK * left * of_followee * numbers)
    followers = degrees.follows / max(1, degrees.accounts)
    return np.full(len(numbers), NS_PER_WALK * left * of_follower * followers)


def two_hop(graph: FollowGraph, config: TwoStepConfig, inputs: SourceInputs = NO_INPUTS) -> Walks:
    """Retrieves the ``wanted[i]`` best of the accounts that the followees of account i follow.

        score(a, c) = sum of weights[b] over the b that a follows and that follow c

    Source:
        Adamic and Adar (2003), "Friends and neighbors on the Web", Social Networks 25, for an
        intermediary that weighs less the more it is connected.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ab ac bx by cx")
        >>> source = two_hop(graph, TwoStepConfig(intermediary_weight="none"))
        >>> found = source(np.array([graph.code("a")]), np.array([1]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['x'], [2.0])
    """
    return _walks(inputs.own_follows(graph), graph, config, inputs)


def co_followed(
    graph: FollowGraph, config: TwoStepConfig, inputs: SourceInputs = NO_INPUTS
) -> Walks:
    """Retrieves the ``wanted[i]`` best of the accounts that the followers of account i follow.

        score(a, c) = sum of weights[b] over the b that follow both a and c

    Source:
        Small (1973), "Co-citation in the scientific literature", JASIS 24; weighted as two_hop is.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ba bx ca cx da")
        >>> source = co_followed(graph, TwoStepConfig(intermediary_weight="none"))
        >>> found = source(np.array([graph.code("a")]), np.array([9]))
        >>> {graph.ids[c].as_py(): s for c, s in zip(found.codes, found.scores.tolist())}
        {'a': 3.0, 'x': 2.0}
    """
    return _walks(graph.followers, graph, config, inputs)


def _walks(
    intermediaries: Adjacency, graph: FollowGraph, config: TwoStepConfig, inputs: SourceInputs
) -> Walks:
    """Walks through these intermediaries; holds the graph's arrays, not copies."""
    limit = config.max_intermediary_follows
    return Walks(
        intermediaries,
        graph.followees,
        weights_of(graph.followees.degrees, config.intermediary_weight, limit),
        inputs.retrieved_from(graph),
        graph.tie_rule,
    )


TWO_HOP = SourceSpec(
    "two_hop",
    "followed by the account's followees",
    two_hop,
    TwoHopConfig,
    walks_through="followees",
    estimate_from_degrees=lambda degrees, config: estimate_from_degrees(
        degrees, config.sources.two_hop.max_intermediary_follows, "followees"
    ),
)
CO_FOLLOWED = SourceSpec(
    "co_followed",
    "followed by the account's followers",
    co_followed,
    CoFollowedConfig,
    walks_through="followers",
    estimate_from_degrees=lambda degrees, config: estimate_from_degrees(
        degrees, config.sources.co_followed.max_intermediary_follows, "followers"
    ),
)
