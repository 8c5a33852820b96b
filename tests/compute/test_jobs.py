"""Jobs on a Ray cluster: what is submitted and what happens to it, with a real job server."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import numpy as np
import psutil
import pytest
import typer
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.compute import jobs, ray_jobs
from raypipe.compute.jobs import entrypoint, job_of, submission_id
from raypipe.config import Place, RunConfig, Section, load_config
from raypipe.errors import ClusterError
from tests.paths import ROOT

TOKEN = "a-token-that-nobody-may-see-0123456789abcdef"
DATE = "2026-03-01"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty folder, and no word of a cluster in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in (
        "RAY_ADDRESS",
        "RAY_API_SERVER_ADDRESS",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN",
        "RAY_AUTH_TOKEN_PATH",
    ):
        monkeypatch.setenv(name, "")


def raypipe(*words: object, env: dict[str, str] | None = None):
    return CliRunner().invoke(app, [str(word) for word in words], env=env)


def job(kind="run", date=DATE, folder="/data", results=None, resume=False, **told):
    config = load_config(None, {key.replace("__", "."): told[key] for key in told})
    return job_of(kind, date, config, folder, results, resume)


# What is submitted


def places(section: type[Section], above: str = ""):
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from places(kind, f"{above}{name}.")
        elif get_args(Place)[1] in field.metadata or Place in get_args(kind):
            yield above + name


def test_every_file_that_a_config_names_is_made_absolute():
    assert set(jobs.PATH_KEYS) == set(places(RunConfig))
    told = {key.replace(".", "__"): "a.csv" for key in jobs.PATH_KEYS if key != "input.ratings"}
    told["evaluation__split"] = "file"
    config = job(**told, feedback__url="sqlite:///f.sqlite").config
    assert {config.input.follows, config.filters.bots, config.evaluation.test} == {"/data/a.csv"}
    assert config.feedback.url == "sqlite:////data/f.sqlite"
    assert job(input__follows="/elsewhere/a.csv").config.input.follows == "/elsewhere/a.csv"


def test_job_of_custom_code_has_an_absolute_path_argument():
    own = {"private": {"use": "my_filters:private", "path": "private.csv", "other": "a.csv"}}
    picks = {"picks": {"use": "my_sources:SPEC"}}
    config = job(filters__custom=own, sources__custom=picks).config
    arguments = {"path": "/data/private.csv", "other": "a.csv"}
    assert config.filters.custom["private"].model_extra == arguments
    assert config.sources.custom["picks"].parameters == {}


@pytest.mark.parametrize(("told", "there"), [("local", "auto"), ("auto", "auto"), ("none", "none")])
def test_a_job_uses_the_cluster_that_it_runs_on(told, there):
    assert job(cluster=told).config.cluster == there


def test_an_id_for_each_job():
    same = [job(), job(cluster="local"), job(frames="modin"), job(results="runs")]
    assert len({submission_id(each) for each in same}) == 1
    others = [
        job("evaluate"),
        job(date="2026-03-02"),
        job(seed=1),
        job(results="other"),
        job(folder="/other"),
    ]
    assert len({submission_id(each) for each in [*same, *others]}) == 6


@pytest.mark.parametrize(
    ("kind", "resume"), [("run", False), ("evaluate", False), ("sweep", False), ("sweep", True)]
)
def test_the_entrypoint_is_a_command_of_raypipe(kind, resume, tmp_path):
    folder = tmp_path / "it's a $folder"
    folder.mkdir()
    told = tmp_path / "told"
    stub = tmp_path / "python"
    stub.write_text(f'#!/bin/sh\npwd > "{told}"\nprintf "%s\\n" "$@" >> "{told}"\nexit 7\n')
    stub.chmod(0o755)
    text, env = (
        entrypoint(job(kind, folder=str(folder), resume=resume)),
        {"PATH": f"{tmp_path}:/bin"},
    )
    done = subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, env=env, check=False)
    assert done.returncode == 7
    where, *words = told.read_text().splitlines()
    assert (where, words[:4]) == (
        str(folder),
        ["-m", "raypipe", kind, f"{tmp_path}/{jobs.CONFIG_FILE}"],
    )
    command = typer.main.get_command(app).commands[kind]
    parsed = command.make_context(kind, words[3:]).params
    option, default = jobs.RESULTS[kind]
    assert str(parsed[option[2:].replace("-", "_")]) == str(folder / default)
    if kind == "run":
        assert f"{parsed['date']:%Y-%m-%d}" == DATE
    assert parsed.get("resume", False) == resume


def test_a_folder_that_is_not_there_is_a_missing_input(tmp_path):
    text = entrypoint(job(folder="/nowhere/at all"))
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=False)
    assert done.returncode == 66


@pytest.mark.parametrize(
    ("host", "token", "warned"),
    [
        ("127.0.0.1", None, False),
        ("localhost", None, False),
        ("[::1]", None, False),
        ("10.0.0.1", None, True),
        ("10.0.0.1", TOKEN, False),
        ("127.0.0.1.example.com", None, True),
    ],
)
def test_a_job_server_for_everybody_is_warned_of(host, token, warned):
    found = jobs.warning(f"http://{host}:8265", token)
    assert (found is not None) == warned
    assert not warned or "RAY_AUTH_TOKEN" in found


def test_where_the_token_comes_from(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ray_jobs.token() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("of-ray\n")
    assert ray_jobs.token() is None
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert ray_jobs.token() == "of-ray"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "mine"))
    assert raypipe("jobs", "list", "--address", "http://127.0.0.1:9").exit_code == 78
    (tmp_path / "mine").write_text("mine\n")
    assert ray_jobs.token() == "mine"
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert ray_jobs.token() == TOKEN


# Where no job server answers


def one_line(result, exit_code):
    """The one line of a command that has failed."""
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert TOKEN not in line
    return line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "found none, and RAY_ADDRESS is not set"),
        (["--address", "ray://127.0.0.1:10001"], "expected the address of a job server"),
        (["--address", "127.0.0.1:6379"], "expected the address of a job server"),
        (["--address", f"http://me:{TOKEN}@127.0.0.1:8265"], "leave the user and the password out"),
        (["--kind", "plan"], "--kind plan: expected run, evaluate, sweep"),
        (["--code", "git"], "--code git: expected package, image"),
        (["--kind", "sweep", "--date", DATE], "--date: found with --kind sweep"),
        (["--kind", "sweep", "--resume"], "--resume: expected with --kind sweep --again"),
        (["--set", "sources.similar.neighbors=3"], "did you mean neighbours"),
    ],
)
def test_what_cannot_be_submitted(words, message):
    assert message in one_line(raypipe("submit", *words), 78)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_answers(monkeypatch):
    where = f"http://127.0.0.1:{closed_port()}"
    assert f"{where}: no response" in one_line(raypipe("submit", "--address", where), 69)
    monkeypatch.setattr(ray_jobs, "_CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert f"{where}: no response" in one_line(raypipe("submit", "--address", where), 69)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, '{"ray_version": "2.9.0"}', "found Ray 2.9.0, expected"),
        (200, "<html>", "is not a Ray job server"),
        (200, "[]", "is not a Ray job server"),
        (401, "", "requires a token; set RAY_AUTH_TOKEN"),
        (403, "", "rejects the token"),
        (404, "", "responds with HTTP 404, so it is not a Ray job server"),
    ],
)
def test_somebody_else_answers(status, body, message, monkeypatch):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words):
            """Nothing."""

    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        where = f"http://127.0.0.1:{server.server_port}"
        line = one_line(raypipe("submit", "--address", where), 69)
        thread.join()
    assert message in line


# A connection that drops


class Flaky:
    """A client whose job writes a line a second; some calls find nobody."""

    def __init__(self, drops=(), ends=4):
        self.calls, self.drops, self.ends = 0, drops, ends

    def get_address(self):
        return "http://flaky:8265"

    def get_job_info(self, job_id):
        self.calls += 1
        if self.calls in self.drops:
            raise ConnectionError("reset by peer")
        if self.calls - 1 in self.drops:
            raise RuntimeError("Request failed with status code 503: busy")
        ended = self.calls >= self.ends
        status = SimpleNamespace(is_terminal=lambda: ended)
        return SimpleNamespace(status=status, driver_agent_http_address="there")

    def get_job_logs(self, job_id):
        return "".join(f"line {number}\n" for number in range(self.calls))


def test_a_dropped_connection_loses_nothing_and_repeats_nothing():
    written, said, paused = [], [], []
    client = Flaky(drops={2}, ends=6)
    ray_jobs.follow(client, "run-1", written.append, said.append, paused.append)
    assert "".join(written) == client.get_job_logs("run-1")
    assert said == [
        "http://flaky:8265: no response (ConnectionError); trying again; the job keeps running"
    ]
    assert len(paused) == 5


def test_a_job_server_that_stays_away_is_given_up(monkeypatch):
    monkeypatch.setattr(ray_jobs, "_PATIENCE_SECONDS", 0.0)
    client = Flaky(drops=range(2, 99))
    with pytest.raises(ClusterError, match="later: raypipe jobs logs run-1"):
        ray_jobs.follow(client, "run-1", str, str, lambda seconds: None)


def test_who_is_quicker_is_followed(tmp_path):
    class Quicker(Flaky):
        known = ()

        def submit_job(self, **told):
            self.known = [SimpleNamespace(submission_id=told["submission_id"])]
            raise RuntimeError("Request failed with status code 500: already exists")

        def list_jobs(self):
            return self.known

    assert ray_jobs.submit(Quicker(), job(), 1, "image") == submission_id(job())


def test_ctrl_c_leaves_the_job_running(monkeypatch):
    def interrupted(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(ray_jobs, "connect", lambda address, token: Flaky())
    monkeypatch.setattr(ray_jobs, "follow", interrupted)
    result = raypipe("jobs", "logs", "run-1", "--address", "http://127.0.0.1:9")
    assert "run-1: still running; see raypipe jobs logs" in one_line(result, 130)


# A real job server


@pytest.fixture(scope="module")
def server():
    """The address of a job server with a token, on two CPUs."""
    folder = tempfile.mkdtemp(prefix="rp")  # short: Ray's sockets are below it
    port, agent, client = closed_port(), closed_port(), closed_port()
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--num-cpus=2", "--node-ip-address=127.0.0.1", "--port=0", f"--temp-dir={folder}"),
        *("--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"),
        *(f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"),
        *("--object-store-memory=100000000", "--disable-usage-stats"),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {
        "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
    }
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=env, start_new_session=True, **told) as head:
        try:
            said = []
            while not said or "Ray runtime started" not in said[-1]:
                line = head.stdout.readline()
                assert line, "".join(said)
                said.append(line)
            yield f"http://127.0.0.1:{port}"
        finally:
            for process in [*psutil.Process(head.pid).children(recursive=True), head]:
                with suppress(psutil.NoSuchProcess):  # it has ended with one before it
                    process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(server, monkeypatch):
    """As a user sees it: address and token in the environment."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")
    monkeypatch.setenv("RAY_ADDRESS", server)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    return server


