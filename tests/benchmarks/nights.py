"""The whole night on slashdot, as the command that people run, with each kind of frames."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from raypipe.cli.output.terminal import print_table

LIMITS = "wanted: at most 60 s and 4,000 MB"


def night(follows: Path, *settings: str) -> tuple[float, float, dict]:
    """Seconds of the command, peak MB over its processes, and the run's manifest."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "raypipe", "run", "--follows", str(follows), "--json"]
        command += ["--runs-dir", folder]
        for setting in settings:
            command += ["--set", setting]
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - started
    manifest = json.loads(done.stdout)
    return seconds, max(stage["peak_memory_mb"] for stage in manifest["stages"]), manifest


def bench(data: Path) -> None:
    """Print a line an engine, and whether the bytes agree."""
    engines = {
        "pandas, no Ray": ("frames=pandas", "cluster=none"),
        "pandas, local Ray": ("frames=pandas", "cluster=local"),
        "Modin, local Ray": ("frames=modin", "cluster=local"),
    }
    rows, digests = [], set()
    for name, settings in engines.items():
        seconds, peak, manifest = night(data / "slashdot" / "follows.csv.gz", *settings)
        rows.append([name, seconds, peak, manifest["counts"]["rows"]["rows_in"]])
        files = manifest["files"].items()
        digests.add(tuple(sorted(f["sha256"] for name, f in files if name.startswith("recomm"))))
    print_table(["engine", "seconds", "peak MB", "rows"], rows, f"night on slashdot; {LIMITS}")
    print("same bytes of recommendations/:", len(digests) == 1)
