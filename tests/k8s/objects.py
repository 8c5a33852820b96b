"""Manifests as Python objects: rendered by kubectl, and walked through."""

from __future__ import annotations

import datetime
import importlib.util
import subprocess
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import yaml

from tests.paths import ROOT

K8S = ROOT / "k8s"
#: Every folder that somebody applies.
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())

Object = dict[str, Any]


class Pod(NamedTuple):
    """What becomes a pod: a Pod, or a template of one.

    Attributes:
        where: kind, name and place.
        role: ray-head, ray-worker, submitter; or the kind of the object, for all others.
        labels: of the pod.
        spec: of the pod.
    """

    where: str
    role: str
    labels: dict[str, str]
    spec: Object


def render(overlay: str) -> list[Object]:
    """What ``kubectl apply -k`` would send."""
    done = subprocess.run(
        ["kubectl", "kustomize", K8S / "overlays" / overlay],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def start_night() -> ModuleType:
    """The script that the CronJob runs; it is no part of a package."""
    path = K8S / "overlays" / "nightly" / "start_night.py"
    spec = importlib.util.spec_from_file_location("start_night", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_tonight(objects: list[Object]) -> list[Object]:
    """The objects, and the RayJob that a CronJob among them will make."""
    made = []
    for cron in of_kind(objects, "CronJob"):
        pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        if "args" not in pod["containers"][0]:
            continue  # the night itself, on one node
        starter = start_night()
        told = starter.parser().parse_args(pod["containers"][0]["args"])
        for template in of_kind(objects, "RayJob"):
            if template["metadata"]["name"] == told.template:
                date, labels = datetime.date(2026, 11, 23), dict(told.label)
                made.append(starter.night_of(template, told.name, date, labels, "job", "uid"))
    return [*objects, *made]


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [found for found in objects if found["kind"] in kinds]


def labels_of(found: Object) -> dict[str, str]:
    """The labels that an object, or a template of one, has in its manifest."""
    return found.get("metadata", {}).get("labels", {})


def name_of(found: Object) -> str:
    return f"{found['kind']} {found['metadata']['name']}"


def walk(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a tree, with its place, as ``.spec.containers[0].image``."""
    yield place, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{place}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from walk(value, f"{place}[{number}]")


def pods(objects: list[Object]) -> Iterator[Pod]:
    """Every pod that comes of the objects."""
    for found in objects:
        for place, node in walk(found):
            spec = node.get("spec") if isinstance(node, dict) else None
            if isinstance(spec, dict) and "containers" in spec:
                where = f"{name_of(found)} {place}".strip()
                yield Pod(where, _role(place, found["kind"]), labels_of(node), spec)


def containers(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every container, with its place; also the autoscaler, which KubeRay adds to the head."""
    for pod in pods(objects):
        for key in ("initContainers", "containers"):
            for container in pod.spec.get(key, []):
                yield f"{pod.where} {container['name']}", container
    for where, cluster in ray_clusters(objects):
        if cluster.get("enableInTreeAutoscaling"):
            yield f"{where} autoscaler", cluster.get("autoscalerOptions", {})


def ray_jobs(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """The spec of every RayJob, also of those that a RayCronJob makes."""
    for found in of_kind(objects, "RayJob"):
        yield name_of(found), found["spec"]
    for found in of_kind(objects, "RayCronJob"):
        yield name_of(found), found["spec"].get("jobTemplate", {})


def ray_clusters(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """The spec of every RayCluster, also of those that RayJobs make."""
    for found in of_kind(objects, "RayCluster"):
        yield name_of(found), found["spec"]
    for where, job in ray_jobs(objects):
        if "rayClusterSpec" in job:
            yield where, job["rayClusterSpec"]


def quantity(text: Any) -> float:
    """A quantity of Kubernetes as a number.

    Example:
        >>> quantity("500m"), quantity("16Gi"), quantity(2)
        (0.5, 17179869184.0, 2.0)
    """
    text = str(text)
    binary = {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", 1)}
    decimal = {letter: 1000.0**power for power, letter in enumerate("kMGT", 1)}
    for unit, factor in {**binary, **decimal, "m": 0.001}.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


def _role(place: str, kind: str) -> str:
    for part, role in (
        ("headGroupSpec", "ray-head"),
        ("workerGroupSpecs", "ray-worker"),
        ("submitterPodTemplate", "submitter"),
    ):
        if part in place:
            return role
    return kind
