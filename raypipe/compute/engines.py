"""Choose the frame engine and whether to use Ray, from the size of the work; report the reason.

These choices change the speed of a run, never its results.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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

_CGROUP = Path("/sys/fs/cgroup")
#: Limit and use of memory, quota and period of CPUs: files of cgroup v2, and of v1.
_MEMORY = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
_CPU = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))

RunShards = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


class Runner(NamedTuple):
    """The execution engine for shards.

    Attributes:
        run_shards: the builtin ``map``, or an equivalent in threads or Ray tasks.
        cpus: number of shards that run at a time.
        reason: why this engine was chosen, for the user.
    """

    run_shards: RunShards
    cpus: int
    reason: str


def frame_engine(
    config: RunConfig, files: list[tuple[Any, int]], stack: ExitStack
) -> tuple[FrameEngine, str]:
    """Choose the frame engine; returns it with the reason.

    If Modin is chosen, this starts Ray; Ray runs until ``stack`` closes.

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
    """Choose the execution engine: Ray where it is asked for or runs already, else threads.

    Args:
        engine: the frame engine; if it is Modin, Ray is already running.
        seconds: estimated time of the work on one CPU.
        stack: closes a Ray that is started here.
        warm_up: imports and compiles; runs here, then in Ray's workers while the caller continues.

    Raises:
        ClusterError: Ray cannot be reached.
        TooLargeError: no node has ``memory_per_task`` available.
    """
    address = _address(config)
    if config.cluster != "auto":
        reason = f"cluster: {config.cluster} (config)"
    elif address:
        reason = f"cluster: {address} (RAY_ADDRESS is set)"
    elif engine.name == "modin":
        address, reason = "local", "cluster: local (Modin has started it)"
    else:
        reason = f"cluster: none (about {seconds:.1f} s of work on one of {cpus_here()} CPUs)"
    memory = config.memory_per_task
    if address is None:
        threads = cpus_here()
        if memory is not None:
            threads = max(1, min(threads, memory_available() // memory))
        return Runner(partial(run_in_threads, threads), threads, reason)
    ray_cluster = _import_cluster(address)
    cpus = stack.enter_context(ray_cluster.connect(address))
    warm_up(None)  # here first: without cached kernels, each worker would compile all of them
    if memory is None:
        ray_cluster.start_workers(warm_up)
        return Runner(ray_cluster.run_shards, cpus, f"{reason}; {cpus} CPUs")
    tasks = tasks_at_a_time(ray_cluster.nodes(), memory)
    ray_cluster.start_workers(warm_up)
    run_shards = partial(ray_cluster.run_shards, memory=memory, in_flight=tasks)
    return Runner(run_shards, tasks, f"{reason}; {cpus} CPUs, memory for {tasks} tasks at a time")


def run_in_threads(
    threads: int, function: Callable[[Any], Any], shards: Iterable[Any]
) -> Iterator[Any]:
    """The result of each shard, in their order; kernels run without Python's lock.

    At most one finished result a thread waits to be taken.

    Example:
        >>> list(run_in_threads(2, abs, [-3, -2, -1]))
        [3, 2, 1]
    """
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for shard in shards:
            waiting.append(pool.submit(function, shard))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def ray_for(config: RunConfig, stack: ExitStack) -> str:
    """Connect to Ray for work that requires it, until ``stack`` closes; returns address and reason.

    Raises:
        ConfigError: the config forbids Ray.
        ClusterError: Ray cannot be reached.
    """
    if config.cluster == "none":
        raise ConfigError("cluster: none, but this runs on Ray; set cluster: local")
    address = _address(config) or "local"
    cpus = stack.enter_context(_import_cluster(address).connect(address))
    reason = "config" if config.cluster != "auto" else "this command requires Ray"
    return f"cluster: {address} ({reason}); {cpus} CPUs"


def _import_cluster(address: str) -> ModuleType:
    """Import the module that uses Ray. The import takes a second, and starts nothing."""
    configure_ray(address)
    from raypipe.compute import ray_cluster

    return ray_cluster


def _address(config: RunConfig) -> str | None:
    """The address of Ray; None: no Ray. With ``auto``, the environment decides."""
    if config.cluster == "none":
        return None
    return (os.environ.get("RAY_ADDRESS") or None) if config.cluster == "auto" else config.cluster


def memory_available() -> int:
    """Available memory in bytes, within the limit of the container if there is one."""
    available = psutil.virtual_memory().available
    for names in _MEMORY:
        limit, used = (_cgroup(name) for name in names)
        if limit and used:  # a limit of "max" is no limit
            available = min(available, max(0, limit[0] - used[0]))
    return available


def cpus_here() -> int:
    """Number of CPUs that this process may use: its affinity, and the quota of the container."""
    cpus = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    for names in _CPU:
        numbers = [number for name in names for number in _cgroup(name)]
        if len(numbers) == 2 and min(numbers) > 0:  # a quota of "max" or -1 is no quota
            cpus = min(cpus, math.ceil(numbers[0] / numbers[1]))
    return cpus


def _cgroup(name: str) -> list[int]:
    """The numbers in a file of the cgroup; none if there is no such file, or it says "max"."""
    try:
        return [int(word) for word in (_CGROUP / name).read_text().split()]
    except (OSError, ValueError):
        return []


def tasks_at_a_time(nodes: Sequence[tuple[int, float]], memory_per_task: int) -> int:
    """Number of tasks that can run at a time: each needs one CPU and its memory.

    Args:
        nodes: (CPUs, bytes for tasks) of each node.

    Raises:
        TooLargeError: no node has enough memory for one task.

    Example:
        >>> tasks_at_a_time([(4, 7e9), (4, 30e9)], 2_000_000_000)
        7
    """
    tasks = sum(min(cpus, int(memory // memory_per_task)) for cpus, memory in nodes)
    if not tasks:
        maximum = max((memory for cpus, memory in nodes if cpus), default=0)
        raise TooLargeError(
            f"memory_per_task: found {size(memory_per_task)}, but no node has more than "
            f"{size(int(maximum))} for tasks; set a smaller memory_per_task, or use larger nodes"
        )
    return tasks


#: Bytes of a pandas frame per byte of the file, by file name suffix. Measured on 2 M rows of
#: 36-character ids (random; sorted) and on 8 M rows of short numbers, and rounded up:
#:   .csv .parquet  1.2, 1.2, 3.5   2.3, 36, 14
#:   .gz  .zst      3.3, 12, 15     3.8, 21, 13
#: Sorted Parquet is ignored: with 36, most other Parquet files would be considered too large.
EXPANSION = {".gz": 15.0, ".zst": 21.0, ".parquet": 14.0, ".pq": 14.0, ".parq": 14.0}
EXPANSION |= dict.fromkeys((".bz2", ".xz", ".zip"), 21.0)
CSV_EXPANSION = 3.5

#: Maximum share of the memory for a frame: reading it needs 1.7 to 3.1 times its size.
MEMORY_SHARE = 0.3


def choose_frames(
    files: Sequence[tuple[Any, int]], memory: int, cluster: str
) -> tuple[Literal["pandas", "modin"], str]:
    """Choose between pandas and Modin; returns the choice and the reason.

    On one machine, pandas on Arrow reads every input that fits in memory faster than Modin does
    (159 MB of CSV: under 1 s, Modin 6.9 s), so Modin is only for larger inputs.

    Args:
        files: (path, bytes) of each input file.
        memory: bytes that are available to this process.
        cluster: as in the config; ``none`` allows only pandas.

    Example:
        >>> choose_frames([("a.csv", 12_000_000)], 20_000_000_000, "auto")
        ('pandas', 'frames: pandas (12 MB of input, about 42 MB as a frame, 20 GB free; Modin \
helps only if that does not fit)')
        >>> choose_frames([("a.gz", 800_000_000)], 20_000_000_000, "auto")
        ('modin', 'frames: modin (800 MB of input, about 12 GB as a frame, 20 GB free: not enough \
for pandas)')
    """
    total = sum(size for _, size in files)
    frame = 0.0
    for path, bytes_ in files:
        frame += bytes_ * EXPANSION.get(Path(path).suffix.lower(), CSV_EXPANSION)
    sizes = f"{_bytes(total)} of input, about {_bytes(frame)} as a frame, {_bytes(memory)} free"
    if frame <= memory * MEMORY_SHARE:
        return "pandas", f"frames: pandas ({sizes}; Modin helps only if that does not fit)"
    if cluster == "none":
        return "pandas", f"frames: pandas ({sizes}; cluster is none, so Modin cannot run)"
    return "modin", f"frames: modin ({sizes}: not enough for pandas)"
