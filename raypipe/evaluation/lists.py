"""The lists of a source by itself, of sources that fill each other up, and of the whole ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from raypipe.config import RunConfig
from raypipe.errors import ConfigError, did_you_mean
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.topk import fill_up
from raypipe.recommend.context import ShardContext
from raypipe.recommend.ladder import (
    BLENDS,
    FILL_UP,
    SOURCES,
    Tier,
    blend,
    has_factors,
    strategies,
    tiers_of,
)
from raypipe.recommend.shard import nearest, recommend_to
from raypipe.recommend.sources import co_followed, factors, follow_back, popular, similar, two_hop

#: What the night itself would show: each source where the ladder lets it lead.
LADDER = "ladder"


def ladders_of(
    names: Sequence[str], ladder: tuple[Tier, ...], config: RunConfig
) -> dict[str, tuple[Tier, ...]]:
    """For each source to be measured the ladder that gives its lists.

    A source stands alone, for accounts of every segment; ``a+b`` is filled up by b where a falls
    short. A blend is that of all sources of the config.

    Args:
        ladder: that of the night, which LADDER stands for.

    Raises:
        ConfigError: there is no such source.
    """
    trained = config.sources.factors.trained
    found = {}
    for name in check_sources(names, config):
        if name in BLENDS:
            found[name] = (blend(config, name, trained),)
        else:
            found[name] = ladder if name == LADDER else (Tier(0, tuple(name.split("+"))),)
    return found


def sources_of(config: RunConfig) -> tuple[str, ...]:
    """The sources that a config has: those of the phases, lowest first, then those beside them.

    The blends are the last ones, where there are any.

    Example:
        >>> sources_of(RunConfig())
        ('popular', 'similar', 'follow_back', 'two_hop', 'co_followed')
    """
    trained = (factors.NAME,) if config.sources.factors.trained else ()
    beside = (follow_back.NAME, two_hop.NAME, co_followed.NAME)
    blends = [tier.name for tier in strategies(config) if tier.how != FILL_UP]
    return (popular.NAME, similar.NAME, *trained, *beside, *blends)


def check_sources(names: Sequence[str], config: RunConfig) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        ConfigError: there is no such source, or this config does not have it.

    Example:
        >>> check_sources(["popular", "similar+popular", "popular"], RunConfig())
        ('popular', 'similar+popular')
        >>> check_sources(["similr"], RunConfig())
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: no source 'similr'; did you mean similar?
    """
    for name in names:
        if name in BLENDS and name not in sources_of(config):
            raise ConfigError(
                f"source {name}: this config has none; set blend.method, as "
                f"--set blend.method={name}"
            )
        whole = (LADDER, *BLENDS)
        for part in name.split("+"):
            if part not in SOURCES and name not in whole:
                possible = SOURCES if "+" in name else (*SOURCES, *whole)
                known = f"known: {', '.join(whole)}, and {', '.join(SOURCES)}, also joined by +"
                raise ConfigError(f"no source {part!r}; {did_you_mean(part, possible, known)}")
            if part in SOURCES and part not in sources_of(config):
                raise ConfigError(
                    f"source {part}: this config trains no model; set "
                    "sources.factors.algorithm, as "
                    "--set sources.factors.algorithm=TruncatedSVD"
                )
    return tuple(dict.fromkeys(names))


def asks_for_factors(names: Sequence[str], ladder: tuple[Tier, ...], config: RunConfig) -> bool:
    """Does one of these sources need a model?

    Args:
        ladder: that LADDER stands for.
    """
    return any(has_factors(tiers) for tiers in ladders_of(names, ladder, config).values())


def lists_of(
    context: ShardContext, ladders: dict[str, tuple[Tier, ...]], accounts: np.ndarray
) -> list[np.ndarray]:
    """int32[m, n] for each ladder: whom it recommends to the accounts, best first, then -1.

    A source is asked once for all ladders on which it stands: where the first n of one source do
    not fill a list, the first n of the next one do, just as if it had been asked for that list.
    """
    tiers = [tier for tiers in ladders.values() for tier in tiers]
    search = any(similar.NAME in tier.sources for tier in tiers)
    near = nearest(context, accounts) if search else _no_neighbours(len(accounts))
    names = dict.fromkeys(name for tier in tiers if tier.how == FILL_UP for name in tier.sources)
    alone = {
        name: recommend_to(replace(context, ladder=(Tier(0, (name,)),)), accounts, near)[0][:3]
        for name in names
    }
    follows = context.followees.degrees_of(accounts)
    found = []
    for ladder in ladders.values():
        codes = np.empty((len(accounts), context.config.recommendations.per_account), np.int32)
        places = tiers_of(ladder, follows)
        for place in np.unique(places):
            members, tier = np.flatnonzero(places == place), ladder[place]
            if tier.how == FILL_UP:
                theirs = [tuple(array[members] for array in alone[name]) for name in tier.sources]
                codes[members] = reduce(fill_up, theirs)[1]
            else:
                blended = replace(context, ladder=(tier._replace(min_follows=0),))
                some = Neighbours(*(array[members] for array in near))
                codes[members] = recommend_to(blended, accounts[members], some)[0].codes
        found.append(codes)
    return found


def _no_neighbours(m: int) -> Neighbours:
    codes = np.empty((m, 0), np.int32)
    return Neighbours(np.zeros(m, np.int32), codes, codes, np.empty((m, 0)))
