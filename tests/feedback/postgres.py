"""A real PostgreSQL for tests: made in a temporary folder, reached through a Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

PROGRAMS = ("initdb", "pg_ctl", "postgres")


def found_on_path() -> str | None:
    """Why PostgreSQL cannot be started here; None if it can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"no {', '.join(missing)} on the PATH; install PostgreSQL" if missing else None


def require() -> None:
    """Skip where it is not installed; in CI that is a failure."""
    if reason := found_on_path():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


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
        """Kill -9 the server, as a power cut does; its children notice, and end too."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

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


def _other_user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
