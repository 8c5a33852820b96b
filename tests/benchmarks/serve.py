"""`raypipe serve` under load: answers a CPU second, delays, leaks, and memory with a million lists.

Needs `wrk` (Debian's package of that name) as the load generator; PostgreSQL where it is there.
"""

from __future__ import annotations

import http.client
import itertools
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.cli.output.terminal import print_facts
from raypipe.columns import (
    ACCOUNT,
    CANDIDATE,
    RANK,
    REASON,
    RECOMMENDATIONS_SCHEMA,
    SCORE,
    SOURCE,
)
from raypipe.config import load_config
from raypipe.graph.demo import write_demo
from raypipe.pipeline.run import run_night
from raypipe.serving.http.access import add_token
from raypipe.serving.lookup import rejections_url
from raypipe.storage.data_files import map_arrow, write_arrow
from raypipe.storage.files import make_folder
from raypipe.storage.runs.parts import write_parts
from raypipe.storage.runs.store import RunStore
from tests.serving.http.builders import free_port, serving, wait_for
from tests.serving.http.crowd import crowd
from tests.storage.feedback import postgres
from tests.storage.runs.small_runs import facts as facts_of_run

ACCOUNTS, SECONDS, ROUNDS = 100_000, 5, 3
#: Of the crowd.
CROWD_SECONDS, KILL_EVERY = 60, 15
#: The large run; its accounts are written in blocks.
MANY, ROWS, BLOCK = 1_000_000, 50, 20_000
_LUA = """
local ids = {}
for line in io.lines("IDS") do ids[#ids + 1] = line end
request = function()
  return wrk.format("GET", "/v1/accounts/" .. ids[math.random(#ids)] .. "/recommendations",
                    {["Authorization"] = "Bearer TOKEN"})
end
"""
_BARE = """
import sys
from fastapi import FastAPI, Response
app, body = FastAPI(), open({answer!r}, "rb").read()
@app.get("/v1/accounts/{{account}}/recommendations")
async def recommendations(account: str): return Response(body, media_type="application/json")
import uvicorn
uvicorn.run(app, port={port}, access_log=False)
"""


