"""What a sweep measures: the interface of an objective, and what ratings and follows share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, Literal, NamedTuple

from raypipe.compute.engines import memory_available
from raypipe.compute.stages import Stages
from raypipe.config import NO_MODEL, RunConfig, with_settings
from raypipe.errors import ConfigError
from raypipe.sweeps.space import Dimension, Settings
from raypipe.sweeps.trials import Goal, Report

ALGORITHM, PARAMETERS = "sources.factors.algorithm", "sources.factors.parameters."


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


class Objective(ABC):
    """A sweep objective: how to measure a config on one kind of data.

    Attributes:
        kind: kind of data.
        without_model: keys that have an effect only where no model is trained.
    """

    kind: ClassVar[Literal["follows", "ratings"]]
    without_model: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def goals(self, config: RunConfig) -> Goals:
        """The goals of a sweep; raises ConfigError for a metric that the data does not have."""

    @abstractmethod
    def fields(self, algorithm: str) -> Collection[str]:
        """The names of the parameters of an algorithm."""

    @abstractmethod
    def epochs(self, algorithm: str) -> str | None:
        """The parameter for the number of epochs; None if the algorithm has none."""

    @abstractmethod
    def check_metrics(self, config: RunConfig) -> None:
        """Check ``evaluation.metrics``, because evaluations use best.yaml."""

    @abstractmethod
    def check_algorithm(self, algorithm: str, parameters: dict[str, Any]) -> object:
        """Check the name and the parameters of an algorithm; raises ConfigError."""

    @abstractmethod
    def check_key(self, key: str, algorithms: Sequence[str], having: Sequence[str]) -> None:
        """Check a key of the search space; raises ConfigError.

        Args:
            having: the algorithms of the sweep that have this key.
        """

    @abstractmethod
    def read(self, config: RunConfig, stages: Stages, stack: ExitStack) -> Any:
        """The whole data. The stack closes a Ray that is started."""

    @abstractmethod
    def cut(self, config: RunConfig, whole: Any) -> Any:
        """The data of the trials, as arrays that they share."""

    @abstractmethod
    def digest(self, whole: Any) -> str:
        """A digest of the whole data."""

    @abstractmethod
    def reports(self, config: RunConfig, data: Any, epochs: Sequence[int]) -> Iterator[Report]:
        """The reports of a trial with this config, after these numbers of epochs."""

    @abstractmethod
    def measure_again(self, config: RunConfig, whole: Any) -> dict[str, float | None]:
        """The measures of the best trial on unseen data."""

    @abstractmethod
    def measured_on(self, config: RunConfig) -> tuple[str, str]:
        """Descriptions of the data of the trials, and of the unseen data."""

    def has(self, config: RunConfig, settings: Settings, key: str) -> bool:
        """Whether a key has an effect on a trial with these settings."""
        algorithm = settings.get(ALGORITHM, config.sources.factors.named)
        if key.startswith(PARAMETERS):
            return key.removeprefix(PARAMETERS).partition(".")[0] in self.fields(algorithm)
        return algorithm == NO_MODEL or key not in self.without_model

    def check_space(self, config: RunConfig, space: Sequence[Dimension]) -> None:
        """Check the search space before the data is read.

        Raises:
            ConfigError: it is invalid for this data.
        """
        self.check_metrics(config)
        algorithms = algorithms_of(config, space)
        for name in algorithms:
            self.check_algorithm(name, {})
            self.resolved(config, {ALGORITHM: name}, None)
        asha = config.sweep.scheduler == "asha"
        epochs = {f"{PARAMETERS}{name}" for name in map(self.epochs, algorithms) if name}
        for dimension in space:
            key = dimension.key
            if key == ALGORITHM and dimension.kind in ("choice", "grid"):
                continue
            if asha and key in epochs:
                raise ConfigError(
                    f"sweep.space.{key}: not allowed with scheduler: asha, which selects the "
                    "epochs; leave it out, and set sweep.asha.max_epochs"
                )
            having = [name for name in algorithms if self.has(config, {ALGORITHM: name}, key)]
            self.check_key(key, algorithms, having)
            # If no algorithm has the key, the first one raises the error, with the nearest name.
            trained = [name for name in algorithms if name != NO_MODEL]
            self._check_values(config, dimension, having or trained[:1])
        if asha and not epochs:
            names = " or ".join("similar" if n == NO_MODEL else n for n in algorithms)
            raise ConfigError(
                f"sweep.scheduler: asha needs epochs, which {names} has not; set scheduler: none"
            )

    def _check_values(
        self, config: RunConfig, dimension: Dimension, algorithms: Iterable[str]
    ) -> None:
        values = list(dimension.values)  # of a range, its ends
        if dimension.kind == "float":  # finds a parameter that allows only integers
            low, high = values
            values.append(low + (high - low) / math.pi)
        for name in algorithms:
            for value in values:
                try:
                    self.resolved(config, {ALGORITHM: name, dimension.key: value}, None)
                except ConfigError as error:
                    raise ConfigError(f"sweep.space: {error}") from None

    def resolved(self, config: RunConfig, settings: Settings, epochs: int | None) -> RunConfig:
        """The config of a trial, without parameters that its algorithm does not have.

        Args:
            epochs: epochs of its best report; None if it was not measured by epochs.

        Raises:
            ConfigError: a setting is invalid.
        """
        factors = config.sources.factors
        algorithm, kept = settings.get(ALGORITHM, factors.named), factors.parameters
        if algorithm != factors.algorithm:
            kept = {name: value for name, value in kept.items() if name in self.fields(algorithm)}
        factors = factors.model_copy(update={"algorithm": algorithm, "parameters": kept})
        sources = config.sources.model_copy(update={"factors": factors})
        name = self.epochs(algorithm)
        if epochs is not None and name is not None:
            settings = {**settings, f"{PARAMETERS}{name}": epochs}
        found = with_settings(config.model_copy(update={"sources": sources}), settings)
        self.check_algorithm(algorithm, found.sources.factors.parameters)
        return found


def algorithms_of(config: RunConfig, space: Iterable[Dimension]) -> tuple[str, ...]:
    """The algorithms that the trials train: those in the search space, else that of the config.

    Example:
        >>> algorithms_of(RunConfig(), [Dimension(ALGORITHM, "choice", ("SVD", "NMF"))])
        ('SVD', 'NMF')
    """
    named = (dimension.values for dimension in space if dimension.key == ALGORITHM)
    return tuple(map(str, next(named, (config.sources.factors.named,))))


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
