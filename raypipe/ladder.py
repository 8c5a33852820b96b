"""The ladder: which sources lead for whom. An account stands on a rung by its number of follows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from raypipe.candidates import co_followed, factors, follow_back, popular, similar, two_hop
from raypipe.config import RunConfig

#: All sources; a recommendation is kept with the place of its source here, so none ever moves.
SOURCES = (
    similar.NAME,
    popular.NAME,
    factors.NAME,
    follow_back.NAME,
    two_hop.NAME,
    co_followed.NAME,
)


class Rung(NamedTuple):
    """What accounts get that have enough follows for this rung and too few for the next.

    Attributes:
        min_follows: follows that an account needs.
        sources: names, leading one first; each fills up what the one before left short.
    """

    min_follows: int
    sources: tuple[str, ...]


def phases(config: RunConfig) -> tuple[tuple[str, ...], ...]:
    """The sources of each phase, phase 1 first: the one that leads, and what fills its lists up.

    Example:
        >>> phases(RunConfig())
        (('popular',), ('similar', 'popular'))
    """
    trained = (factors.NAME, similar.NAME, popular.NAME)
    untrained = (popular.NAME,), (similar.NAME, popular.NAME)
    return (*untrained, trained) if config.factors.trained else untrained


def fixed_ladder(config: RunConfig, trained: bool = False) -> tuple[Rung, ...]:
    """The phases by number of follows, as the config says: lowest rung first.

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
    rungs = Rung(0, first), Rung(config.similar.min_follows, second)
    if not trained:
        return rungs
    least = config.factors.min_follows
    return (*(rung for rung in rungs if rung.min_follows < least), Rung(least, *third))


def ladder_of(rungs: list[dict[str, Any]]) -> tuple[Rung, ...]:
    """The ladder that a manifest tells of, as a list of each rung's ``_asdict()``.

    Example:
        >>> ladder_of([{"min_follows": 0, "sources": ["popular"]}])
        (Rung(min_follows=0, sources=('popular',)),)
    """
    return tuple(Rung(rung["min_follows"], tuple(rung["sources"])) for rung in rungs)


def has_factors(ladder: tuple[Rung, ...]) -> bool:
    """Does anybody on this ladder need a model?"""
    return any(factors.NAME in rung.sources for rung in ladder)


def rungs_of(ladder: tuple[Rung, ...], follows: np.ndarray) -> np.ndarray:
    """int64[m]: place on the ladder of accounts with so many follows.

    Example:
        >>> rungs_of((Rung(0, ("popular",)), Rung(3, ("similar",))), np.array([0, 2, 3])).tolist()
        [0, 0, 1]
    """
    return np.searchsorted([rung.min_follows for rung in ladder], follows, side="right") - 1
