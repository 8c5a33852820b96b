"""The search space: its words, its points, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import SweepConfig
from raypipe.errors import ConfigError
from raypipe.sweeps.space import Dimension, draw, grid_points, parse_space, random_points

A = "sources.factors.parameters.a"


def always(settings, key):
    return True


def b_is_of_x(settings, key):
    return key != "b" or settings["sources.factors.algorithm"] == "x"


def test_words_become_dimensions_in_their_order():
    space = {
        "z": {"float": [1, 2.5], "log": True},
        "y": {"int": [1, 3]},
        "x": {"choice": ["SVD", 1, 1.0, True, None]},
    }
    assert parse_space(SweepConfig(space=space)) == (
        Dimension("z", "float", (1, 2.5), True),
        Dimension("y", "int", (1, 3)),
        Dimension("x", "choice", ("SVD", 1, 1.0, True, None)),
    )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"ints": [1, 2]}, f"sweep.space.{A}.ints: unknown key; did you mean int?"),
        ({"zzz": [1, 2]}, "unknown key; known: int, float, choice, grid, log"),
        ({}, "found none; expected one of int, float, choice and grid"),
        ({"int": [1, 2], "float": [1, 2]}, "found int and float; expected one of"),
        ({"choice": []}, "choice: has no points; expected at least one value"),
        ({"choice": [1, 2, 1]}, "choice: found 1 twice; leave one out"),
        ({"choice": [[1]]}, "choice: found [1]; expected numbers or words"),
        ({"choice": [1], "log": True}, "log: is for int and float; leave it out"),
        ({"int": [1, 2], "log": 1}, "log: found 1; expected true or false"),
        ({"int": 3}, "int: found 3; expected a list"),
        ({"int": [1, 2.5]}, "int: found [1, 2.5]; expected two whole numbers"),
        ({"int": [1, True]}, "expected two whole numbers"),
        ({"float": [1, math.inf]}, "expected two numbers"),
        ({"float": [1, 2, 3]}, "expected two numbers"),
        ({"float": [2, 2]}, "found [2, 2], which has no points between; expected the lowest"),
        ({"int": [0, 2], "log": True}, "int: found 0; with log: true expected more than 0"),
        ({"grid": [1, 2]}, "found a grid, but search is random; expected choice, int or float"),
    ],
)
def test_what_is_no_dimension_is_told_in_one_line(told, message):
    with pytest.raises(ConfigError) as caught:
        parse_space(SweepConfig(space={A: told}))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"sweep.space.{A}")
    assert "\n" not in str(caught.value)


def test_a_range_is_no_grid():
    with pytest.raises(ConfigError, match="found a range, which search: grid cannot list"):
        parse_space(SweepConfig(space={A: {"int": [1, 2]}}, search="grid"))


def test_a_grid_has_every_combination_once():
    space = parse_space(
        SweepConfig(
            search="grid",
            space={
                "b": {"grid": [1, 2, 3]},
                "c": {"choice": ["u", "v"]},
                "sources.factors.algorithm": {"choice": ["x", "y"]},
            },
        )
    )
    points = grid_points(space, b_is_of_x)
    # x has b: 3 * 2; y has not: 2
    assert len(points) == 3 * 2 + 2
    assert {tuple(sorted(point.items())) for point in points} == {
        *(
            (("b", b), ("c", c), ("sources.factors.algorithm", "x"))
            for b in (1, 2, 3)
            for c in ("u", "v")
        ),
        *((("c", c), ("sources.factors.algorithm", "y")) for c in ("u", "v")),
    }


def test_random_points_differ_and_follow_from_the_seed():
    space = (Dimension("a", "float", (1.0, 2.0)), Dimension("c", "choice", ("u", "v")))
    points = random_points(space, always, 30, seed=3)
    assert len(points) == 30
    assert random_points(space, always, 50, seed=3)[:30] == points
    assert random_points(space, always, 30, seed=4)[0] != points[0]
    assert {point["c"] for point in points} == {"u", "v"}


def test_a_small_space_runs_out_of_random_points():
    space = (Dimension("a", "int", (1, 2)), Dimension("c", "choice", ("u", "v")))
    assert len(random_points(space, always, 20, seed=0)) == 4


@given(st.integers(1, 50), st.integers(1, 50), st.booleans(), st.integers(0, 2**32))
def test_a_draw_is_within_its_range(low, more, log, seed):
    rng = np.random.default_rng(seed)
    whole = draw(Dimension("a", "int", (low, low + more), log), rng)
    assert type(whole) is int
    assert low <= whole <= low + more
    number = draw(Dimension("a", "float", (low, low + more), log), rng)
    assert type(number) is float
    assert low <= number <= low + more


def test_log_makes_ratios_equally_likely():
    rng = np.random.default_rng(0)
    for kind in ("int", "float"):
        drawn = [draw(Dimension("a", kind, (1, 10_000), True), rng) for _ in range(2000)]
        assert np.mean(np.array(drawn) < 100) == pytest.approx(0.5, abs=0.06)
        drawn = [draw(Dimension("a", kind, (1, 10_000)), rng) for _ in range(2000)]
        assert np.mean(np.array(drawn) < 100) == pytest.approx(0.01, abs=0.01)
