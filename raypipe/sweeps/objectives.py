"""Registry of objectives, by kind of data."""

from __future__ import annotations

from raypipe.config import RunConfig
from raypipe.errors import ConfigError
from raypipe.sweeps.follow_objective import FOLLOWS
from raypipe.sweeps.objective import Objective
from raypipe.sweeps.rating_objective import RATINGS

OBJECTIVES = {objective.kind: objective for objective in (RATINGS, FOLLOWS)}


def objective_of(config: RunConfig) -> Objective:
    """The objective for the input of a config.

    Raises:
        ConfigError: the config has no input.
    """
    if config.input.place is None:
        raise ConfigError("input: found no data; set input.follows or input.ratings")
    return OBJECTIVES[config.input.kind]
