"""The ladder: which sources lead for which accounts, by tiers of the number of follows."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.recommend.sources.registry import ConfiguredSource, fusion_order, sources_of
from raypipe.storage.records import TierRecord

#: How a tier makes one list of its sources: each fills up what the one before left short; or all
#: are blended, by weights or by a ranker.
FILL_UP, RANK_FUSION, LEARNED_RANKER = "fill_up", "rank_fusion", "learned_ranker"
BLENDS = (RANK_FUSION, LEARNED_RANKER)


class Tier(NamedTuple):
    """What accounts with enough follows for this tier, and too few for the next, are shown.

    Attributes:
        min_follows: follows that an account needs.
        sources: names, the leading one first.
        how: how they make one list: FILL_UP, RANK_FUSION or LEARNED_RANKER.
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
    """What each phase shows, phase 1 first: its source, filled up by those of earlier phases.

    Example:
        >>> [tier.sources for tier in phases(RunConfig())]
        [('popular',), ('similar', 'popular')]
    """
    names = [source.name for source in _sources_of_phases(config)]
    return tuple(Tier(0, tuple(names[number::-1])) for number in range(len(names)))


def blend(config: RunConfig, how: str, trained: bool = False) -> Tier:
    """The blend of all sources that take part in it with this config.

    Args:
        trained: there is a factor model; without one, sources that need it are left out.

    Example:
        >>> blend(RunConfig(), RANK_FUSION).sources
        ('follow_back', 'two_hop', 'co_followed', 'similar', 'popular')
        >>> blend(RunConfig(), LEARNED_RANKER).sources[:4]
        ('follow_back', 'two_hop', 'co_followed', 'pagerank')
    """
    names = (
        source.name
        for source in fusion_order(config)
        if source.section.takes_part(how)
        and source.ready
        and (trained or not source.spec.needs_model)
    )
    return Tier(0, tuple(names), how)


def strategies(config: RunConfig, ranker: bool = True) -> tuple[Tier, ...]:
    """What may lead in a segment, the simplest first.

    The phases, each of the other sources by itself, and, where sources are blended, the blends.

    Example:
        >>> config = RunConfig.model_validate({"blend": {"method": "learned_ranker"}})
        >>> [tier.name for tier in strategies(config)][2:]
        ['follow_back', 'two_hop', 'co_followed', 'pagerank', 'rank_fusion', 'learned_ranker']
    """
    found = phases(config)
    trained = config.sources.factors.trained
    fusion = blend(config, RANK_FUSION, trained)
    leads = {tier.name for tier in found}
    first = found[0].sources
    method = config.blend.method if config.blend.blends else LEARNED_RANKER
    every = blend(config, method, trained).sources
    alone = (Tier(0, (name, *first)) for name in every if name not in leads)
    blends = [fusion] if config.blend.blends else []
    if ranker and config.blend.method == LEARNED_RANKER:
        blends.append(blend(config, LEARNED_RANKER, trained))
    return (*found, *alone, *blends)


def fixed_ladder(config: RunConfig, trained: bool = False) -> tuple[Tier, ...]:
    """The phases by number of follows, as the config says: lowest tier first.

    Where sources are blended, rank fusion for all.

    Args:
        trained: there is a factor model, for phase 3.

    Example:
        >>> [tier.name for tier in fixed_ladder(RunConfig())]
        ['rank_fusion']
        >>> [tier.min_follows for tier in fixed_ladder(RunConfig(ladder="fixed"))]
        [0, 1]
        >>> sources = {"factors": {"algorithm": "SVD", "min_follows": 1}}
        >>> config = RunConfig.model_validate({"ladder": "fixed", "sources": sources})
        >>> [tier.sources[0] for tier in fixed_ladder(config, trained=True)]
        ['popular', 'factors']
    """
    if config.blend.blends:
        return (blend(config, RANK_FUSION, trained),)
    first, *later = phases(config)
    ladder = [first]
    for tier, source in zip(later, _sources_of_phases(config)[1:], strict=True):
        if trained or not source.spec.needs_model:
            lowest = getattr(source.section, "min_follows", 0)
            ladder = [below for below in ladder if below.min_follows < lowest]
            ladder.append(tier._replace(min_follows=lowest))
    return tuple(ladder)


def _sources_of_phases(config: RunConfig) -> list[ConfiguredSource]:
    """The sources that lead a phase and are ready, phase 1 first."""
    ready = [one for one in sources_of(config).values() if one.spec.phase and one.ready]
    return sorted(ready, key=lambda source: source.spec.phase or 0)


def ladder_of(tiers: Iterable[TierRecord]) -> tuple[Tier, ...]:
    """The ladder of a stored decision."""
    return tuple(Tier(tier.min_follows, tier.sources, tier.how) for tier in tiers)


def needs_model(ladder: Iterable[Tier], config: RunConfig) -> bool:
    """True if a source on this ladder needs a factor model."""
    sources = sources_of(config)
    return any(sources[name].spec.needs_model for tier in ladder for name in tier.sources)


def has_learned(ladder: Iterable[Tier]) -> bool:
    """True if a tier of this ladder is made by the learned ranker."""
    return any(tier.how == LEARNED_RANKER for tier in ladder)


def tiers_of(ladder: tuple[Tier, ...], follows: np.ndarray) -> np.ndarray:
    """int64[m]: index of the tier of accounts with these numbers of follows.

    Example:
        >>> tiers_of((Tier(0, ("popular",)), Tier(3, ("similar",))), np.array([0, 2, 3])).tolist()
        [0, 0, 1]
    """
    return np.searchsorted([tier.min_follows for tier in ladder], follows, side="right") - 1
