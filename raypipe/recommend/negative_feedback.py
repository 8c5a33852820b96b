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
    """

    rows: Adjacency
    shown: np.ndarray


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
