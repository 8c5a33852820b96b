"""The objective of a sweep on ratings: RMSE, MAE or FCP by k-fold cross-validation."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from raypipe.compute.stages import Stages
from raypipe.config import RunConfig, Section
from raypipe.errors import ConfigError, did_you_mean
from raypipe.ratings.algorithms import ALGORITHMS, check_parameters
from raypipe.ratings.cost import Size, check_memory
from raypipe.ratings.data import FoldedRatings, Ratings, fold_ratings
from raypipe.ratings.evaluate import Measured, measure, measure_by_epoch
from raypipe.ratings.measures import MEASURES, check_measures
from raypipe.ratings.run import read_arrays
from raypipe.sweeps.objective import ALGORITHM, PARAMETERS, Goals, Objective, memory_limit
from raypipe.sweeps.trials import Goal, Report


def _again(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"seed": (config.seed + 1) % 2**32})


class RatingObjective(Objective):
    """RMSE, MAE or FCP of an algorithm."""

    kind = "ratings"

    def goals(self, config: RunConfig) -> Goals:
        """RMSE where nothing else is asked for.

        Raises:
            ConfigError: ratings cannot have such a metric.
        """
        name = config.sweep.objective or next(iter(MEASURES))
        if name not in MEASURES:
            cure = did_you_mean(name, MEASURES)
            raise ConfigError(f"sweep.objective: ratings have no {name!r}; {cure}")
        return Goals(Goal(name, MEASURES[name]))

    def fields(self, algorithm: str) -> Collection[str]:
        return ALGORITHMS[algorithm].model_fields

    def epochs(self, algorithm: str) -> str | None:
        return "n_epochs" if "n_epochs" in self.fields(algorithm) else None

    def check_metrics(self, config: RunConfig) -> None:
        check_measures(config.evaluation.metrics)

    def check_algorithm(self, algorithm: str, parameters: dict[str, Any]) -> Section:
        return check_parameters(algorithm, parameters)

    def check_key(self, key: str, algorithms: Sequence[str], having: Sequence[str]) -> None:
        if not key.startswith(PARAMETERS):
            raise ConfigError(
                f"sweep.space.{key}: is no parameter of a training on ratings; expected "
                f"{ALGORITHM} as a choice, or {PARAMETERS}*"
            )

    def read(self, config: RunConfig, stages: Stages, stack: ExitStack) -> Ratings:
        with stages.stage("read"):
            return read_arrays(config).ratings

    def cut(self, config: RunConfig, ratings: Ratings) -> FoldedRatings:
        return fold_ratings(ratings, config.evaluation.folds, config.seed)

    def digest(self, ratings: Ratings) -> str:
        found = hashlib.sha256()
        for ids in (ratings.user_ids, ratings.item_ids):
            found.update("\n".join(ids.to_pylist()).encode())
        for array in (ratings.users, ratings.items, ratings.values):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]

    def reports(
        self, config: RunConfig, data: FoldedRatings, epochs: Sequence[int]
    ) -> Iterator[Report]:
        algorithm, training = config.sources.factors.algorithm, data.folds[0].training
        size = Size(len(training.values), training.user_count, training.item_count, 0, 0)
        parameters = check_parameters(algorithm, config.sources.factors.parameters)
        check_memory(algorithm, parameters, size, *memory_limit(config))
        if epochs:
            for done, measured in measure_by_epoch(config, data, epochs):
                yield Report(done, measured)
        else:
            yield Report(None, measure(config, data))

    def measure_again(self, config: RunConfig, ratings: Ratings) -> Measured:
        again = _again(config)
        (report,) = self.reports(again, self.cut(again, ratings), ())
        return report.measures

    def measured_on(self, config: RunConfig) -> tuple[str, str]:
        return (
            f"folds of seed {config.seed}",
            f"folds of seed {_again(config).seed} that no trial saw",
        )


RATINGS = RatingObjective()