def test_the_same_bytes_as_here(cluster):
    raypipe("demo", "--accounts", 300)
    words = ["--follows", str(Path("demo/follows.csv").absolute()), "--date", DATE]
    here = raypipe("run", *words, "--runs-dir", "here", "--set", "cluster=none")
    assert here.exit_code == 0, here.output
    submit = ["submit", *words, "--code", "image", "--set", "cluster=local"]
    there = raypipe(*submit)
    assert there.exit_code == 0, there.output
    assert "(RAY_ADDRESS is set)" in there.stdout

    def lists(runs):
        (found,) = Path(runs).glob(f"{DATE}-*/recommendations")
        return [path.read_bytes() for path in sorted(found.iterdir())]

    assert lists("runs") == lists("here")
    again = raypipe(*submit, "--json")
    assert again.exit_code == 0, again.output
    assert "exists already, SUCCEEDED; --again runs it again" in again.stderr
    assert there.stdout.splitlines()[-1] in again.stderr
    assert json.loads(again.stdout)["new"] is False


def test_files_that_the_cluster_does_not_see(cluster):
    first = raypipe("submit", "--follows", "/nowhere/follows.csv", "--date", DATE)
    assert first.exit_code == 66, first.output
    assert "Traceback" not in first.output
    assert "/nowhere/follows.csv" in first.stdout.splitlines()[-1]
    last = first.stderr.splitlines()[-1]
    assert "failed with exit code 66; a file in the config does not exist on the cluster" in last
    second = raypipe("submit", "--follows", "/nowhere/follows.csv", "--date", DATE)
    assert (second.exit_code, second.stdout) == (66, first.stdout)
    assert "exists already, FAILED" in second.stderr
    third = raypipe(
        "submit", "--follows", "/nowhere/follows.csv", "--date", DATE, "--again", "--no-wait"
    )
    assert third.exit_code == 0, third.output
    assert "-2: submitted" in third.stderr


