"""A sweep of SVD beside scikit-surprise's GridSearchCV, on the same trials.

On MovieLens 100K, where both hold hardly more than what Python, Ray and libraries take; and, for
memory alone, on 2 M made-up ratings, where the data is the larger part.

Each search runs in a process of its own, one after the other. Memory is the largest sum, over the
processes of a search, of what each holds of its own and its part of what several hold (PSS); that
of the trials is without what driver and Ray hold: what another trial at a time would cost.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import csv

from raypipe.cli.output.terminal import print_table
from raypipe.config import RunConfig, load_config


class Case(NamedTuple):
    """Trials on some ratings."""

    grid: dict[str, list[float]]
    epochs: int
    columns: dict[str, str]


EPOCHS = 40
CASES = {
    "movielens": Case(  # 24 points
        {
            "n_factors": [50, 100],
            "lr_all": [0.005, 0.01],
            "reg_all": [0.02, 0.05, 0.1],
            "init_std_dev": [0.02, 0.1],
        },
        EPOCHS,
        {"timestamp": "timestamp"},
    ),
    "large": Case({"n_factors": [20], "lr_all": [0.005, 0.01]}, 1, {}),
}
LARGE = 2_000_000
#: One trial in four goes on after 5 epochs, and again after 20.
ASHA = {"min_epochs": 5, "max_epochs": EPOCHS, "reduction": 4}
SEARCHES = ("GridSearchCV(n_jobs=2)", "raypipe sweep", "raypipe sweep, asha")
_SETTLE_SECONDS = 0.2
_MEMORY = ("MB of all", "MB of the trials")


class Found(NamedTuple):
    """What a search came to."""

    rmse: float
    seconds: float
    bytes: int
    trial_bytes: int


def grid_search(ratings: Path, case: Case) -> float:
    """scikit-surprise's own, on the same folds."""
    from surprise import SVD
    from surprise.model_selection import GridSearchCV, KFold

    from raypipe.ratings.run import read_arrays
    from tests.ratings.small_ratings import surprise_dataset

    data = surprise_dataset(read_arrays(config_of(ratings, case, {})).ratings)
    grid = {**case.grid, "n_epochs": [case.epochs], "random_state": [0]}
    search = GridSearchCV(SVD, grid, ["rmse"], cv=KFold(5, random_state=0), n_jobs=2)
    search.fit(data)
    return float(search.best_score["rmse"])


def raypipe_sweep(ratings: Path, case: Case, told: dict[str, Any]) -> float:
    """The same trials as a sweep, Ray's start and the files that it leaves included."""
    from raypipe.cli.output.trials import TrialTable
    from raypipe.sweeps.run import run_sweep

    with tempfile.TemporaryDirectory() as folder:
        config = config_of(ratings, case, told)
        found = run_sweep(config, Path(folder), "2026-03-01", TrialTable)
    return found.result.best.measures["rmse"]


def config_of(ratings: Path, case: Case, told: dict[str, Any]) -> RunConfig:
    """The grid as a config."""
    space = {
        f"sources.factors.parameters.{name}": {"grid": values} for name, values in case.grid.items()
    }
    epochs = {} if "sweep.scheduler" in told else {"n_epochs": case.epochs}
    settings = {
        "input.ratings": str(ratings),
        "input.rating_columns": case.columns,
        "sources.factors": {"algorithm": "SVD", "parameters": epochs},
        "cluster": "local",
        "sweep.search": "grid",
        "sweep.space": space,
    }
    return load_config(None, {**settings, **told})


def search(name: str, ratings: Path, case: Case) -> float:
    """Run one of :data:`SEARCHES` here; returns its best RMSE."""
    if name == SEARCHES[0]:
        return grid_search(ratings, case)
    asha = {"sweep.scheduler": "asha", "sweep.asha": ASHA}
    return raypipe_sweep(ratings, case, asha if name == SEARCHES[2] else {})


