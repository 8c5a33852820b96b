"""The objective of a sweep on ratings: RMSE, MAE or FCP by k-fold cross-validation."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from raypipe.compute.stages import Stages
from raypipe.config import RunConfig
from raypipe.errors import ConfigError, did_you_mean
from raypipe.ratings.algorithms import ALGORITHMS, check_parameters
from raypipe.ratings.cost import Size, check_memory
from raypipe.ratings.data import FoldedRatings, Ratings, fold_ratings
from raypipe.ratings.evaluate import Measured, measure, measure_by_epoch
from raypipe.ratings.measures import MEASURES, check_measures
from raypipe.ratings.run import read_arrays
from raypipe.sweeps.objective import (
    ALGORITHM,
    PARAMETERS,
    Goals,
    Objective,
    algorithms_of,
    check_values,
    chooses_algorithm,
    memory_limit,
    parameter,
    refuse_epochs_beside_asha,
    resolve,
)
from raypipe.sweeps.space import Dimension, Settings
from raypipe.sweeps.trials import Goal, Report


def goals(config: RunConfig) -> Goals:
    """RMSE where nothing else is asked for.

    Raises:
        ConfigError: ratings cannot have such a metric.

    Example:
        >>> from raypipe.config import load_config
        >>> goals(RunConfig()).picks
        Goal(metric='rmse', more=False)
        >>> goals(load_config(None, {"sweep.objective": "ndcg@10"}))
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: sweep.objective: ratings have no 'ndcg@10'; known: rmse, mae, \
fcp
    """
    name = config.sweep.objective or next(iter(MEASURES))
    if name not in MEASURES:
        cure = did_you_mean(name, MEASURES)
        raise ConfigError(f"sweep.objective: ratings have no {name!r}; {cure}")
    return Goals(Goal(name, MEASURES[name]))


def _fields(algorithm: str) -> Collection[str]:
    return ALGORITHMS[algorithm].model_fields


def _epochs(algorithm: str) -> str | None:
    return "n_epochs" if "n_epochs" in _fields(algorithm) else None


def _has(config: RunConfig, settings: Settings, key: str) -> bool:
    """Whether a key applies to a trial; parameters apply only to the algorithms that have them."""
    if not key.startswith(PARAMETERS):
        return True
    return parameter(key) in _fields(settings.get(ALGORITHM, config.sources.factors.algorithm))


def _check_space(config: RunConfig, space: Sequence[Dimension]) -> None:
    check_measures(config.evaluation.metrics)  # evaluations use best.yaml
    algorithms = algorithms_of(config, space)
    for name in algorithms:
        check_parameters(name, {})
    for dimension in space:
        if chooses_algorithm(dimension):
            continue
        refuse_epochs_beside_asha(config, dimension.key, map(_epochs, algorithms))
        if not dimension.key.startswith(PARAMETERS):
            raise ConfigError(
                f"sweep.space.{dimension.key}: is no parameter of a training on ratings; expected "
                f"{ALGORITHM} as a choice, or {PARAMETERS}*"
            )
        having = [name for name in algorithms if parameter(dimension.key) in _fields(name)]
        # If no algorithm has the parameter, the first one raises the error, with the nearest name.
        check_values(config, dimension, having or algorithms[:1], _resolved)
    if config.sweep.scheduler == "asha" and not any(map(_epochs, algorithms)):
        raise ConfigError(
            f"sweep.scheduler: asha needs epochs, which {' and '.join(algorithms)} has not; set "
            "scheduler: none"
        )


def _resolved(config: RunConfig, settings: Settings, epochs: int | None) -> RunConfig:
    found = resolve(config, settings, epochs, _fields, _epochs)
    check_parameters(found.sources.factors.algorithm, found.sources.factors.parameters)
    return found


def _read(config: RunConfig, stages: Stages, stack: ExitStack) -> Ratings:
    with stages.stage("read"):
        return read_arrays(config).ratings


def _cut(config: RunConfig, ratings: Ratings) -> FoldedRatings:
    return fold_ratings(ratings, config.evaluation.folds, config.seed)


def _digest(ratings: Ratings) -> str:
    found = hashlib.sha256()
    for ids in (ratings.user_ids, ratings.item_ids):
        found.update("\n".join(ids.to_pylist()).encode())
    for array in (ratings.users, ratings.items, ratings.values):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]


def _reports(config: RunConfig, data: FoldedRatings, epochs: Sequence[int]) -> Iterator[Report]:
    algorithm, training = config.sources.factors.algorithm, data.folds[0].training
    size = Size(len(training.values), training.user_count, training.item_count, 0, 0)
    parameters = check_parameters(algorithm, config.sources.factors.parameters)
    check_memory(algorithm, parameters, size, *memory_limit(config))
    if epochs:
        for done, measured in measure_by_epoch(config, data, epochs):
            yield Report(done, measured)
    else:
        yield Report(None, measure(config, data))


def _again(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"seed": (config.seed + 1) % 2**32})


def _measure_again(config: RunConfig, ratings: Ratings) -> Measured:
    again = _again(config)
    (report,) = _reports(again, _cut(again, ratings), ())
    return report.measures


def _measured_on(config: RunConfig) -> tuple[str, str]:
    return f"folds of seed {config.seed}", f"folds of seed {_again(config).seed} that no trial saw"


RATINGS = Objective(
    kind="ratings",
    goals=goals,
    has=_has,
    check_space=_check_space,
    read=_read,
    cut=_cut,
    digest=_digest,
    resolved=_resolved,
    reports=_reports,
    measure_again=_measure_again,
    measured_on=_measured_on,
)
