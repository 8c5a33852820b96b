"""Features and scores of a candidate union: rank fusion by weights, or a learned ranker."""

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
from raypipe.kernels.trees import score
from raypipe.recommend.blend.ranker import Ranker

#: Added to each rank: a larger value makes the first ranks less important. The paper uses 60, for
#: long lists of documents; 10 recovers more follows on three networks.
_RANK = 10


def fixed_scores(weights: Sequence[float], union: CandidateUnion) -> np.ndarray:
    """float64[c]: scores by rank fusion, from the ranks and the weights of the sources.

        score(c) = sum of weight(s) / (10 + rank of c in s) over the sources s that retrieve c

    with ranks from 1; the sum runs in the order of the sources.

    Source:
        Cormack, Clarke and Buettcher (2009), "Reciprocal rank fusion outperforms Condorcet and
        individual rank learning methods", SIGIR.

    Example:
        >>> from raypipe.kernels.candidate_union import unite
        >>> codes = np.array([[[7, 3]], [[3, 5]]], dtype=np.int32)
        >>> union = unite(np.array([[2], [2]]), codes, np.ones((2, 1, 2)), 8)
        >>> fixed_scores([1.0, 0.5], union).round(4).tolist()
        [0.0909, 0.1288, 0.0417]
    """
    scores = np.zeros(len(union.codes))
    for source, weight in enumerate(weights):
        ranks = union.ranks[:, source]
        scores += np.where(ranks < union.length, weight / (_RANK + 1 + ranks), 0.0)
    return scores


def learned_scores(
    ranker: Ranker, graph_features: GraphFeatures, accounts: np.ndarray, union: CandidateUnion
) -> np.ndarray:
    """float64[c]: the score that the ranker gives each candidate."""
    return score(ranker.binned, features(graph_features, accounts, union))


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
    """
    return pair_features(graph_features, accounts, union).T
