"""Ray: tasks that die, hang or raise; arrays that are shared; where nobody answers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import psutil
import pytest

from raypipe.compute import ray_cluster
from raypipe.compute.frames import PandasEngine
from raypipe.errors import ClusterError, UnknownAccountError
from tests.strategies import frame_of


def add(array, number):
    return float(array.sum()) + number, array.flags.writeable


def test_shards_come_all_and_share_arrays_without_a_copy(local_ray):
    array = np.ones(1_000_000)
    found = sorted(ray_cluster.run_shards(partial(add, array), range(9)))
    assert found == [(1e6 + number, False) for number in range(9)]


def test_no_shards_no_results(local_ray):
    assert list(ray_cluster.run_shards(abs, [])) == []


def tell(pipe, shard):
    """Write the shard's number to a named pipe."""
    with open(pipe, "w") as told:
        told.write(f"{shard}\n")
    return shard


@pytest.fixture
def pipe(tmp_path):
    """A named pipe: to read from it is to wait, without a clock, until somebody has told."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with open(os.open(path, os.O_RDWR)) as told:
        yield path, told


@pytest.mark.timeout(60)
def test_the_next_shard_runs_while_the_caller_has_its_turn(pipe, local_ray):
    path, told = pipe
    results = ray_cluster.run_shards(partial(tell, path), range(3))
    next(results)
    assert {told.readline() for _ in range(3)} == {"0\n", "1\n", "2\n"}
    assert len(list(results)) == 2


@pytest.mark.timeout(60)
def test_each_worker_warms_up(pipe, local_ray):
    path, told = pipe
    ray_cluster.start_workers(partial(tell, path))
    assert {told.readline() for _ in range(2)} == {"0\n", "1\n"}


def test_nodes_tell_their_cpus_and_memory(local_ray):
    ((cpus, memory),) = ray_cluster.nodes()
    assert cpus == 2
    assert 1e6 < memory < 1e15


@pytest.mark.timeout(60)
def test_tasks_are_given_their_memory(local_ray):
    assert set(ray_cluster.run_shards(memory_given, range(2), memory=10**8, in_flight=1)) == {10**8}


def memory_given(shard):
    import ray

    return ray.get_runtime_context().get_assigned_resources()["memory"]


def first_time(marker, shard) -> bool:
    """True for the first attempt at a shard."""
    path = marker / str(shard)
    if path.exists():
        return False
    path.touch()
    return True


def dies_once(marker, shard):
    if first_time(marker, shard):
        os._exit(1)
    return shard


def hangs_once(marker, shard):
    if first_time(marker, shard) and shard == 2:
        threading.Event().wait()
    return shard


@pytest.mark.parametrize(("function", "deadline"), [(dies_once, 90.0), (hangs_once, 20.0)])
def test_a_lost_attempt_is_made_again(function, deadline, tmp_path, local_ray):
    """The deadline leaves a busy machine the time to start workers again."""
    found = ray_cluster.run_shards(partial(function, tmp_path), [1, 2, 3], deadline=deadline)
    assert sorted(found) == [1, 2, 3]
    assert len(list(tmp_path.iterdir())) == 3


def hangs(shard):
    threading.Event().wait()


def test_a_shard_that_always_hangs_is_given_up(local_ray):
    with pytest.raises(
        ClusterError, match=r"shard 7 failed 3 times, the last time with TimeoutError"
    ):
        list(ray_cluster.run_shards(hangs, [7], deadline=0.5))


def raises(error, shard):
    raise error


def test_what_a_task_raises_on_purpose_arrives_as_it_is(local_ray):
    error = UnknownAccountError("account 'x' is not among the 2")
    with pytest.raises(UnknownAccountError, match="account 'x' is not among the 2"):
        list(ray_cluster.run_shards(partial(raises, error), [1]))


def test_what_a_task_does_not_expect_is_one_line(local_ray):
    error = ZeroDivisionError("of\ncourse")
    with pytest.raises(ClusterError, match="a task failed: ZeroDivisionError: of course"):
        list(ray_cluster.run_shards(partial(raises, error), [1]))


def size(part):
    return len(part)


def halves(frame, block):
    middle = len(frame) // 2
    return (frame[:middle] if block == 0 else frame[middle:]), block


def test_both_engines_load_and_map_alike(local_ray):
    frame = frame_of([(str(row), "x") for row in range(11)])
    for engine in (PandasEngine(), ray_cluster.ModinEngine()):
        loaded, reports = engine.load(partial(halves, frame), [0, 1])
        assert reports == [0, 1]
        assert list(loaded["followerId"]) == list(frame["followerId"])
        assert list(loaded.index) == list(range(11))
        assert sum(engine.map_partitions(size, loaded)) == 11


def test_an_address_where_nobody_answers_is_one_line():
    """In a process of its own: this one is connected already."""
    code = (
        "from raypipe.compute import ray_cluster as cluster\n"
        "from raypipe.errors import ClusterError\n"
        "try:\n"
        "    with cluster.connect('127.0.0.1:1'): pass\n"
        "except ClusterError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no Ray at '127.0.0.1:1' (")
    assert done.stdout.endswith("; start one there, or set cluster: none\n")
    assert done.stdout.count("\n") == 1


def test_a_local_ray_listens_on_loopback_only(local_ray):
    me = psutil.Process()
    places = {
        ip_address(connection.laddr.ip)
        for process in [me, *me.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert places
    for place in places:
        assert (getattr(place, "ipv4_mapped", None) or place).is_loopback


def test_the_token_of_a_local_ray_is_in_a_file_that_only_its_user_can_read(local_ray):
    (seen,) = ray_cluster.run_shards(os.environ.get, ["RAY_AUTH_TOKEN_PATH"])
    path = Path(seen)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) == 64
    assert list(ray_cluster.run_shards(os.environ.get, ["RAY_AUTH_TOKEN"])) == [None]


def test_the_token_holds_where_ray_was_imported_before_and_goes_with_its_process():
    code = (
        "import os\n"
        "from ray._raylet import AuthenticationTokenLoader\n"
        "AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)\n"
        "from raypipe.compute import ray_cluster as cluster\n"
        "with cluster.connect('local'):\n"
        "    print(*cluster.run_shards(abs, [-1]))\n"
        "print(open(os.environ['RAY_AUTH_TOKEN_PATH']).name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=stranger(), capture_output=True, text=True, check=True
    )
    one, path = done.stdout.split()
    assert one == "1"
    assert not Path(path).exists()


def test_nobody_else_is_let_in(local_ray):
    """Another process of this machine, that does not know the token of a local Ray."""
    import ray

    address = ray.get_runtime_context().gcs_address
    code = (
        "from raypipe.compute import ray_cluster as cluster\n"
        "import ray\n"
        f"with cluster.loopback_kept(): ray.init(address={address!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=stranger() | {"RAY_NUM_REDIS_GET_RETRIES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Unauthenticated" in done.stderr


def stranger() -> dict[str, str]:
    """The environment of a process that knows of no Ray."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


@pytest.mark.parametrize("error", [Exception, RuntimeError, ConnectionError, ValueError])
def test_connect_when_ray_does_not_start_is_a_cluster_error(error, monkeypatch):
    """Ray raises a bare Exception where its node is not up in time."""
    import ray

    tries = []

    def slow(**_):
        tries.append(error)
        raise error("The current node timed out during startup.\nThis could happen.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "init", slow)
    with (
        pytest.raises(ClusterError, match=r"timed out during startup\. This could") as raised,
        ray_cluster.connect("local"),
    ):
        pass
    assert "set cluster: none" in str(raised.value)
    assert len(tries) == (2 if error is Exception else 1)
    assert "\n" not in str(raised.value)


def test_connect_when_a_programmer_is_wrong_shows_it(monkeypatch):
    import ray

    def wrong(**_):
        raise TypeError("not ours to explain")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", wrong)
    with pytest.raises(TypeError, match="not ours"), ray_cluster.connect("local"):
        pass
