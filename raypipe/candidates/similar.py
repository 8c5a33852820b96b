"""Phase 2, similar: whom the accounts with similar follow sets follow. Nothing is trained."""

from __future__ import annotations

from raypipe.candidates import Candidates
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.neighbourhood import weighted_union
from raypipe.kernels.tanimoto import Neighbours

NAME = "similar"


def similar(followees: Adjacency, neighbours: Neighbours) -> Candidates:
    """Whom the neighbours of each account follow, scored by summed similarity.

        score(a, c) = sum of Tanimoto(a, b) over the neighbours b of a that follow c

    Args:
        followees: whom every account follows.
        neighbours: of the m accounts asked for, best first.

    Source:
        User-based collaborative filtering: Resnick et al. (1994), "GroupLens", CSCW.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> from raypipe.kernels.tanimoto import build_index, top_neighbours
        >>> frame = pd.DataFrame({"followerId": list("aabbb"), "followingId": list("xyxyz")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> index = build_index(*graph.followees, *graph.followers)
        >>> near = top_neighbours(index, np.array([graph.code("a")]), 10, (1, 10))
        >>> found = similar(graph.followees, near)
        >>> [(graph.ids[c].as_py(), round(float(s), 2)) for c, s in zip(found.codes, found.scores)]
        [('x', 0.67), ('y', 0.67), ('z', 0.67)]
    """
    return Candidates(
        *weighted_union(followees, neighbours.counts, neighbours.codes, neighbours.scores)
    )
