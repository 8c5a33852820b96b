"""What a task may hold: predicted from the graph, kept to, and refused where it cannot be."""

from __future__ import annotations

import subprocess
import sys
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.compute.engines import tasks_at_a_time
from raypipe.config import load_config
from raypipe.errors import TooLargeError
from raypipe.kernels.similarity_index import build_index
from raypipe.recommend.memory import (
    TASK_BYTES,
    Fit,
    blocks_needed,
    building_bytes,
    fit_tasks,
    index_bytes,
    list_bytes,
    refuse_what_is_too_large,
    room_of_a_task,
    sizes_of,
)
from raypipe.recommend.search import searched_graph
from tests.kernels.test_tanimoto import graph_of, skewed
from tests.recommend._builders import prepare
from tests.strategies import PLAIN
from tests.strategies import graph_of as graph_of_rows

N = 3000


@pytest.fixture(scope="module")
def sides():
    """Hubs, equal sets, accounts without follows."""
    return graph_of(skewed(0, N, 40_000, 4, copies=500), N)


def config_of(memory: int | None, **settings):
    keys = {key.replace("__", "."): value for key, value in settings.items()}
    return load_config(None, {**PLAIN, "memory_per_task": memory, **keys})


def sizes(sides, config):
    return sizes_of(sides[0].degrees, sides[1].degrees, config)


def test_without_a_limit_there_is_one_index_and_no_limit_to_a_shard(sides):
    fit = fit_tasks(*sides, N, config_of(None))
    assert (fit.blocks, fit.shard_accounts) == ((), None)
    index = build_index(*sides)
    assert sum(array.nbytes for array in index) < fit.bytes_here


def test_one_index_where_it_and_all_lists_fit(sides):
    config = config_of(1)
    known = sizes(sides, config)
    enough = TASK_BYTES + index_bytes(known) + 5 * known.following + N * list_bytes(config)
    assert fit_tasks(*sides, N, config_of(enough)).blocks == ()
    assert fit_tasks(*sides, N, config_of(enough)).shard_accounts == N
    assert len(fit_tasks(*sides, N, config_of(enough - 1)).blocks) >= 1
    # For an audience of ten, less is enough; the index has to be there all the same.
    less = enough - (N - 10) * list_bytes(config)
    assert fit_tasks(*sides, 10, config_of(less)).blocks == ()
    assert len(fit_tasks(*sides, 10, config_of(less - 1)).blocks) >= 1


@given(st.integers(150_000, 2_000_000), st.integers(1, N), st.integers(1, 30), st.integers(1, 30))
def test_blocks_hold_every_follower_once_and_fit(sides, more, audience, k, n):
    config = config_of(
        TASK_BYTES + more, sources__similar__neighbours=k, recommendations__per_account=n
    )
    fit = fit_tasks(*sides, audience, config)
    known = sizes(sides, config)
    if not fit.blocks:
        taken = index_bytes(known) + min(fit.shard_accounts, audience) * list_bytes(config)
        assert taken <= more
        return
    degrees = sides[0].degrees
    assert np.array_equal(np.sort(np.concatenate(fit.blocks)), np.flatnonzero(degrees))
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int32 for rows in fit.blocks)
    smallest = [degrees[rows].min() for rows in fit.blocks]
    largest = [degrees[rows].max() for rows in fit.blocks]
    assert all(a <= b for a, b in zip(largest, smallest[1:], strict=False))
    assert 1 <= fit.shard_accounts <= audience
    # While blocks are searched: an account's k best so far; in the end, its lists alone.
    so_far = fit.shard_accounts * (16 * k + 24)
    for rows in fit.blocks:
        block = building_bytes(len(rows), int(degrees[rows].sum()), known.followed)
        assert 4 * N + so_far + block <= more
    assert 4 * N + fit.shard_accounts * list_bytes(config) <= more
    assert fit.bytes_here == more


def test_a_larger_audience_leaves_less_room_for_blocks(sides):
    config = config_of(TASK_BYTES + 300_000, recommendations__reserve=0)
    few, many = (len(fit_tasks(*sides, audience, config).blocks) for audience in (9, N))
    assert 1 < few < many


def test_twice_the_candidates_of_a_cap_are_counted(sides):
    exact, capped = (
        room_of_a_task(sizes(sides, config), N, config)
        for config in (
            config_of(TASK_BYTES + 500_000),
            config_of(TASK_BYTES + 500_000, sources__similar__max_followers=50),
        )
    )
    assert exact.shard == capped.shard
    assert exact.block - capped.block == exact.shard * 16 * 10


def test_candidates_of_a_single_account_are_counted():
    """A thousand accounts that follow 10,000 each: an account with all of them near has 10 M."""
    follows = np.full(20_000, 10_000)
    config = config_of(1_000_000_000, sources__similar__neighbours=1000)
    known = sizes_of(follows, follows, config)
    assert known.together == 10_000_000
    fewer = known._replace(together=2_000_000)
    rooms = [room_of_a_task(some, 10, config) for some in (known, fewer)]
    assert rooms[1].block - rooms[0].block == pytest.approx(40 * 8_000_000, rel=0.01)


def test_the_least_that_is_asked_for_is_enough(sides):
    with pytest.raises(TooLargeError) as error:
        fit_tasks(*sides, N, config_of(1))
    least = int(str(error.value).split("expected ")[1].split("MB")[0]) * 10**6
    assert fit_tasks(*sides, N, config_of(least)).blocks
    with pytest.raises(TooLargeError):
        fit_tasks(*sides, N, config_of(TASK_BYTES + 4 * N))


