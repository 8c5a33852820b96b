"""The night, a sweep and ``raypipe submit`` for real, as the manifests have them.

Head, two workers, submitters and toolbox run what KubeRay writes into their pods, in namespaces of
their own: as user 1000, on a read-only root, each with an address of its own. In place of the image
they have the programs of this machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from raypipe.config import load_config
from raypipe.graph.demo import write_demo
from raypipe.pipeline.run import run_night
from raypipe.storage.runs.store import RunStore
from tests.conftest import ROOT, needed
from tests.k8s import kuberay_pods
from tests.k8s.kuberay_pods import Container, Mount
from tests.k8s.objects import of_kind, render, with_tonight
from tests.k8s.pods_here import run_pods, why_no_pods

#: Most of the setup is imports in fresh processes.
pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

NIGHT, SUBMITTED = "2026-11-23", "2026-11-24"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What the pods see of this machine: data, and the configs."""
    folder = tmp_path_factory.mktemp("pods")
    write_demo(folder / "data" / "follows" / "follows.csv", accounts=300)
    return folder


@pytest.fixture(scope="module")
def said(kubectl, folder) -> dict[str, tuple[str, int]]:
    """By the pods that ended: what they wrote, and their exit codes."""
    why_not = why_no_pods()
    needed(why_not is None, f"no namespaces here: {why_not}")
    objects = with_tonight(render("nightly"))
    for config in of_kind(objects, "ConfigMap"):
        if "sweep.yaml" in config["data"]:
            config["data"]["sweep.yaml"] = shorter(config["data"]["sweep.yaml"])
    volumes = {
        "raypipe-data": folder / "data",
        **kuberay_pods.config_maps(objects, folder),
        **kuberay_pods.compiled_kernels(folder),
    }
    night = of_kind(objects, "RayJob")[-1]
    (sweep,) = of_kind(render("sweep"), "RayJob")
    (toolbox,) = of_kind(render("toolbox"), "Pod")
    cluster = kuberay_pods.with_small_workers(night["spec"]["rayClusterSpec"])
    knock = "bash -c ': </dev/tcp/night-head-svc/{port}'"
    look = (
        "id --user; touch /bin/x; "
        + "; ".join(knock.format(port=port) for port in (8265, 6379))
        + "; raypipe runs list --json; raypipe recommend star-01 --json"
    )
    waves = [
        *kuberay_pods.ray_pods(cluster, "night", volumes),
        [
            kuberay_pods.submitter(night["spec"], "night-submitter", "night", volumes),
            kuberay_pods.submitter(sweep["spec"], "sweep-submitter", "night", volumes),
        ],
        [laptop("http://night-head-svc:8265", folder)],
        [kuberay_pods.plain_pod(toolbox, "toolbox", look, volumes)],
    ]
    return run_pods(waves, folder, objects)


def shorter(text: str) -> str:
    """The sweep's config with two trials of a small model."""
    config = yaml.safe_load(text)
    config["sweep"] |= {
        "trials": 2,
        "space": {"sources.factors.parameters.n_factors": {"int": [2, 8]}},
    }
    config["sweep"]["resources"] = {"cpus": 1}
    return yaml.safe_dump(config)


def laptop(server: str, folder: Path) -> Container:
    """Who comes through ``kubectl port-forward`` with the token, and nothing of the cluster."""
    env = {"HOME": "/tmp", "RAY_ADDRESS": server, **kuberay_pods.AUTH}
    script = (
        "raypipe submit /mnt/nightly.yaml --folder /data --code image "
        f"--set frames=modin --date {SUBMITTED}"
    )
    shared = Mount("/dev/shm", None, True, 10**8)
    config = Mount("/mnt", str(folder / "raypipe-config"), False)
    return Container("laptop", script, env, [Mount("/tmp", None, True, 10**8), shared, config])


def lists(runs: Path, date: str) -> list[bytes]:
    (run,) = runs.glob(f"{date}-*")
    return [path.read_bytes() for path in sorted(run.glob("recommendations/*"))]


@pytest.fixture(scope="module")
def here(folder) -> Path:
    """The runs folder of the same night in this process."""
    config = load_config(
        ROOT / "k8s" / "base" / "config" / "nightly.yaml",
        {"input.follows": str(folder / "data" / "follows"), "cluster": "none"},
    )
    run_night(config, RunStore(folder / "here"), NIGHT)
    return folder / "here"


def test_the_night_publishes_what_one_process_publishes(said, folder, here):
    text, code = said["night-submitter"]
    assert code == 0, text
    assert "Job 'night-submitter-x7k2p' succeeded" in text
    assert "(RAY_ADDRESS is set); 2 CPUs" in text
    assert lists(folder / "data" / "runs", NIGHT) == lists(here, NIGHT)


def test_the_sweep_finds_a_best(said, folder):
    text, code = said["sweep-submitter"]
    assert code == 0, text
    assert "succeeded" in text
    assert len(list(folder.glob("data/sweeps/*/best.yaml"))) == 1


def test_who_submits_follows_the_night_and_gets_the_same_bytes(said, folder, here):
    text, code = said["laptop"]
    assert code == 0, text
    assert "frames: modin (config)" in text
    assert kuberay_pods.TOKEN not in text
    assert lists(folder / "data" / "runs", SUBMITTED) == lists(here, NIGHT)


def test_the_toolbox_sees_the_runs_and_writes_nowhere_else(said):
    text, code = said["toolbox"]
    assert code == 0, text
    user, refused, *rest = text.splitlines()
    assert user == "1000"
    assert "Read-only file system" in refused
    assert NIGHT in "".join(rest)


def test_the_toolbox_cannot_knock_at_the_cluster(said):
    text, _ = said["toolbox"]
    for port in (8265, 6379):
        assert f"/dev/tcp/night-head-svc/{port}: Permission denied" in text
