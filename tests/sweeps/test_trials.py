"""Which trial is best, and the table of all."""

from __future__ import annotations

import json

from raypipe.sweeps.trials import Trial, best_so_far, best_trial, trials_table
from tests.sweeps.trying import FCP, RMSE, trial_of

TRIED = [
    trial_of(0, 0.95),
    trial_of(1, 0.93, 0.90, 0.92, state="stopped"),
    trial_of(2, state="failed", error="ValueError: no"),
    trial_of(3, 0.91, state="stopped"),
    trial_of(4, 0.90),
]


def test_the_best_look_of_a_trial_is_its_value():
    assert [trial.value(RMSE) for trial in TRIED] == [0.95, 0.90, None, 0.91, 0.90]
    assert TRIED[1].best_report(RMSE).epochs == 20


def test_the_lowest_number_of_equals_is_best_in_whatever_order():
    assert best_trial(TRIED, RMSE).number == 1
    assert best_trial(reversed(TRIED), RMSE).number == 1
    assert best_trial(TRIED[2:3], RMSE) is None


def test_a_failed_trial_is_never_best():
    half_way = Trial(9, {}, "failed", trial_of(9, 0.1).reports, 1.0, "it died")
    assert best_trial([half_way, *TRIED], RMSE).number == 1


def test_more_may_be_better():
    tried = [trial_of(number, value, metric="fcp") for number, value in enumerate([0.6, 0.7, 0.5])]
    assert best_trial(tried, FCP).number == 1
    assert best_so_far(tried, FCP) == [0.6, 0.7, 0.7]


def test_trials_survive_json():
    for trial in TRIED:
        assert Trial.from_json(json.loads(json.dumps(trial.to_json()))) == trial


def test_the_table_has_a_row_a_trial_and_a_column_a_setting():
    tried = [
        trial_of(1, 0.93, 0.90, 0.92, state="stopped", settings={"n": 3, "c": "u"}),
        trial_of(0, 0.95, settings={"n": 2.5, "c": 1, "only": True}),
        trial_of(2, state="failed", settings={"n": 1}, error="ValueError: no"),
    ]
    assert trials_table(tried, RMSE).to_pylist() == [
        {
            **{"trial": 0, "state": "finished", "epochs": None, "last_epochs": None, "rmse": 0.95},
            **{"seconds": 1.5, "error": None, "n": 2.5, "c": "1", "only": True},
        },
        {
            **{"trial": 1, "state": "stopped", "epochs": 20, "last_epochs": 30, "rmse": 0.9},
            **{"seconds": 1.5, "error": None, "n": 3.0, "c": '"u"', "only": None},
        },
        {
            **{"trial": 2, "state": "failed", "epochs": None, "last_epochs": None, "rmse": None},
            **{"seconds": 1.5, "error": "ValueError: no", "n": 1.0, "c": None, "only": None},
        },
    ]
