"""Features of a candidate: its scores and ranks by source, and the links of the two accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.pair_features import OF_A_SOURCE, OF_AN_ACCOUNT, SHARED, pair_features
from raypipe.kernels.reciprocity import returned_follows


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

    The columns stand in memory one by one.

    Args:
        accounts: int32[m].
        union: the candidates of these accounts, with scores and ranks by source.
    """
    around = graph_features
    return pair_features(
        around.followees,
        around.followers,
        around.returned,
        around.out,
        around.back,
        accounts,
        union,
    ).T
