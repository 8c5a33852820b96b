"""The stages of a sweep: check, read, run trials, select the best, measure again, write.

config --space--> points --Ray Tune--> trials --record--> best.yaml, trials.parquet, pictures
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

import raypipe
from raypipe.compute.engines import ray_for
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.config import RunConfig, to_yaml
from raypipe.errors import ConfigError, RunError, RunsLockedError
from raypipe.evaluation.metric_choice import digest_of_metrics
from raypipe.storage import files
from raypipe.storage import sweeps as records
from raypipe.storage.data_files import write_parquet
from raypipe.sweeps.follow_objective import FOLLOWS
from raypipe.sweeps.objective import Goals, Objective, reports_of_trial
from raypipe.sweeps.rating_objective import RATINGS
from raypipe.sweeps.record import Record
from raypipe.sweeps.search import Ask, plan_search
from raypipe.sweeps.space import Dimension, parse_space
from raypipe.sweeps.trials import (
    STATES,
    Goal,
    Report,
    Trial,
    Watch,
    best_trial,
    trials_table,
    value_text,
)

BEST, TRIALS = "best.yaml", "trials.parquet"
PICTURES = ("progress.png", "parameters.png")

#: (goal, number of all trials, finished trials) -> a watcher of the remaining trials.
WatchTrials = Callable[[Goal, int, Iterable[Trial]], AbstractContextManager[Watch]]


class Checked(NamedTuple):
    """A sweep whose config is valid."""

    objective: Objective
    goals: Goals
    space: tuple[Dimension, ...]
    trials: int
    ask: Ask


class Sweep(NamedTuple):
    """A finished sweep; ``new`` is False if it was finished before."""

    folder: Path
    result: records.SweepResult
    new: bool


def run_sweep(
    config: RunConfig,
    sweeps: Path,
    date: str,
    watch_trials: WatchTrials | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Run a sweep: try the points, select the best, and measure it again on unseen data.

    Args:
        sweeps: folder of all sweeps; created if it does not exist.
        date: date of the sweep, such as ``2026-03-01``.
        watch_trials: makes a watcher of the trials; None: nobody watches.
        resume: continue the newest sweep of this config, with any date.

    Raises:
        ConfigError: the search space is empty or invalid; raised before the data is read.
        InputError: the data is invalid.
        RunError: this sweep exists already, there is no sweep to continue, or no trial has a value.
        RunsLockedError: another process runs this sweep.
        ClusterError: Ray cannot be reached, or Ray Tune failed.
    """
    checked = check_sweep(config)
    digest = sweep_digest(config)
    folder = _folder(sweeps, date, digest, resume)
    if files.exists(folder / records.RESULT):
        return Sweep(folder, records.load_sweep(folder), new=False)
    stages = Stages(progress or Silent())
    objective, goal = checked.objective, checked.goals.picks
    if checked.goals.warning:
        stages.progress.say(checked.goals.warning)
    with ExitStack() as stack:
        whole = objective.read(config, stages, stack)
        with stages.stage("hold out"):
            data = objective.cut(config, whole)
        stack.enter_context(_lock(folder))
        data_digest = objective.digest(whole)
        about = {"config": digest, "data": data_digest, "raypipe": raypipe.__version__}
        record = stack.enter_context(Record(folder, about))
        missing = [number for number in range(checked.trials) if number not in record.ended]
        if missing:
            _try(config, checked, missing, data, record, watch_trials, stages, folder)
        trials = [record.ended[number] for number in range(checked.trials)]
        with stages.stage("measure"):
            best = _seen(_best(trials, goal), goal)
            resolved = objective.resolved(config, best.settings, best.epochs)
            again = objective.measure_again(resolved, whole)
        with stages.stage("write"):
            result = _result(config, resolved, checked, date, trials, best, again)
            _write(folder, resolved, checked, trials, result)
    return Sweep(folder, result, new=True)


def check_sweep(config: RunConfig) -> Checked:
    """Check a sweep before the data is read.

    Raises:
        ConfigError: the search space is empty or invalid, there is no input, or Ray is disabled.
    """
    if config.cluster == "none":
        raise ConfigError("cluster: found none, but a sweep runs on Ray Tune; set cluster: local")
    space = parse_space(config.sweep)
    if config.input.place is None:
        raise ConfigError("input: found no data; set input.follows or input.ratings")
    objective: Objective = FOLLOWS if config.input.kind == "follows" else RATINGS
    goals = objective.goals(config)
    objective.check_space(config, space)
    has = partial(objective.has, config)
    count, ask = plan_search(config.sweep, space, has, goals.picks, config.seed)
    return Checked(objective, goals, space, count, ask)


def sweep_digest(config: RunConfig) -> str:
    """First 8 hex digits of the SHA-256 over all settings that can change the trials.

    Example:
        >>> from raypipe.config import load_config
        >>> digests = [
        ...     sweep_digest(load_config(None, settings))
        ...     for settings in ({}, {"sweep.concurrency": 2}, {"sweep.trials": 9})
        ... ]
        >>> digests[0] == digests[1], digests[0] == digests[2]
        (True, False)
    """
    sweep = config.sweep.model_dump(mode="json", exclude={"resources", "concurrency"})
    text = f"{config.digest()}\n{json.dumps(sweep)}"
    objective = (config.sweep.objective or "").rpartition("@")[0]
    own = digest_of_metrics([*(config.evaluation.metrics or ()), objective])
    return hashlib.sha256(text.encode() + own).hexdigest()[:8]


