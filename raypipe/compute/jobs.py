"""Jobs for a Ray job server: the config, the command line, and an id that is derived from both.

Pure functions without Ray or network access; :mod:`raypipe.compute.ray_jobs` has these.
"""

import hashlib
import posixpath
import re
import shlex
from collections.abc import Iterable
from operator import attrgetter
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from raypipe.config import RunConfig, with_settings
from raypipe.config.feedback_url import sqlite_path
from raypipe.errors import ConfigError, MissingInputError

Kind = Literal["run", "evaluate", "sweep"]

#: File name of the config that is sent with a job.
CONFIG_FILE = "config.yaml"
#: Kind of job to the option for its results folder, and the default of that option.
RESULTS: dict[Kind, tuple[str, str]] = {
    "run": ("--runs-dir", "runs"),
    "evaluate": ("--out", "evaluations"),
    "sweep": ("--sweeps-dir", "sweeps"),
}
#: Every config key whose value is a path, apart from ``feedback.url``.
PATH_KEYS = (
    "input.follows",
    "input.ratings",
    "audience.accounts",
    "filters.blocks",
    "filters.opted_out",
    "filters.bots",
    "filters.inactive.table",
    "filters.impressions.table",
    "integrity.trusted",
    "evaluation.test",
    "evaluation.rejections",
)

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Job(NamedTuple):
    """A job before submission.

    Attributes:
        date: date of a run; for evaluations and sweeps, it is only part of the job id.
        results: absolute path of the folder of the runs, evaluations or sweeps.
        resume: continue an unfinished sweep.
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
    """Build a job; relative paths are resolved against ``folder``, a folder on the cluster.

    Ray's tasks run in their own folders, so every path becomes absolute, also the argument ``path``
    of a filter or source of your own. The job uses the cluster
    that it runs on, unless the config has ``cluster: none``.

    Args:
        results: folder of the runs, evaluations or sweeps; None: the default of the kind.
    """
    paths = {key: attrgetter(key)(config) for key in PATH_KEYS}
    added = config.filters.model_extra or {}  # filters of the registry that are not built in
    paths |= {f"filters.{key}": path for key, path in added.items() if isinstance(path, str)}
    for section, custom in (("filters", config.filters.custom), ("sources", config.sources.custom)):
        for name, values in custom.items():
            path = (values.model_extra or {}).get("path")
            paths[f"{section}.custom.{name}.path"] = path if isinstance(path, str) else None
    settings: dict[str, str] = {
        key: posixpath.join(folder, path) for key, path in paths.items() if path is not None
    }
    store = config.feedback.url and sqlite_path(config.feedback.url)
    if store:
        settings["feedback.url"] = f"sqlite:///{posixpath.join(folder, store)}"
    if config.cluster != "none":
        settings["cluster"] = "auto"
    results = posixpath.join(folder, results or RESULTS[kind][1])
    return Job(kind, date, with_settings(config, settings), folder, results, resume)


def submission_id(job: Job, attempt: int = 1) -> str:
    """The job id: kind, date, and a digest of the config and the results folder.

    Equal jobs have equal ids.

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
    """Number of the newest attempt at ``job`` among the job ids of a server; 0 if there is none.

    Example:
        >>> job = job_of("run", "2026-03-01", RunConfig(), "/data")
        >>> last_attempt(job, [None, "raysubmit_x", submission_id(job), submission_id(job, 2)])
        2
    """
    pattern = re.compile(re.escape(submission_id(job)) + r"(?:-(\d+))?")
    matches = [match for name in known if name and (match := pattern.fullmatch(name))]
    return max((int(match[1] or 1) for match in matches), default=0)


def entrypoint(job: Job) -> str:
    """The shell command of a job; it starts in the folder that contains the config.

    If the job's folder does not exist, the exit code is the one for missing input.

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


def check_address(address: str | None) -> str:
    """Check the address of a job server; returns it without a trailing slash.

    Raises:
        ConfigError: the address is missing, is no HTTP URL, or contains a password.

    Example:
        >>> check_address("http://127.0.0.1:8265/")
        'http://127.0.0.1:8265'
    """
    example = "expected the address of a job server, such as http://HOST:8265"
    if not address:
        raise ConfigError(f"--address: found none, and RAY_ADDRESS is not set; {example}")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--address {address}: {example}")
    if parts.username or parts.password:
        raise ConfigError("--address: leave the user and the password out; set RAY_AUTH_TOKEN")
    return address.rstrip("/")


def warning(address: str, token: str | None) -> str | None:
    """A warning if the job server may be reachable by others and is used without a token.

    Example:
        >>> warning("http://127.0.0.1:8265", None)
        >>> warning("http://ray.example.com:8265", None)[:58]
        'http://ray.example.com:8265: used without a token; anyone '
    """
    if token or urlsplit(address).hostname in _LOOPBACK:
        return None
    return (
        f"{address}: used without a token; anyone who reaches it can run any code there. Start its "
        "cluster with RAY_AUTH_MODE=token and set RAY_AUTH_TOKEN here, or let it listen on "
        "127.0.0.1 only and forward the port"
    )


def exit_code(status: str, code: int | None) -> int:
    """The shell exit code of a job that has ended.

    Args:
        status: SUCCEEDED, FAILED or STOPPED.
        code: exit code of the process; a negative number is the signal that ended it; None if the
            process never ran or its code is unknown.

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
    """Advice for a job that ended with a nonzero exit code."""
    if code == MissingInputError.exit_code:
        return (
            "a file in the config does not exist on the cluster; use paths of the cluster, or set "
            "--folder to the cluster folder that they are relative to"
        )
    return f"see raypipe jobs logs {job_id}; to run it again: --again"
