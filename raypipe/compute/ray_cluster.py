"""Ray: connect, run shards, and Modin frames.

Algorithms are plain functions that get ``run_shards`` handed in; without Ray it is the builtin
``map``, with Ray it is :func:`run_shards` here. Importing this file costs a second, so it is
imported only where Ray is really used.
"""

from __future__ import annotations

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
        address: ``local`` for a Ray of our own, which ends with the block (with the process, if
            Modin was used), listens on 127.0.0.1 only, and asks for the token in the file that
            RAY_AUTH_TOKEN_PATH names; else the address of a cluster. If this process is already
            connected to a Ray, that one is used and left running.

    Raises:
        ClusterError: nothing answers there, or Ray does not start.
    """
    ours = not ray.is_initialized()
    if ours:
        _start(address)
    try:
        yield _cpus()
    finally:
        # Modin keeps references into the Ray it was first used with, and fails on any other one: a
        # Ray that it has seen stays until the process ends.
        if ours and "modin.pandas" not in sys.modules:
            ray.shutdown()


def _start(address: str) -> None:
    """Start a local Ray, or connect to another one.

    Ray gives its own node 30 s, which is too little on a busy machine where Python has yet to
    compile Ray's modules: a local one is tried twice.
    """
    local = address == "local"
    configure_ray(address)
    for attempt in reversed(range(2 if local else 1)):
        try:
            _init(address, local)
            return
        except Exception as error:  # a bare Exception where the node is not up in time
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
    """Start one worker per CPU, let each call ``warm_up``, and return at once.

    A worker takes seconds to start and to import; later shards find it ready.
    """
    for number in range(_cpus()):
        _call.remote(warm_up, number)


def nodes() -> list[tuple[int, float]]:
    """CPUs, and bytes of memory for tasks, of each live node."""
    every: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    found = [node["Resources"] for node in every if node["Alive"]]
    return [(int(has.get("CPU", 0)), has.get("memory", 0.0)) for has in found]


def run_shards(
    function: Callable[[Shard], Result],
    shards: Iterable[Shard],
    deadline: float = 3600.0,
    memory: int | None = None,
    in_flight: int | None = None,
) -> Iterator[Result]:
    """``map(function, shards)`` over Ray tasks; results come as they are ready, in any order.

    What ``function`` holds (as ``functools.partial`` does) goes into the object store once; arrays
    in it reach the tasks read-only and without a copy. As many tasks are in flight as there are
    CPUs, so that none waits in Ray's queue while its deadline runs.

    Args:
        deadline: seconds after which an attempt is given up, and a fresh one is made.
        memory: bytes that Ray sets aside for a task on its node.
        in_flight: how many tasks the nodes have room for, where that is not the number of CPUs.

    Raises:
        RaypipeError: what a task raised on purpose.
        ClusterError: a shard failed in each of its attempts, or with an unexpected error.
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
                        f"shard {shard} failed {attempt} times, at last with "
                        f"{type(failure).__name__}; give its tasks more memory, or set more shards"
                    ) from failure
                if failure:
                    waiting.appendleft((shard, attempt + 1))
                submit()  # before the caller has its turn: no CPU waits for it
                if not failure:
                    yield cast(Result, result)
    finally:
        for ref in running:
            ray.cancel(ref, force=True)


class ModinEngine:
    """A Modin frame, its row partitions made and taken by Ray tasks."""

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
    """``modin.pandas`` on the Ray that runs; imported earlier it would start a Ray of its own."""
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
    """Ask the port first: Ray itself tries for minutes where nobody answers."""
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


#: The result, or the worker that was to make it, is gone; a fresh attempt may go well.
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
    refs: Sequence[_Ref],
    running: dict[_Ref, tuple[Any, int, float]],
    deadline: float,
) -> Iterator[tuple[_Ref, Exception | None]]:
    """Those that are ready, and those past their deadline, with what is wrong with them."""
    ready, pending = ray.wait(list(refs), num_returns=1, timeout=min(_POLL_SECONDS, deadline))
    for ref in ready:
        yield ref, None
    for ref in pending:
        if time.monotonic() - running[ref][2] > deadline:
            ray.cancel(ref, force=True)
            yield ref, TimeoutError(f"no answer in {deadline:.0f} s")


def _gather(refs: list[_Ref], deadline: float = 3600.0) -> list[Any]:
    """The results of all tasks, in the order of ``refs``; one ends every ``deadline`` seconds."""
    pending, last = refs, time.monotonic()
    while pending:
        ready, pending = ray.wait(pending, num_returns=1, timeout=_POLL_SECONDS)
        if ready:
            last = time.monotonic()
        elif time.monotonic() - last > deadline:
            raise ClusterError(
                f"{len(pending)} of {len(refs)} frame tasks gave no answer in {deadline:.0f} s; "
                "look at the cluster: ray status"
            )
    try:
        return [_fetch(ref) for ref in refs]
    except _LOST as error:
        raise ClusterError(
            f"a frame task was lost ({type(error).__name__}); give the workers more memory, "
            "or set frames: pandas"
        ) from error


def _fetch(ref: _Ref) -> Any:
    """The result of a task. A bare ``ray.get`` can wait for ever on a link that was cut."""
    try:
        return ray.get(ref, timeout=_FETCH_SECONDS)
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, RaypipeError):
            raise error.cause from None
        cause = f"{type(error.cause).__name__}: {error.cause}"
        raise ClusterError(f"a task failed: {' '.join(cause.split())[:300]}") from error
