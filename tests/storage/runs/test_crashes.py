"""A kill, a full disk or a power cut at any step: readers see the old result or the new, whole."""

import builtins
import errno
import io
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from raypipe.errors import RunError
from raypipe.storage.runs.run import verify_run
from raypipe.storage.runs.store import RunStore
from tests.storage.runs.small_runs import exit_code, expected, finish, in_child, nightly, seen

FIRST, OLD, NEW = (f"2026-03-0{day}-0a1b2c3d" for day in (1, 2, 3))
KILLED = 137
CALLS = ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir")


@contextmanager
def steps(at_step):
    """Call ``at_step(name, number)`` before everything that changes the disk; the names so far.

    Writes are torn: half of the bytes get out before the step.
    """
    names = []

    def step(name):
        names.append(name)
        at_step(name, len(names))

    class TornFile(io.BufferedWriter):
        def write(self, data):
            half = len(data) // 2
            super().write(data[:half])
            self.flush()
            step("write")
            return half + super().write(data[half:])

    def torn_open(file, mode="r", *args, **kwargs):
        if "w" not in mode:
            return real_open(file, mode, *args, **kwargs)
        step("open")
        torn = TornFile(io.FileIO(file, "w"))
        return torn if "b" in mode else io.TextIOWrapper(torn)

    def stepped(name):
        real = getattr(os, name)

        def call(*args, **kwargs):
            step(name)
            return real(*args, **kwargs)

        return call

    real_open = builtins.open
    with (
        mock.patch.object(builtins, "open", torn_open),
        mock.patch.object(io, "open", torn_open),  # pathlib's
        mock.patch.multiple(os, **{name: stepped(name) for name in CALLS}),
    ):
        yield names


@pytest.fixture(autouse=True)
def _nothing_waits_for_the_disk(monkeypatch):
    """No test here cuts the power, so only whether and when fsync is called counts."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A runs folder in which OLD is published, and FIRST before it."""
    store = RunStore(tmp_path_factory.mktemp("before") / "runs")
    for run_id in (FIRST, OLD):
        nightly(store, run_id, run_id)
    return store.root


@pytest.fixture(scope="module")
def files_of_new(before, tmp_path_factory):
    """What NEW holds where nothing went wrong, and all the steps on the way."""
    store = RunStore(shutil.copytree(before, tmp_path_factory.mktemp("whole") / "runs"))
    with steps(lambda name, number: None) as names:
        nightly(store, NEW, NEW)
    return store.current().manifest.files, list(names)


def check_readers(store):
    """Old or new, and whole; also what is listed but not published. Is it new?"""
    found = RunStore(store.root)
    for run in found.runs():
        assert run.problem is None
        assert verify_run(run) == []
    now = seen(found)
    assert now in (expected(OLD, OLD), expected(NEW, NEW))
    return now[0] == NEW


def check_rerun(store, files):
    """The next run of the same night finishes, publishes, and leaves nothing behind."""
    computed = nightly(store, NEW, NEW)
    assert seen(store) == expected(NEW, NEW)
    assert store.current().manifest.files == files
    assert [run.id for run in store.runs()] == [NEW, OLD]
    assert not (store.root / ".staging").exists()
    assert list((store.root / ".trash").iterdir()) == []
    return tuple(computed)


@pytest.mark.long
def test_kill_at_every_step(before, files_of_new, tmp_path):
    files, names = files_of_new
    assert {"open", "write", *CALLS} == set(names)
    news, computed = [], []
    for last_step in range(1, len(names) + 2):
        store = RunStore(shutil.copytree(before, tmp_path / str(last_step) / "runs"))

        def die(name, number, last_step=last_step):
            if number == last_step:
                os._exit(KILLED)

        def night(store=store, die=die):
            with steps(die):
                nightly(store, NEW, NEW)

        code = exit_code(in_child(night))
        assert code == (KILLED if last_step <= len(names) else 0)
        news.append(check_readers(store))
        computed.append(check_rerun(store, files))
    # First old, from some step on new; and a rerun goes on from where the kill was.
    assert news == sorted(news)
    assert set(news) == {False, True}
    assert list(dict.fromkeys(computed)) == [("0-2", "2-4"), ("2-4",), ()]


@pytest.mark.long
@pytest.mark.parametrize("number_of_errors", ["one", "from then on"])
def test_full_disk_at_every_step(before, files_of_new, tmp_path, number_of_errors):
    files, names = files_of_new
    messages = []
    for first_step in range(1, len(names) + 1):
        store = RunStore(shutil.copytree(before, tmp_path / str(first_step) / "runs"))

        def full(name, number, first_step=first_step):
            is_now = number == first_step if number_of_errors == "one" else number >= first_step
            if is_now and name not in ("unlink", "rmdir"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with steps(full):
            try:
                nightly(store, NEW, NEW)
            except RunError as error:
                messages.append(str(error))
        check_readers(store)
        check_rerun(store, files)
    assert len(messages) > len(names) // 2
    cure = "No space left on device; free some space (raypipe runs prune removes old runs), then"
    for message in messages:
        assert cure in message
        assert "\n" not in message


def test_prune_frees_a_full_disk(before, tmp_path):
    store = RunStore(shutil.copytree(before, tmp_path / "runs"))
    run, _ = finish(store, NEW)
    store.publish(run)

    def full(name, number):
        if name in ("open", "write", "mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with steps(full):
        assert [run.id for run in store.prune(1)] == [FIRST]


def test_everything_is_on_the_disk_before_a_rename_shows_it(before, tmp_path):
    """A power cut loses what was not flushed: files and folders first, then the folder above."""
    store = RunStore(shutil.copytree(before, tmp_path / "runs"))
    flushed, shown = {}, []
    real = {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

    def state(path_or_file):
        found = os.stat(path_or_file)
        return found.st_ino, (found.st_size, found.st_mtime_ns)

    def fsync(file):
        real["fsync"](file)
        inode, content = state(file)
        flushed[inode] = content
        if shown and inode == os.stat(store.root).st_ino:
            shown[-1][1] = True

    def moving(name):
        def move(source, target):
            # The owner of the lock is only named in messages, and may be lost.
            if Path(target).parent == store.root and Path(target).name != ".lock.owner":
                assert all(was_flushed for _, was_flushed in shown)
                for path in [Path(source), *Path(source).rglob("*")]:
                    inode, content = state(path)
                    assert flushed.get(inode) == content, f"{path} is shown before it is flushed"
                shown.append([Path(target).name, False])
            real[name](source, target)

        return move

    with mock.patch.multiple(os, fsync=fsync, rename=moving("rename"), replace=moving("replace")):
        nightly(store, NEW, NEW)
    assert shown == [[NEW, True], ["CURRENT.json", True]]


def test_readers_while_publishing(before, tmp_path):
    store = RunStore(shutil.copytree(before, tmp_path / "runs"))

    def publish_in_turn():
        for _ in range(100):
            store.publish(store.get(FIRST))
            store.publish(store.get(OLD))

    pid = in_child(publish_in_turn)
    reads = {FIRST: 0, OLD: 0}
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        run_id, rows = seen(store)
        assert (run_id, rows) == expected(run_id, run_id)
        reads[run_id] += 1
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    assert min(reads.values()) > 0
    assert len(store.current().manifest.files) == 3