def _folder(sweeps: Path, date: str, digest: str, resume: bool) -> Path:
    if resume:
        begun = [sweeps / name for name in files.list_names(sweeps, f"*-{digest}")]
        begun = [folder for folder in begun if files.is_folder(folder)]
        if not begun:
            raise RunError(f"{sweeps}: holds no sweep of this config; start one without --resume")
        return begun[-1]
    folder = sweeps / f"{date}-{digest}"
    if files.exists(folder) and not files.exists(folder / records.RESULT):
        raise RunError(
            f"{folder}: holds an unfinished sweep; continue it with --resume, or move it away"
        )
    return folder


def _lock(folder: Path) -> FileLock:
    with files.disk_errors(f"{folder}: cannot be written"):
        files.make_folder(folder)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunsLockedError(
            f"{folder}: another process runs this sweep; wait for it, or stop it"
        ) from None
    return lock


def _try(
    config: RunConfig,
    checked: Checked,
    missing: list[int],
    data: Any,
    record: Record,
    watch_trials: WatchTrials | None,
    stages: Stages,
    folder: Path,
) -> None:
    goal, sweep = checked.goals.picks, config.sweep
    asha = sweep.asha if sweep.scheduler == "asha" else None
    epochs = asha.rungs if asha else ()
    with ExitStack() as stack:
        with stages.stage("start Ray"):
            stages.progress.say(ray_for(config, stack))
            from raypipe.sweeps.ray_tune import Plan, run_trials

        plan = Plan(
            numbers=missing,
            ask=checked.ask,
            began=record.began,
            ended=record.ended,
            reports=partial(reports_of_trial, config, checked.objective, epochs),
            last_epochs=epochs[-1] if epochs else None,
            goal=goal,
            asha=asha,
            resources=sweep.resources,
            concurrency=sweep.concurrency,
        )
        watches: list[Watch] = [record]
        if watch_trials:
            watched = watch_trials(goal, checked.trials, record.ended.values())
            watches.append(stack.enter_context(watched))
        with stages.stage("trials"):
            run_trials(plan, data, folder / "tune", *watches)


def _best(trials: list[Trial], goal: Goal) -> Trial:
    best = best_trial(trials, goal)
    if best is None:
        errors = sorted({trial.error for trial in trials if trial.error})
        raise RunError(
            f"none of {len(trials)} trials has a {goal.metric}; the first error: "
            f"{errors[0] if errors else 'none'}; change sweep.space"
        )
    return best


def _result(
    config: RunConfig,
    resolved: RunConfig,
    checked: Checked,
    date: str,
    trials: list[Trial],
    best: records.TrialRecord,
    again: dict[str, float | None],
) -> records.SweepResult:
    goal, misleading, misled = checked.goals.picks, checked.goals.misled, None
    in_sweep, unseen = checked.objective.measured_on(resolved)
    if misleading is not None:
        picked = best_trial(trials, misleading)
        picks = _seen(picked, misleading) if picked else None
        misled = records.MisledRecord(objective=misleading.metric, picks=picks)
    states = [trial.state for trial in trials]
    return records.SweepResult(
        date=date,
        digest=sweep_digest(config),
        raypipe=raypipe.__version__,
        data=checked.objective.kind,
        input=str(config.input.place),
        objective=goal.metric,
        more_is_better=goal.more,
        seed=config.seed,
        states={state: states.count(state) for state in STATES},
        trials=tuple(_seen(trial, goal) for trial in trials),
        best=best,
        measured_again=again,
        measured_on=records.MeasuredOn(in_sweep=in_sweep, again=unseen),
        misled=misled,
        sweep=config.sweep.model_dump(mode="json"),
    )


def _seen(trial: Trial, goal: Goal) -> records.TrialRecord:
    report = trial.best_report(goal) or Report(None, {})
    return records.TrialRecord(
        trial=trial.number,
        state=trial.state,
        settings=trial.settings,
        epochs=report.epochs,
        measures=report.measures,
        seconds=trial.seconds,
        error=trial.error,
    )


def _write(
    folder: Path,
    resolved: RunConfig,
    checked: Checked,
    trials: list[Trial],
    result: records.SweepResult,
) -> None:
    """Write all files of a finished sweep; ``sweep.json``, which marks it as finished, is last."""
    from raypipe.sweeps.plots import plot_parallel, plot_progress  # matplotlib: half a second

    goal, best, on = checked.goals.picks, result.best, result.measured_on
    value, again = best.measures[goal.metric], result.measured_again[goal.metric]
    head = (
        f"# Best of {len(trials)} trials, trial {best.trial}: {goal.metric}\n"
        f"#   {value_text(value)}, in the sweep: {on.in_sweep}\n"
        f"#   {value_text(again)}, again: {on.again}\n"
    )
    with files.disk_errors(f"{folder}: cannot be written"):
        files.write_atomic(folder / BEST, (head + to_yaml(resolved)).encode())
        write_parquet(folder / TRIALS, trials_table(trials, goal))
        about = f"{result.input}, {result.date}\n{on.in_sweep}"
        plot_progress(trials, goal, folder / PICTURES[0], about)
        plot_parallel(trials, checked.space, goal, folder / PICTURES[1], about)
        files.remove_tree(folder / "tune", ignore_errors=True)
    result.save(folder / records.RESULT)