def bench() -> None:
    """Print all figures of the server."""
    if shutil.which("wrk") is None:
        sys.exit("no wrk here; apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_demo(folder / "follows.csv", ACCOUNTS, seed=0)
        told = {"input.follows": str(folder / "follows.csv"), "cluster": "none"}
        told |= {"ladder": "fixed", "blend.method": "none", "sources.factors.algorithm": "none"}
        for date in ("2026-03-01", "2026-03-02"):
            run = run_night(load_config(None, told), RunStore(folder / "runs"), date).run
        ids = map_arrow(run.path / "graph" / "ids.arrow").column("id").to_pylist()
        (folder / "ids").write_text("\n".join(ids))
        token = add_token(folder / "tokens", ["read", "write"], None, "bench")
        lua = _LUA.replace("IDS", str(folder / "ids")).replace("TOKEN", token)
        (folder / "ask.lua").write_text(lua)
        headers = {"Authorization": f"Bearer {token}"}
        _bench_rates(folder, ids, headers, "SQLite")
        if postgres.found_on_path() is None:
            server = postgres.Postgres()
            try:
                _bench_rates(folder, ids, headers, "PostgreSQL", "--feedback", server.url)
            finally:
                server.remove()
        _bench_crowd(folder, ids, headers)


def bench_million() -> None:
    """Print the memory of a server of a million lists, and the seconds until it is ready."""
    with tempfile.TemporaryDirectory() as name:
        _write_many(RunStore(Path(name) / "runs"))
        facts: dict[str, object] = {}
        for what in ("the first time", "the lists being mapped"):
            started = time.monotonic()
            with serving(Path(name)) as (process, client):
                facts[f"seconds until lists are mapped, {what}"] = time.monotonic() - started
                draw = random.Random(0)
                for number in draw.sample(range(MANY), 2_000):
                    path = f"/v1/accounts/account-{number:07d}/recommendations"
                    assert len(client.get(path).json()["recommendations"]) == ROWS
                of_server = psutil.Process(process.pid)
                facts[f"CPU seconds, {what}"] = sum(of_server.cpu_times()[:2])
                facts[f"private memory, MB, {what}"] = _private(of_server)
    print_facts(facts, f"{MANY:,} accounts with {ROWS} rows each, one worker")


def _bench_rates(folder: Path, ids: list[str], headers: dict[str, str], store: str, *options: str):
    """Answers a CPU second beside the bare application, and delays, with rejections meanwhile."""
    with serving(folder, "--tokens", str(folder / "tokens"), *options) as (process, client):
        port = client.base_url.port
        path = f"/v1/accounts/{ids[0]}/recommendations"
        (folder / "answer").write_bytes(client.get(path, headers=headers).content)
        rates: dict[str, list[float]] = {"bare FastAPI": [], f"raypipe serve, {store}": []}
        with _bare(folder) as (bare, bare_port), _rejections(port, ids, headers) as taken:
            for _ in range(ROUNDS):
                rates["bare FastAPI"].append(_load(folder, bare, bare_port)[0])
                rate, answers, _ = _load(folder, process, port)
                rates[f"raypipe serve, {store}"].append(rate)
            # Of 64 connections, each waits so many ms after each answer.
            wait = int(64 / (answers / SECONDS / 2) * 1e3)
            lua = (folder / "ask.lua").read_text() + f"\nfunction delay() return {wait} end\n"
            (folder / "half.lua").write_text(lua)
        with _rejections(port, ids, headers) as taken_at_half:
            _, half, slow = _load(folder, process, port, "half.lua", 64)
        private = _private(psutil.Process(process.pid))
    facts: dict[str, object] = {
        f"{what}: answers a CPU second, median": statistics.median(found)
        for what, found in rates.items()
    }
    facts |= {
        "answers a second at half load": half / SECONDS,
        "p99 there, ms": slow,
        "rejection there, ms, median": statistics.median(taken_at_half) * 1e3,
        "rejection at full load, ms, median": statistics.median(taken) * 1e3,
        "private memory, MB": private,
    }
    print_facts(facts, f"{ACCOUNTS:,} accounts, 10 rows, tokens, metrics and filters, {store}")


def _bench_crowd(folder: Path, ids: list[str], headers: dict[str, str]) -> None:
    """Eight clients, while runs are published and rolled back and workers are killed."""
    store = RunStore(folder / "runs")
    runs = itertools.cycle(run.id for run in reversed(store.runs()))
    with (
        serving(folder, "--tokens", str(folder / "tokens"), workers=2) as (process, client),
        crowd([str(client.base_url)], ids[:800], headers) as seen,
    ):
        end, kill = time.monotonic() + CROWD_SECONDS, time.monotonic() + KILL_EVERY
        while time.monotonic() < end:
            run = next(runs)
            store.rollback(run)
            wait_for(process, f"serving run {run}")
            seen.wait_for_answers(100)
            if time.monotonic() > kill:
                psutil.Process(process.pid).children()[-1].kill()
                kill += KILL_EVERY
    facts: dict[str, object] = {
        "answers": len(seen.seconds),
        "of them not 200": sum(status != 200 for status in seen.status),
        "acknowledged": sum(map(len, seen.gone.values())),
        "leaks": len(seen.leaks),
        "lost": len(seen.lost(rejections_url(store))),
        "chains of mixed runs": len(seen.mixed),
        "ms, median": float(np.median(seen.seconds)) * 1e3,
        "ms, p99": float(np.quantile(seen.seconds, 0.99)) * 1e3,
        "ms, slowest": max(seen.seconds) * 1e3,
    }
    print_facts(facts, f"eight clients, {CROWD_SECONDS} s, two workers, of which some are killed")


@contextmanager
def _rejections(port: int, ids: list[str], headers: dict[str, str]):
    """Rejects every 100 ms until the block ends; yields the seconds of each."""
    taken, stop, draw = list[float](), threading.Event(), random.Random(0)
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def reject() -> None:
        while not stop.wait(0.1):
            account, candidate = draw.sample(ids, 2)
            started = time.perf_counter()
            path = f"/v1/accounts/{account}/rejections/{candidate}"
            connection.request("PUT", path, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
            taken.append(time.perf_counter() - started)

    thread = threading.Thread(target=reject)
    thread.start()
    try:
        yield taken
    finally:
        stop.set()
        thread.join()
        connection.close()


def _load(folder: Path, process, port: int, script: str = "ask.lua", connections: int = 16):
    """Answers for each second of a process's CPU, answers, and the p99 in ms."""
    of_process = psutil.Process(process.pid)
    before = of_process.cpu_times()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency"]
    command += ["-s", str(folder / script), f"http://127.0.0.1:{port}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in done:
        sys.exit(done)
    after = of_process.cpu_times()
    answers = int(re.search(r"(\d+) requests in", done)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", done).groups()
    cpu = after.user + after.system - before.user - before.system
    return answers / cpu, answers, float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def _private(process: psutil.Process) -> float:
    """MB of a process without what it maps of files, which processes share."""
    memory = process.memory_info()
    return (memory.rss - memory.shared) / 1e6


@contextmanager
def _bare(folder: Path):
    """A FastAPI route that returns ready bytes, as a process, and its port."""
    port = free_port()
    code = _BARE.format(answer=str(folder / "answer"), port=port)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(process, "running on")
        yield process, port
    finally:
        process.terminate()
        process.communicate()


def _write_many(store: RunStore) -> None:
    """A run of MANY accounts, of which each is recommended the ROWS after it."""
    names = pa.array([f"account-{number:07d}" for number in range(MANY)], pa.large_string())
    with store.lock():
        staging = store.open_staging("2026-03-01-0a1b2c3d", "0" * 64)
        blocks = (_block(names, start) for start in range(0, MANY, BLOCK))
        parts = write_parts(staging.path, "recommendations", blocks)
        make_folder(staging.path / "graph")
        write_arrow(staging.path / "graph" / "ids.arrow", pa.table({"id": names}))
        store.publish(store.finish(staging, facts_of_run({"recommendations": parts})))


def _block(names: pa.Array, start: int) -> pa.Table:
    accounts = np.repeat(np.arange(start, start + BLOCK), ROWS)
    ranks = np.tile(np.arange(1, ROWS + 1), BLOCK)
    followees = names[:ROWS].cast(pa.string())
    reasons = pc.binary_join_element_wise("followed by ", followees, ", whom you follow", "")
    columns = {
        ACCOUNT: names.take(accounts),
        RANK: ranks,
        CANDIDATE: names.take((accounts + ranks) % MANY),
        SCORE: 1 / ranks,
        SOURCE: pa.array(["similar"]).take(np.zeros(len(accounts), np.int64)),
        REASON: reasons.take(ranks - 1),
    }
    return pa.table(columns).cast(RECOMMENDATIONS_SCHEMA)
