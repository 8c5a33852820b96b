"""The runs folder: finishing, publishing, rolling back, pruning, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from raypipe.errors import ConfigError, RunError, RunsLockedError, UnknownAccountError
from raypipe.runs import RunStore
from tests.small_runs import (
    digest,
    exit_code,
    expected,
    finish,
    in_child,
    nightly,
    seen,
)

NAMES = [f"2026-03-0{day}-0a1b2c3d" for day in range(1, 8)]
A, B, C, D, *_ = NAMES


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def published(store):
    """A, B and C, published in this order."""
    for name in (A, B, C):
        nightly(store, name, name, keep=9)
    return store


def ids(runs):
    return [run.id for run in runs]


def refusal(function, *args, error=RunError):
    """The message of the one-line error that the call raises."""
    with pytest.raises(error) as caught:
        function(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_is_finished_then_published(store):
    run, _ = finish(store, A, "x")
    assert run.id == A
    assert str(run.date) == "2026-03-01"
    assert not store.was_published(run)
    assert refusal(store.current) == (
        f"nothing is published in {store.root}; start with: raypipe run CONFIG"
    )
    store.publish(run)
    assert store.was_published(run)
    assert seen(store) == expected(A, "x")
    assert sorted(os.listdir(store.root / A)) == ["graph", "manifest.json", "recommendations"]


def test_manifest_names_every_file(store):
    run, _ = finish(store, A, "x")
    assert sorted(run.manifest["files"]) == [
        "graph/ids.arrow",
        "recommendations/part-00000.parquet",
        "recommendations/part-00001.parquet",
    ]
    for name, entry in run.manifest["files"].items():
        assert entry["bytes"] == (run.path / name).stat().st_size
    assert run.manifest["run"] == A
    assert run.manifest["input_digest"] == digest("x")
    text = (run.path / "manifest.json").read_text()
    assert text == json.dumps(run.manifest, indent=2, sort_keys=True) + "\n"


def test_reading_one_account(store):
    run, _ = finish(store, A, "x")
    assert run.recommendations("d").to_pylist() == [
        {"followerId": "d", "rank": 1, "followingId": "x-for-d", "score": 0.5, "source": "popular"}
    ]
    assert len(run.recommendations("d", k=0)) == 0
    assert len(run.recommendations("quiet")) == 0
    assert refusal(run.recommendations, "D", error=UnknownAccountError) == (
        f"account 'D' is not in run {A}; ids are matched exactly, as they stand in the input"
    )
    assert "'\\udcff'" in refusal(run.recommendations, "\udcff", error=UnknownAccountError)
    assert refusal(run.neighbours, "a") == (f"run {A} holds no neighbours; found recommendations")


def test_same_input_is_found_other_input_gets_a_number(store):
    first, _ = finish(store, A, "x")
    assert store.find(A, digest("x")) == first
    assert store.find(A, digest("y")) is None
    assert store.find(B, digest("x")) is None
    second, _ = finish(store, A, "y")
    third, _ = finish(store, A, "z")
    assert ids([second, third]) == [f"{A}.2", f"{A}.3"]
    assert store.find(A, digest("y")) == second
    assert store.find(A, digest("x")) == first


def test_runs_are_listed_newest_first(store):
    for name in (B, A):
        finish(store, name)
    for word in "yzabcdefgh":
        finish(store, A, word)
    (store.root / "notes").mkdir()
    (store.root / "2026-03-99-0a1b2c3d").mkdir()
    (store.root / "2026-03-03-0a1b2c3d").write_text("a file")
    # The date decides, then the time of creation, then the number (.11 after .9).
    assert ids(store.runs()) == [B, *(f"{A}.{n}" for n in range(11, 1, -1)), A]
    manifest = store.root / A / "manifest.json"
    tree = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({**tree, "created": "2099-01-01T00:00:00Z"}))
    assert ids(store.runs())[:2] == [B, A]


def test_an_id_is_never_given_twice(store):
    for name in (A, B, C):
        nightly(store, name, keep=1)
    assert ids(store.runs()) == [C, B]
    run, _ = finish(store, A, "x")
    assert run.id == f"{A}.2"
    assert not store.was_published(run)


def test_rerun_publishes_what_was_finished_but_not_what_was_rolled_back_from(store):
    nightly(store, A)
    finish(store, B)
    assert nightly(store, B) == []
    assert store.current().id == B
    store.rollback()
    assert nightly(store, B) == []
    assert store.current().id == A


@pytest.mark.parametrize(
    ("moves", "current", "previous"),
    [
        ([], C, B),
        ([None], B, A),
        ([None, None], A, None),
        ([A], A, None),
        ([None, C], C, B),
        ([A, C], C, A),
        ([None, D], D, B),
        ([None, D, None], B, A),
        ([C], C, B),
    ],
)
def test_rollbacks(published, moves, current, previous):
    finish(published, D)
    for move in moves:
        assert published.rollback(move) == published.current()
    assert published.current().id == current
    found = published.previous()
    assert (found.id if found else None) == previous


def test_publishing_again_what_was_rolled_back_from(published):
    published.rollback(A)
    published.publish(published.get(C))
    published.publish(published.get(A))
    assert [published.current().id, published.rollback().id, published.rollback().id] == [A, C, A]


def test_rollback_with_nothing_before(store):
    assert refusal(store.rollback).startswith("nothing is published in")
    nightly(store, A)
    assert refusal(store.rollback) == (
        f"{store.root}: nothing was published before {A}; "
        f"name a run: raypipe runs rollback RUN (finished: {A})"
    )


def test_rollback_passes_over_pruned_runs_but_not_over_damaged_ones(published):
    shutil.rmtree(published.root / B)
    assert published.previous().id == A
    (published.root / A / "manifest.json").unlink()
    assert refusal(published.rollback) == (
        f"{published.root}: run {A} has no manifest.json; choose another (finished: {C})"
    )
    assert published.current().id == C


def test_history_tells_each_move(published):
    published.rollback()
    published.publish(published.get(B))  # is current already: no move
    tree = json.loads((published.root / "CURRENT.json").read_bytes())
    assert tree["current"] == B
    assert [(move["run"], move["action"]) for move in tree["history"]] == [
        (A, "publish"),
        (B, "publish"),
        (C, "publish"),
        (B, "rollback"),
    ]
    assert all(len(move["at"]) == len("2026-03-01T04:05:06Z") for move in tree["history"])


def test_current_moved_by_hand_is_taken_as_a_rollback(published):
    path = published.root / "CURRENT.json"
    path.write_text(path.read_text().replace(f'"current": "{C}"', f'"current": "{B}"'))
    assert (published.current().id, published.previous().id) == (B, A)


@pytest.mark.parametrize(
    ("keep", "rolled_back_to", "left"),
    [
        (9, None, [D, C, B, A]),
        (2, None, [D, C]),
        (1, None, [D, C]),
        (1, B, [D, B, A]),
        (1, A, [D, A]),
    ],
)
def test_prune_keeps_the_newest_the_current_and_the_previous(published, keep, rolled_back_to, left):
    nightly(published, D, keep=9)
    if rolled_back_to:
        published.rollback(rolled_back_to)
    before = ids(published.runs())
    removed = published.prune(keep)
    assert ids(published.runs()) == left
    assert ids(removed) == [run_id for run_id in before if run_id not in left]
    assert not (set(os.listdir(published.root)) & set(ids(removed)))
    assert published.verify(published.current()) == []


def test_prune_deletes_left_staging_and_trash(published):
    with published.lock():
        published.open_staging(D, digest("x")).save_shard("0-1", {})
    (published.root / ".trash" / A / "graph").mkdir(parents=True)
    assert ids(published.prune(2)) == [A]
    assert not (published.root / ".staging").exists()
    assert os.listdir(published.root / ".trash") == []


def test_prune_counts_whole_runs_only(published):
    (published.root / C / "manifest.json").unlink()
    published.rollback(A)
    published.prune(1)
    assert ids(published.runs()) == [C, B, A]


def test_prune_zero_is_refused(published):
    message = refusal(published.prune, 0, error=ConfigError)
    assert message == "keep 0: expected 1 or more; the current run is always kept"
    assert len(published.runs()) == 3


DAMAGES = {
    "no manifest": (
        lambda run: (run / "manifest.json").unlink(),
        "has no manifest.json",
    ),
    "manifest cut off": (
        lambda run: (run / "manifest.json").write_text('{"files": {'),
        "has no readable manifest.json: it is not JSON",
    ),
    "manifest of something else": (
        lambda run: (run / "manifest.json").write_text("[1, 2]"),
        "has a manifest.json that does not describe its files",
    ),
    "manifest without a time": (
        lambda run: (run / "manifest.json").write_text('{"files": {}, "created": 5}'),
        "has a manifest.json that does not describe its files",
    ),
    "manifest is a folder": (
        lambda run: ((run / "manifest.json").unlink(), (run / "manifest.json").mkdir()),
        "has no readable manifest.json: Is a directory",
    ),
    "folder of another run": (
        lambda run: shutil.copy(run.parent / A / "manifest.json", run),
        f"has the manifest.json of {A}",
    ),
    "file missing": (
        lambda run: (run / "graph" / "ids.arrow").unlink(),
        "is damaged: graph/ids.arrow is missing",
    ),
    "file cut off": (
        lambda run: os.truncate(run / "graph" / "ids.arrow", 7),
        "is damaged: graph/ids.arrow has 7 bytes, expected ",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_listed_and_never_read(published, damage):
    do, problem = DAMAGES[damage]
    do(published.root / B)
    run = published.runs()[1]
    assert (run.id, run.problem[: len(problem)]) == (B, problem)
    assert [run.problem for run in published.runs()][::2] == [None, None]
    assert f"{published.root}: run {B} {problem}" in refusal(published.get, B)
    assert problem in refusal(published.publish, run)
    assert published.find(B, digest(B)) is None
    assert published.verify(run) != []
    assert published.current().id == C
    again, _ = finish(published, B, B)
    assert again.id == f"{B}.2"


def test_verify_reads_every_byte(store):
    run, _ = finish(store, A)
    path = run.path / "graph" / "ids.arrow"
    path.write_bytes(bytes(reversed(path.read_bytes())))
    (run.path / "extra.txt").write_text("?")
    (run.path / "recommendations" / "part-00001.parquet").unlink()
    assert store.verify(run) == [
        "missing: recommendations/part-00001.parquet",
        "extra: extra.txt",
        "sha256 differs: graph/ids.arrow",
    ]
    assert f"run {A}: its recommendations cannot be read" in refusal(run.recommendations, "d")
    assert "; go back to another run: raypipe runs rollback" in refusal(
        run.recommendations, "quiet"
    )


@pytest.mark.parametrize(
    "name", ["../x", "/etc", "", ".staging", "2026-03-01-..", "2026-03-01-a/b"]
)
def test_odd_ids_never_become_paths(store, name):
    nightly(store, A)
    message = f"{name!r} is no run id; expected DATE-HASH, as 2026-03-01-0a1b2c3d"
    assert refusal(store.get, name) == message
    assert refusal(store.rollback, name) == message
    with store.lock():
        assert refusal(store.open_staging, name, "x") == message
    (store.root / "CURRENT.json").write_text(json.dumps({"current": name, "history": []}))
    assert "CURRENT.json: found" in refusal(store.current)


def test_a_number_is_given_not_asked_for(store):
    with store.lock():
        assert "without a number" in refusal(store.open_staging, f"{A}.2", "x")


def test_no_such_run(published):
    assert refusal(published.get, "2026-03-01-0a1b2c3e") == (
        f"{published.root}: no run 2026-03-01-0a1b2c3e; did you mean {A}?"
    )
    assert refusal(published.get, "1999-12-31-ffffffffffffffff") == (
        f"{published.root}: no run 1999-12-31-ffffffffffffffff; finished: {C}, {B}, {A}"
    )


@pytest.mark.parametrize(
    "garbage",
    ["", "\0\0\0", '{"current": "2026', "[]", "{}", "null", '{"current": null, "history": []}'],
)
def test_garbage_in_current_json(published, garbage):
    (published.root / "CURRENT.json").write_text(garbage)
    message = refusal(published.current)
    assert message.startswith(f"{published.root / 'CURRENT.json'}: found ")
    assert message.endswith(
        'expected {"current": RUN, "history": [...]}; move it away, then: '
        f"raypipe runs rollback RUN (finished: {C}, {B}, {A})"
    )
    for write in (lambda: finish(published, D), published.rollback, lambda: published.prune(1)):
        assert refusal(write) == message
    assert len(published.runs()) == 3
    (published.root / "CURRENT.json").unlink()
    published.rollback(B)
    assert published.current().id == B


def test_current_run_is_gone(published):
    shutil.rmtree(published.root / C)
    assert refusal(published.current) == (
        f"{published.root}: the published run {C} is gone; "
        f"go back to another: raypipe runs rollback RUN (finished: {B}, {A})"
    )
    assert published.rollback().id == B


def test_two_writers(store):
    said, says = os.pipe()
    told, tells = os.pipe()
    pid = in_child(lambda: hold_until_killed(store, says, told))
    assert os.read(said, 4) == b"held"
    message = refusal(store.prune, 1, error=RunsLockedError)
    assert message.startswith(f"{store.root}: process {pid} on ")
    assert message.endswith(
        " is writing there; wait until it has ended, or stop it, then run this again"
    )
    os.write(tells, b"!")
    assert exit_code(pid) == 137
    assert nightly(store, A) == ["0-2", "2-4"]


def hold_until_killed(store, says, told):
    with store.lock():
        os.write(says, b"held")
        os.read(told, 1)
        os._exit(137)


def test_two_threads_are_two_writers(store):
    messages = []
    with store.lock():
        thread = threading.Thread(
            target=lambda: messages.append(refusal(store.prune, 1, error=RunsLockedError))
        )
        thread.start()
        thread.join()
    assert f"process {os.getpid()} on " in messages[0]


def test_staging_needs_the_lock(store):
    with pytest.raises(RuntimeError, match=r"hold store.lock\(\)"):
        store.open_staging(A, "x")


def test_parts_that_are_no_files_stay_unfinished(store):
    with store.lock():
        staging = store.open_staging(A, "x")
        part = {"file": "neighbours/part-00000.parquet", "first": "a", "last": "a", "rows": 1}
        with pytest.raises(ValueError, match="does not describe its files"):
            store.finish(staging, {"parts": {"neighbours": [part]}})
    assert store.runs() == []


def test_a_folder_that_appears_in_the_way_is_left_alone(store):
    with store.lock():
        staging = store.open_staging(A, "x")
        (store.root / A).mkdir()
        (store.root / A / "mine.txt").write_text("mine")
        message = refusal(store.finish, staging, {})
    assert message == (
        f"{store.root / A}: cannot be written: Directory not empty; "
        "move it away, or name another folder"
    )
    assert (store.root / A / "mine.txt").read_text() == "mine"


def small(word):
    return pa.table({"word": [word] * 100})


def test_shards_outlive_a_kill_but_not_damage_or_other_input(store):
    with store.lock():
        killed = store.open_staging(A, digest("x"))
        (killed.path / "half.txt").write_text("half")
        for name in ("0-1", "1-2", "2-3", "3-4"):
            killed.save_shard(name, {"t": small(name), "u": small(name)})
    shards = killed.scratch / "shards"
    os.truncate(shards / "0-1.t.arrow", 20)
    data = bytearray((shards / "1-2.u.arrow").read_bytes())
    data[len(data) // 2] ^= 1
    (shards / "1-2.u.arrow").write_bytes(data)
    (shards / "2-3.json").write_text("{")
    with store.lock():
        staging = store.open_staging(A, digest("x"))
        assert os.listdir(staging.path) == []
        assert staging.shards() == ["3-4"]
        assert staging.load_shard("3-4")["u"].equals(small("3-4"))
        for name in ("0-1", "2-3", "none"):
            assert f"no whole shard {name}; run it again" in refusal(staging.load_shard, name)
        with pytest.raises(ValueError, match="expected letters, digits"):
            staging.save_shard("../x", {})
        assert store.open_staging(A, digest("y")).shards() == []


def as_user_without_rights(function):
    """Call it in a child that root's rights do not help; its exit code."""

    def unprivileged():
        if os.geteuid() == 0:
            os.setegid(65534)
            os.seteuid(65534)
        return function()

    return exit_code(in_child(unprivileged))


