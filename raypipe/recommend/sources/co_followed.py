"""Co-followed: whom the followers of an account follow."""

from __future__ import annotations

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.sources import Walks

NAME = "co_followed"


class CoFollowed(Walks):
    """Brings the ``wanted[i]`` best of those whom the followers of account i follow.

        score(a, c) = sum of weights[b] over the b that follow both a and c

    Source:
        Small (1973), "Co-citation in the scientific literature", JASIS 24; weighted as two_hop is.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from raypipe.config import TwoStepConfig
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("bbccd"), "followingId": list("axaxa")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> source = CoFollowed.of(graph, TwoStepConfig(intermediary_weight="none"))
        >>> found = source(np.array([graph.code("a")]), np.array([9]))
        >>> {graph.ids[c].as_py(): s for c, s in zip(found.codes, found.scores.tolist())}
        {'a': 3.0, 'x': 2.0}
    """

    name = NAME

    @staticmethod
    def intermediaries_of(graph: FollowGraph) -> Adjacency:
        return graph.followers
