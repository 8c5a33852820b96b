"""Features of a candidate: its scores and ranks by source, and the links of the two accounts."""

from collections.abc import Sequence

import numpy as np

from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.pair_features import (
    OF_A_SOURCE,
    OF_AN_ACCOUNT,
    SHARED,
    GraphFeatures,
    pair_features,
)


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
    return pair_features(graph_features, accounts, union).T
