"""What is handed to a Ray job server: a config, a command line, and an id made of both.

Pure: nothing here imports Ray or talks to anybody. :mod:`raypipe.compute.ray_jobs` does.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from collections.abc import Iterable
from operator import attrgetter
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from raypipe.config import RunConfig, to_yaml, with_settings
from raypipe.config.feedback_url import sqlite_path
from raypipe.errors import ConfigError, MissingInputError

Kind = Literal["run", "evaluate", "sweep"]

#: The name under which the config travels.
CONFIG_FILE = "config.yaml"
#: Each kind of job: the option that says where its results go, and its default.
RESULTS: dict[Kind, tuple[str, str]] = {
    "run": ("--runs-dir", "runs"),
    "evaluate": ("--out", "evaluations"),
    "sweep": ("--sweeps-dir", "sweeps"),
}
#: Every key of a config that names a file, beside ``feedback.url``.
PLACES = (
    "input.follows",
    "input.ratings",
    "audience.accounts",
    "filters.blocks",
    "filters.opted_out",
    "filters.bots",
    "evaluation.test",
    "evaluation.rejections",
)

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Job(NamedTuple):
    """A job, before it is handed over.

    Attributes:
        kind: the command that it runs.
        date: of the run; of evaluations and sweeps only the id has it.
        config: as it holds on the cluster.
        folder: where the job runs.
        results: an absolute path, the folder of the runs, evaluations or sweeps.
        resume: go on with a sweep that was begun.
    """

    kind: Kind
    date: str
    config: RunConfig
    folder: str
    results: str
    resume: bool


def job_of(
    kind: Kind,
    date: str,
    config: RunConfig,
    folder: str,
    results: str | None = None,
    resume: bool = False,
) -> Job:
    """A job whose relative paths are meant from ``folder``, a folder of the cluster.

    Ray's tasks run in folders of their own, so no path stays relative. The job uses the cluster
    that it runs on, except where the config says ``cluster: none``.

    Args:
        results: folder of the runs, evaluations or sweeps; None: the default of the kind.

    Example:
        >>> config = with_settings(RunConfig(), {"input.follows": "follows.csv"})
        >>> job = job_of("run", "2026-03-01", config, "/data")
        >>> job.config.input.follows, job.results
        ('/data/follows.csv', '/data/runs')
    """
    places = {key: attrgetter(key)(config) for key in PLACES}
    added = config.filters.model_extra or {}  # filters of the registry that are not built in
    places |= {f"filters.{key}": path for key, path in added.items() if isinstance(path, str)}
    told: dict[str, str] = {
        key: posixpath.join(folder, place) for key, place in places.items() if place is not None
    }
    store = config.feedback.url and sqlite_path(config.feedback.url)
    if store:
        told["feedback.url"] = f"sqlite:///{posixpath.join(folder, store)}"
    if config.cluster != "none":
        told["cluster"] = "auto"
    results = posixpath.join(folder, results or RESULTS[kind][1])
    return Job(kind, date, with_settings(config, told), folder, results, resume)


def submission_id(job: Job, attempt: int = 1) -> str:
    """The same job has the same id: kind, date, and a digest of the config and the results' place.

    Example:
        >>> job = job_of("run", "2026-03-01", RunConfig(), "/data")
        >>> again = job_of("run", "2026-03-01", RunConfig(frames="modin"), "/data")
        >>> submission_id(job) == submission_id(again)
        True
        >>> submission_id(job, 2) == submission_id(job) + "-2"
        True
    """
    digest = hashlib.sha256(f"{job.config.digest()}\n{job.results}".encode()).hexdigest()[:8]
    return f"{job.kind}-{job.date}-{digest}" + (f"-{attempt}" if attempt > 1 else "")


def last_attempt(job: Job, known: Iterable[str | None]) -> int:
    """The newest attempt at ``job`` among the ids that a job server knows; 0: there is none.

    Example:
        >>> job = job_of("run", "2026-03-01", RunConfig(), "/data")
        >>> last_attempt(job, [None, "raysubmit_x", submission_id(job), submission_id(job, 2)])
        2
    """
    pattern = re.compile(re.escape(submission_id(job)) + r"(?:-(\d+))?")
    found = [match for name in known if name and (match := pattern.fullmatch(name))]
    return max((int(match[1] or 1) for match in found), default=0)


def entrypoint(job: Job) -> str:
    """What a shell runs on the cluster, in the folder that holds the config.

    Where there is no such folder it ends as a run does that misses its input.

    Example:
        >>> print(entrypoint(job_of("run", "2026-03-01", RunConfig(), "/data")))
        config="$PWD/config.yaml"; cd /data || exit 66; exec python -m raypipe run "$config" --runs-dir /data/runs --date 2026-03-01
    """  # noqa: E501
    words = [RESULTS[job.kind][0], job.results]
    if job.kind == "run":
        words += ["--date", job.date]
    if job.resume:
        words += ["--resume"]
    return (
        f'config="$PWD/{CONFIG_FILE}"; cd {shlex.quote(job.folder)} '
        f"|| exit {MissingInputError.exit_code}; "
        f'exec python -m raypipe {job.kind} "$config" {shlex.join(words)}'
    )


def config_file(job: Job) -> str:
    """The text of the config that travels with the job."""
    return to_yaml(job.config)


def check_address(address: str | None) -> str:
    """The address of a job server, without what may follow its port.

    Raises:
        ConfigError: there is none, or it is that of something else.

    Example:
        >>> check_address("http://127.0.0.1:8265/")
        'http://127.0.0.1:8265'
    """
    example = "expected that of the job server, as http://HOST:8265"
    if not address:
        raise ConfigError(f"--address: found none, and RAY_ADDRESS is not set; {example}")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--address {address}: {example}")
    if parts.username or parts.password:
        raise ConfigError("--address: leave the user and the password out; set RAY_AUTH_TOKEN")
    return address.rstrip("/")


def warning(address: str, token: str | None) -> str | None:
    """What to say of a job server that others may reach, and that no token guards.

    Example:
        >>> warning("http://127.0.0.1:8265", None)
        >>> warning("http://ray.example.com:8265", None)[:59]
        'http://ray.example.com:8265: used without a token; whoever '
    """
    if token or urlsplit(address).hostname in _LOOPBACK:
        return None
    return (
        f"{address}: used without a token; whoever reaches it can run any code there. Start its "
        "cluster with RAY_AUTH_MODE=token and set RAY_AUTH_TOKEN here, or let it listen on "
        "127.0.0.1 only and forward the port"
    )


def exit_code(status: str, code: int | None) -> int:
    """What a shell would say of a job that has ended.

    Args:
        status: SUCCEEDED, FAILED or STOPPED.
        code: of its process; below 0: the signal that ended it; None: it never ran, or is unknown.

    Example:
        >>> exit_code("SUCCEEDED", 0), exit_code("FAILED", 66), exit_code("FAILED", -9)
        (0, 66, 137)
        >>> exit_code("FAILED", None), exit_code("STOPPED", None)
        (69, 143)
    """
    if status == "SUCCEEDED":
        return 0
    if code:
        return code if code > 0 else 128 - code
    return 143 if status == "STOPPED" else 69


def cure(job_id: str, code: int) -> str:
    """What helps after a job has ended with an exit code that is not 0."""
    if code == MissingInputError.exit_code:
        return (
            "the cluster does not see every file that the config names; give paths of the "
            "cluster, or with --folder the folder there that they are relative to"
        )
    return f"see raypipe jobs logs {job_id}; to run it again: --again"
