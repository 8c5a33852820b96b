"""Make the environment in steps, and print every few seconds how far it is.

    python tools/install.py VENV LOCK          a new environment: the packages of LOCK, and raypipe
    python tools/install.py VENV LOCK --add    add the packages of LOCK to the environment

Needs only Python and pip. LOCK is complete, so pip resolves nothing. pip compiles nothing either:
Python does so for the modules that are really imported, a fraction of what is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Never silent for longer.
_SECONDS = 4.0
_AGENTS = "ray.dashboard.agent, ray.dashboard.modules.reporter.reporter_agent"


def main(folder: str, lock: str, *options: str) -> None:
    """Install; ends the process with pip's exit code where pip fails."""
    started = time.monotonic()
    venv = Path(folder)
    python = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if "--add" not in options:
        with _step(f"making {venv}"):
            _run([sys.executable, "-m", "venv", "--clear", str(venv)])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--no-compile"]
    wanted = _packages(Path(lock))
    before = _installed(venv)
    with _step(f"installing {lock}: {len(wanted)} packages") as state:
        _run_pip([*pip, "--no-deps", "--require-hashes", "-r", lock], venv, before, state)
    if "--add" not in options:
        with _step("installing raypipe"):
            _run([*pip, "--quiet", "--no-deps", "--no-build-isolation", "-e", "."])
        with _step("preparing Ray"):
            # Ray waits 15 s for its agents; a slow machine may need longer to compile them. Failing
            # here does no harm: a release of Ray without these modules compiles others later.
            subprocess.run([str(python), "-c", f"import {_AGENTS}"], check=False)
    print(f"installed in {time.monotonic() - started:.0f} s", flush=True)


@contextmanager
def _step(name: str) -> Iterator[list[str]]:
    """Print a line now, and one every few seconds until the block ends.

    Yields:
        How far the step is, in words; the block may replace the first item.
    """
    started, done, state = time.monotonic(), threading.Event(), [""]
    print(f"{name} ...", flush=True)

    def tick() -> None:
        while not done.wait(_SECONDS):
            print(f"  {time.monotonic() - started:3.0f} s {state[0]}".rstrip(), flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield state
    finally:
        done.set()
        ticker.join()


def _run(command: list[str]) -> None:
    code = subprocess.run(command, check=False).returncode
    if code:
        raise SystemExit(code)


def _run_pip(command: list[str], venv: Path, before: int, state: list[str]) -> None:
    """Run pip, and keep ``state`` at what its output says; its errors are shown."""
    lines = {**os.environ, "PYTHONUNBUFFERED": "1"}  # as they come, not in blocks
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=lines) as process:
        collected, size = 0, ""
        for line in process.stdout or ():
            if line.startswith("Collecting "):
                collected += 1
            elif found := re.match(r"\s+Downloading \S*?([^/\s]+) \((.+)\)", line):
                size = f"; {found[1]}, {found[2]}"
            if line.startswith("Installing collected packages"):
                state[0] = "unpacking"
                break
            state[0] = f"{collected} packages found{size}"
        threading.Thread(target=_count, args=(venv, before, state, process), daemon=True).start()
        for _ in process.stdout or ():
            pass
    if process.returncode:
        raise SystemExit(process.returncode)


def _count(venv: Path, before: int, state: list[str], process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        state[0] = f"{_installed(venv) - before} packages unpacked"
        time.sleep(_SECONDS / 4)


def _packages(lock: Path) -> list[str]:
    return re.findall(r"^[a-z0-9][^=\s]*==", lock.read_text(encoding="utf-8"), re.MULTILINE)


def _installed(venv: Path) -> int:
    return sum(1 for _ in venv.glob("**/site-packages/*.dist-info"))


if __name__ == "__main__":
    main(*sys.argv[1:])
