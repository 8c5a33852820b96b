"""The examples of a ranker, shard by shard. Runs inside tasks, which load no training library."""

from __future__ import annotations

import numpy as np

from raypipe.evaluation.measuring import Measuring
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.csr import Adjacency, take
from raypipe.recommend.blend.examples import Examples, is_example
from raypipe.recommend.blend.features import features
from raypipe.recommend.ladder import Tier
from raypipe.recommend.memory import BLENDED
from raypipe.recommend.shard import batches, candidate_union, nearest


def examples_of_shard(
    measuring: Measuring, tier: Tier, seed: int, shard: tuple[int, int]
) -> tuple[tuple[int, int], Examples]:
    """What a ranker is trained on, of one shard of accounts.

    Args:
        measuring: what was held out, and a night on what is left.
        tier: the learned blend.
        seed: of which candidates are taken.

    Returns:
        The shard, and its examples in the order of its accounts.
    """
    context, (start, stop) = measuring.context, shard
    of_shard = context.accounts[start:stop]
    near, graph_features = nearest(context, of_shard), context.lists.blend.graph_features
    if graph_features is None:
        raise ValueError("a learned blend needs graph features")
    parts = []
    for some in batches(context, of_shard, near, BLENDED):
        accounts, theirs = of_shard[some], near.take(some)
        union, _ = candidate_union(context, accounts, tier, theirs)
        followed = _are_in(union, take(measuring.test, accounts))
        of = accounts[union.rows]
        kept = is_example(of, union.codes, followed, union.length, seed)
        values = features(graph_features, accounts, union)
        parts.append(Examples(of[kept], values[kept], followed[kept]))
    return shard, together(parts)


def together(parts: list[Examples]) -> Examples:
    """One after the other."""
    return Examples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _are_in(union: CandidateUnion, rows: Adjacency) -> np.ndarray:
    """bool[c]: which candidates stand in their account's row; rows of the same m accounts."""
    n = 1 + max(union.codes.max(initial=0), rows.codes.max(initial=0)).astype(np.int64)
    theirs = np.repeat(np.arange(len(rows.degrees)) * n, rows.degrees) + rows.codes
    return np.isin(union.rows * n + union.codes, theirs)
