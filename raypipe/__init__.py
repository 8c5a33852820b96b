"""raypipe: accounts you may want to follow, for every account, every night.

The functions here are what the command line calls, for notebooks and services. Each takes a config
as a file, as a mapping of dotted keys, or as :func:`load_config` returns it; none of them writes to
the terminal, and each may be called from any thread. What they return is typed and has
``to_pandas()``. Nothing heavy is imported before a function needs it.

Example:
    >>> import tempfile, raypipe
    >>> folder = tempfile.TemporaryDirectory()
    >>> follows, runs = f"{folder.name}/follows.csv", f"{folder.name}/runs"
    >>> with open(follows, "w") as file:
    ...     _ = file.write("followerId,followingId\\nann,bob\\nbob,cid\\ncid,bob\\ndan,cid\\n")
    >>> config = {"input.follows": follows, "cluster": "none", "frames": "pandas"}
    >>> night = raypipe.run(config, runs_dir=runs, date="2026-03-01")
    >>> night.to_pandas()[["accountId", "rank", "candidateId"]].head(1).values.tolist()
    [['ann', 1, 'cid']]
    >>> [row.candidate for row in raypipe.recommendations("ann", runs_dir=runs)]
    ['cid']
    >>> raypipe.reject("ann", "cid", runs_dir=runs).changed
    True
    >>> len(raypipe.recommendations("ann", runs_dir=runs))
    0
    >>> raypipe.explain("ann", "cid", runs_dir=runs).why_not
    'REJECTED'
    >>> folder.cleanup()
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from raypipe.attacks.run import Suspicion
    from raypipe.compute.progress import Progress
    from raypipe.config import RunConfig
    from raypipe.pipeline.run import NightResult
    from raypipe.serving.about import About
    from raypipe.serving.explanation import Explanation
    from raypipe.serving.lookup import Lookup, Neighbour, Recommendation
    from raypipe.serving.rows import Rows
    from raypipe.storage.attacks import AttackResult
    from raypipe.storage.evaluations import EvaluationResult
    from raypipe.storage.feedback.store import Answer
    from raypipe.storage.plans import Plan
    from raypipe.storage.ratings import RatingResult
    from raypipe.storage.sweeps import SweepResult

__version__ = "0.1.0"

__all__ = [
    "about",
    "attack",
    "evaluate",
    "explain",
    "load_config",
    "neighbours",
    "plan",
    "recommendations",
    "reject",
    "run",
    "sweep",
    "unreject",
]

#: A YAML file, dotted keys with their values, or what :func:`load_config` returned.
Config = Union[str, "PathLike[str]", Mapping[str, Any], "RunConfig"]


def load_config(
    path: str | PathLike[str] | None = None, overrides: Mapping[str, Any] | None = None
) -> RunConfig:
    """Read a config file and override some of its keys.

    Args:
        path: a YAML file; None: every key has its default.
        overrides: dotted key to value, as ``{"sources.similar.neighbours": 50}``. These win over
            the environment variable ``RAYPIPE_FEEDBACK_URL``, and that wins over the file.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong.

    Example:
        >>> load_config(None, {"sources.similar.neighbours": 50}).sources.similar.neighbours
        50
    """
    from raypipe.config import load_config as load
    from raypipe.config.feedback_url import url_in_environment

    url = url_in_environment()
    from_environment = {} if url is None else {"feedback.url": url}
    found = load(None if path is None else Path(path), {**from_environment, **(overrides or {})})
    if found.filters.model_extra:
        from raypipe.recommend.filters.registry import specs_of

        specs_of(found.filters)  # refuses keys that no filter has
    return found


def run(
    config: Config,
    *,
    runs_dir: str | PathLike[str] = "runs",
    date: str | None = None,
    progress: Progress | None = None,
) -> NightResult:
    """Make and publish recommendations, once per date, config and input.

    The same call again changes nothing; after a kill, it continues where it stopped.

    Args:
        runs_dir: folder of the runs; it is created.
        date: date of the run, as ``2026-03-01``; None: today in UTC.
        progress: receives progress events.

    Raises:
        HeldError: the run is finished, but differs too much from the published one.
        RaypipeError: one of :mod:`raypipe.errors`; then nothing is published.
    """
    from raypipe.pipeline.run import run_night
    from raypipe.storage.runs.store import RunStore

    return run_night(_resolve(config), RunStore(Path(runs_dir)), date or _today(), progress)


def evaluate(
    config: Config,
    *,
    sources: Sequence[str] | None = None,
    runs_dir: str | PathLike[str] = "runs",
    progress: Progress | None = None,
) -> EvaluationResult | RatingResult:
    """Hold out follows and measure which source recovers them.

    Where the config names ratings, measure algorithms by k-fold cross-validation.

    Args:
        sources: names of sources, as ``["popular", "similar+popular", "ladder"]``; None: each that
            the config has, and the ladder.
        runs_dir: folder of the runs, for ``evaluation.split: since``.
        progress: receives progress events.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`.
    """
    from raypipe.evaluation.evaluate import evaluate as evaluate_follows
    from raypipe.ratings.run import evaluate_ratings

    resolved = _resolve(config)
    if resolved.input.kind == "ratings":
        return evaluate_ratings(resolved, progress).result
    return evaluate_follows(resolved, sources, progress, runs_dir=Path(runs_dir)).result


def attack(
    config: Config, *, suspicion: Suspicion | None = None, progress: Progress | None = None
) -> AttackResult:
    """Inject attacks into the follows and measure what fake follows buy: section ``attack``.

    Args:
        suspicion: takes the attacked ``FollowGraph`` and returns one number for each account, above
            0 for suspicious ones; None: the detectors of a night, as in ``suspects.parquet``.
        progress: receives progress events.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`.
    """
    from raypipe.attacks.run import attack as attack_follows

    return attack_follows(_resolve(config), progress, suspicion=suspicion).result


def sweep(
    config: Config,
    *,
    sweeps_dir: str | PathLike[str] = "sweeps",
    date: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Try parameters on Ray Tune and keep the best: section ``sweep`` of the config.

    Args:
        sweeps_dir: folder of all sweeps; it is created.
        date: date of the sweep, as ``2026-03-01``; None: today.
        resume: continue the newest sweep of this config.
        progress: receives progress events.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`.
    """
    from raypipe.sweeps.run import run_sweep

    folder, day = Path(sweeps_dir), date or _today()
    return run_sweep(_resolve(config), folder, day, resume=resume, progress=progress).result


