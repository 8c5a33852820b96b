"""Ray's job server: submit, follow, list and stop jobs, through Ray's SDK.

A connection may drop at any time. Every request identifies the job by its id, so it is safe to
repeat it.
"""

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
from raypipe.compute.jobs import CONFIG_FILE, Job, entrypoint, last_attempt, submission_id
from raypipe.compute.ray_private import ImpatientClient
from raypipe.config import to_yaml
from raypipe.errors import ClusterError, ConfigError

#: package: send the code of this raypipe. image: the cluster has raypipe installed.
Code = Literal["package", "image"]

_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 1.0
#: Maximum seconds without a response from a job server that has responded before.
_PATIENCE_SECONDS = 600.0


def token() -> str | None:
    """The authentication token, from the same variables and files that Ray uses; None if not set.

    Raises:
        ConfigError: the token file cannot be read.
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
        raise ConfigError(f"{path}: contains no readable token; fix RAY_AUTH_TOKEN_PATH") from None


def connect(address: str, token: str | None) -> JobSubmissionClient:
    """Connect a client to the job server at ``address``.

    Raises:
        ClusterError: there is no response, the token is wrong, or the versions of Ray differ.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    version = _version(address, headers)
    if version != ray.__version__:
        raise ClusterError(
            f"{address}: found Ray {version}, expected {ray.__version__} as on this machine; "
            f"pip install ray=={version} here, or install Ray {ray.__version__} on the cluster"
        )
    for handler in logging.getLogger("ray").handlers:
        handler.setLevel(logging.WARNING)
    os.environ["RAY_API_SERVER_ADDRESS"] = address  # else RAY_ADDRESS overrides the argument
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
            raise ClusterError(f"{address}: requires a token; set RAY_AUTH_TOKEN") from None
        if error.code == 403:
            raise ClusterError(
                f"{address}: rejects the token; set RAY_AUTH_TOKEN to the token of this cluster"
            ) from None
        raise ClusterError(
            f"{address}: responds with HTTP {error.code}, so it is not a Ray job server; "
            "check the address"
        ) from None
    except (ValueError, LookupError, TypeError):
        raise ClusterError(f"{address}: is not a Ray job server; check the address") from None
    except OSError as error:
        reason = _one_line(getattr(error, "reason", error))
        raise ClusterError(
            f"{address}: no response ({reason}); check the address, and that Ray runs there with "
            "its dashboard"
        ) from None


def attempt_of(client: JobSubmissionClient, job: Job) -> tuple[int, JobDetails | None]:
    """Number and details of the newest attempt at a job on the server; 0 and None if none."""
    with _explained(client.get_address()):
        known = {each.submission_id: each for each in client.list_jobs()}
    attempt = last_attempt(job, known)
    return attempt, known.get(submission_id(job, attempt)) if attempt else None


def submit(client: JobSubmissionClient, job: Job, attempt: int, code: Code) -> str:
    """Submit a job; returns its id. If this attempt exists already, nothing changes.

    Raises:
        ClusterError: the job server did not accept the job.
    """
    job_id = submission_id(job, attempt)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, CONFIG_FILE).write_text(to_yaml(job.config), encoding="utf-8")
        runtime_env: dict[str, Any] = {"working_dir": folder}
        if code == "package":
            runtime_env |= {
                "py_modules": [str(Path(raypipe.__file__).parent)],
                # The package includes numba's cache, beside the code. Numba uses it there on the
                # same kind of processor, if no cache folder is set; else it compiles again.
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
            # Another client submitted the same attempt, or the response was lost.
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
    """Write a job's log until the job ends; returns the details of the finished job.

    Each request returns the whole log, and only its new part is written: a dropped connection
    neither loses nor repeats a line.

    Args:
        write: receives pieces of the log.
        say: receives messages about the connection.

    Raises:
        ClusterError: the job is unknown, or the job server did not respond for too long.
    """
    written, answered, dropped = 0, time.monotonic(), False
    while True:
        try:
            details = job_details(client, job_id)  # before the log: then a final log is complete
            log = job_log(client, job_id) if details.driver_agent_http_address else ""
        except _Dropped as error:
            if not dropped:
                say(f"{error}; trying again; the job keeps running")
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
    """All submitted jobs that the server knows, newest first."""
    with _explained(client.get_address()):
        submitted = [job for job in client.list_jobs() if job.submission_id]
    return sorted(submitted, key=lambda job: job.start_time or 0, reverse=True)


def job_details(client: JobSubmissionClient, job_id: str) -> JobDetails:
    """Status and other details of a job."""
    with _explained(client.get_address(), job_id):
        return client.get_job_info(job_id)


def job_log(client: JobSubmissionClient, job_id: str) -> str:
    """The whole log of a job so far."""
    with _explained(client.get_address(), job_id):
        return client.get_job_logs(job_id)


def stop(client: JobSubmissionClient, job_id: str) -> bool:
    """Request that a job stops; False if it had already ended."""
    with _explained(client.get_address(), job_id):
        return client.stop_job(job_id)


class _Dropped(ClusterError):
    """A request without a response; the next one may succeed."""


@contextmanager
def _explained(address: str, job_id: str | None = None) -> Iterator[None]:
    """Turn errors of the SDK into one-line errors of raypipe."""
    try:
        yield
    except OSError as error:  # errors of requests are OSErrors, too
        raise _Dropped(f"{address}: no response ({type(error).__name__})") from error
    except RuntimeError as error:
        status = re.match(r"Request failed with status code (\d+)", str(error))
        if job_id and status and status[1] == "404":
            raise ClusterError(
                f"{job_id}: {address} has no such job; see raypipe jobs list"
            ) from error
        kind = _Dropped if status and status[1] >= "500" else ClusterError
        raise kind(f"{address}: {_one_line(error)}") from error
    except ray.exceptions.AuthenticationError as error:
        raise ClusterError(
            f"{address}: rejects the token; set RAY_AUTH_TOKEN to the token of this cluster"
        ) from error


def _one_line(error: object) -> str:
    """The last line of an error message, which names the cause; a traceback may precede it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
