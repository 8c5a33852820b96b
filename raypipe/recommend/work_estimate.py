"""Estimated cost of each account, without measuring."""

from collections.abc import Collection

import numpy as np

from raypipe.kernels.column_blocks import ColumnBlocks, estimated_ns_in_blocks
from raypipe.kernels.search_cost import estimated_ns
from raypipe.recommend.context import ShardContext
from raypipe.recommend.ladder import FILL_UP, LEARNED_RANKER, Tier, tiers_of

#: Nanoseconds of a learned blend per candidate that its sources may retrieve: the filters, the
#: features, 300 trees, and the choice of the best. Sources retrieve six candidates of ten, counted
#: once if several do.
_RANKED_NS = 300.0
#: Nanoseconds per entry of a list, including its reason.
_ENTRY_NS = 300.0


def estimate_ns(context: ShardContext, names: Collection[str] | None = None) -> np.ndarray:
    """float64[audience]: estimated nanoseconds per account, from rates of another machine.

    Args:
        names: sources that are called for every account; None: as in a night, which searches the
            neighbours of all accounts and calls the sources that lead on the ladder.
    """
    accounts, lists = context.accounts, context.lists
    estimate = np.zeros(len(accounts))
    called = None if names is None else {part for name in names for part in _called(context, name)}
    needed = called is None or any(context.sources[name].needs_neighbours for name in called)
    if context.search is not None and needed:
        index, threshold = context.search.index, context.search.threshold
        if isinstance(index, ColumnBlocks):
            estimate += estimated_ns_in_blocks(index)[accounts]
        else:
            estimate += estimated_ns(index, threshold)[accounts]
    estimate += list_ns(lists.per_account) * (1 if names is None else len(names))
    tiers = tiers_of(lists.ladder, context.follows.followees.degrees_of(accounts))
    for name, prepared in context.sources.items():
        leads = np.array([name in _called_by(context, tier) for tier in lists.ladder])
        members = np.flatnonzero(leads[tiers]) if called is None else np.arange(len(accounts))
        if called is None or name in called:
            estimate[members] += prepared.source.estimated_ns(accounts[members])
    if names is None:
        length = lists.blend.candidates_per_source
        estimate += np.array([blend_ns(tier, length) for tier in lists.ladder])[tiers]
    return estimate


def _called_by(context: ShardContext, tier: Tier) -> tuple[str, ...]:
    """The sources that a tier calls for every account; a source that fills up is rarely called."""
    return _called(context, tier.sources[0]) if tier.how == FILL_UP else tier.sources


def _called(context: ShardContext, name: str) -> tuple[str, ...]:
    """A source, and the sources whose candidates it scores."""
    return (name, *context.sources[name].scores)


def blend_ns(tier: Tier, candidates_per_source: int) -> float:
    """Nanoseconds in which a blend scores the candidates of one account on this tier."""
    if tier.how != LEARNED_RANKER:
        return 0.0
    return _RANKED_NS * len(tier.sources) * candidates_per_source


def list_ns(length: int) -> float:
    """Nanoseconds in which a list of this length and its reasons are made, without the search."""
    return _ENTRY_NS * length
