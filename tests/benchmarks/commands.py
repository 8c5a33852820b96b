"""How long the commands take that people wait for."""

from __future__ import annotations

import subprocess
import sys
import tempfile

from raypipe.cli.output.terminal import print_table
from tests.benchmarks.timing import in_turns
from tests.paths import ROOT


def raypipe(*words: str) -> None:
    command = [sys.executable, "-m", "raypipe", *words]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


def bench() -> None:
    """Print median seconds of each command."""
    with tempfile.TemporaryDirectory() as folder:
        demo, runs = f"{folder}/follows.csv", f"{folder}/runs"
        raypipe("demo", "--out", demo)
        raypipe("run", "--follows", demo, "--runs-dir", runs)
        nights = iter(range(100))

        def make_run() -> None:
            quickstart = ["configs/quickstart.yaml", "--follows", demo]
            raypipe("run", *quickstart, "--runs-dir", f"{folder}/runs-{next(nights)}")

        seconds = in_turns(
            {
                "--help": lambda: raypipe("--help"),
                "recommend": lambda: raypipe("recommend", "jazz-0042", "--runs-dir", runs),
            }
        ) | in_turns({"run configs/quickstart.yaml": make_run}, rounds=3)
    wanted = {"--help": 1, "recommend": 1, "run configs/quickstart.yaml": 45}
    rows = [[name, taken, wanted[name]] for name, taken in seconds.items()]
    print_table(["raypipe ...", "seconds", "wanted below"], rows, "commands")
