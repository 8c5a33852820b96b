"""What strangers send: every operation of the OpenAPI document, idle and slow connections."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from raypipe.storage.runs.store import RunStore
from tests.conftest import ROOT
from tests.serving.http.builders import make_night, serving, write_follows

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_follows(folder)
    make_night(folder)
    return folder


@pytest.fixture(scope="module")
def client(folder):
    with serving(folder) as (_, client):
        yield client


def test_schemathesis_finds_no_failure(folder, client, tmp_path):
    rows = RunStore(folder / "runs").current().table("recommendations")["accountId"]
    known = [name for name in rows.unique().to_pylist() if name.startswith("jazz-")][:5]
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.serving.http.schema_hooks",
        "RAYPIPE_TEST_ACCOUNTS": ",".join(known),
        "PYTHONPATH": str(ROOT),
    }
    program = str(Path(sys.executable).parent / "schemathesis")
    done = subprocess.run(
        [program, "run", f"{client.base_url}/openapi.json", "--max-examples=100", "--no-color"],
        env={**os.environ, **hooks}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "20 selected / 20 total" in done.stdout


def test_idle_and_slow_connections_keep_nobody_waiting(client):
    """1,000 that say nothing, and 200 that stop in the middle of their headers."""
    address = "127.0.0.1", client.base_url.port
    with ExitStack() as stack:
        for number in range(1200):
            connection = stack.enter_context(socket.create_connection(address))
            if number % 6 == 0:
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for _ in range(20):
            assert client.get("/livez").elapsed.total_seconds() < 0.25
        connection.sendall(b"1")
    assert client.get("/readyz").status_code == 200
