"""The search space: the possible values of each parameter, and grid and random points."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from raypipe.config import SweepConfig
from raypipe.errors import ConfigError, did_you_mean

Settings = dict[str, Any]
#: (settings, key) -> whether a trial with these settings has this key: its algorithm may not.
Has = Callable[[Settings, str], bool]

RANGES, LISTS = ("int", "float"), ("choice", "grid")
#: Default number of trials of a random search and of Optuna.
DEFAULT_TRIALS = 20
#: Maximum number of random draws per trial to find a point that no other trial has.
_DRAWS = 100


@dataclass(frozen=True)
class Dimension:
    """One config key and its possible values.

    Attributes:
        key: dotted key.
        kind: int, float, choice or grid.
        values: the two ends of a range, both included, or all values of a list.
        log: for a range: True if equal ratios are equally likely.
    """

    key: str
    kind: str
    values: tuple[Any, ...]
    log: bool = False

    def index(self, value: Any) -> int:
        """The position of a value in a list, in which 1, 1.0 and true are different values."""
        return [(type(choice), choice) for choice in self.values].index((type(value), value))


def parse_space(sweep: SweepConfig) -> tuple[Dimension, ...]:
    """The dimensions, in the order of the config.

    Raises:
        ConfigError: there is no dimension, or a dimension is invalid.

    Example:
        >>> parse_space(SweepConfig(space={"sources.similar.neighbours": {"int": [10, 50]}}))
        (Dimension(key='sources.similar.neighbours', kind='int', values=(10, 50), log=False),)
    """
    if not sweep.space:
        raise ConfigError(
            "sweep.space: has no points; expected at least one parameter, as "
            "sources.factors.parameters.n_factors: {int: [20, 300]}"
        )
    space = tuple(_dimension(key, spec) for key, spec in sweep.space.items())
    for dimension in space:
        key, grid = f"sweep.space.{dimension.key}", sweep.search == "grid"
        if grid and dimension.kind in RANGES:
            raise ConfigError(
                f"{key}: found a range, which search: grid cannot list; expected "
                "{grid: [...]}, or set search: random"
            )
        if not grid and dimension.kind == "grid":
            raise ConfigError(
                f"{key}: found a grid, but search is {sweep.search}; expected choice, int or "
                "float, or set search: grid"
            )
    return space


def grid_points(space: Sequence[Dimension], has: Has) -> list[Settings]:
    """All combinations of the values, without duplicates; the last dimension varies fastest.

    Example:
        >>> space = (Dimension("a", "grid", (1, 2)), Dimension("b", "grid", (3, 4)))
        >>> grid_points(space, lambda settings, key: key == "a" or settings["a"] == 1)
        [{'a': 1, 'b': 3}, {'a': 1, 'b': 4}, {'a': 2}]
    """
    combinations = itertools.product(*(dimension.values for dimension in space))
    chosen = (dict(zip(space, combination, strict=True)) for combination in combinations)
    return list(_distinct(resolve(space, has, values.__getitem__) for values in chosen))


def random_points(space: Sequence[Dimension], has: Has, count: int, seed: int) -> list[Settings]:
    """Up to ``count`` different random points; the first points do not depend on ``count``.

    Example:
        >>> space = (Dimension("a", "float", (0.01, 1.0), log=True), Dimension("b", "int", (1, 3)))
        >>> points = random_points(space, lambda settings, key: True, 3, seed=0)
        >>> points[:2] == random_points(space, lambda settings, key: True, 2, seed=0)
        True
    """
    generators = (np.random.default_rng([seed, number]) for number in range(_DRAWS * count))
    drawn = (resolve(space, has, partial(draw, rng=rng)) for rng in generators)
    return list(itertools.islice(_distinct(drawn), count))


def resolve(space: Sequence[Dimension], has: Has, value: Callable[[Dimension], Any]) -> Settings:
    """One point: a value for each dimension that applies; the algorithm is chosen first."""
    point: Settings = {}
    for dimension in sorted(space, key=lambda one: one.key != "sources.factors.algorithm"):
        if has(point, dimension.key):
            point[dimension.key] = value(dimension)
    return point


def draw(dimension: Dimension, rng: np.random.Generator) -> Any:
    """A random value of a dimension, uniform, or log-uniform with ``log``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sorted({draw(Dimension("a", "int", (1, 3), log=True), rng) for _ in range(50)})
        [1, 2, 3]
    """
    if dimension.kind in LISTS:
        return dimension.values[int(rng.integers(len(dimension.values)))]
    low, high = dimension.values
    if dimension.kind == "int" and not dimension.log:
        return int(rng.integers(low, high + 1))
    # Each integer gets the interval from 0.5 below it to 0.5 above it.
    margin = 0.5 if dimension.kind == "int" else 0.0
    if dimension.log:
        drawn = math.exp(rng.uniform(math.log(low - margin), math.log(high + margin)))
    else:
        drawn = rng.uniform(low, high)
    drawn = min(max(drawn, low), high)
    return round(drawn) if dimension.kind == "int" else float(drawn)


def _dimension(key: str, spec: dict[str, Any]) -> Dimension:
    path = f"sweep.space.{key}"
    known = [*RANGES, *LISTS, "log"]
    for word in spec:
        if word not in known:
            raise ConfigError(f"{path}.{word}: unknown key; {did_you_mean(word, known)}")
    kinds = [word for word in spec if word != "log"]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise ConfigError(f"{path}: found {found}; expected one of int, float, choice and grid")
    (kind,), log = kinds, spec.get("log", False)
    values = spec[kind]
    if not isinstance(log, bool):
        raise ConfigError(f"{path}.log: found {log!r}; expected true or false")
    if log and kind in LISTS:
        raise ConfigError(f"{path}.log: is for int and float; leave it out")
    if not isinstance(values, list):
        raise ConfigError(f"{path}.{kind}: found {values!r}; expected a list")
    if kind in LISTS:
        return Dimension(key, kind, _check_list(path, kind, values))
    return Dimension(key, kind, _check_range(path, kind, values, log), log)


def _check_list(path: str, kind: str, values: list[Any]) -> tuple[Any, ...]:
    if not values:
        raise ConfigError(f"{path}.{kind}: has no points; expected at least one value")
    for value in values:
        if not isinstance(value, bool | int | float | str | None):
            raise ConfigError(f"{path}.{kind}: found {value!r}; expected numbers or words")
        if sum(value == other and type(value) is type(other) for other in values) > 1:
            raise ConfigError(f"{path}.{kind}: found {value!r} twice; leave one out")
    return tuple(values)


def _check_range(path: str, kind: str, values: list[Any], log: bool) -> tuple[Any, ...]:
    allowed = int if kind == "int" else int | float
    numbers = [v for v in values if isinstance(v, allowed) and not isinstance(v, bool)]
    if len(values) != 2 or len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        what = "whole numbers" if kind == "int" else "numbers"
        raise ConfigError(f"{path}.{kind}: found {values!r}; expected two {what}")
    low, high = values
    if not low < high:
        raise ConfigError(
            f"{path}.{kind}: found {values!r}, which has no points between; expected the lowest "
            "value, then a higher one"
        )
    if log and low <= 0:
        raise ConfigError(f"{path}.{kind}: found {low}; with log: true expected more than 0")
    return low, high


def _distinct(points: Iterator[Settings]) -> Iterator[Settings]:
    seen = set()
    for point in points:
        text = repr(sorted(point.items()))
        if text not in seen:
            seen.add(text)
            yield point
