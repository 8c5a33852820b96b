"""What a sweep measures, by kind of data. A kind that is not here cannot be swept."""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from raypipe.config import RunConfig, SweepConfig, with_settings
from raypipe.engines import memory_available
from raypipe.errors import ConfigError
from raypipe.rating_evaluation import read_arrays
from raypipe.ratings.algorithms import ALGORITHMS, check_parameters
from raypipe.ratings.cost import Size, check_memory
from raypipe.ratings.data import FoldedRatings, Ratings, fold_ratings
from raypipe.ratings.evaluate import measure, measure_by_epoch
from raypipe.ratings.measures import MEASURES, check_measures
from raypipe.sweeps.space import Dimension, Settings
from raypipe.sweeps.trials import Goal, Look

_ALGORITHM, _PARAMETERS = "factors.algorithm", "factors.parameters."
_EPOCHS = f"{_PARAMETERS}n_epochs"


class Objective(NamedTuple):
    """A kind of data, and how a config does on it.

    Attributes:
        kind: of data, for people.
        metrics: name to whether more of it is better; the first is what ``objective: null`` means.
        has: (config, settings so far, key) -> has a trial with these settings such a key?
        check_space: refuses, by ConfigError, a space that this data cannot have.
        read: config -> the data as a whole.
        cut: (config, whole, seed) -> what trials share: arrays, so that it is there only once.
        digest: whole -> text that another input would change.
        settled: (config, settings, epochs of its best look) -> the config of a trial.
        looks: (config of a trial, what trials share, epochs to look at) -> its looks, one by one.
    """

    kind: str
    metrics: dict[str, bool]
    has: Callable[[RunConfig, Settings, str], bool]
    check_space: Callable[[RunConfig, Sequence[Dimension]], None]
    read: Callable[[RunConfig], Any]
    cut: Callable[[RunConfig, Any, int], Any]
    digest: Callable[[Any], str]
    settled: Callable[[RunConfig, Settings, int | None], RunConfig]
    looks: Callable[[RunConfig, Any, Sequence[int]], Iterator[Look]]


def objective_of(config: RunConfig) -> Objective:
    """By the data that the config names.

    Raises:
        ConfigError: it names none, or none that can be swept.
    """
    kind = "ratings" if config.input.ratings is not None else "follows"
    if kind not in OBJECTIVES:
        raise ConfigError(
            f"input.{kind}: a sweep takes {' or '.join(OBJECTIVES)}; set input.ratings"
        )
    return OBJECTIVES[kind]


def goal_of(sweep: SweepConfig, objective: Objective) -> Goal:
    """What is looked for.

    Raises:
        ConfigError: the data cannot have such a metric.

    Example:
        >>> goal_of(SweepConfig(), OBJECTIVES["ratings"])
        Goal(metric='rmse', more=False)
        >>> goal_of(SweepConfig(objective="ndcg@10"), OBJECTIVES["ratings"])
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: sweep.objective: ratings have no 'ndcg@10'; known: rmse, mae, \
fcp
    """
    metrics = objective.metrics
    name = sweep.objective or next(iter(metrics))
    if name not in metrics:
        near = difflib.get_close_matches(name, metrics, n=1)
        cure = f"did you mean {near[0]}?" if near else f"known: {', '.join(metrics)}"
        raise ConfigError(f"sweep.objective: {objective.kind} have no {name!r}; {cure}")
    return Goal(name, metrics[name])


def looks_of_trial(
    config: RunConfig, objective: Objective, epochs: Sequence[int], settings: Settings, data: Any
) -> Iterator[Look]:
    """What a worker does for one trial. Here, where little is imported: each worker imports it."""
    return objective.looks(objective.settled(config, settings, None), data, epochs)


def _has(config: RunConfig, settings: Settings, key: str) -> bool:
    """A parameter that the trial's algorithm has not is left out of the trial."""
    if not key.startswith(_PARAMETERS):
        return True
    algorithm = settings.get(_ALGORITHM, config.factors.algorithm)
    return _parameter(key) in ALGORITHMS[algorithm].model_fields