def call_kernel():
    from raypipe.kernels import csr

    csr.transpose(csr.Adjacency(np.zeros(2, np.int64), np.zeros(0, np.int32)))
    hits = sum(csr.transpose.stats.cache_hits.values())
    return csr.__file__, os.environ.get("NUMBA_CACHE_DIR"), "found", hits


@pytest.fixture
def running(cluster, monkeypatch):
    """The id of a job that runs until it is stopped; it says which raypipe it has, and of a kernel
    that was compiled here how often it found it compiled there."""
    call_kernel()
    text = f"{inspect.getsource(call_kernel)}print(call_kernel(), flush=True); signal.pause()"
    text = "exec python -c " + shlex.quote(f"import os, signal\nimport numpy as np\n{text}")
    monkeypatch.setattr(ray_jobs, "entrypoint", lambda job: text)
    result = raypipe("submit", "--set", "seed=5", "--date", DATE, "--no-wait", "--json", "--again")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["id"]


class Line:
    """A connection to a server that can be cut while it is in use, and mended."""

    def __init__(self, server: str):
        self._to = ("127.0.0.1", int(server.rpartition(":")[2]))
        self._port, self._ends = 0, []
        self.mend()
        self.address = f"http://127.0.0.1:{self._port}"

    def mend(self):
        class Copy(socketserver.BaseRequestHandler):
            def handle(copy):
                with socket.create_connection(self._to) as there:
                    self._ends += [copy.request, there]
                    back = threading.Thread(target=self._copy, args=(there, copy.request))
                    back.start()
                    self._copy(copy.request, there)
                    back.join()

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", self._port), Copy)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def cut(self):
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        self._server.server_close()

    def _copy(self, source, target):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_a_line_that_is_cut_is_mended_and_the_log_goes_on(cluster, running):
    line, log, said = Line(cluster), [], []
    client = ray_jobs.connect(line.address, TOKEN)

    def write(text):
        log.append(text)
        if "'found'" in text:
            line.cut()

    def say(text):
        said.append(text)
        line.mend()
        ray_jobs.stop(client, running)

    details = ray_jobs.follow(client, running, write, say)
    assert said == [
        f"{line.address}: no response (ConnectionError); trying again; the job keeps running"
    ]
    assert details.status == "STOPPED"
    assert "".join(log) == ray_jobs.job_log(client, running)
    line.cut()


