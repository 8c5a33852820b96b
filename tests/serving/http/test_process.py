"""The server as a process: started by its command, under load, killed, and asked by clients."""

from __future__ import annotations

import json
import logging
import signal
from logging.handlers import QueueHandler
from queue import SimpleQueue

import psutil
import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.serving.lookup import rejections_url
from raypipe.storage.runs.store import RunStore
from tests.serving.http.builders import (
    ROWS,
    listening,
    make_night,
    plain_accounts,
    serving,
    wait_for,
    write_follows,
)
from tests.serving.http.crowd import crowd


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("process")
    write_follows(folder)
    make_night(folder)
    make_night(folder, "2026-03-02", **{"recommendations.per_account": ROWS + 1})
    return folder


@pytest.fixture
def said():
    """What servers in this process log."""
    said, logger = SimpleQueue(), logging.getLogger("raypipe.serve")
    handler, level = QueueHandler(said), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield said
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_eight_clients_see_no_leak_while_runs_change(folder, said):
    """Whatever is acknowledged holds from the next answer on, of both servers; nothing is lost."""
    store = RunStore(folder / "runs")
    first, second = (run.id for run in store.runs())
    with (
        listening(folder) as (url, _),
        listening(folder) as (other, _),
        crowd([url, other], plain_accounts(folder), {}) as seen,
    ):
        for run in (second, first) * 3:
            store.rollback(run)
            for _ in "ab":  # of both servers
                while said.get(timeout=60).getMessage() != f"serving run {run}":
                    pass
            seen.wait_for_answers(60)
    assert seen.leaks == seen.mixed == seen.lost(rejections_url(store)) == []
    assert sum(map(len, seen.gone.values())) > 20
    assert {*seen.status} == {200}


@pytest.mark.long
def test_a_killed_worker_loses_nothing(folder):
    store = RunStore(folder / "runs")
    first, second = (run.id for run in store.runs())
    with (
        serving(folder, workers=2) as (process, client),
        crowd([str(client.base_url)], plain_accounts(folder), {}) as seen,
    ):
        for run in (second, first, second):
            store.rollback(run)
            wait_for(process, f"serving run {run}")
            seen.wait_for_answers(60)
            psutil.Process(process.pid).children()[-1].kill()
            wait_for(process, "Application startup complete")
    assert seen.leaks == seen.mixed == seen.lost(rejections_url(store)) == []
    assert {*seen.status} == {200}
    assert max(seen.seconds) < 10


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