def _check_space(config: RunConfig, space: Sequence[Dimension]) -> None:
    check_measures(config.evaluation.metrics)  # best.yaml goes into an evaluation
    algorithms = next((d.values for d in space if d.key == _ALGORITHM), (config.factors.algorithm,))
    for name in algorithms:
        check_parameters(str(name), {})
    for dimension in space:
        key, place = dimension.key, f"sweep.space.{dimension.key}"
        if key == _ALGORITHM and dimension.kind in ("choice", "grid"):
            continue
        if key == _EPOCHS and config.sweep.scheduler == "asha":
            raise ConfigError(
                f"{place}: found it beside scheduler: asha, which finds the epochs; leave it out, "
                "and set sweep.asha.max_epochs"
            )
        if not key.startswith(_PARAMETERS):
            raise ConfigError(
                f"{place}: is no parameter of a training on ratings; expected {_ALGORITHM} as a "
                f"choice, or {_PARAMETERS}*"
            )
        having = [name for name in algorithms if _parameter(key) in ALGORITHMS[name].model_fields]
        # Where none has it, the first one says so, with the nearest name.
        for name in having or algorithms[:1]:
            for value in _samples(dimension):
                try:
                    _settled(config, {_ALGORITHM: name, key: value}, None)
                except ConfigError as error:
                    raise ConfigError(f"sweep.space: {error}") from None
    if config.sweep.scheduler == "asha" and not any(
        "n_epochs" in ALGORITHMS[name].model_fields for name in algorithms
    ):
        raise ConfigError(
            f"sweep.scheduler: asha needs epochs, which {' and '.join(algorithms)} has not; set "
            "scheduler: none"
        )


def _settled(config: RunConfig, settings: Settings, epochs: int | None) -> RunConfig:
    """Parameters of the config that another algorithm has not are left out with it."""
    algorithm = settings.get(_ALGORITHM, config.factors.algorithm)
    fields = ALGORITHMS[algorithm].model_fields
    kept = config.factors.parameters
    if algorithm != config.factors.algorithm:
        kept = {name: value for name, value in kept.items() if name in fields}
    factors = config.factors.model_copy(update={"algorithm": algorithm, "parameters": kept})
    found = with_settings(config.model_copy(update={"factors": factors}), settings)
    if epochs is not None and "n_epochs" in fields:
        found = with_settings(found, {_EPOCHS: epochs})
    check_parameters(algorithm, found.factors.parameters)
    return found


def _samples(dimension: Dimension) -> list[Any]:
    """Values to check a dimension by: those of a list; ends and a fraction of a range."""
    found = list(dimension.values)
    if dimension.kind == "float":
        low, high = found
        found.append(low + (high - low) / math.pi)
    return found


def _parameter(key: str) -> str:
    """The parameter that a key names, or stands below: sim_options of ...sim_options.name."""
    return key.removeprefix(_PARAMETERS).partition(".")[0]


def _cut(config: RunConfig, ratings: Ratings, seed: int) -> FoldedRatings:
    return fold_ratings(ratings, config.evaluation.folds, seed)


def _read(config: RunConfig) -> Ratings:
    return read_arrays(config).ratings


def _digest(ratings: Ratings) -> str:
    found = hashlib.sha256()
    for ids in (ratings.user_ids, ratings.item_ids):
        found.update("\n".join(ids.to_pylist()).encode())
    for array in (ratings.users, ratings.items, ratings.values):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]


def _looks(config: RunConfig, data: FoldedRatings, epochs: Sequence[int]) -> Iterator[Look]:
    algorithm, training = config.factors.algorithm, data.folds[0].training
    size = Size(len(training.values), training.user_count, training.item_count, 0, 0)
    limit, limited_by = memory_available(), "the memory of the machine"
    if config.memory_per_task is not None and config.memory_per_task < limit:
        limit, limited_by = config.memory_per_task, "memory_per_task"
    parameters = check_parameters(algorithm, config.factors.parameters)
    check_memory(algorithm, parameters, size, limit, limited_by)
    if epochs:
        for done, measured in measure_by_epoch(config, data, epochs):
            yield Look(done, measured)
    else:
        yield Look(None, measure(config, data))


OBJECTIVES = {
    "ratings": Objective(
        "ratings", MEASURES, _has, _check_space, _read, _cut, _digest, _settled, _looks
    ),
}
