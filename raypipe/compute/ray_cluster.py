"""Ray: connect, run shards, and Modin frames.

Algorithms are plain functions that receive ``run_shards`` as an argument: the builtin ``map``
without Ray, :func:`run_shards` with Ray. Importing this file takes a second, so it is imported only
when Ray is used.
"""

import logging
import socket
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeAlias, TypeVar, cast

import pandas as pd
import ray
from ray import exceptions

from raypipe.compute.frames import Block, Frame, Report
from raypipe.compute.ray_private import LOOPBACK_ONLY, loopback_kept, read_settings_again
from raypipe.compute.ray_settings import configure_ray
from raypipe.errors import ClusterError, RaypipeError

_Ref: TypeAlias = "ray.ObjectRef[Any]"
Shard = TypeVar("Shard")
Result = TypeVar("Result")

_ATTEMPTS = 3
_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 5.0
_FETCH_SECONDS = 120.0
_UNREACHABLE = (ConnectionError, RuntimeError, ValueError, OSError)
#: A task is one thread: parallelism comes from the number of tasks.
_WORKER_ENV = {
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore::FutureWarning",
}


@contextmanager
def connect(address: str) -> Iterator[int]:
    """Connect to Ray until the block ends; yields its number of CPUs.

    Args:
        address: address of a cluster, or ``local`` to start a new Ray. A local Ray ends with the
            block (with the process, if Modin was used), listens on 127.0.0.1 only, and requires
            the token in the file RAY_AUTH_TOKEN_PATH. If this process is already connected to a
            Ray, that one is used and left running.

    Raises:
        ClusterError: there is no response from the address, or Ray does not start.
    """
    ours = not ray.is_initialized()
    if ours:
        _start(address)
    try:
        yield _cpus()
    finally:
        # Modin keeps references to the first Ray that it used and fails on any other one, so that
        # Ray runs until the process ends.
        if ours and "modin.pandas" not in sys.modules:
            ray.shutdown()


def _start(address: str) -> None:
    """Start a local Ray, or connect to a cluster.

    A local Ray gets two attempts: Ray allows its node 30 s to start, which is not enough on a busy
    machine where Python still has to compile Ray's modules.
    """
    local = address == "local"
    configure_ray(address)
    for attempt in reversed(range(2 if local else 1)):
        try:
            _init(address, local)
            return
        except Exception as error:  # Ray raises a bare Exception if its node starts too slowly
            late = type(error) is Exception
            if not late and not isinstance(error, _UNREACHABLE):
                raise
            ray.shutdown()
            if late and attempt:
                continue
            reason = " ".join(str(error).split())[:200]
            cure = (
                "run it again when the machine is less busy, or set cluster: none"
                if late
                else "start one there, or set cluster: none"
            )
            raise ClusterError(f"no Ray at {address!r} ({reason}); {cure}") from error


def _init(address: str, local: bool) -> None:
    own: dict[str, Any] = {"include_dashboard": False, **LOOPBACK_ONLY} if local else {}
    _check_reachable(address)
    if local:
        read_settings_again()
    with loopback_kept() if local else nullcontext():
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": _WORKER_ENV},
            **own,
        )


def start_workers(warm_up: Callable[[object], None]) -> None:
    """Start one worker per CPU, call ``warm_up`` in each, and return without waiting.

    A worker needs seconds to start and import; later shards use these workers.
    """
    for number in range(_cpus()):
        _call.remote(warm_up, number)


def nodes() -> list[tuple[int, float]]:
    """(CPUs, bytes of memory for tasks) of each live node."""
    every: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    resources = [node["Resources"] for node in every if node["Alive"]]
    return [(int(node.get("CPU", 0)), node.get("memory", 0.0)) for node in resources]


def run_shards(
    function: Callable[[Shard], Result],
    shards: Iterable[Shard],
    deadline: float = 3600.0,
    memory: int | None = None,
    in_flight: int | None = None,
) -> Iterator[Result]:
    """``map(function, shards)`` with Ray tasks; yields results as they are ready, in any order.

    The data bound to ``function`` (as by ``functools.partial``) is put into the object store once;
    tasks read its arrays without a copy. The number of tasks in flight is the number of CPUs, so
    that no task waits in Ray's queue while its deadline runs.

    Args:
        deadline: seconds until an attempt is cancelled and the shard is tried again.
        memory: bytes that Ray reserves for each task on its node.
        in_flight: maximum number of tasks at a time; default: the number of CPUs.

    Raises:
        RaypipeError: a task raised it.
        ClusterError: all attempts at a shard failed, or a task raised another error.
    """
    shared = ray.put(function)
    in_flight = in_flight or _cpus()
    call = _call.options(memory=memory)
    waiting = deque((shard, 1) for shard in shards)
    running: dict[_Ref, tuple[Shard, int, float]] = {}

    def submit() -> None:
        while waiting and len(running) < in_flight:
            shard, attempt = waiting.popleft()
            running[call.remote(shared, shard)] = (shard, attempt, time.monotonic())

    try:
        submit()
        while running:
            for ref, failure in _finished(list(running), running, deadline):
                shard, attempt, _ = running.pop(ref)
                try:
                    result = None if failure else _fetch(ref)
                except _LOST as error:
                    failure = error
                if failure and attempt == _ATTEMPTS:
                    raise ClusterError(
                        f"shard {shard} failed {attempt} times, the last time with "
                        f"{type(failure).__name__}; set a larger memory_per_task, or more shards"
                    ) from failure
                if failure:
                    waiting.appendleft((shard, attempt + 1))
                submit()  # before the yield, so that no CPU waits for the caller
                if not failure:
                    yield cast(Result, result)
    finally:
        for ref in running:
            ray.cancel(ref, force=True)


