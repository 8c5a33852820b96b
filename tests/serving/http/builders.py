"""A small night, and a server of it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx2 as httpx
from fastapi.testclient import TestClient

from raypipe.config import load_config
from raypipe.graph.demo import demo_follows
from raypipe.pipeline.run import run_night
from raypipe.serving.http.server import Server, ServeSettings
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN

#: Ids that a path must carry.
ODD = ["a/b", "%2F", "..", "é", "名 前", "\u200fright", "a?b#c", "👍", 'quo"te', "back\\slash"]
ROWS = 5


def write_follows(folder):
    """A demo network; some of its accounts have odd ids."""
    rows = [row for row in demo_follows(accounts=300) if all(row)]
    names = dict(zip(sorted({row[0] for row in rows})[:: 300 // len(ODD)], ODD, strict=False))
    lines = [
        ",".join('"' + names.get(name, name).replace('"', '""') + '"' for name in row)
        for row in rows
    ]
    (folder / "follows.csv").write_text("\n".join(["followerId,followingId", *lines]) + "\n")


def make_night(folder, date="2026-03-01", **settings):
    told = {"input.follows": str(folder / "follows.csv"), "cluster": "none", "frames": "pandas"}
    told |= {"ladder": "fixed", "recommendations.per_account": ROWS}
    config = load_config(None, {**PLAIN, **told, **settings})
    return run_night(config, RunStore(folder / "runs"), date).run


@contextmanager
def client_of(folder, headers=None, **settings):
    """A client of a server in this process, and the server."""
    server = Server(ServeSettings(runs_dir=folder / "runs", **settings))
    with TestClient(server, headers=headers or {}, base_url="http://localhost") as client:
        client.server = server
        yield client


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving(folder, *options, workers=1):
    """`raypipe serve` in a process, once each worker has mapped the lists; and a client."""
    port = free_port()
    command = [sys.executable, "-m", "raypipe", "serve", "--runs-dir", str(folder / "runs")]
    command += ["--port", str(port), "--workers", str(workers), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = wait_for(process, "serving run", workers)
        if "running on" not in said:
            wait_for(process, "running on")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield process, client
    finally:
        process.terminate()  # ends its workers too
        process.wait()
        process.stdout.close()


@contextmanager
def listening(folder, **settings):
    """The URL of a server in a thread of this process, and the server."""
    import uvicorn

    app = Server(ServeSettings(runs_dir=folder / "runs", **settings))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:  # who connects waits until it answers
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", app
        finally:
            server.should_exit = True
            thread.join()


def wait_for(process, words, times=1):
    """Reads what a server says until it says so; returns what was read."""
    said = ""
    while said.count(words) < times:
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


def plain_accounts(folder):
    """Accounts with lists, and ids that need no quoting."""
    table = RunStore(folder / "runs").current().table("recommendations")
    names = sorted(set(table["accountId"].to_pylist()))
    return [name for name in names if name.isascii() and name.replace("-", "").isalnum()]


def in_path(name):
    """An id in a path; clients would resolve ``..``."""
    return "".join(f"%{byte:02X}" for byte in name.encode())


def list_of(client, account, **query):
    """The candidates that an account is shown."""
    answer = client.get(f"/v1/accounts/{in_path(account)}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return [row["candidateId"] for row in answer.json()["recommendations"]]
