"""The server as a process: started by its command, under load, killed, and asked by clients."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx2 as httpx
import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.serving.http.access import add_token
from raypipe.storage.runs.store import RunStore
from tests.serving.http.builders import ROWS, in_path, make_night, write_follows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("process")
    write_follows(folder)
    make_night(folder)
    make_night(folder, "2026-03-02", **{"recommendations.per_account": ROWS + 1})
    return folder


def plain_accounts(folder):
    """Accounts with lists, and ids that need no quoting."""
    table = RunStore(folder / "runs").current().table("recommendations")
    names = sorted(set(table["accountId"].to_pylist()))
    return [name for name in names if name.isascii() and name.replace("-", "").isalnum()]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving(folder, *options):
    """`raypipe serve` in a process; yields it and a client."""
    port = free_port()
    command = [sys.executable, "-m", "raypipe", "serve", "--runs-dir", str(folder / "runs")]
    process = subprocess.Popen(
        [*command, "--port", str(port), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            for _ in range(600):
                try:
                    client.get("/readyz").raise_for_status()
                    break
                except httpx.HTTPError:
                    assert process.poll() is None, process.stdout.read().decode()
                    time.sleep(0.1)
            yield process, client
    finally:
        process.terminate()  # ends its workers too
        process.wait()
        process.stdout.close()


def test_eight_clients_see_no_leak_while_runs_change_and_a_worker_is_killed(folder):
    """Whatever is acknowledged holds from the next answer on; nothing is lost."""
    store = RunStore(folder / "runs")
    accounts = sorted(
        {row["accountId"] for row in store.current().table("recommendations").to_pylist()}
    )
    accounts = [name for name in accounts if name.isascii() and name.replace("-", "").isalnum()]
    leaks, lost, slowest, answers = [], [], [0.0], [0]
    stop = threading.Event()

    def person(number, client):
        """Rejects, blocks and follows what it is shown, and looks again; one account each."""
        account, draw = accounts[number], random.Random(number)
        gone, cursor = set(), None
        while not stop.is_set():
            started = time.monotonic()
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            try:
                answer = client.get(f"/v1/accounts/{account}/recommendations", params=params)
                slowest[0] = max(slowest[0], time.monotonic() - started)
                answers[0] += 1
                if answer.status_code != 200:
                    cursor = None
                    continue
                page = answer.json()
                shown = [row["candidateId"] for row in page["recommendations"]]
                leaks.extend((account, name) for name in shown if name in gone)
                cursor = page["next"]
                if shown and draw.random() < 0.3 and len(gone) < 40:
                    name = draw.choice(shown)
                    what = draw.choice(["rejections", "blocks", "follows"])
                    done = client.put(f"/v1/accounts/{account}/{what}/{in_path(name)}?unknown=true")
                    if done.status_code == 200:
                        gone.add(name)
            except httpx.HTTPError:  # the worker was killed in the middle; ask again
                cursor = None
        left = client.get(f"/v1/accounts/{account}/recommendations").json()["recommendations"]
        lost.extend(name for name in gone if name in [row["candidateId"] for row in left])

    with serving(folder, "--workers", "2") as (process, client):
        base = str(client.base_url)
        clients = [httpx.Client(base_url=base, timeout=20) for _ in range(8)]
        people = [threading.Thread(target=person, args=pair) for pair in enumerate(clients)]
        for thread in people:
            thread.start()
        runs = [run.id for run in store.runs()]
        for step in range(6):
            time.sleep(1)
            store.rollback(runs[step % 2])
            if step == 3:
                workers = subprocess.run(
                    ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
                )
                os.kill(int(workers.stdout.split()[-1]), signal.SIGKILL)
        stop.set()
        for thread in people:
            thread.join()
        for each in clients:
            each.close()
    assert leaks == lost == []
    assert answers[0] > 20
    assert slowest[0] < 10


def test_sigterm_drains_and_ends(folder):
    with serving(folder) as (process, client):
        assert client.get("/readyz").status_code == 200
        process.terminate()
        assert process.wait(15) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(("options", "message"), [
    (["--host", "0.0.0.0"], "raypipe: --host 0.0.0.0: others can reach this address, so --tokens"),
    (["--tokens", "missing.jsonl"], "the tokens cannot be read"),
    (["--runs-dir", "nowhere"], "raypipe: nothing is published in"),
    (["--names", "missing.csv"], "missing.csv"),
])  # fmt: skip
def test_what_cannot_be_served_is_said_in_one_line(folder, options, message):
    runs = [] if "--runs-dir" in options else ["--runs-dir", str(folder / "runs")]
    done = CliRunner().invoke(app, ["serve", *runs, *options])
    assert done.exit_code > 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_a_token_is_printed_once_and_stored_as_a_digest(tmp_path):
    file = tmp_path / "tokens.jsonl"
    done = CliRunner().invoke(app, ["token", str(file), "--scope", "read", "--json"])
    assert done.exit_code == 0, done.output
    token = json.loads(done.output)["token"]
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    wrong = CliRunner().invoke(app, ["token", str(file), "--scope", "everything"])
    assert wrong.exit_code == 78
    assert "expected some of read, write, admin" in wrong.output


def test_routes_of_mastodon(folder):
    """What its clients ask, in the shapes of its documentation."""
    tokens = folder / "tokens.jsonl"
    account = plain_accounts(folder)[-1]
    token = add_token(tokens, ["read", "write"], account, "person")
    with serving(folder, "--mastodon", "--tokens", str(tokens)) as (_, client):
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/api/v1/accounts/verify_credentials").json()["id"] == account
        assert client.get("/api/v2/instance").json()["version"].startswith("4.")
        found = client.get("/api/v2/suggestions", params={"limit": 3}).json()
        assert len(found) == 3
        known = {"similar_to_recently_followed", "friends_of_friends", "most_followed"}
        assert {source for row in found for source in row["sources"]} <= known
        first, second, third = (row["account"]["id"] for row in found)
        assert client.delete(f"/api/v1/suggestions/{first}").json() == {}
        assert client.post(f"/api/v1/accounts/{second}/follow").json()["following"] is True
        assert client.post(f"/api/v1/accounts/{third}/block").json()["blocking"] is True
        left = [row["account"]["id"] for row in client.get("/api/v2/suggestions").json()]
        assert not {first, second, third} & {*left}
        del client.headers["Authorization"]
        assert client.get("/api/v2/suggestions").status_code == 401
