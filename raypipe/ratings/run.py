"""``raypipe evaluate`` and ``raypipe plan`` on ratings: cross-validation in parallel shards.

ratings --intake--> arrays --folds--> shards (algorithm, fold) --> RMSE, MAE, FCP, seconds
"""

import datetime
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

import raypipe
from raypipe.compute.engines import cpus_here, memory_available, runner
from raypipe.compute.frames import PandasEngine
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig, Section
from raypipe.errors import ConfigError
from raypipe.ratings import cost
from raypipe.ratings.algorithms import ALGORITHMS, check_parameters
from raypipe.ratings.data import FoldedRatings, Ratings, build_ratings, fold_ratings
from raypipe.ratings.evaluate import evaluate_fold, mean_of_folds
from raypipe.ratings.measures import MEASURES, check_measures
from raypipe.storage import ratings as records
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_ratings
from raypipe.storage.records import StageRecord

Shard = tuple[str, int]  # name of an algorithm, and number of a fold from 0

_SCHEMA = pa.schema(
    [
        ("algorithm", pa.string()),
        ("fold", pa.int32()),
        *((name, pa.float64()) for name in (*MEASURES, "fit_seconds", "test_seconds")),
    ]
)


@dataclass(frozen=True)
class RatingEvaluation:
    """An evaluation on ratings, and the invalid rows, in columns.QUARANTINE_SCHEMA."""

    result: records.RatingResult
    quarantine: pa.Table

    @property
    def table(self) -> pa.Table:
        """One row per algorithm and fold: algorithm, fold from 1, measures, seconds."""
        return pa.Table.from_pylist(self.result.rows(), _SCHEMA)


@dataclass(frozen=True)
class Read:
    """Ratings, with the counts of their input rows."""

    ratings: Ratings
    size: cost.Size
    counts: records.RatingCounts
    quarantine: pa.Table


def evaluate_ratings(
    config: RunConfig, progress: Progress | None = None, date: str | None = None
) -> RatingEvaluation:
    """Measure every algorithm that the config names by k-fold cross-validation.

    The folds and the initial values of each training depend only on ``config.seed`` and the
    ratings: neither the order of the rows nor the number of tasks changes a measure.

    Args:
        date: date of the evaluation, such as ``2026-03-01``; None: today.

    Raises:
        ConfigError: no algorithm is configured, or an algorithm, a parameter or a metric is not
            available for ratings.
        InputError: the ratings are invalid.
        TooLargeError: a training does not fit into memory.
    """
    chosen, metrics = chosen_algorithms(config), check_measures(config.evaluation.metrics)
    stages = Stages(progress or Silent())
    folds = config.evaluation.folds
    with ExitStack() as stack:
        with stages.stage("read"):
            read = read_arrays(config)
        for name, parameters in chosen.items():
            cost.check_memory(name, parameters, read.size, *_limit(config, read.size, len(chosen)))
        with stages.stage("folds"):
            data = fold_ratings(read.ratings, folds, config.seed)
        seconds = {
            name: cost.training_seconds(parameters, read.size, folds)
            for name, parameters in chosen.items()
        }
        shards = sorted(
            ((name, fold) for name in chosen for fold in range(folds)),
            key=lambda shard: -seconds[shard[0]],
        )
        total = sum(seconds[name] for name, _ in shards)
        run_shards, _, why = runner(config, PandasEngine(), total, stack, _warm_up)
        stages.progress.say(why)
        found: dict[Shard, records.FoldRow] = {}
        with stages.stage("evaluate", total=total):
            for shard, measured in run_shards(
                partial(_evaluate, chosen, data, config.seed), shards
            ):
                found[shard] = measured
                stages.progress.advance(seconds[shard[0]])
    result = records.RatingResult(
        date=date or datetime.date.today().isoformat(),
        digest=config.digest(),
        raypipe=raypipe.__version__,
        data=str(config.input.place),
        counts=read.counts,
        folds=folds,
        seed=config.seed,
        scale=config.ratings.scale,
        metrics=metrics,
        algorithms=tuple(
            _summary(name, parameters, [found[name, fold] for fold in range(folds)])
            for name, parameters in chosen.items()
        ),
        engines=records.RatingEngine(cluster=why),
        stages=tuple(StageRecord(**stage._asdict()) for stage in stages.measured),
    )
    return RatingEvaluation(result, read.quarantine)


