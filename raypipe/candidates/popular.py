"""Phase 1, popular: whom most accounts follow. All that a new account can get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from raypipe.candidates import Candidates
from raypipe.graph import FollowGraph

NAME = "popular"


@dataclass(frozen=True)
class Popular:
    """Brings the ``wanted[i]`` most followed accounts; the score is the number of followers.

    Attributes:
        order: int32, every account that somebody follows and that may be shown, most followers
            first, then by id.
        followers: int32[n], number of followers of every account.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("abc"), "followingId": list("ccb")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> found = Popular.of(graph)(np.array([0, 1]), np.array([1, 2]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['c', 'c', 'b'], [2.0, 2.0, 1.0])
    """

    order: np.ndarray
    followers: np.ndarray
    name: ClassVar[str] = NAME

    @classmethod
    def of(cls, graph: FollowGraph, hidden: np.ndarray | None = None) -> Popular:
        """The source, made from a graph.

        Args:
            hidden: [n], other than 0 for who is shown to nobody; None: there is nobody.
        """
        followers = graph.followers.degrees.astype(np.int32)
        order = np.argsort(-followers, kind="stable").astype(np.int32)
        order = order[: np.count_nonzero(followers)]
        return cls(order if hidden is None else order[hidden[order] == 0], followers)

    def work(self, accounts: np.ndarray) -> np.ndarray:
        return np.zeros(len(accounts))

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        wanted = np.minimum(wanted, len(self.order))
        indptr = np.concatenate([[0], np.cumsum(wanted)])
        places = np.arange(indptr[-1]) - np.repeat(indptr[:-1], wanted)
        codes = self.order[places]
        return Candidates(indptr, codes, self.followers[codes].astype(np.float64))
