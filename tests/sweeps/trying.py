"""Short ways to come by trials, and what tests let workers do."""

from __future__ import annotations

import os

from raypipe.sweeps.trials import Goal, Report, Trial

RMSE = Goal("rmse", more=False)
FCP = Goal("fcp", more=True)


def trial_of(number, *values, state="finished", settings=None, error=None, metric="rmse"):
    """A trial with a report a value, after 10, 20, ... epochs; a single report has no epochs."""
    reports = tuple(
        Report(None if len(values) == 1 and state == "finished" else 10 * place, {metric: value})
        for place, value in enumerate(values, 1)
    )
    return Trial(number, settings or {"a": number}, state, reports, 1.5, error)


def is_shared(settings, data):
    """The value says whether the array can be written to."""
    yield Report(None, {"rmse": float(data["array"].flags.writeable)})


def goes_wrong(settings, data):
    """One raises over two lines, one kills its worker, one has no value, one is as it should be."""
    if settings["how"] == "raises":
        raise ValueError("of\ncourse")
    if settings["how"] == "dies":
        os._exit(1)
    yield Report(None, {"rmse": None if settings["how"] == "none" else 0.5})


def by_epochs(settings, data):
    """A straight line down from ``level``; or one point, where there are to be no epochs."""
    if not settings.get("epochs", True):
        yield Report(None, {"rmse": settings["level"]})
        return
    for epochs in (1, 3, 9):
        yield Report(epochs, {"rmse": settings["level"] - epochs / 100})


class Kept:
    """Watches, and keeps what it is told."""

    def __init__(self):
        self.begun, self.ended = {}, {}

    def begin(self, number, settings):
        self.begun[number] = settings

    def report(self, number, report):
        assert number in self.begun

    def end(self, trial):
        assert trial.number not in self.ended
        self.ended[trial.number] = trial
