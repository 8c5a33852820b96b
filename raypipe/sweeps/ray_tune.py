"""Trials on Ray Tune: reused actors, shared data, ASHA.

Tune starts the actors, assigns resources and decides which trials stop early. The settings of a
trial come from :mod:`raypipe.sweeps.search`, its results go to :mod:`raypipe.sweeps.record`; Tune's
own search, logs and restore are not used. Tune still writes files that raypipe does not need; they
are in a separate folder, which is deleted at the end of the sweep.
"""

import logging
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
from raypipe.sweeps.trials import Goal, Report, State, Trial, Watch

_LOSS, _EPOCHS = "loss", "epochs"
#: Number of attempts of a trial whose worker dies.
_ATTEMPTS = 2
_LONGEST_ERROR = 300

#: (settings, data) -> reports.
ReportsOf = Callable[[Settings, Any], Iterator[Report]]


class Plan(NamedTuple):
    """The plan of a sweep.

    Attributes:
        numbers: numbers of the trials to run, in order.
        ask: (number, finished trials, points of running trials) -> a point.
        began: number to point, for trials that are repeated at the same point.
        ended: finished trials by number.
        reports: (settings, data) -> reports of a trial; runs in the workers.
        last_epochs: number of epochs after which a trial is finished.
        goal: the metric to optimize.
        asha: ASHA's settings; None: no scheduler.
        resources: resources of a trial.
        concurrency: number of trials at a time; None: as many as the resources allow. A larger
            number makes an autoscaler add nodes.
    """

    numbers: Sequence[int]
    ask: Callable[[int, Sequence[Trial], Sequence[Settings]], Settings]
    began: Mapping[int, Settings]
    ended: Mapping[int, Trial]
    reports: ReportsOf
    last_epochs: int | None
    goal: Goal
    asha: AshaConfig | None
    resources: ResourcesConfig
    concurrency: int | None


def run_trials(plan: Plan, data: Any, folder: Path, *watches: Watch) -> None:
    """Run all trials of a plan; Ray must be connected.

    Args:
        data: data of the trials, put into the object store once; trials read its arrays without a
            copy.
        folder: folder for the files of Tune.
        watches: receive the events of the trials, in this order.

    Raises:
        ConfigError: no machine has the resources of a trial.
        ClusterError: Tune failed.
    """
    slots = _slots(plan.resources)
    # Without a maximum, Tune requests one actor after the other: short trials would run one by one
    # on the first actor, and an autoscaler would add one node at a time.
    concurrency = min(plan.concurrency or slots, len(plan.numbers))
    resources = {"cpu": plan.resources.cpus}
    if plan.resources.memory is not None:
        resources["memory"] = int(plan.resources.memory)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    driver = _Driver(plan, watches)
    given = {"reports": plan.reports, "goal": plan.goal, "last_epochs": plan.last_epochs}
    trainable = tune.with_parameters(_Trainable, **given, data=data)
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources),
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
            callbacks=[driver],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=_ATTEMPTS - 1),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except tune.TuneError as error:
        raise ClusterError(f"Ray Tune failed: {_one_line(error)}") from error


class _Trainable(tune.Trainable):
    """A trial, with one report per step. An error is a result, so that the actor stays alive."""

    def setup(  # type: ignore[override]  # Tune calls it with what with_parameters was given
        self,
        config: dict[str, Any],
        reports: ReportsOf,
        goal: Goal,
        last_epochs: int | None,
        data: Any,
    ) -> None:
        self._reports_of, self._goal, self._last, self._data = reports, goal, last_epochs, data
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._settings: Settings = new_config["settings"]
        self._reports: Iterator[Report] | None = None
        self._started: float | None = None
        return True

    def step(self) -> dict[str, Any]:
        self._started = self._started or time.perf_counter()
        result = self._take_step()
        return {**result, "seconds": round(time.perf_counter() - self._started, 3)}

    def _take_step(self) -> dict[str, Any]:
        try:
            if self._reports is None:
                self._reports = self._reports_of(self._settings, self._data)
            report = next(self._reports)
        except Exception as error:
            name = "" if isinstance(error, RaypipeError) else f"{type(error).__name__}: "
            return {"done": True, "error": name + _one_line(error)}
        ended = report.epochs is None or report.epochs == self._last
        loss = self._goal.loss(report.measures)
        if loss is None and ended:
            return {"done": True, "error": f"it has no {self._goal.metric}", "report": list(report)}
        epochs = self._last if report.epochs is None else report.epochs
        known = {} if loss is None else {_LOSS: loss, _EPOCHS: epochs}
        return {**known, "done": ended, "at_end": ended, "report": list(report)}


