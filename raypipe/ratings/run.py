"""``raypipe evaluate`` and ``raypipe plan`` on ratings: every algorithm, fold by fold, in shards.

ratings --intake--> arrays --folds--> shards (algorithm, fold) --> RMSE, MAE, FCP, seconds
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from raypipe.compute.engines import cpus_here, memory_available, runner
from raypipe.compute.frames import PandasEngine
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig, Section
from raypipe.errors import ConfigError
from raypipe.ratings.algorithms import ALGORITHMS, check_parameters
from raypipe.ratings.cost import (
    Size,
    check_memory,
    refusal,
    shared_bytes,
    size_of,
    training_bytes,
    training_seconds,
)
from raypipe.ratings.data import FoldedRatings, Ratings, build_ratings, fold_ratings
from raypipe.ratings.evaluate import evaluate_fold, mean_of_folds
from raypipe.ratings.measures import MEASURES, check_measures
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_ratings

Shard = tuple[str, int]  # an algorithm by its name, and a fold from 0

_SCHEMA = pa.schema(
    [
        ("algorithm", pa.string()),
        ("fold", pa.int32()),
        *((name, pa.float64()) for name in (*MEASURES, "fit_seconds", "test_seconds")),
    ]
)


@dataclass(frozen=True)
class RatingEvaluation:
    """What came of an evaluation on ratings.

    Attributes:
        facts: JSON values: ``counts``, ``folds``, ``seed``, ``metrics`` (those to show),
            ``algorithms`` (each with its parameters, the mean of each measure, seconds, and its
            folds), ``stages``, ``engines``.
        quarantine: columns.QUARANTINE_SCHEMA.
    """

    facts: dict[str, Any]
    quarantine: pa.Table

    @property
    def table(self) -> pa.Table:
        """One row a fold of each algorithm: algorithm, fold from 1, its measures and seconds."""
        rows = [
            {"algorithm": found["algorithm"], **fold}
            for found in self.facts["algorithms"]
            for fold in found["folds"]
        ]
        return pa.Table.from_pylist(rows, _SCHEMA)


@dataclass(frozen=True)
class Read:
    """Ratings, and what became of the rows that they were read from."""

    ratings: Ratings
    size: Size
    counts: dict[str, int]
    quarantine: pa.Table


def evaluate_ratings(config: RunConfig, progress: Progress | None = None) -> RatingEvaluation:
    """Measure every algorithm that the config names by k-fold cross-validation.

    The folds, and where each training starts, follow from ``config.seed`` and the ratings: neither
    the order of their rows nor the tasks change a measure.

    Raises:
        ConfigError: no algorithm is named, or there is none of that name or with such parameters,
            or a metric is named that ratings cannot have.
        InputError: the ratings are not what they should be.
        TooLargeError: a training does not fit into memory.
    """
    chosen, metrics = chosen_algorithms(config), check_measures(config.evaluation.metrics)
    stages = Stages(progress or Silent())
    folds = config.evaluation.folds
    with ExitStack() as stack:
        with stages.stage("read"):
            read = read_arrays(config)
        for name, parameters in chosen.items():
            check_memory(name, parameters, read.size, *_limit(config, read.size, len(chosen)))
        with stages.stage("folds"):
            data = fold_ratings(read.ratings, folds, config.seed)
        seconds = {
            name: training_seconds(parameters, read.size, folds)
            for name, parameters in chosen.items()
        }
        shards = sorted(
            ((name, fold) for name in chosen for fold in range(folds)),
            key=lambda shard: -seconds[shard[0]],
        )
        total = sum(seconds[name] for name, _ in shards)
        run_shards, _, why = runner(config, PandasEngine(), total, stack, _warm_up)
        stages.progress.say(why)
        found: dict[Shard, dict[str, Any]] = {}
        with stages.stage("evaluate", total=total):
            for shard, measured in run_shards(
                partial(_evaluate, chosen, data, config.seed), shards
            ):
                found[shard] = measured
                stages.progress.advance(seconds[shard[0]])
    facts = {
        "counts": read.counts,
        "folds": folds,
        "seed": config.seed,
        "scale": list(config.ratings.scale),
        "metrics": list(metrics),
        "algorithms": [
            _summary(name, parameters, [found[name, fold] for fold in range(folds)])
            for name, parameters in chosen.items()
        ],
        "engines": {"cluster": why},
        "stages": [stage._asdict() for stage in stages.meter.stages],
    }
    return RatingEvaluation(facts, read.quarantine)


def plan_ratings(config: RunConfig, progress: Progress | None = None) -> dict[str, Any]:
    """Read the ratings, and say what their evaluation will take, without training anything.

    Returns:
        JSON values: ``counts``, ``folds``, ``memory_bytes`` (``folds``, which all tasks share, and
        ``available``), and for each of ``algorithms`` its ``task_bytes``, ``seconds`` of one CPU
        for all folds, and ``refusal``: why an evaluation would refuse it, or null.

    Raises:
        ConfigError, InputError: as :func:`evaluate_ratings`.
    """
    chosen = chosen_algorithms(config)
    check_measures(config.evaluation.metrics)
    stages = Stages(progress or Silent())
    with stages.stage("read"):
        read = read_arrays(config)
    folds, size = config.evaluation.folds, read.size
    limit, limited_by = _limit(config, size, len(chosen))
    return {
        "counts": read.counts,
        "folds": folds,
        "memory_bytes": {
            "folds": shared_bytes(size, folds),
            "task_limit": int(limit),
            "limited_by": limited_by,
        },
        "algorithms": [
            {
                "algorithm": name,
                "task_bytes": training_bytes(parameters, size),
                "seconds": round(folds * training_seconds(parameters, size, folds), 1),
                "refusal": refusal(name, parameters, size, limit, limited_by),
            }
            for name, parameters in chosen.items()
        ],
    }


def chosen_algorithms(config: RunConfig) -> dict[str, Section]:
    """The algorithms that the config names, with their parameters; sources.factors.algorithm first.

    Raises:
        ConfigError: none is named, or there is none of that name or with such parameters.
    """
    factors, chosen = config.sources.factors, {}
    if factors.trained:
        chosen[factors.algorithm] = check_parameters(factors.algorithm, factors.parameters)
    for name in config.evaluation.algorithms:
        chosen.setdefault(name, check_parameters(name, {}, "evaluation.algorithms"))
    if not chosen:
        raise ConfigError(
            f"sources.factors.algorithm: not set; expected for ratings one of "
            f"{', '.join(ALGORITHMS)}"
        )
    return chosen


def read_arrays(config: RunConfig) -> Read:
    """The ratings that the config names.

    Raises:
        InputError: they are not what they should be.
    """
    intake = read_ratings(open_inputs(config.input), config.ratings.scale)
    ratings, duplicates = build_ratings(intake.frame, config.ratings.scale)
    size = size_of(ratings)
    counts = {
        **intake.counts,
        "duplicates": duplicates,
        "rows_used": size.ratings,
        "users": size.users,
        "items": size.items,
    }
    return Read(ratings, size, counts, intake.quarantine)


def _limit(config: RunConfig, size: Size, algorithms: int) -> tuple[float, str]:
    """Bytes that one training may hold, and what leaves no more."""
    folds = config.evaluation.folds
    tasks = 1 if config.cluster == "none" else min(cpus_here(), algorithms * folds)
    share = (memory_available() - shared_bytes(size, folds)) / tasks
    if config.memory_per_task is not None and config.memory_per_task < share:
        return float(config.memory_per_task), "memory_per_task"
    return share, f"the memory of this machine, for {tasks} at a time,"


def _evaluate(
    chosen: dict[str, Section], data: FoldedRatings, seed: int, shard: Shard
) -> tuple[Shard, dict[str, Any]]:
    name, fold = shard
    return shard, evaluate_fold(chosen[name], data, fold, seed)


def _summary(name: str, parameters: Section, folds: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = ("fit_seconds", "test_seconds")
    return {
        "algorithm": name,
        "parameters": parameters.model_dump(mode="json", exclude_none=True),
        **mean_of_folds(folds),
        **{key: round(float(np.sum([fold[key] for fold in folds])), 3) for key in seconds},
        "folds": [{"fold": number, **fold} for number, fold in enumerate(folds, 1)],
    }


def _warm_up(_: object) -> None:
    """Import what a training needs: for a worker to do before its first shard comes."""
    import surprise  # noqa: F401
