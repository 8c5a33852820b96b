"""Follow back: who follows an account and is not followed by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from raypipe.candidates import Candidates
from raypipe.graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.followers_back import best_not_followed

NAME = "follow_back"

#: Nanoseconds for each follower and followee that is looked at.
_NANOSECONDS = 3.0


@dataclass(frozen=True)
class FollowBack:
    """Brings the ``wanted[i]`` best followers of account i that it does not follow.

        score(a, c) = number of followers of c, for each c that follows a

    All of them follow the account; among them those that most others follow come first, as
    everywhere: an account of many followers is more often followed back.

    Attributes:
        followees, followers: both sides of the graph.
        popularity: float64[n], number of followers of every account.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("abcd"), "followingId": list("baac")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> found = FollowBack.of(graph)(np.array([graph.code("a")]), np.array([5]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['c'], [1.0])
    """

    followees: Adjacency
    followers: Adjacency
    popularity: np.ndarray
    name: ClassVar[str] = NAME

    @classmethod
    def of(cls, graph: FollowGraph) -> FollowBack:
        """The source, made from a graph; holds its arrays, not copies."""
        return cls(graph.followees, graph.followers, graph.followers.degrees.astype(np.float64))

    def work(self, accounts: np.ndarray) -> np.ndarray:
        read = self.followees.degrees_of(accounts) + self.followers.degrees_of(accounts)
        return _NANOSECONDS * read

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        return Candidates(
            *best_not_followed(self.followees, self.followers, self.popularity, accounts, wanted)
        )
