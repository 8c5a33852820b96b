"""What a kind of data has to say for a sweep on it; and what ratings and follows have in common."""

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

#: Algorithm -> names of its parameters.
Fields = Callable[[str], Collection[str]]
#: Algorithm -> the one that says how many epochs there are; None where it has none.
EpochsOf = Callable[[str], str | None]
#: (config, settings, epochs of the best look) -> the config of a trial.
Resolved = Callable[[RunConfig, Settings, int | None], RunConfig]


class Goals(NamedTuple):
    """What a sweep looks for.

    Attributes:
        picks: what picks the best.
        misled: what was asked for in its place, though it cannot tell good from bad on this data:
            what it would have picked is shown beside; None where nothing such was asked for.
        warning: why; None likewise.
    """

    picks: Goal
    misled: Goal | None = None
    warning: str | None = None


class Objective(NamedTuple):
    """A kind of data, and how a config does on it.

    Attributes:
        kind: of data, for people.
        goals: config -> what is looked for; refuses, by ConfigError, what the data cannot have.
        has: (config, settings so far, key) -> has a trial with these settings such a key?
        check_space: refuses, by ConfigError, a space that this data cannot have.
        read: config -> the data as a whole. A Ray that is started ends with the stack.
        cut: (config, whole) -> what trials share: arrays, so that it is there only once.
        digest: whole -> text that another input would change.
        resolved: (config, settings, epochs of its best report) -> the config of a trial.
        reports: (config of a trial, what trials share, epochs to report at) -> its reports, one by
            one.
        measure_again: (config of the best trial, whole) -> its measures on what no trial saw.
        measured_on: config -> what trials are measured on, and what no trial saw; for people.
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
    """Those that trials train: what the space chooses from, or else what the config names.

    Example:
        >>> algorithms_of(RunConfig(), [Dimension(ALGORITHM, "choice", ("SVD", "NMF"))])
        ('SVD', 'NMF')
    """
    named = (dimension.values for dimension in space if dimension.key == ALGORITHM)
    return tuple(map(str, next(named, (config.sources.factors.algorithm,))))


def parameter(key: str) -> str:
    """The parameter that a key names, or stands below.

    Example:
        >>> parameter("sources.factors.parameters.sim_options.name")
        'sim_options'
    """
    return key.removeprefix(PARAMETERS).partition(".")[0]


def chooses_algorithm(dimension: Dimension) -> bool:
    """Is it a list of algorithms?"""
    return dimension.key == ALGORITHM and dimension.kind in ("choice", "grid")


def refuse_epochs_beside_asha(config: RunConfig, key: str, epochs: Iterable[str | None]) -> None:
    """It would be tried in vain.

    Args:
        epochs: the parameters that say how many there are.

    Raises:
        ConfigError: the key is one of them, and the scheduler is asha.
    """
    if config.sweep.scheduler == "asha" and key in {f"{PARAMETERS}{name}" for name in epochs}:
        raise ConfigError(
            f"sweep.space.{key}: found it beside scheduler: asha, which finds the epochs; leave it "
            "out, and set sweep.asha.max_epochs"
        )


def check_values(
    config: RunConfig, dimension: Dimension, algorithms: Iterable[str], resolved: Resolved
) -> None:
    """Each value, of a range its ends and one between, with each of the algorithms.

    Raises:
        ConfigError: it is refused.
    """
    values = list(dimension.values)
    if dimension.kind == "float":  # whole numbers would hide that no fraction is allowed
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
    """The config of a trial. Parameters of the config that another algorithm has not are left out.

    Args:
        epochs: of its best report; None where it was not looked at by epochs.
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
    """What a worker does for one trial. Here, where little is imported: each worker imports it."""
    return objective.reports(objective.resolved(config, settings, None), data, epochs)


def memory_limit(config: RunConfig) -> tuple[float, str]:
    """Bytes that a trial may hold, and what leaves no more."""
    limit = memory_available()
    if config.memory_per_task is not None and config.memory_per_task < limit:
        return config.memory_per_task, "memory_per_task"
    return limit, "the memory of the machine"
