"""Power cuts, simulated: what was not flushed may be on the disk, or not, or half.

A process that rejects is recorded, write by write. A cut is a place in the record: of each file
what was flushed before is there, of later writes a random choice of sectors; of names in the folder
what was flushed before, and a random number of the changes that follow.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from raypipe.storage.feedback.store import FeedbackStore

REJECTIONS = 40
CUTS = 30
SECTOR = 512

_WRITER = """
import os, sys
from raypipe.storage.feedback.store import FeedbackStore
store = FeedbackStore(f"sqlite:///{sys.argv[1]}/feedback.sqlite")
told = os.open(f"{sys.argv[1]}/told", os.O_WRONLY | os.O_CREAT)
for i in range(int(sys.argv[2])):
    store.reject("ann", f"c{i}", reason="x" * 300)
    os.write(told, b".")
store.close()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """What a process that rejects does to its disk: (what, at, size, name, data) each."""
    if shutil.which("cc") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no C compiler here")
    folder = tmp_path_factory.mktemp("recorded")
    library, log = folder / "recorder.so", folder / "log"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", library, source, "-ldl"], check=True)
    (folder / "store").mkdir()
    environment = {"LD_PRELOAD": library, "RECORD_FOLDER": folder / "store", "RECORD_LOG": log}
    subprocess.run(
        [sys.executable, "-c", _WRITER, folder / "store", str(REJECTIONS)],
        check=True,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )
    found = []
    with open(log, "rb") as file:
        while line := file.readline():
            what, at, size, name = line.decode().split(maxsplit=3)
            data = file.read(int(size)) if what == "write" else b""
            found.append((what, int(at), name.strip().removeprefix(f"{folder}/store"), data))
    return found


def apply(content: bytearray, what: str, at: int, data: bytes) -> None:
    if what == "truncate":
        del content[at:]
        return
    content.extend(bytes(max(0, at + len(data) - len(content))))
    content[at : at + len(data)] = data


def disk_after(record, cut: int, draw: random.Random) -> dict[str, bytes]:
    """The files that a cut may leave."""
    files: dict[str, int] = {}  # name to number, as the process sees it
    contents: list[bytearray] = []
    waiting: list[list[tuple]] = []  # for each file, writes that are not flushed
    names: list[tuple[str, int | None]] = []  # changes of names that are not flushed
    flushed: dict[str, int | None] = {}
    for what, at, name, data in record[:cut]:
        if what == "unlink":
            names.append((name, None))
            files.pop(name, None)
        elif what == "sync" and name == "":
            flushed.update(names)
            names.clear()
        else:
            if name not in files:
                files[name] = len(contents)
                contents.append(bytearray())
                waiting.append([])
                names.append((name, files[name]))
            number = files[name]
            if what == "sync":
                for change in waiting[number]:
                    apply(contents[number], *change)
                waiting[number].clear()
            else:
                waiting[number].append((what, at, data))
    flushed.update(names[: draw.randint(0, len(names))])
    for content, changes in zip(contents, waiting, strict=True):
        for what, at, data in changes:
            if what == "truncate" and draw.random() < 0.5:
                apply(content, what, at, data)
            for start in range(0, len(data), SECTOR):
                if draw.random() < 0.5:
                    apply(content, what, at + start, data[start : start + SECTOR])
    return {name: bytes(contents[n]) for name, n in flushed.items() if n is not None}


@pytest.mark.parametrize("seed", range(CUTS))
def test_what_was_acknowledged_survives(seed, recorded, tmp_path):
    draw = random.Random(seed)
    cut = draw.randint(1, len(recorded))
    told = sum(name == "/told" for _, _, name, _ in recorded[:cut])
    for name, content in disk_after(recorded, cut, draw).items():
        (tmp_path / name[1:]).write_bytes(content)
    path = tmp_path / "feedback.sqlite"
    with closing(FeedbackStore(f"sqlite:///{path}")) as store:
        found = {row["candidateId"] for row in store.rejections()}
        assert {f"c{i}" for i in range(told)} <= found <= {f"c{i}" for i in range(told + 1)}
        assert store.snapshot().watermark == len(found)
        assert store.reject("ann", "after").changed
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_record_is_of_many_commits(recorded):
    assert sum(name == "/told" for _, _, name, _ in recorded) == REJECTIONS
    assert sum(what == "sync" for what, *_ in recorded) >= 3 * REJECTIONS
