"""Environment variables for Ray: :func:`configure_ray` sets them before Ray is used.

Importing this module, or any other module of raypipe, sets no variable.
"""

import atexit
import os
import secrets
import sys
import tempfile
from pathlib import Path

#: Variables that raypipe sets unless the user has set them.
DEFAULTS = {
    # By default, Ray retries a task without limit after the machine ran out of memory; a shard
    # that is too large would never fail.
    "RAY_task_oom_retries": "2",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune: no log files, no output, no warnings about slow steps.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_WARN_THRESHOLD_S": "3600",
    # A failed trial has no value; the sweep continues.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Ctrl-C ends the sweep at once; the record contains every trial that ended.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}


def configure_ray(address: str) -> None:
    """Set Ray's environment variables. Later calls change only the address.

    Args:
        address: address of a cluster, or ``local`` for a new Ray with a new token.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if address != "local":
        os.environ["RAY_ADDRESS"] = address
        return
    os.environ.pop("RAY_ADDRESS", None)
    if "RAY_RAYLET_PID" in os.environ:  # a Ray worker: its Ray already has a token
        return
    # Anybody who reaches a Ray can run code in it (CVE-2023-48022), and other users of this machine
    # can reach a local Ray. So it requires a token.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if not (os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")):
        descriptor, path = tempfile.mkstemp(prefix="raypipe-ray-token-")  # its mode is 0600
        os.write(descriptor, secrets.token_hex(32).encode())
        os.close(descriptor)
        atexit.register(_remove_token, Path(path))
        os.environ["RAY_AUTH_TOKEN_PATH"] = path


def _remove_token(path: Path) -> None:
    """Remove the token file at the end of the process, after Ray's shutdown, which uses it."""
    ray = sys.modules.get("ray")
    if ray is not None:
        ray.shutdown()
    path.unlink(missing_ok=True)
