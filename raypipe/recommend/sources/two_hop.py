"""Two hops: the accounts that the followees of an account follow."""

from __future__ import annotations

from raypipe.config import TwoStepConfig
from raypipe.config.sources import TwoHopConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.recommend.sources import SourceInputs, SourceSpec
from raypipe.recommend.sources.walks import Walks, estimate_from_degrees, walks_through


def two_hop(graph: FollowGraph, config: TwoStepConfig, inputs: SourceInputs | None = None) -> Walks:
    """Retrieves the ``wanted[i]`` best of the accounts that the followees of account i follow.

        score(a, c) = sum of weights[b] over the b that a follows and that follow c

    Source:
        Adamic and Adar (2003), "Friends and neighbors on the Web", Social Networks 25, for an
        intermediary that weighs less the more it is connected.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabbc"), "followingId": list("bcxyx")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> source = two_hop(graph, TwoStepConfig(intermediary_weight="none"))
        >>> found = source(np.array([graph.code("a")]), np.array([1]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['x'], [2.0])
    """
    return walks_through(graph.followees, graph, config, inputs or SourceInputs())


SPEC = SourceSpec(
    "two_hop",
    "followed by the account's followees",
    two_hop,
    TwoHopConfig,
    walks_through="followees",
    estimate_from_degrees=lambda degrees, config: estimate_from_degrees(
        degrees, config.sources.two_hop.max_intermediary_follows, "followees"
    ),
)
