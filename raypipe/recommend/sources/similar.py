"""Phase 2, similar: whom the accounts with similar follow sets follow. Nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from raypipe.config import NegativeFeedbackConfig
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.neighbourhood import weigh_excluded, weighted_union, withdraw_rejected
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.sources import Candidates

NAME = "similar"


@dataclass(frozen=True)
class Similar:
    """Brings whom the neighbours of each account follow, scored by summed similarity.

        score(a, c) = sum of Tanimoto(a, b) over the neighbours b of a that follow c

    With ``feedback.negative.neighbours`` a neighbour counts for less than its similarity, see
    :func:`raypipe.kernels.neighbourhood.weigh_excluded`; with ``feedback.negative.votes``
    neighbours that have rejected c count against it, see
    :func:`~raypipe.kernels.neighbourhood.withdraw_rejected`.

    Attributes:
        followees: whom every account follows.
        neighbours: of the m accounts that will be asked for, best first.
        rejected: whom every account has rejected; None: rejections teach nothing.
        rejections: how much they count; goes with ``rejected``.

    Source:
        User-based collaborative filtering: Resnick et al. (1994), "GroupLens", CSCW.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> from raypipe.kernels.tanimoto import build_index, top_neighbours
        >>> frame = pd.DataFrame({"followerId": list("aabbb"), "followingId": list("xyxyz")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> index = build_index(*graph.followees, *graph.followers)
        >>> asked = np.array([graph.code("a")])
        >>> near = top_neighbours(index, asked, 10, (1, 10))
        >>> found = Similar(graph.followees, near)(asked, np.array([3]))
        >>> [(graph.ids[c].as_py(), round(float(s), 2)) for c, s in zip(found.codes, found.scores)]
        [('x', 0.67), ('y', 0.67), ('z', 0.67)]
    """

    followees: Adjacency
    neighbours: Neighbours
    rejected: Adjacency | None = None
    rejections: NegativeFeedbackConfig | None = None
    name: ClassVar[str] = NAME

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return np.zeros(len(accounts))  # its neighbours were searched before

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        near, rejected = self.neighbours, self.rejected
        near = near._replace(counts=np.where(wanted > 0, near.counts, 0))
        weights, learned = near.scores, self.rejections
        if rejected is not None and learned.neighbours:
            weights = weigh_excluded(self.followees, rejected, accounts, near, learned.neighbours)
        union = weighted_union(self.followees, near.counts, near.codes, weights)
        if rejected is not None and learned.votes:
            union = withdraw_rejected(rejected, near, learned.votes * weights, union)
        return Candidates(*union)
