"""k8s/README.md names what is there, and its commands are commands."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.k8s.entrypoints import parse
from tests.k8s.objects import K8S, OVERLAYS, containers, of_kind, quantity, ray_jobs, with_tonight

README = (K8S / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
FOLDERS = re.findall(r"^\| `([a-z/-]+)/` \|", README, re.MULTILINE)


def test_every_folder_is_explained():
    there = {"image", "base", "night", *(f"overlays/{name}" for name in OVERLAYS)}
    assert set(FOLDERS) == there
    assert all((K8S / folder / "kustomization.yaml").is_file() for folder in FOLDERS)


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:base|night|image|overlays)/[\w./-]+)`", README)
    assert named
    assert [path for path in named if not (K8S / path).exists()] == []


@pytest.mark.parametrize(
    "command", [line.partition(" -- ")[2] for line in COMMANDS if " -- raypipe " in line]
)
def test_commands_of_raypipe_are_understood(command):
    parse(command)


def test_what_kubectl_is_told_of_is_there(overlay):
    names = {
        (found["kind"].lower(), found["metadata"]["name"])
        for name in OVERLAYS
        for found in with_tonight(overlay(name))
    }
    told = re.findall(r"\b(pod|cronjob|rayjob)[/ ](raypipe-[\w-]+)", "\n".join(COMMANDS))
    assert told
    assert set(told) <= names
    # A submitter's Job has the name of its RayJob.
    jobs = re.findall(r"\bjob/(raypipe-[\w-]+)", "\n".join(COMMANDS))
    assert jobs
    assert {("rayjob", name) for name in jobs} <= names


def test_overlays_that_are_applied_are_there():
    applied = re.findall(r"k8s/overlays/([\w-]+)", "\n".join(COMMANDS))
    assert set(applied) <= set(OVERLAYS)
    assert {"nightly", "toolbox", "sweep", "cluster"} <= set(applied)


def test_the_queue_has_room_for_a_night(overlay):
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    flavor, queue = yaml.safe_load_all(text)
    objects = overlay("kueue")
    (local,) = of_kind(objects, "LocalQueue")
    assert local["spec"]["clusterQueue"] == queue["metadata"]["name"]
    assert local["apiVersion"] == queue["apiVersion"] == flavor["apiVersion"]
    (group,) = queue["spec"]["resourceGroups"]
    (given,) = group["flavors"]
    assert given["name"] == flavor["metadata"]["name"]
    quota = {one["name"]: quantity(one["nominalQuota"]) for one in given["resources"]}
    ((_, job),) = ray_jobs(objects)
    replicas = job["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"]
    night = dict.fromkeys(("cpu", "memory"), 0.0)
    for where, container in containers(of_kind(objects, "RayJob")):
        for kind in night:
            times = replicas if "workerGroupSpecs" in where else 1
            night[kind] += times * quantity(container["resources"]["requests"][kind])
    assert night == {"cpu": 10.5, "memory": 48.5 * 2**30}  # as the README says
    assert all(night[kind] <= quota[kind] for kind in night)
