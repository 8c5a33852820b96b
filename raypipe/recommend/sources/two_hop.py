"""Two hops: whom the followees of an account follow."""

from __future__ import annotations

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.sources import Walks

NAME = "two_hop"


class TwoHop(Walks):
    """Brings the ``wanted[i]`` best of those whom the followees of account i follow.

        score(a, c) = sum of weights[b] over the b that a follows and that follow c

    Source:
        Adamic and Adar (2003), "Friends and neighbors on the Web", Social Networks 25, for a middle
        that weighs the less the more it is connected.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from raypipe.config import TwoStepConfig
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabbc"), "followingId": list("bcxyx")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> source = TwoHop.of(graph, TwoStepConfig(intermediary_weight="none"))
        >>> found = source(np.array([graph.code("a")]), np.array([1]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['x'], [2.0])
    """

    name = NAME

    @staticmethod
    def intermediaries_of(graph: FollowGraph) -> Adjacency:
        return graph.followees
