"""Trials on a real Ray Tune: shared data, failures, ASHA."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe.config import AshaConfig, ResourcesConfig
from raypipe.errors import ConfigError
from raypipe.sweeps.ray_tune import Plan, run_trials
from tests.sweeps.trying import RMSE, Kept, by_epochs, goes_wrong, is_shared, trial_of

pytestmark = pytest.mark.long


def plan_of(reports, points, **told):
    return Plan(
        **{
            "numbers": range(len(points)),
            "ask": lambda number, ended, running: points[number],
            "began": {},
            "ended": {},
            "reports": reports,
            "last_epochs": None,
            "goal": RMSE,
            "asha": None,
            "resources": ResourcesConfig(),
            "concurrency": None,
            **told,
        }
    )


def run(folder, plan, data=None):
    kept = Kept()
    run_trials(plan, data, folder, kept)
    return kept.ended


def test_trials_share_data_and_take_their_points_again(tmp_path, local_ray):
    told = {"began": {1: {"a": "again"}}, "numbers": [1, 2]}
    plan = plan_of(is_shared, [{"a": 0}, {"a": 1}, {"a": 2}], **told)
    ended = run(tmp_path, plan, {"array": np.ones(1_000_000)})
    assert [ended[number].value(RMSE) for number in (1, 2)] == [0.0, 0.0]
    assert {number: trial.settings for number, trial in ended.items()} == {
        1: {"a": "again"},
        2: {"a": 2},
    }


def test_a_trial_that_fails_does_not_stop_the_others(tmp_path, local_ray, capfd):
    points = [{"how": how} for how in ("raises", "dies", "well", "none", "well")]
    ended = run(tmp_path, plan_of(goes_wrong, points))
    assert [(ended[number].state, ended[number].error) for number in range(5)] == [
        ("failed", "ValueError: of course"),
        ("failed", "its worker died 2 times, as for lack of memory"),
        ("finished", None),
        ("failed", "it has no rmse"),
        ("finished", None),
    ]
    out, err = capfd.readouterr()  # Ray itself tells of a worker that died
    assert "Trial" not in out + err
    assert "Traceback" not in out + err


def test_asha_stops_what_does_worse_at_the_same_epochs(tmp_path, local_ray):
    asha = AshaConfig(min_epochs=1, max_epochs=9, reduction=3)
    assert asha.rungs == (1, 3, 9)
    # One at a time. Of before: a trial at 0.5, and one at 0.6 that was stopped.
    before = {
        0: trial_of(0, settings={"level": 0.5}),
        1: trial_of(1, settings={"level": 0.6}, state="stopped"),
    }
    before = {
        number: trial.__class__(
            **{
                **trial.__dict__,
                "reports": tuple(by_epochs(trial.settings, None))[: 3 if number == 0 else 1],
            }
        )
        for number, trial in before.items()
    }
    points = [None, None, {"level": 0.9}, {"level": 0.4}, {"level": 0.45}]
    told = {"numbers": [2, 3, 4], "ended": before, "concurrency": 1}
    ended = run(tmp_path, plan_of(by_epochs, points, asha=asha, last_epochs=9, **told))
    epochs = {n: [report.epochs for report in trial.reports] for n, trial in ended.items()}
    # 4 is better than the third quantile at 1 epoch (0.39, 0.49, 0.59, 0.89), and not at all at 3.
    assert epochs[2] == [1]
    assert epochs[3] == [1, 3, 9]
    assert [ended[number].state for number in (2, 3)] == ["stopped", "finished"]
    assert ended[3].value(RMSE) == pytest.approx(0.31)
    assert epochs[4] == [1, 3]


def test_a_trial_without_epochs_stands_on_the_last_rung(tmp_path, local_ray):
    asha = AshaConfig(min_epochs=1, max_epochs=9, reduction=3)
    points = [None, {"level": 0.9, "epochs": False}, {"level": 0.4}]
    told = {"numbers": [1, 2], "ended": {0: trial_of(0, 0.5)}, "concurrency": 1}
    ended = run(tmp_path, plan_of(by_epochs, points, asha=asha, last_epochs=9, **told))
    assert [ended[number].state for number in (1, 2)] == ["finished", "finished"]
    assert [report.epochs for report in ended[1].reports] == [None]


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"cpus": 99}, "sweep.resources.cpus: found 99, but the largest machine has 2; lower it"),
        ({"memory": "9000GB"}, "sweep.resources.memory: found 9e"),
    ],
)
def test_more_than_there_is_is_refused(resources, message, tmp_path, local_ray):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, plan_of(is_shared, [{}], resources=ResourcesConfig(**resources)))


def test_trials_beyond_the_resources_are_asked_for_at_once(tmp_path, local_ray):
    """So that an autoscaler sees them all; here there are two CPUs."""

    class First(Kept):
        seen = None

        def end(self, trial):
            self.seen = self.seen or len(self.begun)
            super().end(trial)

    for concurrency, begun in ((None, 2), (4, 4)):
        kept = First()
        plan = plan_of(goes_wrong, [{"how": "well"}] * 6, concurrency=concurrency)
        run_trials(plan, None, tmp_path / str(concurrency), kept)
        assert (kept.seen, len(kept.ended)) == (begun, 6)
