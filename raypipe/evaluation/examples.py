"""Training examples of a ranker, one shard at a time; tasks run this without a training library."""

import numpy as np

from raypipe.evaluation.measuring import Measuring
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.csr import Adjacency, take
from raypipe.recommend.blend.examples import Examples, is_example
from raypipe.recommend.blend.scores import features
from raypipe.recommend.ladder import Tier
from raypipe.recommend.memory import BLENDED
from raypipe.recommend.shard import batches, candidate_union, nearest


def examples_of_shard(
    measuring: Measuring, tier: Tier, seed: int, shard: tuple[int, int]
) -> tuple[tuple[int, int], Examples]:
    """Training examples from the accounts of one shard.

    Args:
        measuring: the held-out follows, and the context of a night on the rest.
        seed: of the sample of negative examples.

    Returns:
        The shard, and its examples in the order of its accounts.

    Raises:
        ValueError: the context has no graph features.
    """
    context, (start, stop) = measuring.context, shard
    # A copy, writable like the accounts of a list: for read-only ones, kernels are compiled again.
    shard_accounts = context.accounts[start:stop].copy()
    near, graph_features = nearest(context, shard_accounts), context.lists.blend.graph_features
    if graph_features is None:
        raise ValueError("a learned blend needs graph features")
    parts = []
    for batch in batches(context, shard_accounts, near, BLENDED):
        accounts, neighbours = shard_accounts[batch], near.take(batch)
        union, _ = candidate_union(context, accounts, tier, neighbours)
        followed = _are_in(union, take(measuring.test, accounts))
        account_of = accounts[union.rows]
        kept = is_example(account_of, union.codes, followed, union.length, seed)
        values = features(graph_features, accounts, union)
        parts.append(Examples(account_of[kept], values[kept], followed[kept]))
    return shard, concatenate(parts)


def concatenate(parts: list[Examples]) -> Examples:
    """The examples of all parts, in their order."""
    return Examples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _are_in(union: CandidateUnion, rows: Adjacency) -> np.ndarray:
    """bool[c]: which candidates are in their account's row; rows of the same m accounts."""
    n = 1 + max(union.codes.max(initial=0), rows.codes.max(initial=0)).astype(np.int64)
    keys = np.repeat(np.arange(len(rows.degrees)) * n, rows.degrees) + rows.codes
    return np.isin(union.rows * n + union.codes, keys)
