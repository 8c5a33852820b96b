"""The examples of a ranker, shard by shard. Runs inside tasks, which load no training library."""

from __future__ import annotations

import numpy as np

from raypipe.evaluation.measuring import Measuring
from raypipe.kernels.candidate_union import Merged
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.blend.examples import Examples, is_example
from raypipe.recommend.blend.features import features
from raypipe.recommend.ladder import Rung
from raypipe.recommend.memory import BLENDED
from raypipe.recommend.shard import batches, merged_candidates, nearest, sources_of_rung


def examples_of_shard(
    measuring: Measuring, rung: Rung, seed: int, shard: tuple[int, int]
) -> tuple[tuple[int, int], Examples]:
    """What a ranker is trained on, of one shard of accounts.

    Args:
        measuring: what was held out, and a night on what is left.
        rung: the learned blend.
        seed: of which candidates are taken.

    Returns:
        The shard, and its examples in the order of its accounts.
    """
    night, (start, stop) = measuring.night, shard
    of_shard = night.accounts[start:stop]
    near = nearest(night, of_shard)
    parts = []
    for some in batches(night, of_shard, near, BLENDED):
        accounts, theirs = of_shard[some], Neighbours(*(array[some] for array in near))
        merged, _ = merged_candidates(night, accounts, sources_of_rung(night, rung, theirs))
        followed = _are_in(merged, take(measuring.test, accounts))
        of = accounts[merged.rows]
        kept = is_example(of, merged.codes, followed, merged.length, seed)
        values = features(night.around, accounts, merged)
        parts.append(Examples(of[kept], values[kept], followed[kept]))
    return shard, together(parts)


def together(parts: list[Examples]) -> Examples:
    """One after the other."""
    return Examples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _are_in(merged: Merged, rows: Adjacency) -> np.ndarray:
    """bool[c]: which candidates stand in their account's row; rows of the same m accounts."""
    n = 1 + max(merged.codes.max(initial=0), rows.codes.max(initial=0)).astype(np.int64)
    theirs = np.repeat(np.arange(len(rows.degrees)) * n, rows.degrees) + rows.codes
    return np.isin(merged.rows * n + merged.codes, theirs)
