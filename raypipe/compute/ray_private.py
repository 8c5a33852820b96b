"""Parts of Ray that it does not document. All of them are here, and a test names each.

They may change with any release, so pyproject.toml has an upper bound for Ray. To raise it, run
tests/compute/test_ray_private.py with the new release.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import services
from ray.job_submission import JobSubmissionClient

#: Arguments of ``ray.init`` that keep a local Ray on this machine's loopback interface.
LOOPBACK_ONLY: dict[str, Any] = {"_node_ip_address": "127.0.0.1"}


def read_settings_again() -> None:
    """Let Ray read its variables and its token again: it has read them when it was imported."""
    from ray import _raylet

    raylet: Any = _raylet  # compiled, without types
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def loopback_kept() -> Iterator[None]:
    """Let Ray keep 127.0.0.1 as the address of its node while it starts.

    Without this, Ray replaces it by the machine's address and listens on every interface; there is
    no option for that.
    """
    module: Any = services
    original = module.resolve_ip_for_localhost
    module.resolve_ip_for_localhost = str
    try:
        yield
    finally:
        module.resolve_ip_for_localhost = original


class ImpatientClient(JobSubmissionClient):
    """Ray's client of a job server, with a timeout: by itself it waits for ever."""

    #: Seconds to connect, and until an answer.
    TIMEOUT = (5.0, 60.0)

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        return super()._do_request(method, endpoint, timeout=self.TIMEOUT, **options)
