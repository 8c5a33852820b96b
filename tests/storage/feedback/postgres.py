"""A real PostgreSQL for tests: made in a temporary folder, reached through a Unix socket."""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import psutil

from tests.conftest import needed

PROGRAMS = ("initdb", "pg_ctl", "postgres")


def found_on_path() -> str | None:
    """Why PostgreSQL cannot be started here; None if it can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"no {', '.join(missing)} on the PATH; install PostgreSQL" if missing else None


def require() -> None:
    """Skip where it is not installed; in CI that is a failure."""
    reason = found_on_path()
    needed(reason is None, reason)


class Postgres:
    """A server with one folder of data."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path is short
        self.user = "postgres" if os.getuid() else _other_user()
        if os.getuid() == 0:
            shutil.chown(self.folder, self.user)
        self._do("initdb", "-D", self.data, "-U", "tester", "--auth=trust", "-E", "UTF8")
        self.start()

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://tester@/postgres?host={self.folder}"

    def start(self) -> None:
        # Over TCP nobody can reach it; fsync stays on, since kills are tested.
        options = f"-c listen_addresses='' -k {self.folder} -c max_connections=40"
        log = str(self.folder / "log")
        self._do("pg_ctl", "-D", self.data, "-o", options, "-l", log, "-w", "start")

    def kill(self) -> None:
        """Kill -9 the server with all its processes, as a power cut does."""
        parent = psutil.Process(
            int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        )
        killed = [parent, *parent.children(recursive=True)]
        for process in killed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(killed, timeout=10)

    def remove(self) -> None:
        subprocess.run(
            [shutil.which("pg_ctl"), "-D", self.data, "-m", "immediate", "-w", "stop"],
            check=False,
            capture_output=True,
            **self._as_user(),
        )
        shutil.rmtree(self.folder)

    def _do(self, *command: str) -> None:
        # Its output goes to a file: the server, which lives on, would keep a pipe open.
        with (self.folder / "out").open("wb") as out:
            subprocess.run(command, check=True, stdout=out, stderr=out, **self._as_user())

    def _as_user(self) -> dict:
        if os.getuid():
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self.user, "group": pwd.getpwnam(self.user).pw_gid,
                "extra_groups": []}  # fmt: skip


class LosesReplies:
    """Stands before a server; the first time that it says COMMIT, it is killed, and nobody hears.

    Attributes:
        url: of the server through this.
    """

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self.folder = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
        self.url = server.url.replace(str(server.folder), str(self.folder))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server.folder / ".s.PGSQL.5432"))
        with client, server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    said = ready.recv(1 << 16)
                    if not said:
                        return
                    if ready is server and b"COMMIT\0" in said:
                        self._server.kill()
                        return
                    (server if ready is client else client).sendall(said)

    def close(self) -> None:
        self._thread.join()
        self._listener.close()
        shutil.rmtree(self.folder)


def _other_user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
