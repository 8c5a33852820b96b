"""Phase 1, popular: whom most accounts follow. All that a new account can get."""

from __future__ import annotations

import numpy as np

from raypipe.candidates import Candidates
from raypipe.graph import FollowGraph

NAME = "popular"


def by_popularity(graph: FollowGraph) -> np.ndarray:
    """int32: every account that somebody follows, most followers first, then by id."""
    followers = graph.followers.degrees
    order = np.argsort(-followers, kind="stable").astype(np.int32)
    return order[: np.count_nonzero(followers)]


def popular(order: np.ndarray, followers: np.ndarray, wanted: np.ndarray) -> Candidates:
    """The ``wanted[i]`` most followed accounts for the i-th account; the score is the followers.

    Args:
        order: what :func:`by_popularity` made of the graph.
        followers: int32[n], number of followers of every account.
        wanted: int64[m].

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("abc"), "followingId": list("ccb")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> found = popular(by_popularity(graph), graph.followers.degrees, np.array([1, 2]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['c', 'c', 'b'], [2.0, 2.0, 1.0])
    """
    wanted = np.minimum(wanted, len(order))
    indptr = np.concatenate([[0], np.cumsum(wanted)])
    places = np.arange(indptr[-1]) - np.repeat(indptr[:-1], wanted)
    codes = order[places]
    return Candidates(indptr, codes, followers[codes].astype(np.float64))
