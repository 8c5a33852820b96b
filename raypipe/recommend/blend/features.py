"""What the ranker sees of a candidate: what the sources say, and how the two accounts stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.pair_features import SHARED, count_shared
from raypipe.kernels.reciprocity import returned_follows

#: Of a source: as it scores the candidate, as part of its best score for the account, and its rank.
OF_A_SOURCE = ("score", "relative", "rank")
#: Of the account (a) and of the candidate (c): how many they follow, how many follow them, and the
#: share of each that is returned.
OF_AN_ACCOUNT = ("follows", "followers", "follows_returned", "followers_returned")


@dataclass(frozen=True)
class GraphFeatures:
    """The graph, as the features need it.

    Attributes:
        followees, followers: both sides of a graph of n accounts.
        returned: int32[n], followees of every account that follow it too.
        out, back: bool[n], through whom is walked from a follower, and from a followee: those that
            ``two_hop`` and ``co_followed`` walk through.
    """

    followees: Adjacency
    followers: Adjacency
    returned: np.ndarray
    out: np.ndarray
    back: np.ndarray

    @classmethod
    def of(
        cls, graph: FollowGraph, most_out: int | None = None, most_back: int | None = None
    ) -> GraphFeatures:
        """Those of a graph; holds its arrays, not copies.

        Args:
            most_out, most_back: who follows more is not walked through; None: everybody is.
        """
        follows = graph.followees.degrees
        out, back = (
            np.full(len(follows), True) if most is None else follows <= most
            for most in (most_out, most_back)
        )
        returned = returned_follows(graph.followees, graph.followers)
        return cls(graph.followees, graph.followers, returned, out, back)


def feature_names(parts: Sequence[str]) -> tuple[str, ...]:
    """The columns of :func:`features`, of a blend of these sources.

    Example:
        >>> feature_names(["similar"])[:3]
        ('similar.score', 'similar.relative', 'similar.rank')
        >>> len(feature_names(["similar", "popular"]))
        19
    """
    return (
        *(f"{part}.{what}" for part in parts for what in OF_A_SOURCE),
        *(f"account.{what}" for what in OF_AN_ACCOUNT),
        *(f"candidate.{what}" for what in OF_AN_ACCOUNT),
        *SHARED,
    )


def features(
    graph_features: GraphFeatures, accounts: np.ndarray, union: CandidateUnion
) -> np.ndarray:
    """float64[c, features]: a row a candidate, a column each of :func:`feature_names`.

    Args:
        accounts: int32[m].
        union: what the sources say of their candidates.
    """
    rows, codes = union.rows, union.codes
    best = np.zeros((len(accounts), union.scores.shape[1]))
    first = np.nonzero(union.ranks == 0)
    best[rows[first[0]], first[1]] = union.scores[first]
    best = best[rows]
    relative = np.divide(union.scores, best, out=np.zeros_like(union.scores), where=best > 0)
    sources = np.stack([union.scores, relative, union.ranks], axis=2)
    sides, walked = (
        (graph_features.followees, graph_features.followers),
        (graph_features.out, graph_features.back),
    )
    shared = count_shared(*sides, *walked, accounts, union.indptr, codes)
    return np.column_stack(
        [
            sources.reshape(len(codes), 3 * union.scores.shape[1]),
            _of_accounts(graph_features, accounts)[rows],
            _of_accounts(graph_features, codes),
            shared,
        ]
    )


def _of_accounts(graph_features: GraphFeatures, accounts: np.ndarray) -> np.ndarray:
    """float64[..., 4]: the columns OF_AN_ACCOUNT; a share of nothing is 0."""
    follows = graph_features.followees.degrees_of(accounts)
    followers = graph_features.followers.degrees_of(accounts)
    returned = graph_features.returned[accounts]
    return np.stack(
        [
            follows,
            followers,
            returned / np.maximum(follows, 1),
            returned / np.maximum(followers, 1),
        ],
        axis=1,
    )
