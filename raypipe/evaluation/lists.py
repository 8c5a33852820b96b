"""The lists to be measured: of one source, of sources that fill each other up, of the ladder."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from raypipe.config import RunConfig
from raypipe.errors import ConfigError, did_you_mean
from raypipe.kernels.candidates import BestLists
from raypipe.kernels.tanimoto import no_neighbours
from raypipe.kernels.topk import fill_up
from raypipe.recommend.context import ShardContext
from raypipe.recommend.ladder import BLENDS, FILL_UP, Tier, blend, needs_model, strategies, tiers_of
from raypipe.recommend.shard import nearest, recommend_to
from raypipe.recommend.sources.registry import sources_of

#: Name of the lists that a night would show.
LADDER = "ladder"


def ladders_of(
    names: Sequence[str], ladder: tuple[Tier, ...], config: RunConfig
) -> dict[str, tuple[Tier, ...]]:
    """The ladder that makes the lists of each source to be measured.

    A single source serves accounts of every segment by itself; in ``a+b``, b fills up the lists
    that a leaves short. A blend combines all sources of the config.

    Args:
        ladder: the ladder of the night, for the name LADDER.

    Raises:
        ConfigError: there is no such source.
    """
    trained = config.sources.factors.trained
    ladders: dict[str, tuple[Tier, ...]] = {}
    for name in check_sources(names, config):
        if name in BLENDS:
            ladders[name] = (blend(config, name, trained),)
        else:
            ladders[name] = ladder if name == LADDER else (Tier(0, tuple(name.split("+"))),)
    return ladders


def measurable(config: RunConfig) -> tuple[str, ...]:
    """Names of the sources that a config has: phases, lowest first; other sources; blends.

    Example:
        >>> measurable(RunConfig())[:4]
        ('popular', 'similar', 'follow_back', 'two_hop')
        >>> measurable(RunConfig())[4:]
        ('co_followed', 'pagerank', 'rank_fusion', 'learned_ranker')
    """
    ready = [source for source in sources_of(config).values() if source.ready]
    after = len(ready)  # a list that is being sorted has no length
    ready.sort(key=lambda source: source.spec.phase or after)
    blends = [tier.name for tier in strategies(config) if tier.how != FILL_UP]
    return (*(source.name for source in ready), *blends)


def check_sources(names: Sequence[str], config: RunConfig) -> tuple[str, ...]:
    """The names without repeats, checked against the config.

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
    known, available = tuple(sources_of(config)), measurable(config)
    for name in names:
        if name in BLENDS and name not in available:
            raise ConfigError(
                f"source {name}: this config does not blend; set blend.method, for example "
                f"--set blend.method={name}"
            )
        if name not in (LADDER, *BLENDS):
            for part in name.split("+"):
                _check_source(part, "+" in name, known, available)
    return tuple(dict.fromkeys(names))


def _check_source(
    name: str, joined: bool, known: tuple[str, ...], available: tuple[str, ...]
) -> None:
    if name not in known:
        whole = (LADDER, *BLENDS)
        possible = known if joined else (*known, *whole)
        expected = f"known: {', '.join(whole)}, and {', '.join(known)}; join several with +"
        raise ConfigError(f"no source {name!r}; {did_you_mean(name, possible, expected)}")
    if name not in available:
        raise ConfigError(
            f"source {name}: this config trains no model; set sources.factors.algorithm, for "
            "example --set sources.factors.algorithm=TruncatedSVD"
        )


def asks_for_model(names: Sequence[str], ladder: tuple[Tier, ...], config: RunConfig) -> bool:
    """True if one of these sources needs a factor model."""
    ladders = ladders_of(names, ladder, config).values()
    return any(needs_model(tiers, config) for tiers in ladders)


def lists_of(
    context: ShardContext, ladders: dict[str, tuple[Tier, ...]], accounts: np.ndarray
) -> list[np.ndarray]:
    """int32[m, n] per ladder: the recommended accounts, best first, then -1.

    Each source is called once for all ladders that use it. Its first n candidates fill up a list
    exactly as if the source had been called for that list alone.
    """
    tiers = [tier for tiers in ladders.values() for tier in tiers]
    search = any(context.sources[name].needs_neighbours for tier in tiers for name in tier.sources)
    near = nearest(context, accounts) if search else no_neighbours(len(accounts), 0)
    names = dict.fromkeys(name for tier in tiers if tier.how == FILL_UP for name in tier.sources)
    alone = {
        name: BestLists(*recommend_to(context.with_ladder(Tier(0, (name,))), accounts, near)[0][:3])
        for name in names
    }
    follows = context.follows.followees.degrees_of(accounts)
    all_codes = []
    for ladder in ladders.values():
        codes = np.empty((len(accounts), context.lists.per_account), np.int32)
        indices = tiers_of(ladder, follows)
        for index in np.unique(indices):
            members, tier = np.flatnonzero(indices == index), ladder[index]
            if tier.how == FILL_UP:
                lists = [alone[name].take(members) for name in tier.sources]
                codes[members] = reduce(fill_up, lists).codes
            else:
                blended = context.with_ladder(tier._replace(min_follows=0))
                neighbours = near.take(members)
                codes[members] = recommend_to(blended, accounts[members], neighbours)[0].codes
        all_codes.append(codes)
    return all_codes
