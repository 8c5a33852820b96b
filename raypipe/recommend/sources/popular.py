"""Phase 1, popular: whom most accounts follow. All that a new account can get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import transpose
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.sources import Candidates

NAME = "popular"

#: Accounts that have seen a candidate and not rejected it, beside those that are known.
SMOOTHING = 10


@dataclass(frozen=True)
class Popular:
    """Brings the ``wanted[i]`` most followed accounts; the score is the number of followers.

    Of who was rejected it is less, where the config wants that: see :func:`lowered`.

    Attributes:
        order: int32, every account that somebody follows and that may be shown, largest score
            first, then by id.
        scores: float64[n], of every account.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("abc"), "followingId": list("ccb")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> found = Popular.of(graph)(np.array([0, 1]), np.array([1, 2]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['c', 'c', 'b'], [2.0, 2.0, 1.0])
    """

    order: np.ndarray
    scores: np.ndarray
    name: ClassVar[str] = NAME

    @classmethod
    def of(
        cls,
        graph: FollowGraph,
        globally_excluded: np.ndarray | None = None,
        rejections: Rejections | None = None,
        weight: float = 0.0,
    ) -> Popular:
        """The source, made from a graph.

        Args:
            globally_excluded: [n], other than 0 for who is shown to nobody; None: there is nobody.
            rejections, weight: that lower scores; None, or 0: nothing does.
        """
        scores = graph.followers.degrees.astype(np.float64)
        if rejections is not None and weight:
            rejecting = transpose(rejections.rows).degrees
            scores = lowered(scores, rejections.shown, rejecting, weight)
        order = np.argsort(-scores, kind="stable").astype(np.int32)
        order = order[: np.count_nonzero(scores)]
        return cls(
            order if globally_excluded is None else order[globally_excluded[order] == 0], scores
        )

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return np.zeros(len(accounts))

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        wanted = np.minimum(wanted, len(self.order))
        indptr = np.concatenate([[0], np.cumsum(wanted)])
        places = np.arange(indptr[-1]) - np.repeat(indptr[:-1], wanted)
        codes = self.order[places]
        return Candidates(indptr, codes, self.scores[codes])


def lowered(
    followers: np.ndarray, shown: np.ndarray, rejecting: np.ndarray, weight: float
) -> np.ndarray:
    """float64[n]: numbers of followers, lowered by how often those who saw an account rejected it.

        score(c) = followers(c) * seen(c) / (seen(c) + weight * rejecting(c))
        seen(c)  = max(followers(c), shown(c)) + 10

    Who follows an account has seen it, too; the 10 are those that have and are not known. A brigade
    of k accounts that reject c lowers its score by less than ``weight * k``, as if so many had
    previously_followed it, and by at most the share ``weight k / (seen + weight k)``, whoever has
    rejected it before.

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
    return followers * (seen / (seen + weight * rejecting))
