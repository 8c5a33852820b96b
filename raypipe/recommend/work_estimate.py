"""What each account takes, by the size of what is looked at for it, before anything is timed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from raypipe.config import RunConfig
from raypipe.kernels.column_blocks import estimated_ns_in_blocks
from raypipe.kernels.tanimoto import estimated_ns
from raypipe.recommend.context import ShardContext, column_blocks
from raypipe.recommend.ladder import FILL_UP, LEARNED_RANKER, Tier, tiers_of
from raypipe.recommend.memory import blend_length
from raypipe.recommend.sources import similar

#: Nanoseconds that the ranker takes for a candidate, features and all.
_RANKED = 1100.0


def estimate_ns(context: ShardContext, asked: Collection[str] | None = None) -> np.ndarray:
    """float64[audience]: nanoseconds of each account, on a machine that may not be this one.

    Args:
        asked: names of sources that are asked for a list of every account; None: those of a night,
            which searches neighbours for all, and asks who leads on the ladder.
    """
    accounts = context.accounts
    found = np.zeros(len(accounts))
    if asked is None or similar.NAME in asked:
        if column_blocks(context):
            of_search = estimated_ns_in_blocks(context.index)
        else:
            of_search = estimated_ns(
                context.index, context.config.sources.similar.threshold_fraction
            )
        found += of_search[accounts]
    found += list_ns(context.config) * (1 if asked is None else len(asked))
    tiers = tiers_of(context.ladder, context.followees.degrees_of(accounts))
    for name, source in context.sources.items():
        leads = np.array([_is_asked(tier, name) for tier in context.ladder])
        theirs = np.flatnonzero(leads[tiers]) if asked is None else np.arange(len(accounts))
        if asked is None or name in asked:
            found[theirs] += source.estimated_ns(accounts[theirs])
    if asked is None:
        found += np.array([blend_ns(tier, context.config) for tier in context.ladder])[tiers]
    return found


def _is_asked(tier: Tier, name: str) -> bool:
    """Is a source asked for the list of every account on a tier? What fills up mostly is not."""
    return name == tier.sources[0] if tier.how == FILL_UP else name in tier.sources


def blend_ns(tier: Tier, config: RunConfig) -> float:
    """Nanoseconds of scoring the candidates of one account on this tier together."""
    if tier.how != LEARNED_RANKER:
        return 0.0
    return _RANKED * len(tier.sources) * blend_length(config)


def list_ns(config: RunConfig) -> float:
    """Nanoseconds of making one list of recommendations and their reasons, beside the search."""
    return 300.0 * config.recommendations.per_account
