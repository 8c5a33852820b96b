"""Phase 1, popular: the most followed accounts. All that a new account can get."""

from dataclasses import dataclass

import numpy as np

from raypipe.config import SourceConfig
from raypipe.config.sources import PopularConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import transpose
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.sources import Candidates, SourceInputs, SourceSpec

#: Accounts assumed to have seen a candidate without rejecting it, besides the known ones.
SMOOTHING = 10


@dataclass(frozen=True)
class Popular:
    """Retrieves the ``wanted[i]`` most followed accounts; the score is the number of followers.

    With ``feedback.negative.popular``, rejections lower it: see :func:`lowered`.

    Attributes:
        order: int32, every account with followers that may be shown, largest score first, then by
            id.
        scores: float64[n], of every account.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ac bc cb")
        >>> found = popular(graph)(np.array([0, 1]), np.array([1, 2]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['c', 'c', 'b'], [2.0, 2.0, 1.0])
    """

    order: np.ndarray
    scores: np.ndarray

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return np.zeros(len(accounts))

    def __call__(
        self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours | None = None
    ) -> Candidates:
        wanted = np.minimum(wanted, len(self.order))
        indptr = np.concatenate([[0], np.cumsum(wanted)])
        ranks = np.arange(indptr[-1]) - np.repeat(indptr[:-1], wanted)
        codes = self.order[ranks]
        return Candidates(indptr, codes, self.scores[codes])


def lowered(
    followers: np.ndarray, shown: np.ndarray, rejecting: np.ndarray, weight: float
) -> np.ndarray:
    """float64[n]: numbers of followers, lowered by the share of rejections among impressions.

        score(c) = followers(c) * seen(c) / (seen(c) + weight * rejecting(c))
        seen(c)  = max(followers(c), shown(c)) + 10

    A follower of an account has seen it, too; the 10 stand for impressions that are not known. A
    coordinated group of k accounts can lower a score by less than ``weight * k`` followers, and by
    at most the share ``weight k / (seen + weight k)``, whatever was rejected before.

    Args:
        followers: [n], of every account.
        shown: int64[n], to how many accounts each was recommended.
        rejecting: int64[n], how many accounts have rejected each.
        weight: of a rejection.

    Example:
        >>> lowered(np.array([5, 90]), np.array([0, 190]), np.array([15, 100]), 1.0).tolist()
        [2.5, 60.0]
    """
    seen = np.maximum(followers, shown) + SMOOTHING
    return np.asarray(followers * (seen / (seen + weight * rejecting)))


def popular(
    graph: FollowGraph, config: SourceConfig | None = None, inputs: SourceInputs | None = None
) -> Popular:
    """The source, prepared."""
    inputs = inputs or SourceInputs()
    scores = graph.followers.degrees.astype(np.float64)
    rejections, weight = inputs.rejections, inputs.feedback.popular
    if rejections is not None and weight:
        rejecting = transpose(rejections.rows).degrees
        scores = lowered(scores, rejections.shown, rejecting, weight)
    order = np.argsort(-scores, kind="stable").astype(np.int32)
    order = order[: np.count_nonzero(scores)]
    if inputs.globally_excluded is not None:
        order = order[inputs.globally_excluded[order] == 0]
    return Popular(order, scores)


SPEC = SourceSpec("popular", "has the most followers", popular, PopularConfig, phase=1)
