"""PageRank, personalised: the accounts that random walks from an account reach most."""

from dataclasses import dataclass

import numpy as np

from raypipe.config import RunConfig
from raypipe.config.sources import PageRankConfig
from raypipe.graph.degree_table import Degrees
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.push import Walk, best_by_push, max_steps, push_bytes, weighted_degrees
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.topk import TieRule
from raypipe.recommend.sources import NO_INPUTS, Candidates, SourceInputs, SourceSpec

#: Nanoseconds of a push for each follow that it reads, with the choice of the best.
_NS_PER_STEP = 25.0
#: Share of the maximum number of steps that a walk takes on average: measured on five networks of
#: 6,500 to a million accounts, between a fiftieth and a thirtieth.
_SHARE_OF_STEPS = 1 / 40


@dataclass(frozen=True)
class PageRank:
    """Retrieves the ``wanted[i]`` accounts that random walks from account i reach most.

    Scores, their bound and the source of the algorithm: see
    :func:`raypipe.kernels.push.best_by_push`. A walk steps from an account to one that it follows
    or, with another weight, to one that follows it. An account with more than 1 / epsilon links
    gets no candidates.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ab ac bd cd")
        >>> found = pagerank(graph)(np.array([graph.code("a")]), np.array([9]))
        >>> {graph.ids[c].as_py(): round(s, 2) for c, s in zip(found.codes, found.scores.tolist())}
        {'a': 0.56, 'b': 0.17, 'c': 0.17, 'd': 0.11}
    """

    walk: Walk
    retrieved: np.ndarray
    tie_rule: TieRule

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return np.where(self.walk.degrees[accounts] > 0, walking_ns(self.walk), 0.0)

    def __call__(
        self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours | None = None
    ) -> Candidates:
        return best_by_push(self.walk, self.retrieved, accounts, wanted, self.tie_rule)


def pagerank(
    graph: FollowGraph, config: PageRankConfig | None = None, inputs: SourceInputs = NO_INPUTS
) -> PageRank:
    """The source, prepared; holds the graph's arrays, not copies."""
    config = config or PageRankConfig()
    weight, own = config.backward_weight, inputs.own_follows(graph)
    degrees = weighted_degrees(own, graph.followers, weight)
    if len(own.codes) > graph.follows:  # a walk that cannot go on from where it arrives ends there
        degrees[np.setdiff1d(own.codes, np.flatnonzero(degrees))] = 1.0
    walk = Walk(own, graph.followers, degrees, weight, config.alpha, config.epsilon)
    return PageRank(walk, inputs.retrieved_from(graph), graph.tie_rule)


def walking_ns(walk: Walk | PageRankConfig) -> float:
    """Nanoseconds of the walk of one account, on a machine that may not be this one.

    Example:
        >>> walking_ns(PageRankConfig())
        25000.0
    """
    return _NS_PER_STEP * _SHARE_OF_STEPS * _max_steps(walk)


def _max_steps(walk: Walk | PageRankConfig) -> int:
    return max_steps(walk.alpha, walk.epsilon, walk.backward_weight)


def _estimate_from_degrees(degrees: Degrees, config: RunConfig) -> np.ndarray:
    return np.full(len(degrees.of_follows.numbers), walking_ns(config.sources.pagerank))


SPEC = SourceSpec(
    "pagerank",
    "reached most by random walks from the account, along follows both ways",
    pagerank,
    PageRankConfig,
    task_bytes=lambda _, config: push_bytes(_max_steps(config)),
    estimate_from_degrees=_estimate_from_degrees,
)
