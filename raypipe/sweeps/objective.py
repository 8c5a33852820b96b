"""The interface of a sweep objective, and helpers that ratings and follows share."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Literal, NamedTuple

from raypipe.compute.engines import memory_available
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig, with_settings
from raypipe.errors import ConfigError
from raypipe.sweeps.space import Dimension, Settings
from raypipe.sweeps.trials import Goal, Report

ALGORITHM, PARAMETERS = "sources.factors.algorithm", "sources.factors.parameters."

#: Algorithm -> the names of its parameters.
Fields = Callable[[str], Collection[str]]
#: Algorithm -> its parameter for the number of epochs; None if it has none.
EpochsOf = Callable[[str], str | None]
#: (config, settings, epochs of the best report) -> the config of a trial.
Resolved = Callable[[RunConfig, Settings, int | None], RunConfig]


class Goals(NamedTuple):
    """The goals of a sweep.

    Attributes:
        picks: the goal that selects the best trial.
        misled: a configured goal that is misleading on this data; its best trial is only reported.
            None if the configured goal selects the best trial.
        warning: why that goal is misleading; None if ``misled`` is None.
    """

    picks: Goal
    misled: Goal | None = None
    warning: str | None = None


class Objective(NamedTuple):
    """A sweep objective: how to measure a config on one kind of data.

    Attributes:
        kind: kind of data, as text.
        goals: config -> goals; raises ConfigError for a metric that the data does not have.
        has: (config, settings so far, key) -> whether a trial with these settings has that key.
        check_space: raises ConfigError for a search space that is invalid for this data.
        read: config -> the whole data. The stack closes a Ray that is started.
        cut: (config, whole data) -> the data of the trials, as arrays that they share.
        digest: whole data -> a digest of it.
        resolved: (config, settings, epochs of its best report) -> the config of a trial.
        reports: (config of a trial, data of the trials, epochs to report at) -> its reports.
        measure_again: (config of the best trial, whole data) -> its measures on unseen data.
        measured_on: config -> descriptions of the data of the trials and of the unseen data.
    """

    kind: Literal["follows", "ratings"]
    goals: Callable[[RunConfig], Goals]
    has: Callable[[RunConfig, Settings, str], bool]
    check_space: Callable[[RunConfig, Sequence[Dimension]], None]
    read: Callable[[RunConfig, Stages, ExitStack], Any]
    cut: Callable[[RunConfig, Any], Any]
    digest: Callable[[Any], str]
    resolved: Resolved
    reports: Callable[[RunConfig, Any, Sequence[int]], Iterator[Report]]
    measure_again: Callable[[RunConfig, Any], dict[str, float | None]]
    measured_on: Callable[[RunConfig], tuple[str, str]]


def algorithms_of(config: RunConfig, space: Iterable[Dimension]) -> tuple[str, ...]:
    """The algorithms that the trials train: those in the search space, else that of the config.

    Example:
        >>> algorithms_of(RunConfig(), [Dimension(ALGORITHM, "choice", ("SVD", "NMF"))])
        ('SVD', 'NMF')
    """
    named = (dimension.values for dimension in space if dimension.key == ALGORITHM)
    return tuple(map(str, next(named, (config.sources.factors.algorithm,))))


def parameter(key: str) -> str:
    """The name of the algorithm parameter that a key belongs to.

    Example:
        >>> parameter("sources.factors.parameters.sim_options.name")
        'sim_options'
    """
    return key.removeprefix(PARAMETERS).partition(".")[0]


def chooses_algorithm(dimension: Dimension) -> bool:
    """Whether a dimension is a list of algorithms."""
    return dimension.key == ALGORITHM and dimension.kind in ("choice", "grid")


def refuse_epochs_beside_asha(config: RunConfig, key: str, epochs: Iterable[str | None]) -> None:
    """Check that the search space has no number of epochs if ASHA selects it.

    Args:
        epochs: the parameters for the number of epochs.

    Raises:
        ConfigError: the key is one of them, and the scheduler is asha.
    """
    if config.sweep.scheduler == "asha" and key in {f"{PARAMETERS}{name}" for name in epochs}:
        raise ConfigError(
            f"sweep.space.{key}: not allowed with scheduler: asha, which selects the epochs; leave "
            "it out, and set sweep.asha.max_epochs"
        )


def check_values(
    config: RunConfig, dimension: Dimension, algorithms: Iterable[str], resolved: Resolved
) -> None:
    """Check each value of a dimension with each algorithm; of a range, its ends and one between.

    Raises:
        ConfigError: a value is invalid.
    """
    values = list(dimension.values)
    if dimension.kind == "float":  # finds a parameter that allows only integers
        low, high = values
        values.append(low + (high - low) / math.pi)
    for name in algorithms:
        for value in values:
            try:
                resolved(config, {ALGORITHM: name, dimension.key: value}, None)
            except ConfigError as error:
                raise ConfigError(f"sweep.space: {error}") from None


def resolve(
    config: RunConfig, settings: Settings, epochs: int | None, fields: Fields, epochs_of: EpochsOf
) -> RunConfig:
    """The config of a trial, without parameters of the config that its algorithm does not have.

    Args:
        epochs: epochs of its best report; None if it was not measured by epochs.
    """
    algorithm = settings.get(ALGORITHM, config.sources.factors.algorithm)
    kept = config.sources.factors.parameters
    if algorithm != config.sources.factors.algorithm:
        kept = {name: value for name, value in kept.items() if name in fields(algorithm)}
    factors = config.sources.factors.model_copy(update={"algorithm": algorithm, "parameters": kept})
    sources = config.sources.model_copy(update={"factors": factors})
    found = with_settings(config.model_copy(update={"sources": sources}), settings)
    name = epochs_of(algorithm)
    if epochs is None or name is None:
        return found
    return with_settings(found, {f"{PARAMETERS}{name}": epochs})


def reports_of_trial(
    config: RunConfig, objective: Objective, epochs: Sequence[int], settings: Settings, data: Any
) -> Iterator[Report]:
    """The reports of one trial; runs in workers, so this module imports little."""
    return objective.reports(objective.resolved(config, settings, None), data, epochs)


def memory_limit(config: RunConfig) -> tuple[float, str]:
    """Maximum bytes of a trial, and the reason for this limit."""
    limit = memory_available()
    if config.memory_per_task is not None and config.memory_per_task < limit:
        return config.memory_per_task, "memory_per_task"
    return limit, "the memory of the machine"
