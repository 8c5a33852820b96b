"""What runs in the pods: raypipe's own command line, its config, and the Ray of the lock."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import typer

import raypipe
from raypipe.cli import app
from raypipe.config import RunConfig, load_config
from raypipe.errors import RaypipeError
from raypipe.sweeps.run import check_sweep
from tests.k8s.objects import K8S, Object, containers, of_kind, ray_clusters, ray_jobs

Found = Iterator[tuple[str, str]]

PROJECT = K8S.parent

#: Of a command line that the parser refuses; typer has no name for it.
UsageError = typer.BadParameter.__base__


def locked(package: str) -> str:
    """The version of a package in the lock that the image is built from."""
    lock = (PROJECT / "requirements-dev.lock").read_text()
    return re.search(rf"^{package}==(\S+)", lock, re.MULTILINE).group(1)


def image_ray() -> str:
    """The Ray that the image is built for; its build fails if it has another one."""
    return re.search(r"^ARG RAY_VERSION=(\S+)", (K8S / "Dockerfile").read_text(), re.M).group(1)


def ray_version(objects: list[Object]) -> Found:
    """One version of Ray: in the manifest, in the image, in the lock."""
    lock, built = locked("ray"), image_ray()
    if built != lock:
        yield "k8s/Dockerfile", f"RAY_VERSION: found {built}; expected {lock}, as in the lock"
    for where, cluster in ray_clusters(objects):
        if cluster.get("rayVersion") != lock:
            yield where, f"rayVersion: found {cluster.get('rayVersion')}; expected {lock}"


def raypipe_version(objects: list[Object]) -> Found:
    """The tag of the image is the version of the code beside it."""
    for where, container in containers(objects):
        repository, _, digest = container.get("image", "").partition("@")
        tag = repository.rpartition(":")[2]
        if container.get("image") and not digest and tag != raypipe.__version__:
            yield where, f"found the tag {tag}; expected {raypipe.__version__}"


def entrypoint(objects: list[Object]) -> Found:
    """The command is raypipe's, its config is mounted and good, its paths are below /data."""
    for where, job in ray_jobs(objects):
        try:
            command, params = parse(job["entrypoint"])
            config = read_config(objects, job, params["config"])
            if command == "sweep":
                check_sweep(config)
        except (UsageError, RaypipeError, ValueError) as error:
            yield where, f"entrypoint: {getattr(error, 'message', error)}"
            continue
        if config.cluster != "auto":
            yield where, f"cluster: found {config.cluster}; expected auto, the job's own"
        for path in (config.input.follows, params.get("runs_dir"), params.get("sweeps_dir")):
            if path is not None and not PurePosixPath(path).is_relative_to("/data"):
                yield where, f"{path}: expected a path below /data, which all nodes see"


def parse(line: str) -> tuple[str, dict]:
    """The command and its parameters, by the parser that parses it in the pod.

    Raises:
        ValueError: another program, or words that raypipe does not know.

    Example:
        >>> name, params = parse("raypipe run a.yaml --runs-dir /data/runs --date 2026-11-23")
        >>> name, str(params["config"]), str(params["runs_dir"]), params["date"].day
        ('run', 'a.yaml', '/data/runs', 23)
    """
    if found := re.search(r"[^\w@%+=:,./ -]", line):
        raise ValueError(f"found {found[0]!r}, which means something to the submitter's shell")
    program, *words = shlex.split(line)
    if program != "raypipe":
        raise ValueError(f"found {program}; expected raypipe")
    name, command = "", typer.main.get_command(app)
    context = typer.Context(command, info_name=program)
    while hasattr(command, "get_command"):  # a group, as raypipe itself and `raypipe runs`
        word = words.pop(0) if words else "nothing"
        command = command.get_command(context, word)
        if command is None:
            raise ValueError(f"found {word}; expected a command of raypipe")
        name = f"{name} {word}".strip()
    with command.make_context(name, words, parent=context) as parsed:
        return name, parsed.params


def read_config(objects: list[Object], job: Object, path: PurePosixPath) -> RunConfig:
    """The config that stands at a path of the head, read as it is read there.

    Raises:
        ValueError: no ConfigMap is mounted there, or it has no such key.
        ConfigError: raypipe refuses it.
    """
    if "rayClusterSpec" not in job:
        raise ValueError(f"{path}: no cluster of its own; what its head mounts is not known")
    pod = job["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    volume = volumes.get(mounts.get(str(path.parent)), {})
    maps = {found["metadata"]["name"]: found["data"] for found in of_kind(objects, "ConfigMap")}
    text = maps.get(volume.get("configMap", {}).get("name"), {}).get(path.name)
    if text is None:
        raise ValueError(f"{path}: no ConfigMap brings it")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        file.write_text(text)
        return load_config(file)