class ModinEngine:
    """A Modin frame; Ray tasks create and process its row partitions."""

    name = "modin"

    def load(
        self, read_block: Callable[[Block], tuple[pd.DataFrame, Report]], blocks: Sequence[Block]
    ) -> tuple[Frame, list[Report]]:
        import_modin()
        from modin.distributed.dataframe.pandas import from_partitions

        reader = ray.put(read_block)
        refs: Any = [_read.options(num_returns=2).remote(reader, block) for block in blocks]
        reports = _gather([report for _, report in refs])
        frame = from_partitions([part for part, _ in refs], axis=0)
        return frame.reset_index(drop=True), reports

    def map_partitions(
        self, function: Callable[[pd.DataFrame], Result], frame: Frame
    ) -> list[Result]:
        from modin.distributed.dataframe.pandas import unwrap_partitions

        shared = ray.put(function)
        parts = unwrap_partitions(frame, axis=0)
        return _gather([_call.remote(shared, part) for part in parts])


def import_modin() -> Any:
    """Import ``modin.pandas`` for the running Ray; an earlier import would start another Ray."""
    import modin.config

    modin.config.Engine.put("Ray")
    modin.config.CpuCount.put(_cpus())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import modin.pandas
    return modin.pandas


def _cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def _check_reachable(address: str) -> None:
    """Try to connect to the port first: Ray itself retries for minutes if nothing listens there."""
    host, _, port = address.rpartition(":")
    if "://" not in address and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


@ray.remote(max_retries=_ATTEMPTS)
def _call(function: Callable[[Any], Any], shard: Any) -> Any:
    return function(shard)


@ray.remote(max_retries=_ATTEMPTS)
def _read(read_block: Callable[[Any], tuple[Any, Any]], block: Any) -> tuple[Any, Any]:
    part, report = read_block(block)
    return part, report


#: Errors for a lost result or a lost worker; a new attempt may succeed.
_LOST = (
    exceptions.WorkerCrashedError,
    exceptions.ObjectLostError,
    exceptions.NodeDiedError,
    exceptions.OutOfMemoryError,
    exceptions.GetTimeoutError,
    exceptions.TaskCancelledError,
    exceptions.RaySystemError,
)


def _finished(
    refs: Sequence[_Ref], running: dict[_Ref, tuple[Any, int, float]], deadline: float
) -> Iterator[tuple[_Ref, Exception | None]]:
    """Tasks that are ready, with None, and tasks past their deadline, with an error."""
    ready, pending = ray.wait(list(refs), num_returns=1, timeout=min(_POLL_SECONDS, deadline))
    for ref in ready:
        yield ref, None
    for ref in pending:
        if time.monotonic() - running[ref][2] > deadline:
            ray.cancel(ref, force=True)
            yield ref, TimeoutError(f"no result after {deadline:.0f} s")


def _gather(refs: list[_Ref], deadline: float = 3600.0) -> list[Any]:
    """The results of all tasks, in the order of ``refs``.

    Raises:
        ClusterError: no task ended for ``deadline`` seconds, or a result was lost.
    """
    pending, last = refs, time.monotonic()
    while pending:
        ready, pending = ray.wait(pending, num_returns=1, timeout=_POLL_SECONDS)
        if ready:
            last = time.monotonic()
        elif time.monotonic() - last > deadline:
            raise ClusterError(
                f"{len(pending)} of {len(refs)} frame tasks returned no result after "
                f"{deadline:.0f} s; check the cluster with: ray status"
            )
    try:
        return [_fetch(ref) for ref in refs]
    except _LOST as error:
        raise ClusterError(
            f"a frame task was lost ({type(error).__name__}); give the workers more memory, "
            "or set frames: pandas"
        ) from error


def _fetch(ref: _Ref) -> Any:
    """The result of a task. Without a timeout, ``ray.get`` can hang after a lost connection."""
    try:
        return ray.get(ref, timeout=_FETCH_SECONDS)
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, RaypipeError):
            raise error.cause from None
        cause = f"{type(error.cause).__name__}: {error.cause}"
        raise ClusterError(f"a task failed: {' '.join(cause.split())[:300]}") from error
