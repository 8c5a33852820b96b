"""Which point of the space a trial takes.

A grid and random points are listed before the first trial starts. Optuna proposes one at a time,
from the trials that have ended: equal ones give equal proposals, so nothing of it has to be saved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raypipe.config import SweepConfig
from raypipe.errors import ConfigError
from raypipe.sweeps.space import (
    DEFAULT_TRIALS,
    Dimension,
    Has,
    Settings,
    grid_points,
    random_points,
    resolve,
)
from raypipe.sweeps.trials import Goal, Trial

#: Number of a trial, trials that ended, and points of those that run -> point of this one.
Ask = Callable[[int, Sequence[Trial], Sequence[Settings]], Settings]


def plan_search(
    sweep: SweepConfig, space: Sequence[Dimension], has: Has, goal: Goal, seed: int
) -> tuple[int, Ask]:
    """How many trials there are, and which point each takes.

    Raises:
        ConfigError: of search grid, ``trials`` are fewer than its points.
    """
    wanted = sweep.trials or DEFAULT_TRIALS
    if sweep.search == "optuna":
        return wanted, lambda number, ended, running: ask_optuna(
            space, has, goal, seed, number, ended, running
        )
    if sweep.search == "grid":
        points = grid_points(space, has)
        if sweep.trials is not None and sweep.trials < len(points):
            raise ConfigError(
                f"sweep.trials: found {sweep.trials}, but the grid has {len(points)} points; "
                "leave trials out, or take points away, or set search: random"
            )
    else:
        points = random_points(space, has, wanted, seed)
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
    """Where Optuna looks next: its tree-structured Parzen estimator, after 10 random points.

    Args:
        seed, number: of the sweep and of the trial: both seed the proposal.
        ended: in any order; what comes out depends on which they are, not on when they ended.
        running: points that are being tried; it keeps away from them.

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
            seen = {place: value for place, value in reports if value is not None}
            past(trial.settings, "PRUNED", intermediate_values=seen)
    for settings in running:
        past(settings, "RUNNING")
    asked = study.ask()
    return resolve(space, has, lambda dimension: _suggest(asked, dimension))


def _distribution(dimension: Dimension) -> Any:
    from optuna import distributions

    if dimension.kind == "int":
        least, most = dimension.values
        return distributions.IntDistribution(least, most, log=dimension.log)
    if dimension.kind == "float":
        low, high = map(float, dimension.values)
        return distributions.FloatDistribution(low, high, log=dimension.log)
    return distributions.CategoricalDistribution(tuple(range(len(dimension.values))))


def _to_optuna(dimension: Dimension, value: Any) -> Any:
    """Values of a list by their places: 1, 1.0 and true are different choices."""
    if dimension.kind not in ("int", "float"):
        told = [(type(known), known) for known in dimension.values]
        return told.index((type(value), value))
    return value


def _suggest(asked: Any, dimension: Dimension) -> Any:
    if dimension.kind == "int":
        return asked.suggest_int(dimension.key, *dimension.values, log=dimension.log)
    if dimension.kind == "float":
        low, high = map(float, dimension.values)
        return asked.suggest_float(dimension.key, low, high, log=dimension.log)
    places = tuple(range(len(dimension.values)))
    return dimension.values[asked.suggest_categorical(dimension.key, places)]
