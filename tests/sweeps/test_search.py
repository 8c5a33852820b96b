"""Which point a trial takes."""

from __future__ import annotations

import pytest

from raypipe.config import SweepConfig
from raypipe.errors import ConfigError
from raypipe.sweeps.search import ask_optuna, plan_search
from raypipe.sweeps.space import parse_space
from tests.sweeps.trying import RMSE, trial_of

SPACE = {
    "a": {"float": [0.01, 1], "log": True},
    "b": {"int": [1, 9]},
    "sources.factors.algorithm": {"choice": ["x", "y"]},
}
GRID = {"a": {"grid": [1, 2, 3]}, "c": {"grid": [4, 5]}}


def has(settings, key):
    return key != "b" or settings["sources.factors.algorithm"] == "x"


def planned(space=SPACE, seed=0, **told):
    sweep = SweepConfig(space=space, **told)
    return plan_search(sweep, parse_space(sweep), has, RMSE, seed)


def test_a_grid_has_as_many_trials_as_points():
    count, ask = planned(GRID, search="grid")
    assert count == 6
    assert [ask(number, [], []) for number in range(6)] == [
        {"a": a, "c": c} for a in (1, 2, 3) for c in (4, 5)
    ]
    assert planned(GRID, search="grid", trials=6)[0] == 6
    assert planned(GRID, search="grid", trials=60)[0] == 6
    with pytest.raises(ConfigError, match="found 5, but the grid has 6 points; leave trials out"):
        planned(GRID, search="grid", trials=5)


def test_random_points_do_not_depend_on_what_ended():
    count, ask = planned()
    assert count == 20
    assert planned(trials=7)[0] == 7
    points = [ask(number, [trial_of(0, 0.5)], [{"a": 1}]) for number in range(count)]
    assert points == [planned()[1](number, [], []) for number in range(count)]
    assert points[0] != planned(seed=1)[1](0, [], [])


def run_optuna(seed, count=25):
    """One after the other; best at a = 0.1 and algorithm y. Every fifth fails, some are stopped."""
    space, tried = parse_space(SweepConfig(space=SPACE)), []
    for number in range(count):
        settings = ask_optuna(space, has, RMSE, seed, number, tried, [])
        value = abs(settings["a"] - 0.1) + (settings["sources.factors.algorithm"] == "x")
        kept = {"settings": settings}
        if number % 5 == 4:
            tried.append(trial_of(number, state="failed", error="no", **kept))
        elif value > 0.5:
            tried.append(trial_of(number, value, state="stopped", **kept))
        else:
            tried.append(trial_of(number, value, **kept))
    return tried


def test_optuna_repeats_itself_and_learns():
    tried = run_optuna(0)
    assert run_optuna(0) == tried
    assert run_optuna(1)[0] != tried[0]
    late = [trial.settings for trial in tried[15:]]
    assert sum(settings["sources.factors.algorithm"] == "y" for settings in late) >= 7
    assert all(
        ("b" in settings) == (settings["sources.factors.algorithm"] == "x") for settings in late
    )
    points = {tuple(trial.settings.items()) for trial in tried}
    assert len(points) == len(tried)


def test_optuna_asks_what_ended_and_not_when():
    space, tried = parse_space(SweepConfig(space=SPACE)), run_optuna(0)
    asked = ask_optuna(space, has, RMSE, 0, 25, tried, [])
    assert ask_optuna(space, has, RMSE, 0, 25, tried[::-1], []) == asked
    assert ask_optuna(space, has, RMSE, 0, 25, tried[:12], []) != asked


def test_optuna_keeps_away_from_what_runs():
    space = parse_space(SweepConfig(space={"a": {"float": [0, 1]}}))
    tried = [
        trial_of(number, abs(number / 20 - 0.5), settings={"a": number / 20})
        for number in range(20)
    ]

    def distance(running):
        asked = [ask_optuna(space, has, RMSE, seed, 20, tried, running)["a"] for seed in range(12)]
        return sum(abs(a - 0.5) for a in asked)

    assert distance([{"a": 0.5}] * 10) > 2 * distance([])
