"""What a sweep measures, by kind of data."""

from __future__ import annotations

from raypipe.config import RunConfig
from raypipe.errors import ConfigError
from raypipe.sweeps.follow_objective import FOLLOWS
from raypipe.sweeps.objective import Objective
from raypipe.sweeps.rating_objective import RATINGS

OBJECTIVES = {objective.kind: objective for objective in (RATINGS, FOLLOWS)}


def objective_of(config: RunConfig) -> Objective:
    """By the data that the config names.

    Raises:
        ConfigError: it names none.
    """
    if config.input.place is None:
        raise ConfigError("input: names no data; set input.follows or input.ratings")
    return OBJECTIVES[config.input.kind]