def test_what_is_asked_for_is_said_with_its_numbers():
    graph = graph_of_rows([("a", "b"), ("a", "c"), ("b", "c")])
    with pytest.raises(TooLargeError) as error:
        prepare(graph, np.arange(3, dtype=np.int32), config_of(200_000_000))
    assert str(error.value) == (
        "memory_per_task: found 200.0MB, expected 301MB or more: a task takes 300.0MB for itself "
        "and for 3 accounts, and 1.8KB to find neighbours for the 2 follows of one account"
    )
    assert error.value.exit_code == 71


def test_a_graph_without_follows_needs_no_blocks():
    nobody = graph_of_rows([("a", "a")])
    searched = searched_graph(nobody, 1, config_of(TASK_BYTES + 100), available=inf)
    assert searched.fit.blocks == ()
    assert searched.fit.shard_accounts == 1


def test_what_does_not_fit_on_this_machine_is_refused_before_it_is_built(monkeypatch):
    graph = graph_of_rows([("a", "b"), ("a", "c"), ("b", "c")])
    monkeypatch.setattr("raypipe.recommend.search.build_index", None)  # it is never called
    accounts = np.arange(3, dtype=np.int32)
    with pytest.raises(TooLargeError) as error:
        prepare(graph, accounts, config_of(None), available=100)
    assert str(error.value) == (
        "the similarity index takes up to 292B while it is built, and 100B are free on this "
        "machine; set memory_per_task to build it in column blocks, leave hubs out with "
        "sources.similar.max_followers, or use a larger machine"
    )
    with pytest.raises(TypeError):
        prepare(graph, accounts, config_of(None), available=292)


def test_a_task_that_does_not_fit_on_this_machine_is_refused():
    fit = Fit((np.arange(3),), 10, 1_700_000_000)
    refuse_what_is_too_large(fit, 1_700_000_000, config_of(2_000_000_000))
    with pytest.raises(TooLargeError) as error:
        refuse_what_is_too_large(fit, 1_699_000_000, config_of(2_000_000_000))
    assert str(error.value) == (
        "a task with memory_per_task 2.0GB takes 1.7GB besides its imports, and 1.7GB are free on "
        "this machine; set a smaller memory_per_task, or use a larger machine"
    )


def test_a_task_needs_a_cpu_and_its_memory():
    assert tasks_at_a_time([(0, 64e9), (4, 8e9), (2, 64e9)], 3_000_000_000) == 2 + 2
    with pytest.raises(TooLargeError) as error:
        tasks_at_a_time([(0, 64e9), (4, 1.5e9), (8, 1e9)], 2_000_000_000)
    assert str(error.value) == (
        "memory_per_task: found 2.0GB, but no node has more than 1.5GB for tasks; set a smaller "
        "memory_per_task, or use larger nodes"
    )


def test_about_so_many_blocks_are_needed(sides):
    config = config_of(TASK_BYTES + 400_000)
    known = sizes(sides, config)
    room = room_of_a_task(known, N, config)
    found = len(fit_tasks(*sides, N, config).blocks)
    assert 1 < blocks_needed(known, room.block) <= found <= 2 * blocks_needed(known, room.block)


#: Prints the number of blocks, and how many bytes a process holds at most above its imports while
#: it searches a shard: anonymous memory, which the mapped graph is not part of.
_CHILD = """
import sys, threading
import numpy as np
import pyarrow as pa
from raypipe.config import load_config
from raypipe.pipeline.cost.sample import Cost, cut_shards
from raypipe.graph.follow_graph import load_graph
from tests.recommend._builders import column_blocks, prepare
from raypipe.recommend.search import searched_graph
from raypipe.recommend.shard import nearest, recommend_shard

def held():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

from tests.strategies import PLAIN

graph = load_graph(__import__("pathlib").Path(sys.argv[1]))
accounts = np.arange(graph.accounts, dtype=np.int32)
config = load_config(None, {**PLAIN, "memory_per_task": int(sys.argv[2]) or None})
some = accounts[:50]
small = prepare(graph, some, load_config(None, {**PLAIN, "memory_per_task": 302_000_000}))
assert column_blocks(small)
for night in (small, prepare(graph, some, load_config(None, PLAIN))):
    recommend_shard(night, (0, 50))  # compiles, imports
del night, small
before, peak, done = held(), [0], threading.Event()
def watch():
    while not done.wait(0.001):
        peak[0] = max(peak[0], held())
watcher = threading.Thread(target=watch)
watcher.start()
night = prepare(graph, accounts, config)
limit = searched_graph(graph, graph.accounts, config, 1e12).fit.shard_accounts
shards = cut_shards(Cost(np.full(graph.accounts, 1e-9), 0.0), 1, None, limit)
nearest(night, accounts[slice(*shards[0])])
done.set()
watcher.join()
print(len(column_blocks(night)), peak[0] - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_task_with_blocks_holds_what_it_may_and_less_than_one_index(tmp_path):
    """1.5 M follows: measured 28 MB with one index and all lists, 4 MB with blocks."""
    import pandas as pd

    from raypipe.graph.follow_graph import build_graph, encode, save_graph

    pairs = skewed(0, 100_000, 1_500_000, 2)
    ids = np.char.mod("%06d", np.arange(100_000)).astype(object)
    frame = pd.DataFrame(ids[pairs], columns=["followerId", "followingId"], dtype="string[pyarrow]")
    graph, _ = build_graph([encode(frame)])
    save_graph(graph, tmp_path)
    found = {}
    for memory in (0, TASK_BYTES + 8_000_000):
        words = [sys.executable, "-c", _CHILD, str(tmp_path), str(memory)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[memory] = [int(number) for number in done.stdout.split()]
    (none, whole), (blocks, part) = found.values()
    assert none == 0
    assert blocks > 2
    assert part < 8_000_000
    assert part < whole / 2
