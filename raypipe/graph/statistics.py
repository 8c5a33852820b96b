"""Statistics of a graph."""

import numpy as np
import pandas as pd

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Offsets
from raypipe.kernels.reciprocity import mutual_follows
from raypipe.kernels.triangles import count_triangles
from raypipe.storage.records import GraphStatistics


def graph_statistics(graph: FollowGraph) -> GraphStatistics:
    """Counts, and ``describe()`` of the follows per follower and the followers per followee.

    Accounts without follows (or followers) are counted separately, and are not in the description:
    ``follows_per_follower`` equals ``follows.follow_metadata_statistics`` of a frame without
    repeats.
    """
    follows, followers = graph.followees.degrees, graph.followers.degrees
    mutual = mutual_follows(graph.followees, graph.followers)
    return GraphStatistics(
        accounts=graph.accounts,
        follows=graph.follows,
        mutual_follows=mutual,
        reciprocity=round(2 * mutual / (graph.follows or 1), 4),
        co_follow_pairs=co_follow_pairs(graph),
        accounts_without_follows=int(np.count_nonzero(follows == 0)),
        accounts_without_followers=int(np.count_nonzero(followers == 0)),
        follows_per_follower=_describe(follows[follows > 0]),
        followers_per_followee=_describe(followers[followers > 0]),
    )


def triangle_statistics(graph: FollowGraph) -> dict[str, float]:
    """Triangles of the undirected graph, where a follow in either direction is an edge.

    ``transitivity`` is the share of pairs of edges at one account whose other ends are connected.
    ``mean_clustering`` is the mean of that share over the accounts, 0 for those with fewer than two
    edges.

    This takes longer than all other statistics, up to edges^1.5 steps, so runs skip it.

    Source:
        Watts and Strogatz (1998), "Collective dynamics of small-world networks", Nature 393.
    """
    degrees, triangles = count_triangles(graph.followees, graph.followers)
    pairs = degrees * (degrees - 1) // 2
    clustering = np.divide(triangles, pairs, where=pairs > 0, out=np.zeros(graph.accounts))
    return {
        "triangles": int(triangles.sum()) // 3,
        "transitivity": round(int(triangles.sum()) / (int(pairs.sum()) or 1), 4),
        "mean_clustering": round(float(clustering.sum()) / (graph.accounts or 1), 4),
    }


def co_follow_pairs(graph: FollowGraph) -> int:
    """Pairs of follows with the same followee, ordered, self-pairs included: sum of in-degree^2.

    This is the cost of comparing every account with every other without pruning.
    """
    followers = graph.followers.degrees
    return int(np.dot(followers, followers))


def _describe(degrees: Offsets) -> dict[str, float]:
    """pandas' ``describe()``; NaN (the deviation of one number) becomes 0, as JSON has no NaN."""
    return {
        str(key): float(value) for key, value in pd.Series(degrees).describe().fillna(0.0).items()
    }