def plan_ratings(config: RunConfig, progress: Progress | None = None) -> records.RatingPlan:
    """Read the ratings and predict the cost of their evaluation, without training.

    Raises:
        ConfigError, InputError: as for :func:`evaluate_ratings`.
    """
    chosen = chosen_algorithms(config)
    check_measures(config.evaluation.metrics)
    stages = Stages(progress or Silent())
    with stages.stage("read"):
        read = read_arrays(config)
    folds, size = config.evaluation.folds, read.size
    limit, limited_by = _limit(config, size, len(chosen))
    return records.RatingPlan(
        counts=read.counts,
        folds=folds,
        memory=records.RatingMemory(
            folds_bytes=cost.shared_bytes(size, folds),
            task_limit_bytes=int(limit),
            limited_by=limited_by,
        ),
        algorithms=tuple(
            records.AlgorithmPlan(
                algorithm=name,
                task_bytes=cost.training_bytes(parameters, size),
                seconds=round(folds * cost.training_seconds(parameters, size, folds), 1),
                refusal=cost.refusal(name, parameters, size, limit, limited_by),
            )
            for name, parameters in chosen.items()
        ),
    )


def chosen_algorithms(config: RunConfig) -> dict[str, Section]:
    """The configured algorithms with their parameters; sources.factors.algorithm comes first.

    Raises:
        ConfigError: no algorithm is configured, or an algorithm or a parameter is unknown.
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
    """Read the ratings of the config into arrays.

    Raises:
        InputError: the ratings are invalid.
    """
    intake = read_ratings(open_inputs(config.input), config.ratings.scale)
    ratings, duplicates = build_ratings(intake.frame, config.ratings.scale)
    size = cost.size_of(ratings)
    counts = records.RatingCounts(
        **intake.counts,
        duplicates=duplicates,
        rows_used=size.ratings,
        users=size.users,
        items=size.items,
    )
    return Read(ratings, size, counts, intake.quarantine)


def _limit(config: RunConfig, size: cost.Size, algorithms: int) -> tuple[float, str]:
    """Maximum bytes of one training, and the reason for this limit."""
    folds = config.evaluation.folds
    tasks = 1 if config.cluster == "none" else min(cpus_here(), algorithms * folds)
    share = (memory_available() - cost.shared_bytes(size, folds)) / tasks
    if config.memory_per_task is not None and config.memory_per_task < share:
        return float(config.memory_per_task), "memory_per_task"
    return share, f"the memory of this machine, for {tasks} at a time,"


def _evaluate(
    chosen: dict[str, Section], data: FoldedRatings, seed: int, shard: Shard
) -> tuple[Shard, records.FoldRow]:
    name, fold = shard
    return shard, records.FoldRow(fold=fold + 1, **evaluate_fold(chosen[name], data, fold, seed))


def _summary(
    name: str, parameters: Section, folds: list[records.FoldRow]
) -> records.AlgorithmRecord:
    return records.AlgorithmRecord(
        algorithm=name,
        parameters=parameters.model_dump(mode="json", exclude_none=True),
        **mean_of_folds([fold.model_dump() for fold in folds]),
        fit_seconds=round(float(np.sum([fold.fit_seconds for fold in folds])), 3),
        test_seconds=round(float(np.sum([fold.test_seconds for fold in folds])), 3),
        folds=tuple(folds),
    )


def _warm_up(_: object) -> None:
    """Import the training library in a worker before its first shard."""
    import surprise  # noqa: F401