class _Driver(tune.Callback):
    """The state of the trials in the driver process; receives the events of Tune."""

    def __init__(self, plan: Plan, watches: Sequence[Watch]) -> None:
        self._plan, self._watches = plan, watches
        self._waiting = list(reversed(plan.numbers))
        self._ended = dict(plan.ended)
        self._running: dict[str, tuple[int, Settings, list[Report]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Empty, because Tune pickles its arguments for its own restore."""
        return {}

    def start(self, trial_id: str) -> Settings | None:
        """Start the next trial; returns its point, or None if there are no more trials."""
        if not self._waiting:
            return None
        number, plan = self._waiting.pop(), self._plan
        if number in plan.began:
            settings = plan.began[number]
        else:
            running = [settings for _, settings, _ in self._running.values()]
            settings = plan.ask(number, list(self._ended.values()), running)
        self._running[trial_id] = (number, settings, [])
        for watch in self._watches:
            watch.begin(number, settings)
        return settings

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "report" in result:
            self._report(trial.trial_id, Report(*result["report"]))
        if "error" in result:
            self._end(trial.trial_id, "failed", result["seconds"], result["error"])
        elif result["done"]:
            state: State = "finished" if result["at_end"] else "stopped"
            self._end(trial.trial_id, state, result["seconds"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        error = f"its worker died {_ATTEMPTS} times, as for lack of memory"
        self._end(trial.trial_id, "failed", 0.0, error)

    def _report(self, trial_id: str, report: Report) -> None:
        number, _, reports = self._running[trial_id]
        # A trial whose worker died starts again, so its later reports are dropped.
        reports[:] = [
            seen
            for seen in reports
            if report.epochs is not None and seen.epochs is not None and seen.epochs < report.epochs
        ]
        reports.append(report)
        for watch in self._watches:
            watch.report(number, report)

    def _end(self, trial_id: str, state: State, seconds: float, error: str | None = None) -> None:
        number, settings, reports = self._running.pop(trial_id)
        trial = Trial(number, settings, state, tuple(reports), seconds, error)
        self._ended[number] = trial
        for watch in self._watches:
            watch.end(trial)


class _Search(Searcher):
    """A searcher for Tune that takes the points of the plan."""

    def __init__(self, driver: _Driver) -> None:
        super().__init__(metric=_LOSS, mode="min")
        self._driver = driver

    def suggest(self, trial_id: str) -> Any:
        settings = self._driver.start(trial_id)
        return Searcher.FINISHED if settings is None else {"settings": settings}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Ignored: :class:`_Driver` receives more details."""

    def save(self, checkpoint_path: str) -> None:
        """Ignored: the record contains the whole state."""

    def restore(self, checkpoint_path: str) -> None:
        """Ignored: the record contains the whole state."""


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
    # Replay the finished trials of an interrupted sweep, so that ASHA compares with them.
    known: Any = scheduler  # it needs only the id of a trial
    for number, trial in sorted(plan.ended.items()):
        past = SimpleNamespace(trial_id=f"before-{number}")
        known.on_trial_add(None, past)
        for epochs, measures in trial.reports:
            loss = plan.goal.loss(measures)
            if loss is not None:
                done = plan.last_epochs if epochs is None else epochs
                known.on_trial_result(None, past, {_EPOCHS: done, _LOSS: loss})
    return scheduler


def _slots(required: ResourcesConfig) -> int:
    """Number of trials that can run at a time; if it were 0, Tune would wait forever."""
    every: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in every if node["Alive"]]
    wanted = {"cpus": ("CPU", required.cpus)}
    if required.memory is not None:
        wanted["memory"] = ("memory", required.memory)
    slots = []
    for name, (kind, value) in wanted.items():
        available = [node.get(kind, 0) for node in nodes]
        if value > max(available):
            raise ConfigError(
                f"sweep.resources.{name}: found {value:g}, but the largest machine has "
                f"{max(available):g}; lower it"
            )
        slots.append([int(amount // value) for amount in available])
    return sum(map(min, zip(*slots, strict=True)))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_ERROR]