def watched(command: list[str]) -> Found:
    """Run a search as a process, and take its time and memory."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        largest, stop = [0, 0], threading.Event()
        watching = threading.Thread(target=_watch, args=(process.pid, largest, stop))
        watching.start()
        code = process.wait()
        seconds = time.perf_counter() - started
        stop.set()
        watching.join()
        out.seek(0)
        said = out.read()
    if code:
        sys.exit(f"{' '.join(command)} ended with {code}")
    return Found(json.loads(said.splitlines()[-1]), seconds, *largest)


def _watch(pid: int, largest: list[int], stop: threading.Event) -> None:
    while not stop.wait(_SETTLE_SECONDS):
        try:
            main = psutil.Process(pid)
            held = {p: (p.name(), _pss(p)) for p in [main, *main.children(recursive=True)]}
        except psutil.Error:
            continue
        works = sum(size for name, size in held.values() if _is_trial(name))
        others = [p for p in held if p != main]
        if not any(_is_trial(held[p][0]) for p in others):  # joblib's workers are all there is
            works = sum(held[p][1] for p in others if "ray" not in held[p][0])
        largest[0] = max(largest[0], sum(size for _, size in held.values()))
        largest[1] = max(largest[1], works)


def _is_trial(name: str) -> bool:
    return name.startswith("ray::") and "IDLE" not in name


def _pss(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0


def bench_memory(run: Callable[[list[str]], Found] = watched) -> None:
    """Print what two trials of one epoch hold on many ratings."""
    with tempfile.TemporaryDirectory() as folder:
        ratings = Path(folder) / "ratings.csv"
        write_ratings(ratings, LARGE)
        theirs, ours = (run(_command(name, ratings, "large")) for name in SEARCHES[:2])
    ratios = (ours.bytes / theirs.bytes, ours.trial_bytes / theirs.trial_bytes)
    rows = (_megabytes(theirs), _megabytes(ours), ratios)
    names = (*SEARCHES[:2], "ratio; wanted: at most 0.5")
    print_table(
        ["2 trials of SVD", *_MEMORY],
        [[name, *row] for name, row in zip(names, rows, strict=True)],
        f"{LARGE:,} made-up ratings, 5 folds, 2 at a time",
    )


def write_ratings(path: Path, count: int) -> None:
    """About so many random ratings of 3,700 items, a few of which get most."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, count // 165, count), 3700 * rng.random(count) ** 2
    columns = (users, items.astype(np.int64), rng.integers(1, 6, count))
    table = pa.table(dict(zip(("userId", "itemId", "rating"), columns, strict=True)))
    csv.write_csv(table, path)


def bench(data: Path, run: Callable[[list[str]], Found] = watched) -> None:
    """Print the table, and the ratios that are wanted."""
    ratings = data / "ml-100k" / "ratings.csv.gz"
    found = {name: run(_command(name, ratings, "movielens")) for name in SEARCHES}
    print_table(
        ["24 trials of SVD", "best rmse", "seconds", *_MEMORY],
        ([name, f"{f.rmse:.4f}", f.seconds, *_megabytes(f)] for name, f in found.items()),
        "MovieLens 100K, 5 folds, 2 at a time",
    )
    theirs, ours, asha = found.values()
    print_table(
        ["raypipe beside GridSearchCV", "ratio", "wanted"],
        [
            ["times as fast", theirs.seconds / ours.seconds, "at least 1"],
            ["times as fast with asha", theirs.seconds / asha.seconds, "at least 2.5"],
            ["best rmse with asha, difference", asha.rmse - theirs.rmse, "at most 0.002"],
            ["memory of all processes", ours.bytes / theirs.bytes, "at most 0.5"],
            ["memory of the trials", ours.trial_bytes / theirs.trial_bytes, "at most 0.5"],
        ],
    )


def _megabytes(found: Found) -> tuple[float, float]:
    return found.bytes / 1e6, found.trial_bytes / 1e6


def _command(name: str, ratings: Path, case: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.sweeps", name, str(ratings), case]


if __name__ == "__main__":
    print(json.dumps(search(sys.argv[1], Path(sys.argv[2]), CASES[sys.argv[3]])))
