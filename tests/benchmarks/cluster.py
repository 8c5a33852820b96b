"""The same night here and through `raypipe submit` on two Ray nodes: bytes, and seconds."""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from raypipe.cli.output.terminal import print_table
from tests.k8s import kuberay_pods
from tests.k8s.kuberay_pods import Container, Mount
from tests.k8s.objects import of_kind, render
from tests.k8s.pods_here import run_pods

GRAPHS = {"wiki-vote": "follows.csv", "slashdot": "follows.csv.gz"}
ROUNDS = 3
WAYS = {
    "one process": "run {told} --set frames=pandas --set cluster=none",
    "local Ray": "run {told} --set frames=modin --set cluster=local",
    "submit, image": "submit {told} --set frames=modin --code image",
    "submit, package": "submit {told} --set frames=modin --again",
}


def bench(data: Path) -> None:
    """Print median seconds of each way on each graph, and whether the bytes agree.

    The RayCluster of the manifests: a head without CPUs and two workers of one each, in namespaces
    of their own, so that they have what one machine of two CPUs has.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        for graph, file in GRAPHS.items():
            shutil.copy(data / graph / file, folder / "data" / f"{graph}-{file}")
        said = _run(folder)
        seconds = defaultdict(list)
        for graph, way, taken in re.findall(r"^took (\S+)/(.+): ([\d.]+)$", said, re.MULTILINE):
            seconds[graph, way].append(float(taken))
        rows = [
            [graph, *(statistics.median(seconds[graph, way]) for way in WAYS)] for graph in GRAPHS
        ]
        wanted = f"seconds, medians of {ROUNDS}; wanted: submit at most 20 s more"
        print_table(["night", *WAYS], rows, wanted)
        for graph in GRAPHS:
            found = {_lists(run) for run in folder.glob(f"data/*/{graph}/runs/*-*")}
            print(f"{graph}: same bytes:", len(found) == 1)


def _run(folder: Path) -> str:
    volumes = {
        "raypipe-data": folder / "data",
        **kuberay_pods.config_maps(render("cluster"), folder),
        **kuberay_pods.compiled_kernels(folder),
    }
    (cluster,) = of_kind(render("cluster"), "RayCluster")
    small = kuberay_pods.with_small_workers(cluster["spec"])
    waves = [*kuberay_pods.ray_pods(small, "raypipe", volumes), [_laptop(volumes)]]
    said, code = run_pods(waves, folder)["laptop"]
    if code:
        raise RuntimeError(said)
    return said


def _laptop(volumes: dict[str, Path]) -> Container:
    """Every way in turns; a round of its own date has runs of its own, and so has each way."""
    lines = ["set -e"]
    for day in range(1, ROUNDS + 1):
        for graph, file in GRAPHS.items():
            for number, way in enumerate(WAYS):
                told = (
                    f"--follows /data/{graph}-{file} --date 2026-03-{day:02} "
                    f"--runs-dir /data/{number}/{graph}/runs"
                )
                address = "RAY_ADDRESS=http://raypipe-head-svc:8265 " * way.startswith("submit")
                command = f"{address}raypipe {WAYS[way].format(told=told)}"
                lines += [
                    f"mkdir -p /data/{number}/{graph}",
                    f"TIMEFORMAT='took {graph}/{way}: %R'",
                    f"time {command} > /tmp/said 2>&1 || {{ cat /tmp/said; exit 1; }}",
                ]
    env = {**kuberay_pods.image_env(), **kuberay_pods.AUTH}
    gigabytes = 4 * 10**9
    mounts = [
        Mount("/dev/shm", None, True, gigabytes),
        Mount("/tmp", None, True, gigabytes),
        Mount("/data", str(volumes["raypipe-data"]), True),
        Mount("/cache", str(volumes["cache"]), True),
    ]
    return Container("laptop", "\n".join(lines), env, mounts)


def _lists(run: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(run.glob("recommendations/*")))
