"""Problem bodies (RFC 9457): every error of the API, and what raypipe raises as one of them."""

import json
from http import HTTPStatus

from raypipe.errors import (
    ConfigError,
    FeedbackError,
    RaypipeError,
    RunError,
    RunsLockedError,
    UnknownAccountError,
)

#: Seconds after which to try again where the feedback or the runs cannot be read.
RETRY_AFTER = 2
MEDIA_TYPE = "application/problem+json"

Headers = list[tuple[bytes, bytes]]


class Problem(Exception):
    """An answer that is no success.

    Attributes:
        status: HTTP status.
        detail: one sentence: found, expected, cure.
        retry_after: seconds; None: trying again does not help.
    """

    def __init__(self, status: int, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry_after = status, detail, retry_after


def problem_of(error: Exception) -> Problem:
    """What an error is to a client; details of the machine are not told."""
    match error:
        case Problem():
            return error
        case UnknownAccountError():
            return Problem(404, str(error).partition(";")[0])
        case FeedbackError():
            return Problem(503, "the feedback store cannot be read or written now", RETRY_AFTER)
        case RunsLockedError():
            return Problem(503, "another process is writing to the runs", RETRY_AFTER)
        case RunError():
            return Problem(503, "no run can be read now", RETRY_AFTER)
        case ConfigError() if "was used to" in str(error):  # a request id of another request
            return Problem(409, str(error))
        case RaypipeError():
            return Problem(422, str(error))
    raise error


def problem_answer(problem: Problem) -> tuple[int, Headers, bytes]:
    """Status, headers and body of a problem."""
    status = HTTPStatus(problem.status)
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": problem.detail,
    }
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    if problem.retry_after is not None:
        headers.append((b"retry-after", str(problem.retry_after).encode()))
    if problem.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="raypipe"'))
    return problem.status, headers, json.dumps(body, ensure_ascii=False).encode()
