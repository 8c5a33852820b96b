"""Trials on Ray Tune: actors that are used again, data that is shared, ASHA.

Tune starts the actors, hands out resources and decides which trial stops. What a trial tries comes
from :mod:`raypipe.sweeps.search`, what came of it goes to :mod:`raypipe.sweeps.record`; Tune's own
search, log files and restored state are not used. What it writes all the same (JSON and pickles
that nobody reads) lies in a folder of its own, and goes with the sweep's end.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from raypipe.config import AshaConfig, ResourcesConfig
from raypipe.errors import ClusterError, ConfigError, RaypipeError
from raypipe.sweeps.space import Settings
from raypipe.sweeps.trials import Goal, Report, State, Trial
from raypipe.sweeps.watch import Watch

_LOSS, _EPOCHS = "loss", "epochs"
#: Of a trial whose worker died.
_ATTEMPTS = 2
_LONGEST_ERROR = 300

#: (settings, data) -> looks.
Look_at = Callable[[Settings, Any], Iterator[Report]]


class Plan(NamedTuple):
    """What is to be tried, and how.

    Attributes:
        numbers: of the trials to come, in their order.
        ask: number, trials that ended, points being tried -> a point.
        began: number to point, of trials that are to take the same point again.
        ended: trials of before, by number.
        reports: (settings, data) -> reports at a trial; runs in the workers.
        last_epochs: at the report after so many epochs a trial is at its end.
        goal: what is looked for.
        asha: None for no scheduler.
        resources: of a trial.
        concurrency: trials at a time; None for as many as there are resources for. Where they are
            more than that, an autoscaler is asked for the rest.
    """

    numbers: Sequence[int]
    ask: Callable[[int, Sequence[Trial], Sequence[Settings]], Settings]
    began: Mapping[int, Settings]
    ended: Mapping[int, Trial]
    reports: Look_at
    last_epochs: int | None
    goal: Goal
    asha: AshaConfig | None
    resources: ResourcesConfig
    concurrency: int | None


def run_trials(plan: Plan, data: Any, folder: Path, watch: Watch) -> None:
    """Try them all; Ray is connected already.

    Args:
        data: goes into the object store once; arrays in it reach every trial without a copy.
        folder: for what Tune writes.

    Raises:
        ConfigError: no machine has what a trial takes.
        ClusterError: Tune gave up.
    """
    slots = _slots(plan.resources)
    # Said to Tune too: else it asks for one actor after the other. Short trials, which hand theirs
    # on before the next one is there, would take turns; an autoscaler would add one node at a time.
    concurrency = min(plan.concurrency or slots, len(plan.numbers))
    resources = {"cpu": plan.resources.cpus}
    if plan.resources.memory is not None:
        resources["memory"] = int(plan.resources.memory)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    driver = _Driver(plan, watch)
    trainable = tune.with_resources(
        tune.with_parameters(
            _Trainable,
            reports=plan.reports,
            goal=plan.goal,
            last_epochs=plan.last_epochs,
            data=data,
        ),
        resources,
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=len(plan.numbers),
            search_alg=_Search(driver),
            scheduler=_scheduler(plan),
            max_concurrent_trials=concurrency,
            reuse_actors=True,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(folder.resolve()),
            callbacks=[_Callback(driver)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=_ATTEMPTS - 1),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except tune.TuneError as error:
        raise ClusterError(f"Ray Tune gave up: {_one_line(error)}") from error


class _Trainable(tune.Trainable):
    """A trial: its looks, one a step. An error is a result, so that the actor lives on."""

    def setup(  # type: ignore[override]  # Tune calls it with what with_parameters was given
        self,
        config: dict[str, Any],
        reports: Look_at,
        goal: Goal,
        last_epochs: int | None,
        data: Any,
    ) -> None:
        self._looks_at, self._goal, self._last, self._data = reports, goal, last_epochs, data
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._settings: Settings = new_config["settings"]
        self._reports: Iterator[Report] | None = None
        self._started: float | None = None
        return True

    def step(self) -> dict[str, Any]:
        self._started = self._started or time.perf_counter()
        found = self._take_step()
        return {**found, "seconds": round(time.perf_counter() - self._started, 3)}

    def _take_step(self) -> dict[str, Any]:
        try:
            if self._reports is None:
                self._reports = self._looks_at(self._settings, self._data)
            report = next(self._reports)
        except Exception as error:
            return {"done": True, "error": _told(error)}
        ended = report.epochs is None or report.epochs == self._last
        loss = self._goal.loss(report.measures)
        if loss is None and ended:
            return {"done": True, "error": f"it has no {self._goal.metric}", "report": list(report)}
        epochs = self._last if report.epochs is None else report.epochs
        known = {} if loss is None else {_LOSS: loss, _EPOCHS: epochs}
        return {**known, "done": ended, "at_end": ended, "report": list(report)}


class _Driver:
    """What the driver knows of the trials that run."""

    def __init__(self, plan: Plan, watch: Watch) -> None:
        self._plan, self._watch = plan, watch
        self._waiting = list(reversed(plan.numbers))
        self._ended = dict(plan.ended)
        self._running: dict[str, tuple[int, Settings, list[Report]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles what it is given, for a restore of its own: nothing of this."""
        return {}

    def start(self, trial_id: str) -> Settings | None:
        """The point of the next trial; None where there is no next one."""
        if not self._waiting:
            return None
        number, plan = self._waiting.pop(), self._plan
        if number in plan.began:
            settings = plan.began[number]
        else:
            running = [settings for _, settings, _ in self._running.values()]
            settings = plan.ask(number, list(self._ended.values()), running)
        self._running[trial_id] = (number, settings, [])
        self._watch.begin(number, settings)
        return settings

    def report(self, trial_id: str, report: Report) -> None:
        number, _, reports = self._running[trial_id]
        # A trial whose worker died starts anew.
        reports[:] = [
            seen
            for seen in reports
            if report.epochs is not None and seen.epochs is not None and seen.epochs < report.epochs
        ]
        reports.append(report)
        self._watch.report(number, report)

    def end(self, trial_id: str, state: State, seconds: float, error: str | None = None) -> None:
        number, settings, reports = self._running.pop(trial_id)
        trial = Trial(number, settings, state, tuple(reports), seconds, error)
        self._ended[number] = trial
        self._watch.end(trial)


