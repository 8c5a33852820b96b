"""Random inputs for Hypothesis, and the small steps from pairs to a graph."""

from __future__ import annotations

import pandas as pd
from hypothesis import strategies as st

from raypipe.graph.follow_graph import FollowGraph, build_graph, encode

#: Few ids, so that follows collide; some that frames like to take for numbers or nulls.
IDS = ["0", "00", "0123", "1e5", "NA", "null", "None", "é", "z", "Z", "10", "9", "a b", "-1", "漢"]

#: Settings of a night whose lists can be worked out by hand: no blend, few neighbours.
PLAIN = {
    "integrity.bounds": False,
    "blend.method": "none",
    "sources.factors.algorithm": "none",
    "sources.similar.neighbours": 10,
    "sources.similar.threshold": 0.1,
}

pairs = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=60)


def frame_of(rows: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["followerId", "followingId"], dtype="string[pyarrow]")


def graph_of(rows: list[tuple[str, str]]) -> FollowGraph:
    return build_graph([encode(frame_of(rows))])[0]
