"""Co-followed: the accounts that the followers of an account follow."""

from __future__ import annotations

from raypipe.config import TwoStepConfig
from raypipe.config.sources import CoFollowedConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.recommend.sources import SourceInputs, SourceSpec
from raypipe.recommend.sources.walks import Walks, estimate_from_degrees, walks_through


def co_followed(
    graph: FollowGraph, config: TwoStepConfig, inputs: SourceInputs | None = None
) -> Walks:
    """Retrieves the ``wanted[i]`` best of the accounts that the followers of account i follow.

        score(a, c) = sum of weights[b] over the b that follow both a and c

    Source:
        Small (1973), "Co-citation in the scientific literature", JASIS 24; weighted as two_hop is.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("bbccd"), "followingId": list("axaxa")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> source = co_followed(graph, TwoStepConfig(intermediary_weight="none"))
        >>> found = source(np.array([graph.code("a")]), np.array([9]))
        >>> {graph.ids[c].as_py(): s for c, s in zip(found.codes, found.scores.tolist())}
        {'a': 3.0, 'x': 2.0}
    """
    return walks_through(graph.followers, graph, config, inputs or SourceInputs())


SPEC = SourceSpec(
    "co_followed",
    "followed by the account's followers",
    co_followed,
    CoFollowedConfig,
    walks_through="followers",
    estimate_from_degrees=lambda degrees, config: estimate_from_degrees(
        degrees, config.sources.co_followed.max_intermediary_follows, "followers"
    ),
)