def test_a_read_only_folder_is_read_and_not_written():
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "runs")
        for name in (A, B):
            nightly(store, name)
        os.chmod(folder, 0o755)
        os.chmod(store.root, 0o555)

        def read_and_try_to_write():
            assert seen(store)[0] == B
            assert refusal(store.rollback) == (
                f"{store.root}: cannot be written: Permission denied; "
                "give this user the right to, or name another folder"
            )

        (store.root / ".lock").unlink()
        assert as_user_without_rights(read_and_try_to_write) == 0
        os.chmod(store.root, 0o755)


def test_runs_folder_is_a_file(tmp_path):
    store = RunStore(tmp_path / "runs")
    store.root.write_text("")
    assert refusal(store.rollback) == (
        f"{store.root}: cannot be written: File exists; move it away, or name another folder"
    )
    assert "Not a directory" in refusal(store.current)


def test_a_reader_needs_nothing_heavy(published):
    code = (
        "import sys; from pathlib import Path; from raypipe.runs import RunStore\n"
        "rows = RunStore(Path(sys.argv[1])).current().recommendations('a')\n"
        "heavy = {'ray', 'modin', 'numba', 'pandas', 'pydantic', 'pyarrow.dataset'}\n"
        "print(rows.num_rows, sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, published.root], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "1 []\n"