def plan(
    config: Config, *, nodes: int = 1, cpus: int | None = None, progress: Progress | None = None
) -> Plan:
    """Predict the cost of a night from a sample of the accounts; publishes nothing.

    Args:
        nodes: number of machines, each as fast as this one.
        cpus: CPUs of each machine; None: as many as this one has.
        progress: receives progress events.

    Raises:
        RaypipeError: what a run would raise for the same input.
    """
    from raypipe.compute.engines import cpus_here
    from raypipe.pipeline.plan import plan_night

    return plan_night(_resolve(config), nodes, cpus or cpus_here(), progress)


def recommendations(
    account: str,
    *,
    limit: int | None = None,
    following: Sequence[str] | None = None,
    followers: Sequence[str] | None = None,
    runs_dir: str | PathLike[str] = "runs",
    feedback: str | None = None,
) -> Rows[Recommendation]:
    """The published recommendations of an account, without candidates excluded since then.

    Args:
        limit: maximum number of rows; None: the whole list.
        following: the follows of a new account; the list is made now.
        followers: the followers of a new account.
        runs_dir: folder of the runs.
        feedback: URL of the rejection store; None: ``RAYPIPE_FEEDBACK_URL``, else the store of the
            published run.

    Raises:
        UnknownAccountError: the run does not know the account.
        FeedbackError: the rejections cannot be read; then nothing is shown.
        RunError: nothing is published, or it cannot be read.
    """
    from raypipe.columns import RECOMMENDATIONS_SCHEMA
    from raypipe.serving.rows import Rows

    lookup = _look_up(account, runs_dir, feedback)
    if following is None and followers is None:
        rows = lookup.recommendations(limit)
    else:
        from raypipe.serving.newcomer import recommend_newcomer

        rows = recommend_newcomer(lookup, following or (), limit, followers or ()).rows
    return Rows(rows, RECOMMENDATIONS_SCHEMA.names)


