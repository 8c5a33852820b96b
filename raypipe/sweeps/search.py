"""Search algorithms: the point of the search space that each trial takes.

Grid points and random points are known before the first trial starts. Optuna proposes one point at
a time from the finished trials; equal trials give equal proposals, so its state is not saved.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raypipe.config import SweepConfig
from raypipe.errors import ConfigError
from raypipe.sweeps.space import (
    DEFAULT_TRIALS,
    RANGES,
    Dimension,
    Has,
    Settings,
    grid_points,
    random_points,
    resolve,
)
from raypipe.sweeps.trials import Goal, Trial

#: (number of a trial, finished trials, points of running trials) -> the point of this trial.
Ask = Callable[[int, Sequence[Trial], Sequence[Settings]], Settings]


def plan_search(
    sweep: SweepConfig, space: Sequence[Dimension], has: Has, goal: Goal, seed: int
) -> tuple[int, Ask]:
    """Plan the search: the number of trials, and a function for the point of each trial.

    Raises:
        ConfigError: ``trials`` is less than the number of points of the grid.
    """
    count = sweep.trials or DEFAULT_TRIALS
    if sweep.search == "optuna":
        return count, lambda number, ended, running: ask_optuna(
            space, has, goal, seed, number, ended, running
        )
    if sweep.search == "grid":
        points = grid_points(space, has)
        if sweep.trials is not None and sweep.trials < len(points):
            raise ConfigError(
                f"sweep.trials: found {sweep.trials}, but the grid has {len(points)} points; "
                "leave trials out, remove points, or set search: random"
            )
    else:
        points = random_points(space, has, count, seed)
    return len(points), lambda number, ended, running: points[number]


def ask_optuna(
    space: Sequence[Dimension],
    has: Has,
    goal: Goal,
    seed: int,
    number: int,
    ended: Sequence[Trial],
    running: Sequence[Settings],
) -> Settings:
    """Optuna's next point: a tree-structured Parzen estimator, after 10 random points.

    Args:
        seed, number: seed of the sweep and number of the trial; both seed the proposal.
        ended: finished trials; their order does not change the proposal.
        running: points of running trials, which the proposal avoids.

    Source:
        Bergstra, Bardenet, Bengio, Kégl (2011), "Algorithms for hyper-parameter optimization".
    """
    import optuna  # half a second

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own_seed = int(np.random.default_rng([seed, number]).integers(2**31))
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=own_seed, constant_liar=True)
    )
    distributions = {dimension.key: _distribution(dimension) for dimension in space}

    def past(settings: Settings, state: str, **found: Any) -> None:
        values = {d.key: _to_optuna(d, settings[d.key]) for d in space if d.key in settings}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[state],
                params=values,
                distributions={key: distributions[key] for key in values},
                **found,
            )
        )

    for trial in sorted(ended, key=lambda trial: trial.number):
        loss = trial.loss(goal)
        if trial.state == "failed" or loss is None:
            past(trial.settings, "FAIL")
        elif trial.state == "finished":
            past(trial.settings, "COMPLETE", value=loss)
        else:
            reports = enumerate(goal.loss(report.measures) for report in trial.reports)
            values = {index: value for index, value in reports if value is not None}
            past(trial.settings, "PRUNED", intermediate_values=values)
    for settings in running:
        past(settings, "RUNNING")
    proposed = study.ask()
    return resolve(space, has, lambda dimension: _suggest(proposed, dimension))


def _distribution(dimension: Dimension) -> Any:
    from optuna import distributions

    if dimension.kind not in RANGES:
        return distributions.CategoricalDistribution(range(len(dimension.values)))
    low, high = dimension.values
    if dimension.kind == "int":
        return distributions.IntDistribution(low, high, log=dimension.log)
    return distributions.FloatDistribution(low, high, log=dimension.log)


def _to_optuna(dimension: Dimension, value: Any) -> Any:
    """Values of a list by index, because 1, 1.0 and true are different choices."""
    return value if dimension.kind in RANGES else dimension.index(value)


def _suggest(trial: Any, dimension: Dimension) -> Any:
    if dimension.kind in RANGES:
        suggest = getattr(trial, f"suggest_{dimension.kind}")
        return suggest(dimension.key, *dimension.values, log=dimension.log)
    return dimension.values[trial.suggest_categorical(dimension.key, range(len(dimension.values)))]
