"""The ladder: which sources lead for whom. An account stands on a tier by its number of follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.recommend.sources import co_followed, factors, follow_back, popular, similar, two_hop
from raypipe.storage.records import TierRecord

#: All sources; a recommendation is kept with the place of its source here, so none ever moves.
SOURCES = (
    similar.NAME,
    popular.NAME,
    factors.NAME,
    follow_back.NAME,
    two_hop.NAME,
    co_followed.NAME,
)

#: How a tier makes one list of its sources: each fills up what the one before left short; or all
#: are blended, by weights or by a ranker.
FILL_UP, RANK_FUSION, LEARNED_RANKER = "fill_up", "rank_fusion", "learned_ranker"
#: What a blend is called where it stands among sources.
RANK_FUSION, LEARNED_RANKER = "rank_fusion", "learned_ranker"
BLENDS = (RANK_FUSION, LEARNED_RANKER)


class Tier(NamedTuple):
    """What accounts get that have enough follows for this tier and too few for the next.

    Attributes:
        min_follows: follows that an account needs.
        sources: names, leading one first.
        how: they make one list: FILL_UP, RANK_FUSION or LEARNED_RANKER.
    """

    min_follows: int
    sources: tuple[str, ...]
    how: str = FILL_UP

    @property
    def name(self) -> str:
        """The source that leads, or the blend.

        Example:
            >>> sources = "similar", "popular"
            >>> Tier(3, sources).name, Tier(3, sources, RANK_FUSION).name
            ('similar', 'rank_fusion')
        """
        return self.how if self.how in BLENDS else self.sources[0]


def phases(config: RunConfig) -> tuple[Tier, ...]:
    """What each phase shows, phase 1 first, as tiers that everybody stands on.

    Example:
        >>> [tier.sources for tier in phases(RunConfig())]
        [('popular',), ('similar', 'popular')]
    """
    trained = (factors.NAME, similar.NAME, popular.NAME)
    untrained = Tier(0, (popular.NAME,)), Tier(0, (similar.NAME, popular.NAME))
    return (*untrained, Tier(0, trained)) if config.sources.factors.trained else untrained


def blend(config: RunConfig, how: str, trained: bool = False) -> Tier:
    """The blend of all sources to which this config gives a weight.

    Args:
        trained: is there a model? Else there is no source of that.

    Example:
        >>> blend(RunConfig(), RANK_FUSION).sources
        ('follow_back', 'two_hop', 'co_followed', 'similar', 'popular')
    """
    weights = config.sources.weights
    if not trained:
        del weights[factors.NAME]
    return Tier(0, tuple(name for name, weight in weights.items() if weight), how)


def strategies(config: RunConfig, ranker: bool = True) -> tuple[Tier, ...]:
    """What may be shown to accounts with follows, the simplest first.

    The phases; and where sources are blended, each of the others by itself, and the blends.

    Args:
        ranker: is there one?

    Example:
        >>> config = RunConfig.model_validate({"blend": {"method": "learned_ranker"}})
        >>> [tier.name for tier in strategies(config)][2:]
        ['follow_back', 'two_hop', 'co_followed', 'rank_fusion', 'learned_ranker']
    """
    found = phases(config)
    if not config.blend.blends:
        return found
    trained = config.sources.factors.trained
    fixed = blend(config, RANK_FUSION, trained)
    leads = {tier.name for tier in found}
    alone = (Tier(0, (name, popular.NAME)) for name in fixed.sources if name not in leads)
    learned = (
        [blend(config, LEARNED_RANKER, trained)]
        if ranker and config.blend.method == LEARNED_RANKER
        else []
    )
    return (*found, *alone, fixed, *learned)


def fixed_ladder(config: RunConfig, trained: bool = False) -> tuple[Tier, ...]:
    """The phases by number of follows, as the config says: lowest tier first.

    Where sources are blended, phase 1 and the blend by weights.

    Args:
        trained: is there a model, for phase 3?

    Example:
        >>> [tier.min_follows for tier in fixed_ladder(RunConfig())]
        [0, 3]
        >>> model = {"algorithm": "SVD", "min_follows": 2}
        >>> config = RunConfig.model_validate({"sources": {"factors": model}})
        >>> [tier.sources[0] for tier in fixed_ladder(config, trained=True)]
        ['popular', 'factors']
    """
    first, second, *third = phases(config)
    if config.blend.blends:
        least = config.sources.similar.min_follows
        return first, blend(config, RANK_FUSION, trained)._replace(min_follows=least)
    tiers = first, second._replace(min_follows=config.sources.similar.min_follows)
    if not trained:
        return tiers
    least = config.sources.factors.min_follows
    below = (tier for tier in tiers if tier.min_follows < least)
    return (*below, *(tier._replace(min_follows=least) for tier in third))


def ladder_of(tiers: Iterable[TierRecord]) -> tuple[Tier, ...]:
    """The ladder of a stored decision.

    Example:
        >>> ladder_of([TierRecord(min_follows=0, sources=("popular",), how="fill_up")])
        (Tier(min_follows=0, sources=('popular',), how='fill_up'),)
    """
    return tuple(Tier(tier.min_follows, tier.sources, tier.how) for tier in tiers)


def has_factors(ladder: Iterable[Tier]) -> bool:
    """Does anybody on this ladder need a model?"""
    return any(factors.NAME in tier.sources for tier in ladder)


def has_learned(ladder: Iterable[Tier]) -> bool:
    """Does anybody on this ladder get a list that the ranker made?"""
    return any(tier.how == LEARNED_RANKER for tier in ladder)


def tiers_of(ladder: tuple[Tier, ...], follows: np.ndarray) -> np.ndarray:
    """int64[m]: place on the ladder of accounts with so many follows.

    Example:
        >>> tiers_of((Tier(0, ("popular",)), Tier(3, ("similar",))), np.array([0, 2, 3])).tolist()
        [0, 0, 1]
    """
    return np.searchsorted([tier.min_follows for tier in ladder], follows, side="right") - 1