def test_a_job_is_followed_listed_and_stopped(cluster, running):
    attached = raypipe("submit", "--set", "seed=5", "--date", DATE, "--no-wait", "--again")
    assert attached.exit_code == 0, attached.output
    assert f"{running}: exists already, " in attached.stderr
    client = ray_jobs.connect(cluster, TOKEN)
    log = []

    class Read(Exception):
        """The job has said what it has to say."""

    def write(text):
        log.append(text)
        if "'found'" in text:
            raise Read

    with pytest.raises(Read):
        ray_jobs.follow(client, running, write, log.append)
    assert "py_modules_files" in "".join(log)  # its raypipe is the one that was sent along
    assert "'', 'found', 1)" in "".join(log)  # with its compiled kernels, wherever others are
    listed = json.loads(raypipe("jobs", "list", "--json").stdout)
    assert {each["id"]: each["status"] for each in listed}[running] == "RUNNING"
    assert "stop requested" in raypipe("jobs", "stop", running).stderr
    ended = raypipe("jobs", "logs", running)
    shown = raypipe("jobs", "list", env={"COLUMNS": "80"}).stdout
    (line,) = [line for line in shown.splitlines() if running in line]  # whole, to be copied
    assert re.search(r"STOPPED +│ \d{4}-\d\d-\d\d \d\d:\d\d +│ 0:\d\d:\d\d +│", line)
    assert ended.exit_code == 143, ended.output
    assert f"{running}: was stopped" in ended.stderr
    assert "has already ended" in raypipe("jobs", "stop", running).stderr


def test_a_job_that_is_not_known(cluster):
    for command in ("logs", "stop"):
        assert "run-0: " in one_line(raypipe("jobs", command, "run-0"), 69)


def test_a_wrong_token(cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    assert "rejects the token" in one_line(raypipe("jobs", "list"), 69)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    assert "requires a token" in one_line(raypipe("submit"), 69)


def test_a_job_whose_folder_is_not_there(cluster):
    result = raypipe("submit", "--folder", "/nowhere", "--date", DATE)
    assert result.exit_code == 66, result.output
    assert "/nowhere" in result.stdout