def neighbours(
    account: str,
    *,
    limit: int | None = None,
    runs_dir: str | PathLike[str] = "runs",
    feedback: str | None = None,
) -> Rows[Neighbour]:
    """The accounts with the most similar follows, most similar first.

    Takes and raises what :func:`recommendations` does.
    """
    from raypipe.columns import NEIGHBOURS_SCHEMA
    from raypipe.serving.rows import Rows

    return Rows(_look_up(account, runs_dir, feedback).neighbours(limit), NEIGHBOURS_SCHEMA.names)


def explain(
    account: str,
    candidate: str,
    *,
    as_account: bool = False,
    runs_dir: str | PathLike[str] = "runs",
    feedback: str | None = None,
) -> Explanation:
    """Why a candidate is or is not in an account's list.

    Args:
        as_account: an answer for the account itself, which names only its own rejections, blocks
            and unfollows.

    Takes and raises what :func:`recommendations` does.
    """
    lookup = _look_up(account, runs_dir, feedback)
    if as_account:
        from raypipe.serving.explanation import explain_to_account

        return explain_to_account(lookup, candidate)
    from raypipe.serving.explain import explain as explain_candidate

    return explain_candidate(lookup, candidate)


def about(account: str, *, runs_dir: str | PathLike[str] = "runs") -> About:
    """What stands against an account in the published run; it may be told all of it.

    Args:
        runs_dir: folder of the runs.

    Raises:
        UnknownAccountError: the run does not know the account.
        RunError: nothing is published, or it cannot be read.
    """
    from raypipe.serving.about import about_account
    from raypipe.storage.runs.store import RunStore

    return about_account(RunStore(Path(runs_dir)).current(), account)


def reject(
    account: str,
    candidate: str,
    *,
    reason: str | None = None,
    request_id: str | None = None,
    unknown: bool = False,
    runs_dir: str | PathLike[str] = "runs",
    feedback: str | None = None,
) -> Answer:
    """Never show a candidate to an account again. The rejection is stored when this returns.

    Args:
        reason: free text, stored with the rejection.
        request_id: unique id of your own; the same request again counts once.
        unknown: accept ids that the published run does not know.
        runs_dir, feedback: as for :func:`recommendations`.

    Raises:
        ConfigError: an id is empty, both are the same, or ``request_id`` was used for another pair.
        FeedbackError: the store cannot be written; then nothing has changed.
        UnknownAccountError: the published run does not know an id.
    """
    from raypipe.serving.lookup import check_known
    from raypipe.storage.feedback.store import FeedbackStore
    from raypipe.storage.runs.store import RunStore

    if not unknown:
        check_known(RunStore(Path(runs_dir)), account, candidate)

    with closing(FeedbackStore(_feedback_url(runs_dir, feedback))) as store:
        return store.reject(account, candidate, reason, request_id)


def unreject(
    account: str,
    candidate: str,
    *,
    request_id: str | None = None,
    runs_dir: str | PathLike[str] = "runs",
    feedback: str | None = None,
) -> Answer:
    """Withdraw a rejection: the candidate may be shown again.

    Takes and raises what :func:`reject` does.
    """
    from raypipe.storage.feedback.store import FeedbackStore

    with closing(FeedbackStore(_feedback_url(runs_dir, feedback))) as store:
        return store.unreject(account, candidate, request_id)


def _today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def _resolve(config: Config) -> RunConfig:
    from raypipe.config import RunConfig

    if isinstance(config, RunConfig):
        return config
    return load_config(None, config) if isinstance(config, Mapping) else load_config(config)


def _feedback_url(runs_dir: str | PathLike[str], given: str | None) -> str:
    from raypipe.serving.lookup import rejections_url
    from raypipe.storage.runs.store import RunStore

    return rejections_url(RunStore(Path(runs_dir)), given)


def _look_up(account: str, runs_dir: str | PathLike[str], feedback: str | None) -> Lookup:
    from raypipe.serving.lookup import look_up
    from raypipe.storage.runs.store import RunStore

    return look_up(RunStore(Path(runs_dir)), account, feedback)
