"""Ray's job server, through its SDK: hand a job over, follow it, list and stop jobs.

A connection may drop at any time: a job is known by its id, so asking again is always right.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import ray
from ray.job_submission import JobDetails, JobSubmissionClient

import raypipe
from raypipe.compute.jobs import (
    CONFIG_FILE,
    Job,
    config_file,
    entrypoint,
    last_attempt,
    submission_id,
)
from raypipe.compute.ray_private import ImpatientClient
from raypipe.errors import ClusterError, ConfigError

#: package: the code of this raypipe goes along. image: the cluster has raypipe.
Code = Literal["package", "image"]

_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 1.0
#: How long a job server that has answered before may be away.
_PATIENCE_SECONDS = 600.0


def token() -> str | None:
    """The token, from where Ray takes it; None where there is none.

    Raises:
        ConfigError: the file that should hold it cannot be read.
    """
    if os.environ.get("RAY_AUTH_TOKEN"):
        return os.environ["RAY_AUTH_TOKEN"].strip()
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    if not named and (os.environ.get("RAY_AUTH_MODE") != "token" or not path.is_file()):
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{path}: holds no token that can be read; mend RAY_AUTH_TOKEN_PATH"
        ) from None


def connect(address: str, token: str | None) -> JobSubmissionClient:
    """A client of the job server at ``address``.

    Raises:
        ClusterError: nobody answers, the token is wrong, or its Ray is of another version.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    version = _version(address, headers)
    if version != ray.__version__:
        raise ClusterError(
            f"{address}: found Ray {version}, expected {ray.__version__} as here; "
            f"pip install ray=={version} here, or take that version there"
        )
    for handler in logging.getLogger("ray").handlers:
        handler.setLevel(logging.WARNING)
    os.environ["RAY_API_SERVER_ADDRESS"] = address  # or RAY_ADDRESS would win over the argument
    with _explained(address):
        return ImpatientClient(address, headers=headers)


def _version(address: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(f"{address}/api/version", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_CONNECT_SECONDS) as answer:
            return str(json.load(answer)["ray_version"])
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 401:
            raise ClusterError(f"{address}: wants a token; set RAY_AUTH_TOKEN to it") from None
        if error.code == 403:
            raise ClusterError(
                f"{address}: refuses the token; set RAY_AUTH_TOKEN to that of its cluster"
            ) from None
        raise ClusterError(
            f"{address}: answers {error.code}, as no job server of Ray does; check the address"
        ) from None
    except (ValueError, LookupError, TypeError):
        raise ClusterError(f"{address}: is no job server of Ray; check the address") from None
    except OSError as error:
        reason = _one_line(getattr(error, "reason", error))
        raise ClusterError(
            f"{address}: no answer ({reason}); check the address, and that a Ray with its "
            "dashboard runs there"
        ) from None


def attempt_of(client: JobSubmissionClient, job: Job) -> tuple[int, JobDetails | None]:
    """The newest attempt at a job that the server knows, and how it is; 0 and None: none yet."""
    with _explained(client.get_address()):
        known = {each.submission_id: each for each in client.list_jobs()}
    attempt = last_attempt(job, known)
    return attempt, known.get(submission_id(job, attempt)) if attempt else None


def submit(client: JobSubmissionClient, job: Job, attempt: int, code: Code) -> str:
    """Hand a job over; returns its id. One that is there already stays as it is.

    Raises:
        ClusterError: the job server did not take it.
    """
    job_id = submission_id(job, attempt)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, CONFIG_FILE).write_text(config_file(job), encoding="utf-8")
        runtime_env: dict[str, Any] = {"working_dir": folder}
        if code == "package":
            runtime_env |= {
                "py_modules": [str(Path(raypipe.__file__).parent)],
                # What numba has compiled here goes along, beside the code: there numba takes it for
                # the same kind of processor, if no folder of its own is named, or compiles anew.
                "excludes": ["*.pyc"],
                "env_vars": {"NUMBA_CACHE_DIR": ""},
            }
        try:
            with _explained(client.get_address()):
                return client.submit_job(
                    entrypoint=entrypoint(job),
                    submission_id=job_id,
                    runtime_env=runtime_env,
                    metadata={"raypipe": raypipe.__version__, "date": job.date},
                )
        except ClusterError:
            # Somebody else was quicker, or the answer was lost.
            if attempt_of(client, job)[0] < attempt:
                raise
            return job_id


def follow(
    client: JobSubmissionClient,
    job_id: str,
    write: Callable[[str], None],
    say: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> JobDetails:
    """Write a job's log as it grows until the job ends; returns how it ended.

    The whole log is asked for each time, and what is new is written: a dropped connection
    loses nothing and repeats nothing.

    Args:
        write: gets pieces of the log.
        say: gets what happens to the connection.

    Raises:
        ClusterError: the job is not known, or the job server was away for too long.
    """
    written, answered, dropped = 0, time.monotonic(), False
    while True:
        try:
            details = job_details(client, job_id)  # before the log: a log that ends is whole
            log = job_log(client, job_id) if details.driver_agent_http_address else ""
        except _Dropped as error:
            if not dropped:
                say(f"{error}; trying again, the job goes on")
            dropped = True
            if time.monotonic() - answered > _PATIENCE_SECONDS:
                raise ClusterError(
                    f"{error}, for {_PATIENCE_SECONDS:.0f} s; later: raypipe jobs logs {job_id}"
                ) from error
        else:
            answered, dropped = time.monotonic(), False
            write(log[written:])
            written = max(written, len(log))
            if details.status.is_terminal():
                return details
        pause(_POLL_SECONDS)


def jobs(client: JobSubmissionClient) -> list[JobDetails]:
    """All jobs that were handed to the server, the newest first."""
    with _explained(client.get_address()):
        found = [each for each in client.list_jobs() if each.submission_id]
    return sorted(found, key=lambda each: each.start_time or 0, reverse=True)


def job_details(client: JobSubmissionClient, job_id: str) -> JobDetails:
    """How a job is."""
    with _explained(client.get_address(), job_id):
        return client.get_job_info(job_id)


def job_log(client: JobSubmissionClient, job_id: str) -> str:
    """All that a job has written until now."""
    with _explained(client.get_address(), job_id):
        return client.get_job_logs(job_id)


def stop(client: JobSubmissionClient, job_id: str) -> bool:
    """Ask a job to end; False: it had ended before."""
    with _explained(client.get_address(), job_id):
        return client.stop_job(job_id)


class _Dropped(ClusterError):
    """No answer this time; the next one may come."""


@contextmanager
def _explained(address: str, job_id: str | None = None) -> Iterator[None]:
    """Turn what the SDK raises into one line."""
    try:
        yield
    except OSError as error:  # those of requests are OSErrors, too
        raise _Dropped(f"{address}: no answer ({type(error).__name__})") from error
    except RuntimeError as error:
        status = re.match(r"Request failed with status code (\d+)", str(error))
        if job_id and status and status[1] == "404":
            raise ClusterError(
                f"{job_id}: {address} knows no such job; see raypipe jobs list"
            ) from error
        kind = _Dropped if status and status[1] >= "500" else ClusterError
        raise kind(f"{address}: {_one_line(error)}") from error
    except ray.exceptions.AuthenticationError as error:
        raise ClusterError(
            f"{address}: refuses the token; set RAY_AUTH_TOKEN to that of its cluster"
        ) from error


def _one_line(error: object) -> str:
    """What is said at the end is what went wrong: before it stands a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
