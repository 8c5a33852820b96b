"""What a graph looks like, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raypipe.graph import FollowGraph


def graph_statistics(graph: FollowGraph) -> dict[str, Any]:
    """Counts, and ``describe()`` of the follows per follower and the followers per followee.

    Accounts without follows (or followers) are counted apart, and are not in the description:
    ``follows_per_follower`` is what ``follows.follow_metadata_statistics`` says of a frame without
    repeats.

    Example:
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aab"), "followingId": list("bcc")})
        >>> statistics = graph_statistics(build_graph([encode(frame)])[0])
        >>> statistics["accounts"], statistics["follows"], statistics["follows_per_follower"]["max"]
        (3, 3, 2.0)
    """
    follows, followers = graph.followees.degrees, graph.followers.degrees
    return {
        "accounts": graph.accounts,
        "follows": graph.follows,
        "wedges": wedges(graph),
        "accounts_without_follows": int(np.count_nonzero(follows == 0)),
        "accounts_without_followers": int(np.count_nonzero(followers == 0)),
        "follows_per_follower": _describe(follows[follows > 0]),
        "followers_per_followee": _describe(followers[followers > 0]),
    }


def wedges(graph: FollowGraph) -> int:
    """Pairs of follows that share a followee, ordered, self-pairs included: sum of in-degree^2.

    This is what comparing every account with every other costs without any shortcut.
    """
    followers = graph.followers.degrees
    return int(np.dot(followers, followers))


def _describe(degrees: np.ndarray) -> dict[str, float]:
    """pandas' ``describe()``; NaN, as the deviation of one number, becomes 0: JSON has none."""
    return {key: float(value) for key, value in pd.Series(degrees).describe().fillna(0.0).items()}