class _Search(Searcher):
    """Asks the plan."""

    def __init__(self, driver: _Driver) -> None:
        super().__init__(metric=_LOSS, mode="min")
        self._driver = driver

    def suggest(self, trial_id: str) -> Any:
        settings = self._driver.start(trial_id)
        return Searcher.FINISHED if settings is None else {"settings": settings}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Told by :class:`_Callback`, which knows more."""

    def save(self, checkpoint_path: str) -> None:
        """The record holds all there is."""

    def restore(self, checkpoint_path: str) -> None:
        """The record holds all there is."""


class _Callback(tune.Callback):
    """Passes on what happens."""

    def __init__(self, driver: _Driver) -> None:
        self._driver = driver

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "report" in result:
            self._driver.report(trial.trial_id, Report(*result["report"]))
        if "error" in result:
            self._driver.end(trial.trial_id, "failed", result["seconds"], result["error"])
        elif result["done"]:
            state: State = "finished" if result["at_end"] else "stopped"
            self._driver.end(trial.trial_id, state, result["seconds"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        error = f"its worker died {_ATTEMPTS} times, as for lack of memory"
        self._driver.end(trial.trial_id, "failed", 0.0, error)


def _scheduler(plan: Plan) -> TrialScheduler:
    if plan.asha is None:
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    scheduler = ASHAScheduler(
        metric=_LOSS,
        mode="min",
        time_attr=_EPOCHS,
        max_t=plan.asha.max_epochs,
        grace_period=plan.asha.min_epochs,
        reduction_factor=plan.asha.reduction,
    )
    # The trials of before a kill stand on their rungs again.
    known: Any = scheduler  # it needs no more of a trial than its id
    for number, trial in sorted(plan.ended.items()):
        past = SimpleNamespace(trial_id=f"before-{number}")
        known.on_trial_add(None, past)
        for epochs, measures in trial.reports:
            loss = plan.goal.loss(measures)
            if loss is not None:
                done = plan.last_epochs if epochs is None else epochs
                known.on_trial_result(None, past, {_EPOCHS: done, _LOSS: loss})
    return scheduler


def _slots(wanted: ResourcesConfig) -> int:
    """Trials that can run at a time. Where none can, Tune would wait for ever."""
    nodes = [node["Resources"] for node in _nodes() if node["Alive"]]
    asked = (("cpus", "CPU", wanted.cpus), ("memory", "memory", wanted.memory))
    slots = [sys.maxsize] * len(nodes)
    for name, kind, value in asked:
        if value is None:
            continue
        there = [node.get(kind, 0) for node in nodes]
        if value > max(there):
            raise ConfigError(
                f"sweep.resources.{name}: found {value:g}, but the largest machine has "
                f"{max(there):g}; lower it"
            )
        slots = [min(slot, int(has // value)) for slot, has in zip(slots, there, strict=True)]
    return sum(slots)


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return nodes


def _told(error: Exception) -> str:
    """One line; what raypipe raises on purpose is clear without the name of its class."""
    name = "" if isinstance(error, RaypipeError) else f"{type(error).__name__}: "
    return name + _one_line(error)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_ERROR]
