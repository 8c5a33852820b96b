"""What KubeRay makes of the manifests: what runs in each pod, with which environment.

Written after ray-project/kuberay, ray-operator/controllers/ray/common: pod.go and job.go, in
versions about v1.7.0.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from tests.k8s.objects import K8S, Object, labels_of, of_kind, quantity

TOKEN = "a-token-that-the-operator-has-made-0123456789abcdef"
#: Of everybody who may reach the cluster.
AUTH = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
ENOUGH_FILES = "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}"


class Mount(NamedTuple):
    """What a container sees at a path.

    Attributes:
        path: absolute.
        source: a folder of this machine; None for an empty one.
        writable: else it is read-only.
        size: of an empty one, in bytes.
    """

    path: str
    source: str | None
    writable: bool
    size: int = 0


class Container(NamedTuple):
    """A container that runs by itself in a pod.

    Attributes:
        name: by which the other pods find it.
        script: what its shell runs.
        env: all of its environment but PATH.
        mounts: in the order in which they are made.
        until: a text on its screen after which other pods may start; None: it has to end first.
        labels: by which NetworkPolicies know it; None: it is the node itself, as who comes through
            ``kubectl port-forward`` is, and none holds for it.
    """

    name: str
    script: str
    env: dict[str, str]
    mounts: list[Mount]
    until: str | None = None
    labels: dict[str, str] | None = None


def image_env() -> dict[str, str]:
    """What the image sets for every container.

    But the processor of its compiled kernels: here they are compiled for this one.
    """
    text = (K8S / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    lines = " ".join(re.findall(r"^ENV ((?:.*\\\n)*.*)$", text, re.MULTILINE))
    words = (word.split("=", 1) for word in shlex.split(lines.replace("\\\n", " ")))
    return {name: value for name, value in words if not name.startswith("NUMBA_CPU_")}


def with_small_workers(cluster: Object) -> Object:
    """The spec of a RayCluster whose workers have a CPU each: it is their number that matters."""
    for group in cluster["workerGroupSpecs"]:
        group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1"
    return cluster


def ray_pods(cluster: Object, name: str, volumes: dict[str, Path]) -> list[list[Container]]:
    """Of a RayCluster the head, by itself, and the workers, which wait for it.

    Args:
        cluster: its spec.
        name: of the RayCluster.
        volumes: folder of this machine by name of a claim, of a ConfigMap, or of an emptyDir that
            is not to be empty.
    """
    head, pods = f"{name}-head-svc", []
    for group in [cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", [])]:
        is_head = group is cluster["headGroupSpec"]
        group_name = "headgroup" if is_head else group["groupName"]
        spec = group["template"]["spec"]
        ray = spec["containers"][0]
        for number in range(1 if is_head else group["replicas"]):
            pod = head if is_head else f"{name}-{group_name}-worker-{number}"
            command = _ray_start(group, ray, None if is_head else f"{head}:6379", cluster)
            env = {
                "RAY_CLUSTER_NAME": name,
                "RAY_CLUSTER_NAMESPACE": "raypipe",
                "RAY_CLOUD_INSTANCE_ID": pod,
                "RAY_NODE_TYPE_NAME": group_name,
                "KUBERAY_GEN_RAY_START_CMD": command,
                "RAY_PORT": "6379",
                "RAY_ADDRESS": "127.0.0.1:6379" if is_head else f"{head}:6379",
                "RAY_USAGE_STATS_KUBERAY_IN_USE": "1",
                "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE": "1",
                **AUTH,
            }
            if not is_head:
                env |= {"FQ_RAY_IP": head, "RAY_IP": head}
            shared = Mount("/dev/shm", None, True, _limit(ray, "memory"))
            pods.append(
                Container(
                    pod,
                    f"{ENOUGH_FILES}; {command}",
                    _env(ray, env),
                    [*_mounts(spec, ray, volumes), shared],
                    until="Ray runtime started",
                    labels={**labels_of(group["template"]), **ray_labels(is_head)},
                )
            )
    return [pods[:1], pods[1:]]


def submitter(job: Object, name: str, cluster: str, volumes: dict[str, Path]) -> Container:
    """The pod that hands a RayJob to its cluster and shows its log.

    Args:
        job: spec of the RayJob.
        name: of the RayJob.
        cluster: name of its RayCluster.
    """
    spec = job["submitterPodTemplate"]["spec"]
    container = spec["containers"][0]
    job_id, server = f"{name}-x7k2p", f"http://{cluster}-head-svc:8265"
    healthy = (
        f'import urllib.request; urllib.request.urlopen("{server}/api/gcs_healthz", timeout=10)'
    )
    script = (
        f"set -e ; until python -c '{healthy}' >/dev/null 2>&1 ; do sleep 2 ; done ; "
        f"if ! ray job status --address {server} {job_id} >/dev/null 2>&1 ; then "
        f"ray job submit --address {server} --no-wait --submission-id {job_id} "
        f"-- {job['entrypoint']} ; fi ; "
        f"ray job logs --address {server} --follow {job_id}"
    )
    env = {
        "PYTHONUNBUFFERED": "1",
        "RAY_DASHBOARD_ADDRESS": server.removeprefix("http://"),
        "RAY_JOB_SUBMISSION_ID": job_id,
        **AUTH,
    }
    labels = labels_of(job["submitterPodTemplate"])
    mounts = _mounts(spec, container, volumes)
    return Container(name, script, _env(container, env), mounts, labels=labels)


def plain_pod(pod: Object, name: str, script: str, volumes: dict[str, Path]) -> Container:
    """A Pod of which a shell is asked to do something, as by ``kubectl exec``."""
    spec = pod["spec"]
    container = spec["containers"][0]
    mounts = _mounts(spec, container, volumes)
    return Container(name, script, _env(container, {}), mounts, labels=labels_of(pod))


def compiled_kernels(folder: Path) -> dict[str, Path]:
    """The emptyDir ``cache`` with the kernels that this machine has compiled already.

    Each pod would compile them anew, for half a minute.
    """
    from numba.core.caching import _CacheLocator  # a second, which pods need not wait for

    for package in {path.parents[1] for path in K8S.parent.glob("raypipe/**/__pycache__/*.nbi")}:
        subpath = _CacheLocator.get_suitable_cache_subpath(str(package / "__init__.py"))
        shutil.copytree(package / "__pycache__", folder / "cache" / "numba" / subpath)
    return {"cache": folder / "cache"}


def config_maps(objects: list[Object], folder: Path) -> dict[str, Path]:
    """Writes each ConfigMap as the folder that it is mounted as; these folders, by its name."""
    made = {}
    for found in of_kind(objects, "ConfigMap"):
        made[found["metadata"]["name"]] = place = folder / found["metadata"]["name"]
        place.mkdir()
        for name, text in found["data"].items():
            (place / name).write_text(text, encoding="utf-8")
    return made


def ray_labels(is_head: bool) -> dict[str, str]:
    """What the operator adds to the labels of a Ray node, as far as policies look at it."""
    return {"ray.io/is-ray-node": "yes", "ray.io/node-type": "head" if is_head else "worker"}


def _ray_start(group: Object, ray: Object, address: str | None, cluster: Object) -> str:
    """The flags stand in the order of their names, with those that the operator adds."""
    flags = {
        "block": None,
        "dashboard-agent-listen-port": 52365,
        "memory": _limit(ray, "memory"),
        "metrics-export-port": 8080,
        "num-cpus": _limit(ray, "cpu"),
    }
    if address is None:
        flags |= {"dashboard-host": "0.0.0.0"}
        flags |= {"no-monitor": None} if cluster.get("enableInTreeAutoscaling") else {}
    else:
        flags |= {"address": address}
    flags |= group.get("rayStartParams", {})
    told = [f"--{key}" + (f"={value}" if value is not None else "") for key, value in flags.items()]
    return " ".join(["ray start", *["--head"] * (address is None), *sorted(told)])


def _limit(container: Object, kind: str) -> int:
    return int(quantity(container["resources"]["limits"][kind]))


def _env(container: Object, operator: dict[str, str]) -> dict[str, str]:
    """The image's, the container's, the operator's; a secret that is optional is not there."""
    own = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
    return {**image_env(), **own, **operator}


def _mounts(spec: Object, container: Object, volumes: dict[str, Path]) -> list[Mount]:
    known = {volume["name"]: volume for volume in spec.get("volumes", [])}
    mounts = []
    for mount in container.get("volumeMounts", []):
        volume: dict[str, Any] = known[mount["name"]]
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        told = claim or volume.get("configMap", {}).get("name") or mount["name"]
        source = volumes.get(told)
        size = int(quantity(volume.get("emptyDir", {}).get("sizeLimit", 0)))
        assert source or size, told
        writable = not mount.get("readOnly", False)
        mounts.append(Mount(mount["mountPath"], source and str(source), writable, size))
    return mounts
