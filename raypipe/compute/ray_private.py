"""Private parts of Ray that raypipe uses: all are in this file, and a test names each of them.

They may change with any release, so pyproject.toml sets an upper bound for Ray. Before you raise
it, run tests/compute/test_ray_private.py with the new release.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import services
from ray.job_submission import JobSubmissionClient

#: Arguments of ``ray.init`` that keep a local Ray on this machine's loopback interface.
LOOPBACK_ONLY: dict[str, Any] = {"_node_ip_address": "127.0.0.1"}


def read_settings_again() -> None:
    """Make Ray read its environment variables and token again, as it did on import."""
    from ray import _raylet

    raylet: Any = _raylet  # compiled, without types
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def loopback_kept() -> Iterator[None]:
    """Make Ray keep 127.0.0.1 as the address of its node while it starts.

    Otherwise Ray replaces it with the machine's address and listens on every interface; Ray has no
    option to prevent that.
    """
    module: Any = services
    original = module.resolve_ip_for_localhost
    module.resolve_ip_for_localhost = str
    try:
        yield
    finally:
        module.resolve_ip_for_localhost = original


class ImpatientClient(JobSubmissionClient):
    """Ray's job server client with a timeout; the original waits forever."""

    #: Seconds to connect, and seconds to wait for a response.
    TIMEOUT = (5.0, 60.0)

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        return super()._do_request(method, endpoint, timeout=self.TIMEOUT, **options)
