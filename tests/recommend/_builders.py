"""Contexts of shards for tests, from a graph and a few settings."""

from __future__ import annotations

from math import inf

from raypipe.recommend.context import NightInputs, ShardContext, list_rules, shard_context
from raypipe.recommend.filters.eligibility import no_exclusions
from raypipe.recommend.ladder import fixed_ladder
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.sources import registry

#: Names of all sources by index.
SOURCES = tuple(spec.name for spec in registry.SOURCES)


def prepare(
    graph,
    accounts,
    config,
    available=inf,
    model=None,
    ladder=None,
    exclusions=None,
    rejections=None,
    ranker=None,
) -> ShardContext:
    """The context of a night on a graph; the phases by number of follows without a ladder."""
    exclusions = exclusions or no_exclusions(graph.accounts)
    inputs = NightInputs(graph, accounts, exclusions, rejections, model)
    search = neighbour_search(searched_graph(graph, len(accounts), config, available), config)
    ladder = ladder or fixed_ladder(config, trained=model is not None)
    return shard_context(inputs, config, list_rules(config, ladder, inputs, ranker), search)


def column_blocks(context):
    """The accounts of each column block; none where there is one index."""
    return context.search.blocks
