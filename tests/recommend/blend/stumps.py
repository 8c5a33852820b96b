"""A ranker that nobody has trained."""

from __future__ import annotations

import numpy as np

from raypipe.kernels.trees import Trees
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.blend.scores import feature_names


def stumps(parts, seed=0, trees=40):
    """A ranker of trees with one split each, drawn at random."""
    rng = np.random.default_rng(seed)
    names = feature_names(parts)
    nodes = np.arange(trees, dtype=np.int32)
    made = Trees(
        roots=nodes,
        features=rng.integers(len(names), size=trees).astype(np.int32),
        thresholds=rng.random(trees) * 2,
        left=~(2 * nodes),
        right=~(2 * nodes + 1),
        leaves=rng.normal(size=2 * trees),
    )
    return Ranker(made, names, np.zeros(len(names)), {})
