"""The ladder: which sources lead for whom. An account stands on a rung by its number of follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.recommend.sources import co_followed, factors, follow_back, popular, similar, two_hop

#: All sources; a recommendation is kept with the place of its source here, so none ever moves.
SOURCES = (
    similar.NAME,
    popular.NAME,
    factors.NAME,
    follow_back.NAME,
    two_hop.NAME,
    co_followed.NAME,
)

#: How a rung makes one list of its sources: each fills up what the one before left short; or all
#: are blended, by weights or by a ranker.
FILL_UP, FIXED, LEARNED = "fill_up", "fixed", "learned"
#: What a blend is called where it stands among sources.
FIXED_BLEND, LEARNED_BLEND = "fixed_blend", "learned_blend"
BLENDS = {FIXED: FIXED_BLEND, LEARNED: LEARNED_BLEND}


class Rung(NamedTuple):
    """What accounts get that have enough follows for this rung and too few for the next.

    Attributes:
        min_follows: follows that an account needs.
        sources: names, leading one first.
        how: they make one list: FILL_UP, FIXED or LEARNED.
    """

    min_follows: int
    sources: tuple[str, ...]
    how: str = FILL_UP

    @property
    def name(self) -> str:
        """The source that leads, or the blend.

        Example:
            >>> Rung(3, ("similar", "popular")).name, Rung(3, ("similar", "popular"), FIXED).name
            ('similar', 'fixed_blend')
        """
        return BLENDS.get(self.how, self.sources[0])


def phases(config: RunConfig) -> tuple[Rung, ...]:
    """What each phase shows, phase 1 first, as rungs that everybody stands on.

    Example:
        >>> [rung.sources for rung in phases(RunConfig())]
        [('popular',), ('similar', 'popular')]
    """
    trained = (factors.NAME, similar.NAME, popular.NAME)
    untrained = Rung(0, (popular.NAME,)), Rung(0, (similar.NAME, popular.NAME))
    return (*untrained, Rung(0, trained)) if config.factors.trained else untrained


def blend(config: RunConfig, how: str, trained: bool = False) -> Rung:
    """The blend of all sources to which this config gives a weight.

    Args:
        trained: is there a model? Else there is no source of that.

    Example:
        >>> blend(RunConfig(), FIXED).sources
        ('follow_back', 'two_hop', 'co_followed', 'similar', 'popular')
    """
    weights = config.blend.weights.model_dump()
    if not trained:
        del weights[factors.NAME]
    return Rung(0, tuple(name for name, weight in weights.items() if weight), how)


def contenders(config: RunConfig, ranker: bool = True) -> tuple[Rung, ...]:
    """What may be shown to accounts with follows, the simplest first.

    The phases; and where sources are blended, each of the others by itself, and the blends.

    Args:
        ranker: is there one?

    Example:
        >>> config = RunConfig.model_validate({"blend": {"combine": "learned"}})
        >>> [rung.name for rung in contenders(config)][2:]
        ['follow_back', 'two_hop', 'co_followed', 'fixed_blend', 'learned_blend']
    """
    found = phases(config)
    if not config.blend.blends:
        return found
    trained = config.factors.trained
    fixed = blend(config, FIXED, trained)
    leads = {rung.name for rung in found}
    alone = (Rung(0, (name, popular.NAME)) for name in fixed.sources if name not in leads)
    learned = (
        [blend(config, LEARNED, trained)] if ranker and config.blend.combine == LEARNED else []
    )
    return (*found, *alone, fixed, *learned)


def fixed_ladder(config: RunConfig, trained: bool = False) -> tuple[Rung, ...]:
    """The phases by number of follows, as the config says: lowest rung first.

    Where sources are blended, phase 1 and the blend by weights.

    Args:
        trained: is there a model, for phase 3?

    Example:
        >>> [rung.min_follows for rung in fixed_ladder(RunConfig())]
        [0, 3]
        >>> config = RunConfig.model_validate({"factors": {"algorithm": "SVD", "min_follows": 2}})
        >>> [rung.sources[0] for rung in fixed_ladder(config, trained=True)]
        ['popular', 'factors']
    """
    first, second, *third = phases(config)
    if config.blend.blends:
        least = config.similar.min_follows
        return first, blend(config, FIXED, trained)._replace(min_follows=least)
    rungs = first, second._replace(min_follows=config.similar.min_follows)
    if not trained:
        return rungs
    least = config.factors.min_follows
    below = (rung for rung in rungs if rung.min_follows < least)
    return (*below, *(rung._replace(min_follows=least) for rung in third))


def ladder_of(rungs: list[dict[str, Any]]) -> tuple[Rung, ...]:
    """The ladder that a manifest tells of, as a list of each rung's ``_asdict()``.

    Example:
        >>> ladder_of([{"min_follows": 0, "sources": ["popular"], "how": "fill_up"}])
        (Rung(min_follows=0, sources=('popular',), how='fill_up'),)
    """
    return tuple(Rung(rung["min_follows"], tuple(rung["sources"]), rung["how"]) for rung in rungs)


def has_factors(ladder: Iterable[Rung]) -> bool:
    """Does anybody on this ladder need a model?"""
    return any(factors.NAME in rung.sources for rung in ladder)


def has_learned(ladder: Iterable[Rung]) -> bool:
    """Does anybody on this ladder get a list that the ranker made?"""
    return any(rung.how == LEARNED for rung in ladder)


def rungs_of(ladder: tuple[Rung, ...], follows: np.ndarray) -> np.ndarray:
    """int64[m]: place on the ladder of accounts with so many follows.

    Example:
        >>> rungs_of((Rung(0, ("popular",)), Rung(3, ("similar",))), np.array([0, 2, 3])).tolist()
        [0, 0, 1]
    """
    return np.searchsorted([rung.min_follows for rung in ladder], follows, side="right") - 1
