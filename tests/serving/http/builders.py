"""A small night, and a server of it."""

from __future__ import annotations

from contextlib import contextmanager

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


def in_path(name):
    """An id in a path; clients would resolve ``..``."""
    return "".join(f"%{byte:02X}" for byte in name.encode())


def list_of(client, account, **query):
    """The candidates that an account is shown."""
    answer = client.get(f"/v1/accounts/{in_path(account)}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return [row["candidateId"] for row in answer.json()["recommendations"]]
