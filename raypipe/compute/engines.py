"""Which frames, and whether Ray: decided from the size of the work, with the reason said.

Nothing here changes what comes out of a run, only how soon.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import psutil

from raypipe.compute.frames import FrameEngine, PandasEngine
from raypipe.compute.ray_settings import configure_ray
from raypipe.compute.units import _bytes, size
from raypipe.config import RunConfig
from raypipe.errors import ConfigError, TooLargeError

#: Seconds until the first task of a local Ray has its answer; measured 5 to 10 on two cores.
RAY_START_SECONDS = 8.0

_CGROUP = Path("/sys/fs/cgroup")

RunShards = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


class Runner(NamedTuple):
    """How shards are run.

    Attributes:
        run_shards: the builtin ``map``, or its equal over Ray tasks.
        cpus: how many shards run at a time.
        reason: why, in words for the user.
    """

    run_shards: RunShards
    cpus: int
    reason: str


def frame_engine(
    config: RunConfig, files: list[tuple[Any, int]], stack: ExitStack
) -> tuple[FrameEngine, str]:
    """The frames to read into, and why. Starts Ray, until ``stack`` closes, where Modin needs it.

    Raises:
        ClusterError: Ray cannot be reached.
    """
    name, reason = config.frames, f"frames: {config.frames} (config)"
    if name == "auto":
        name, reason = choose_frames(files, memory_available(), config.cluster)
    if name == "pandas":
        return PandasEngine(), reason
    address = _address(config) or "local"
    ray_cluster = _import_cluster(address)
    stack.enter_context(ray_cluster.connect(address))
    return ray_cluster.ModinEngine(), reason


def runner(
    config: RunConfig,
    engine: FrameEngine,
    seconds: float,
    stack: ExitStack,
    warm_up: Callable[[object], None],
) -> Runner:
    """How to run the shards: on Ray where it is asked for, or where it pays.

    Args:
        engine: what the frames are read into; where it is Modin, Ray is there already.
        seconds: estimated, of the work on one CPU.
        stack: a Ray that is started here ends with it.
        warm_up: imports and compiles; runs here, then in Ray's workers while the caller goes on.

    Raises:
        ClusterError: Ray cannot be reached.
        TooLargeError: it has no node with ``memory_per_task``.
    """
    address = _address(config)
    if config.cluster != "auto":
        reason = f"cluster: {config.cluster} (config)"
    elif address:
        reason = f"cluster: {address} (RAY_ADDRESS is set)"
    elif engine.name == "modin":
        address, reason = "local", "cluster: local (Modin has started it)"
    else:
        address, reason = _worth_it(seconds)
    if address is None:
        return Runner(map, 1, reason)
    ray_cluster = _import_cluster(address)
    cpus = stack.enter_context(ray_cluster.connect(address))
    warm_up(None)  # here first: where no kernels are cached, each worker would compile all of them
    memory = config.memory_per_task
    if memory is None:
        ray_cluster.start_workers(warm_up)
        return Runner(ray_cluster.run_shards, cpus, f"{reason}; {cpus} CPUs")
    tasks = tasks_at_a_time(ray_cluster.nodes(), memory)
    ray_cluster.start_workers(warm_up)
    run_shards = partial(ray_cluster.run_shards, memory=memory, in_flight=tasks)
    return Runner(run_shards, tasks, f"{reason}; {cpus} CPUs, memory for {tasks} tasks at a time")


def ray_for(config: RunConfig, stack: ExitStack) -> str:
    """Connect to Ray, until ``stack`` closes, for work that needs it; returns where and why.

    Raises:
        ConfigError: the config forbids it.
        ClusterError: Ray cannot be reached.
    """
    if config.cluster == "none":
        raise ConfigError("cluster: none, but this runs on Ray; set cluster: local")
    address = _address(config) or "local"
    cpus = stack.enter_context(_import_cluster(address).connect(address))
    why = "config" if config.cluster != "auto" else "it is needed"
    return f"cluster: {address} ({why}); {cpus} CPUs"


def _import_cluster(address: str) -> ModuleType:
    """The module that holds Ray: it starts nothing, but takes a second to import."""
    configure_ray(address)
    from raypipe.compute import ray_cluster

    return ray_cluster


def _address(config: RunConfig) -> str | None:
    """Where Ray is to be, None for no Ray; for ``auto``, where the environment says."""
    if config.cluster == "none":
        return None
    return (os.environ.get("RAY_ADDRESS") or None) if config.cluster == "auto" else config.cluster


def memory_available() -> int:
    """Bytes; in a container, what its limit leaves."""
    available = psutil.virtual_memory().available
    try:
        limit, used = (
            int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current")
        )
    except (OSError, ValueError):  # no cgroup v2, or its limit is "max"
        return available
    return min(available, max(0, limit - used))


def cpus_here() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worth_it(seconds: float) -> tuple[str | None, str]:
    cpus = cpus_here()
    saved = seconds * (1 - 1 / cpus)
    about = f"about {seconds:.1f} s of work"
    if saved > RAY_START_SECONDS:
        return "local", f"cluster: local ({about}; {cpus} CPUs save {saved:.0f} s)"
    return None, (
        f"cluster: none ({about}; {cpus} CPUs would save {saved:.1f} s, "
        f"Ray takes {RAY_START_SECONDS:.0f} s to start)"
    )


def tasks_at_a_time(nodes: Sequence[tuple[int, float]], memory_per_task: int) -> int:
    """How many tasks have a CPU and their memory.

    Args:
        nodes: CPUs, and bytes for tasks, of each node.

    Raises:
        TooLargeError: not one has.

    Example:
        >>> tasks_at_a_time([(4, 7e9), (4, 30e9)], 2_000_000_000)
        7
    """
    tasks = sum(min(cpus, int(memory // memory_per_task)) for cpus, memory in nodes)
    if not tasks:
        most = max((memory for cpus, memory in nodes if cpus), default=0)
        raise TooLargeError(
            f"memory_per_task: found {size(memory_per_task)}, and no node has more than "
            f"{size(int(most))} for tasks; set a smaller memory_per_task, or use larger nodes"
        )
    return tasks


#: Bytes of a pandas frame for a byte of the file, by the end of its name. Measured on 2 M rows of
#: 36-character ids (drawn at random; sorted) and 8 M rows of short numbers, and rounded up:
#:   .csv .parquet  1.2, 1.2, 3.5   2.3, 36, 14
#:   .gz  .zst      3.3, 12, 15     3.8, 21, 13
#: Sorted Parquet stands apart: with 36, most other Parquet would be taken for too big.
EXPANSION = {".gz": 15.0, ".zst": 21.0, ".parquet": 14.0, ".pq": 14.0}


CSV_EXPANSION = 3.5


#: A frame may take so much of the memory: while it is read, 1.7 to 3.1 times its size is needed.
MEMORY_SHARE = 0.3


def choose_frames(
    files: Sequence[tuple[Any, int]], memory: int, cluster: str
) -> tuple[Literal["pandas", "modin"], str]:
    """Decide between pandas and Modin, and say why.

    On one machine pandas on Arrow read every input that fits sooner than Modin does (159 MB of CSV:
    under 1 s against 6.9 s), so Modin is for what does not fit.

    Args:
        files: (path, bytes) of each input file.
        memory: bytes that are available to this process.
        cluster: as in the config; ``none`` leaves only pandas.

    Example:
        >>> choose_frames([("a.csv", 12_000_000)], 20_000_000_000, "auto")
        ('pandas', 'frames: pandas (12 MB of input, about 42 MB as a frame, 20 GB free; Modin pays \
only where that does not fit)')
        >>> choose_frames([("a.gz", 800_000_000)], 20_000_000_000, "auto")
        ('modin', 'frames: modin (800 MB of input, about 12 GB as a frame, 20 GB free: too little \
for pandas)')
    """
    total = sum(size for _, size in files)
    frame = sum(size * _expansion(str(path)) for path, size in files)
    sizes = f"{_bytes(total)} of input, about {_bytes(frame)} as a frame, {_bytes(memory)} free"
    if frame <= memory * MEMORY_SHARE:
        return "pandas", f"frames: pandas ({sizes}; Modin pays only where that does not fit)"
    if cluster == "none":
        return "pandas", f"frames: pandas ({sizes}; cluster is none, so Modin cannot run)"
    return "modin", f"frames: modin ({sizes}: too little for pandas)"


def _expansion(path: str) -> float:
    return next((f for end, f in EXPANSION.items() if path.lower().endswith(end)), CSV_EXPANSION)
