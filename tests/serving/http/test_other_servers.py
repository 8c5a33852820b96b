"""The application under other servers than uvicorn, unchanged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx2 as httpx
import pytest

from raypipe.serving.http.server import VARIABLE, ServeSettings
from tests.serving.http.builders import (
    free_port,
    in_path,
    list_of,
    make_night,
    wait_for,
    write_follows,
)

pytestmark = pytest.mark.long

_RAY_SERVE = """
import signal
from ray import serve
from raypipe.serving.http.server import from_environment

@serve.deployment
@serve.ingress(from_environment)
class Lists:
    pass

serve.start(http_options={"port": PORT})
serve.run(Lists.bind())
print("it listens", flush=True)
signal.sigwait([signal.SIGTERM])
serve.shutdown()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    write_follows(folder)
    make_night(folder)
    return folder


@contextmanager
def started(folder, command, words, port):
    """A client of a server that is started by this command, once it says these words."""
    settings = ServeSettings(runs_dir=folder / "runs").model_dump_json()
    environment = {**os.environ, VARIABLE: settings}
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        wait_for(process, words)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def check(client):
    """Lists, feedback, ids that a path must quote, and bodies that are too large."""
    for account in ("a/b", "..", "star-01"):
        shown = list_of(client, account)
        path = f"/v1/accounts/{in_path(account)}"
        client.put(f"{path}/rejections/{in_path(shown[0])}").raise_for_status()
        assert shown[0] not in list_of(client, account)
    assert client.post("/v1/newcomers", content=b" " * (1 << 21)).status_code == 413
    assert client.get("/readyz").status_code == 200


def test_granian(folder):
    port = free_port()
    command = ["-m", "granian", "--interface", "asgi", "--factory", "--port", str(port)]
    command += ["raypipe.serving.http.server:from_environment"]
    with started(folder, command, "Started worker", port) as client:
        check(client)


def test_ray_serve(folder):
    port = free_port()
    command = ["-c", _RAY_SERVE.replace("PORT", str(port))]
    with started(folder, command, "it listens", port) as client:
        check(client)
