"""The lists of a source by itself, of sources that fill each other up, and of the whole ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from raypipe.candidates import co_followed, factors, follow_back, popular, similar, two_hop
from raypipe.config import RunConfig
from raypipe.errors import ConfigError, did_you_mean
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.topk import fill_up
from raypipe.ladder import SOURCES, Rung, has_factors, rungs_of
from raypipe.recommend import Night, nearest, recommend_to

#: What the night itself would show: each source where the ladder lets it lead.
LADDER = "ladder"


def ladders_of(
    names: Sequence[str], ladder: tuple[Rung, ...], config: RunConfig
) -> dict[str, tuple[Rung, ...]]:
    """For each source to be measured the ladder that gives its lists.

    A source stands alone, for accounts of every size; ``a+b`` is filled up by b where a falls
    short.

    Args:
        ladder: that of the night, which LADDER stands for.

    Raises:
        ConfigError: there is no such source.
    """
    return {
        name: ladder if name == LADDER else (Rung(0, tuple(name.split("+"))),)
        for name in check_sources(names, config)
    }


def sources_of(config: RunConfig) -> tuple[str, ...]:
    """The sources that a config has: those of the phases, lowest first, then those beside them.

    Example:
        >>> sources_of(RunConfig())
        ('popular', 'similar', 'follow_back', 'two_hop', 'co_followed')
    """
    trained = (factors.NAME,) if config.factors.trained else ()
    beside = (follow_back.NAME, two_hop.NAME, co_followed.NAME)
    return (popular.NAME, similar.NAME, *trained, *beside)


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
        for part in name.split("+"):
            if part not in SOURCES and name != LADDER:
                possible = SOURCES if "+" in name else (*SOURCES, LADDER)
                known = f"known: {LADDER}, and {', '.join(SOURCES)}, also joined by +"
                raise ConfigError(f"no source {part!r}; {did_you_mean(part, possible, known)}")
            if part in SOURCES and part not in sources_of(config):
                raise ConfigError(
                    f"source {part}: this config trains no model; set factors.algorithm, as "
                    "--set factors.algorithm=TruncatedSVD"
                )
    return tuple(dict.fromkeys(names))


def asks_for_factors(names: Sequence[str], ladder: tuple[Rung, ...]) -> bool:
    """Does one of these sources need a model?

    Args:
        ladder: that LADDER stands for.
    """
    parts = {part for name in names for part in name.split("+")}
    return factors.NAME in parts or (LADDER in parts and has_factors(ladder))


def lists_of(
    night: Night, ladders: dict[str, tuple[Rung, ...]], accounts: np.ndarray
) -> list[np.ndarray]:
    """int32[m, n] for each ladder: whom it recommends to the accounts, best first, then -1.

    A source is asked once for all ladders on which it stands: where the first n of one source do
    not fill a list, the first n of the next one do, just as if it had been asked for that list.
    """
    names = dict.fromkeys(name for rungs in ladders.values() for r in rungs for name in r.sources)
    near = nearest(night, accounts) if similar.NAME in names else _no_neighbours(len(accounts))
    alone = {
        name: recommend_to(replace(night, ladder=(Rung(0, (name,)),)), accounts, near)[0][:3]
        for name in names
    }
    follows = night.followees.degrees_of(accounts)
    found = []
    for ladder in ladders.values():
        codes = np.empty((len(accounts), night.config.recommendations.per_account), np.int32)
        rungs = rungs_of(ladder, follows)
        for rung in np.unique(rungs):
            members = np.flatnonzero(rungs == rung)
            theirs = [
                tuple(array[members] for array in alone[name]) for name in ladder[rung].sources
            ]
            codes[members] = reduce(fill_up, theirs)[1]
        found.append(codes)
    return found


def _no_neighbours(m: int) -> Neighbours:
    codes = np.empty((m, 0), np.int32)
    return Neighbours(np.zeros(m, np.int32), codes, codes, np.empty((m, 0)))
