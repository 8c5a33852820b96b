"""Which frames, and whether Ray: by the size of the work, with the reason said."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack

import pytest

from raypipe.compute import engines
from raypipe.compute.frames import PandasEngine
from raypipe.config import load_config
from raypipe.errors import TooLargeError

PANDAS = PandasEngine()


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)


def choose(seconds, engine=PANDAS, **settings):
    with ExitStack() as stack:
        return engines.runner(load_config(None, settings), engine, seconds, stack, print)


def test_work_does_not_start_ray():
    runner = choose(1.0)
    assert runner.cpus == 2
    assert runner.reason == "cluster: none (about 1.0 s of work on one of 2 CPUs)"


def test_as_many_threads_as_have_memory(monkeypatch):
    monkeypatch.setattr(engines, "memory_available", lambda: 5_000_000_000)
    assert [choose(1.0, memory_per_task=size).cpus for size in ("2GB", "3GB", "9GB")] == [2, 1, 1]


def test_threads_return_results_in_order_and_what_fails():
    started = threading.Barrier(2, timeout=30)

    def negative(shard):
        if shard < 2:
            started.wait()  # both at a time
        return 1 // (9 - shard), -shard

    assert [found for _, found in engines.run_in_threads(2, negative, range(5))] == [
        0, -1, -2, -3, -4
    ]  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        list(engines.run_in_threads(2, negative, range(20)))


def test_ray_that_modin_has_started_is_used(local_ray):
    from raypipe.compute import ray_cluster

    runner = choose(1.0, ray_cluster.ModinEngine())
    assert runner.run_shards is ray_cluster.run_shards
    assert runner.reason.startswith("cluster: local (Modin has started it)")


def test_as_many_tasks_as_have_memory(local_ray, monkeypatch):
    from raypipe.compute import ray_cluster

    told = []
    monkeypatch.setattr(ray_cluster, "nodes", lambda: [(4, 7e9), (4, 30e9)])
    monkeypatch.setattr(ray_cluster, "run_shards", lambda *_, **how: told.append(how))
    runner = choose(60.0, memory_per_task="3GB", cluster="local")
    assert runner.cpus == 2 + 4
    assert runner.reason.endswith("; 2 CPUs, memory for 6 tasks at a time")
    runner.run_shards(abs, [1])
    assert told == [{"memory": 3_000_000_000, "in_flight": 6}]
    with pytest.raises(TooLargeError, match=r"no node has more than 30\.0GB for tasks"):
        choose(60.0, memory_per_task="31GB", cluster="local")


def test_none_is_never_ray():
    assert choose(1e6, cluster="none").reason == "cluster: none (config)"


@pytest.mark.parametrize(
    ("environment", "config", "address"),
    [
        ("10.0.0.1:6379", "auto", "10.0.0.1:6379"),
        ("", "auto", None),
        (None, "auto", None),
        ("10.0.0.1:6379", "none", None),
        ("10.0.0.1:6379", "local", "local"),
        ("10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.2:6379"),
    ],
)
def test_address(environment, config, address, monkeypatch):
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    assert engines._address(load_config(None, {"cluster": config})) == address


def test_frames_by_what_fits(monkeypatch, local_ray):
    def name(bytes_of_input, available, **settings):
        monkeypatch.setattr(engines, "memory_available", lambda: available)
        with ExitStack() as stack:
            files = [("f.csv", bytes_of_input)]
            engine, reason = engines.frame_engine(load_config(None, settings), files, stack)
        assert reason.startswith(f"frames: {engine.name} (")
        return engine.name

    assert name(10**6, 10**10) == "pandas"
    assert name(10**10, 10**10) == "modin"
    assert name(10**10, 10**10, cluster="none") == "pandas"
    assert name(10**6, 10**10, frames="modin") == "modin"


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [("1000", "400", 600), ("400", "1000", 0), ("max", "400", 5000), (None, None, 5000)],
)
def test_memory_of_a_container(limit, used, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_CGROUP", tmp_path)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 5000}))
    if limit:
        (tmp_path / "memory.max").write_text(limit)
        (tmp_path / "memory.current").write_text(used)
    assert engines.memory_available() == expected


@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        ({"cpu.max": "50000 100000", "memory.max": "1000", "memory.current": "400"}, 1, 600),
        ({"cpu.max": "250000 100000"}, 3, 5000),
        ({"cpu.max": "max 100000"}, 8, 5000),
        ({"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 2, 5000),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8, 5000),
        (
            {"memory/memory.limit_in_bytes": "3000", "memory/memory.usage_in_bytes": "1000"},
            8,
            2000,
        ),
        ({}, 8, 5000),
    ],
)
def test_the_limits_of_a_container_v1_and_v2(files, cpus, memory, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_CGROUP", tmp_path)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 5000}))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert (engines.cpus_here(), engines.memory_available()) == (cpus, memory)


def test_what_the_module_that_holds_ray_is_told(monkeypatch):
    """Its token is for a Ray of our own: RAY_ADDRESS of somebody else's must not keep it away."""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    engines._import_cluster("local")
    assert "RAY_ADDRESS" not in os.environ
    engines._import_cluster("10.0.0.2:6379")
    assert os.environ["RAY_ADDRESS"] == "10.0.0.2:6379"
