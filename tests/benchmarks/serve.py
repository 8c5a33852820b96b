"""Lists a CPU second of `raypipe serve`, beside a bare FastAPI route; and a rejection's time.

Needs `wrk` (Debian's package of that name) as the load generator.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import psutil

from raypipe.cli.output.terminal import print_facts
from raypipe.config import load_config
from raypipe.graph.demo import write_demo
from raypipe.pipeline.run import run_night
from raypipe.serving.http.access import add_token
from raypipe.storage.data_files import map_arrow
from raypipe.storage.runs.store import RunStore

ACCOUNTS, SECONDS, ROUNDS = 20_000, 5, 3
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
uvicorn.run(app, port={port}, access_log=False, log_level="warning")
"""


def bench() -> None:
    """Print answers a CPU second, three rounds each, and the seconds of a rejection."""
    if shutil.which("wrk") is None:
        sys.exit("no wrk here; apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_demo(folder / "follows.csv", ACCOUNTS, seed=0)
        told = {"input.follows": str(folder / "follows.csv"), "cluster": "none"}
        told |= {"ladder": "fixed", "blend.method": "none", "sources.factors.algorithm": "none"}
        run = run_night(load_config(None, told), RunStore(folder / "runs"), "2026-03-01").run
        ids = map_arrow(run.path / "graph" / "ids.arrow").column("id").to_pylist()
        (folder / "ids").write_text("\n".join(ids))
        token = add_token(folder / "tokens", ["read", "write"], None, "bench")
        lua = _LUA.replace("IDS", str(folder / "ids")).replace("TOKEN", token)
        (folder / "ask.lua").write_text(lua)
        serve = ["-m", "raypipe", "serve", "--runs-dir", str(folder / "runs")]
        serve += ["--tokens", str(folder / "tokens")]
        port, bare_port = _port(), _port()
        headers = {"Authorization": f"Bearer {token}"}
        with _started([*serve, "--port", str(port)], port) as server:
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers)
            path = f"/v1/accounts/{ids[0]}/recommendations"
            (folder / "answer").write_bytes(client.get(path).content)
            while not list((folder / "runs" / ".serve").glob("2026*")):
                time.sleep(0.1)
            code = _BARE.format(answer=str(folder / "answer"), port=bare_port)
            with _started(["-c", code], bare_port) as bare:
                rates: dict[str, list[float]] = {"bare FastAPI": [], "raypipe serve": []}
                for _ in range(ROUNDS):
                    rates["bare FastAPI"].append(_rate(folder, bare, bare_port))
                    rates["raypipe serve"].append(_rate(folder, server, port))
            taken = []
            for candidate in ids[1:101]:
                started = time.perf_counter()
                client.put(f"/v1/accounts/{ids[0]}/rejections/{candidate}").raise_for_status()
                taken.append(time.perf_counter() - started)
            private = psutil.Process(server.pid).memory_full_info().uss / 1e6
    facts: dict[str, object] = {
        f"{what}: answers a CPU second, median": statistics.median(found)
        for what, found in rates.items()
    }
    facts["rejection, ms, median"] = statistics.median(taken) * 1e3
    facts["private memory, MB"] = private
    print_facts(facts, f"{ACCOUNTS:,} accounts, 10 rows, tokens, metrics and filters on")


def _rate(folder: Path, process: subprocess.Popen[bytes], port: int) -> float:
    """Answers of a process for each second of its CPU."""
    before = psutil.Process(process.pid).cpu_times()
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "-s", str(folder / "ask.lua")]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"], check=True, capture_output=True, text=True
    )
    if "Non-2xx" in done.stdout:
        sys.exit(done.stdout)
    after = psutil.Process(process.pid).cpu_times()
    answers = next(
        int(line.split()[0]) for line in done.stdout.splitlines() if "requests in" in line
    )
    return answers / (after.user + after.system - before.user - before.system)


@contextmanager
def _started(arguments: list[str], port: int):
    """A process of Python, once it listens."""
    environment = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            with socket.socket() as found:
                if found.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                sys.exit(f"the server ended with {process.returncode}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def _port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
