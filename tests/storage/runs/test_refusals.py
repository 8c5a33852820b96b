"""The runs folder: damage, garbage, odd names, two writers, folders without rights."""

import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from raypipe.errors import RunsLockedError
from raypipe.storage.runs.run import verify_run
from raypipe.storage.runs.store import RunStore
from tests.storage.runs.small_runs import (
    NAMES,
    digest,
    exit_code,
    facts,
    finish,
    in_child,
    nightly,
    refusal,
    rewrite_manifest,
    seen,
)

A, B, C, D = NAMES


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
        "has no readable manifest.json: found list, expected an object",
    ),
    "manifest of before schema versions": (
        lambda run: (run / "manifest.json").write_text('{"files": {}, "created": "today"}'),
        "has no readable manifest.json: found no schema_version, expected 1: another raypipe wrote "
        "it; read it with that version, or run the night again",
    ),
    "manifest of a later schema version": (
        lambda run: rewrite_manifest(run, schema_version=2),
        "has no readable manifest.json: found schema_version 2, expected 1: another raypipe wrote "
        "it; read it with that version, or run the night again",
    ),
    "manifest with an unknown field": (
        lambda run: rewrite_manifest(run, mood="good"),
        "has no readable manifest.json: mood: Extra inputs are not permitted",
    ),
    "manifest without a time": (
        lambda run: rewrite_manifest(run, created=5),
        "has no readable manifest.json: created: Input should be a valid string",
    ),
    "manifest with files of no size": (
        lambda run: rewrite_manifest(run, files={"graph/ids.arrow": {"sha256": "00"}}, parts={}),
        "has no readable manifest.json: files.graph/ids.arrow.bytes: Field required",
    ),
    "manifest with parts of nobody": (
        lambda run: rewrite_manifest(run, parts={"neighbours": [{"file": "graph/ids.arrow"}]}),
        "has no readable manifest.json: parts.neighbours.0.first: Field required",
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
    assert verify_run(run) != []
    assert published.current().id == C
    again, _ = finish(published, B, B)
    assert again.id == f"{B}.2"


def test_verify_reads_every_byte(store):
    run, _ = finish(store, A)
    path = run.path / "graph" / "ids.arrow"
    path.write_bytes(bytes(reversed(path.read_bytes())))
    (run.path / "extra.txt").write_text("?")
    (run.path / "recommendations" / "part-00001.parquet").unlink()
    assert verify_run(run) == [
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
    message = f"{name!r} is no run id; expected DATE-HASH, such as 2026-03-01-0a1b2c3d"
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
            store.finish(staging, facts({"neighbours": [part]}))
    assert store.runs() == []


def test_a_folder_that_appears_in_the_way_is_left_alone(store):
    with store.lock():
        staging = store.open_staging(A, "x")
        (store.root / A).mkdir()
        (store.root / A / "mine.txt").write_text("mine")
        message = refusal(store.finish, staging, facts({}))
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
            assert f"shard {name} is missing or damaged; repeat the run" in refusal(
                staging.load_shard, name
            )
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
