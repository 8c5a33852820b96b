"""Phase 2, similar: the accounts that accounts with similar follow sets follow (user-kNN)."""

from dataclasses import dataclass, field

import numpy as np

from raypipe.config import NegativeFeedbackConfig, SimilarConfig, SourceConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.neighbourhood import weigh_excluded, weighted_union, withdraw_rejected
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.sources import NO_INPUTS, Candidates, SourceInputs, SourceSpec


@dataclass(frozen=True)
class Similar:
    """Retrieves the accounts that the neighbours of each account follow.

        score(a, c) = sum of Tanimoto(a, b) over the neighbours b of a that follow c

    With ``feedback.negative.neighbours`` a neighbour counts for less than its similarity, see
    :func:`raypipe.kernels.neighbourhood.weigh_excluded`; with ``feedback.negative.votes``
    neighbours that have rejected c count against it, see
    :func:`~raypipe.kernels.neighbourhood.withdraw_rejected`.

    Source:
        User-based collaborative filtering: Resnick et al. (1994), "GroupLens", CSCW.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> from raypipe.kernels.similarity_index import build_index
        >>> from raypipe.kernels.tanimoto import top_neighbours
        >>> graph = graph_of("ax ay bx by bz")
        >>> index = build_index(graph.followees, graph.followers)
        >>> asked = np.array([graph.code("a")])
        >>> near = top_neighbours(index, asked, 10, (1, 10))
        >>> found = similar(graph)(asked, np.array([3]), near)
        >>> [(graph.ids[c].as_py(), round(float(s), 2)) for c, s in zip(found.codes, found.scores)]
        [('x', 0.67), ('y', 0.67), ('z', 0.67)]
    """

    followees: Adjacency
    rejections: Rejections | None = None
    feedback: NegativeFeedbackConfig = field(default_factory=NegativeFeedbackConfig)

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return np.zeros(len(accounts))  # beside the search, which is estimated elsewhere

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours) -> Candidates:
        near = near._replace(counts=np.where(wanted > 0, near.counts, 0))
        weights, learned, feedback = near.scores, self.rejections, self.feedback
        if learned is not None and feedback.neighbours:
            own = accounts, near, feedback.neighbours
            weights = weigh_excluded(self.followees, learned.rows, *own)
        union = weighted_union(self.followees, near.counts, near.codes, weights)
        if learned is not None and feedback.votes:
            union = withdraw_rejected(learned.heard, near, feedback.votes * weights, union)
        return union


def similar(
    graph: FollowGraph, config: SourceConfig | None = None, inputs: SourceInputs = NO_INPUTS
) -> Similar:
    """The source, prepared; holds the graph's arrays, not copies."""
    return Similar(graph.followees, inputs.rejections, inputs.feedback)


SPEC = SourceSpec(
    "similar",
    "followed by accounts with similar follow sets",
    similar,
    SimilarConfig,
    phase=2,
    needs_neighbours=True,
)
