"""Features of a candidate: its scores and ranks by source, and the links of the two accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.pair_features import SHARED, count_shared
from raypipe.kernels.reciprocity import returned_follows

#: Per source: the score of the candidate, its share of the best score for the account, its rank.
OF_A_SOURCE = ("score", "relative", "rank")
#: Per account and candidate: number of follows, number of followers, and the share of each that is
#: returned.
OF_AN_ACCOUNT = ("follows", "followers", "follows_returned", "followers_returned")


@dataclass(frozen=True)
class GraphFeatures:
    """The graph as the features need it.

    Attributes:
        followees, followers: both sides of a graph of n accounts.
        returned: int32[n], number of followees of every account that follow it back.
        out, back: bool[n], the intermediaries of walks through followees and through followers.
    """

    followees: Adjacency
    followers: Adjacency
    returned: np.ndarray
    out: np.ndarray
    back: np.ndarray

    @classmethod
    def of(
        cls, graph: FollowGraph, max_out: int | None = None, max_back: int | None = None
    ) -> GraphFeatures:
        """The features of a graph; holds its arrays, not copies.

        Args:
            max_out, max_back: maximum number of follows of an intermediary; None: no limit.
        """
        follows = graph.followees.degrees
        out, back = (
            np.full(len(follows), True) if limit is None else follows <= limit
            for limit in (max_out, max_back)
        )
        returned = returned_follows(graph.followees, graph.followers)
        return cls(graph.followees, graph.followers, returned, out, back)


def feature_names(parts: Sequence[str]) -> tuple[str, ...]:
    """The columns of :func:`features`, for a blend of these sources.

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
    """float64[c, features]: one row per candidate, one column per name of :func:`feature_names`.

    Args:
        accounts: int32[m].
        union: the candidates of these accounts, with scores and ranks by source.
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
    """float64[..., 4]: the columns OF_AN_ACCOUNT; a share is 0 where it is undefined."""
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
