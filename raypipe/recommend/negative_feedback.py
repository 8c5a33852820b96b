"""Negative feedback: what a night learns from rejections, besides excluding the rejected pairs."""

from typing import NamedTuple

import numpy as np

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency, Pairs, find, subset


class Rejections(NamedTuple):
    """Rejections to learn from, for n accounts.

    Attributes:
        rows: the accounts that each account has rejected and does not follow.
        shown: int64[n], the number of accounts that each was recommended to before; 0 if unknown.
        only_heard: as ``rows``, of accounts whose rejections count for others; None: of all.
    """

    rows: Adjacency
    shown: np.ndarray
    only_heard: Adjacency | None = None

    @property
    def heard(self) -> Adjacency:
        """The rejections that count for others than the account that rejects."""
        return self.rows if self.only_heard is None else self.only_heard

    def heard_from(self, accounts: np.ndarray) -> "Rejections":
        """The same, where those of some accounts count for others; from bool[n].

        Example:
            >>> rows = Adjacency(np.array([0, 1, 2]), np.array([1, 0], np.int32))
            >>> found = Rejections(rows, np.zeros(2)).heard_from(np.array([True, False]))
            >>> found.rows.degrees.tolist(), found.heard.degrees.tolist()
            ([1, 1], [1, 0])
        """
        kept = np.repeat(accounts, self.rows.degrees)
        return self._replace(only_heard=subset(self.rows, kept))


def rejections_of(
    rejected: Adjacency, graph: FollowGraph, shown: np.ndarray | None = None
) -> Rejections:
    """The rejections to learn from: an account that follows a rejected one has changed its mind.

    Args:
        rejected: the accounts that each account of the graph has rejected.
        shown: int64[n]; None: unknown.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": ["a"], "followingId": ["b"]})
        >>> graph, _ = build_graph([encode(frame)], ["c"])
        >>> rejected = Adjacency(np.array([0, 2, 2, 2]), np.array([1, 2], np.int32))
        >>> rejections_of(rejected, graph).rows.codes.tolist()
        [2]
    """
    every = np.arange(graph.accounts, dtype=np.int32)
    accounts = np.repeat(every, rejected.degrees)
    followed = find(graph.followees, Pairs(accounts, rejected.codes, every)) >= 0
    if shown is None:
        shown = np.zeros(graph.accounts, np.int64)
    return Rejections(subset(rejected, ~followed), shown)
