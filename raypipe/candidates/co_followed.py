"""Co-followed: whom the followers of an account follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from raypipe.candidates import Candidates, may_be_brought
from raypipe.config import MiddleConfig
from raypipe.graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.walks import NANOSECONDS, best_of_walks, count_walks, weights_of

NAME = "co_followed"


@dataclass(frozen=True)
class CoFollowed:
    """Brings the ``wanted[i]`` best of those whom the followers of account i follow.

        score(a, c) = sum of weights[b] over the b that follow both a and c

    Attributes:
        followees, followers: both sides of the graph.
        weights: float64[n], of every account in the middle; 0 for one that is not walked through.
        brought: bool[n], who is brought.

    Source:
        Small (1973), "Co-citation in the scientific literature", JASIS 24; weighted as two_hop is.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("bbccd"), "followingId": list("axaxa")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> source = CoFollowed.of(graph, MiddleConfig(weight="none"))
        >>> found = source(np.array([graph.code("a")]), np.array([9]))
        >>> {graph.ids[c].as_py(): s for c, s in zip(found.codes, found.scores.tolist())}
        {'a': 3.0, 'x': 2.0}
    """

    followees: Adjacency
    followers: Adjacency
    weights: np.ndarray
    brought: np.ndarray
    name: ClassVar[str] = NAME

    @classmethod
    def of(
        cls,
        graph: FollowGraph,
        config: MiddleConfig,
        min_followers: int = 0,
        hidden: np.ndarray | None = None,
    ) -> CoFollowed:
        """The source, made from a graph; holds its arrays, not copies.

        Args:
            min_followers: nobody with fewer is brought.
            hidden: [n], other than 0 for who is shown to nobody; None: there is nobody.
        """
        weights = weights_of(graph.followees.degrees, config.weight, config.max_follows)
        brought = may_be_brought(graph.followers.degrees, min_followers, hidden)
        return cls(graph.followees, graph.followers, weights, brought)

    def work(self, accounts: np.ndarray) -> np.ndarray:
        return NANOSECONDS * count_walks(self.followers, self.followees, self.weights, accounts)

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        return Candidates(
            *best_of_walks(
                self.followers, self.followees, self.weights, self.brought, accounts, wanted
            )
        )
