"""Files that are whole or not there: atomic writes, fsync, SHA-256, JSON.

A file that matters is written beside its place, flushed to the disk, and renamed over it; then
the folder is flushed, so that the new name survives a power cut too. Readers need no lock: at any
moment they open the old file or the new one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from raypipe.errors import RunError

_CHUNK = 1 << 20

_CURES = {
    errno.ENOSPC: "free some space (raypipe runs prune removes old runs), then run it again",
    errno.EDQUOT: "free some space (raypipe runs prune removes old runs), then run it again",
    errno.EACCES: "give this user the right to, or name another folder",
    errno.EPERM: "give this user the right to, or name another folder",
    errno.EROFS: "mount it writable, or name another folder",
    errno.EEXIST: "move it away, or name another folder",
    errno.ENOTEMPTY: "move it away, or name another folder",
    errno.ENOTDIR: "move it away, or name another folder",
}


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Turn an OSError of the block into one line with a cure.

    Raises:
        RunError: ``doing``, what the system said, and the cure.

    Example:
        >>> with disk_errors("runs: cannot be written"):
        ...     raise OSError(errno.EROFS, "")
        Traceback (most recent call last):
        ...
        raypipe.errors.RunError: runs: cannot be written: Read-only file system; mount it \
writable, or name another folder
    """
    try:
        yield
    except OSError as error:
        # Arrow wraps the system's words in its own, over several lines; the number it keeps.
        said = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        cure = _CURES.get(error.errno or 0, "check the disk, then run it again")
        raise RunError(f"{doing}: {said}; {cure}") from error


def write_atomic(path: Path, data: bytes | memoryview, *, sync: bool = True) -> None:
    """Make ``path`` hold ``data``: whole or, after a crash, as it was before. One writer at a time.

    Args:
        path: a file in a folder that exists.
        data: all of its bytes.
        sync: False where a loss by power cut is noticed and cured elsewhere.

    Raises:
        OSError: as the system raises it; ``path`` is then as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.txt")
        ...     write_atomic(path, b"whole")
        ...     path.read_bytes()
        b'whole'
    """
    # The name is fixed, so that what a kill leaves behind is overwritten and never piles up.
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if sync:
        fsync_folder(path.parent)


def fsync_folder(path: Path) -> None:
    """Flush the names in a folder to the disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def fsync_tree(path: Path) -> None:
    """Flush every file and every folder below ``path``, and ``path``, to the disk."""
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            with open(Path(folder, name), "rb") as file:
                os.fsync(file.fileno())
        fsync_folder(Path(folder))


def list_tree(path: Path) -> list[str]:
    """Every file below ``path``, as sorted relative names with ``/``.

    Example:
        >>> list_tree(Path(__file__).parent / "kernels")[0]
        '__init__.py'
    """
    return sorted(
        Path(folder, name).relative_to(path).as_posix()
        for folder, _, names in os.walk(path)
        for name in names
    )


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def to_json(value: Any) -> bytes:
    r"""JSON with sorted keys, indented, with a newline at the end: equal values, equal bytes.

    Example:
        >>> to_json({"b": 1, "a": "é"}).decode()
        '{\n  "a": "é",\n  "b": 1\n}\n'
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def utc_now() -> str:
    """Now, as ``2026-03-01T04:05:06Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
