"""The file system seam: all of raypipe reads and writes files through these functions.

Files are replaced atomically: a file is written under another name, flushed to the disk and
renamed; then the folder is flushed, so that the new name survives a power failure. Readers need no
lock: they open either the old file or the new one. Every function raises OSError as the system
does; what could not be written is then as it was.

The functions take paths and bytes; ``data_files`` has the file formats. A store of
objects would fill this module: read, list and stat map to GET, LIST and HEAD, ``write_atomic`` to
PUT, ``rename`` of a run's folder to copies whose manifest comes last. What is appended to
(``open_append``) or memory-mapped (``data_files.map_array``) stays on a local disk. Input files are
listed, opened and read through this module too; Arrow parses them. SQLite and PostgreSQL have their
own files.
"""

from __future__ import annotations

import atexit
import errno
import fnmatch
import glob
import hashlib
import json
import os
import shutil
import stat as modes
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from raypipe.errors import RunError

if TYPE_CHECKING:
    import pyarrow as pa

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
    """Turn an OSError in the block into one line with a cure.

    Raises:
        RunError: ``doing``, the system's words, and the cure.

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


class FileState(NamedTuple):
    """Size in bytes, time of the last change in nanoseconds, and kind of a file or folder."""

    size: int
    modified_ns: int
    is_folder: bool


def open_read(path: Path | str) -> BinaryIO:
    """Open a file to read bytes."""
    return open(path, "rb")


def open_arrow(path: Path | str) -> pa.NativeFile:
    """Open a file for Arrow, with random access and without the interpreter lock."""
    import pyarrow as pa

    return pa.OSFile(str(path), "rb")


def read_bytes(path: Path | str) -> bytes:
    """All bytes of a file."""
    with open_read(path) as file:
        return file.read()


def stat(path: Path | str) -> FileState:
    """Size, time and kind of a file or folder."""
    found = os.stat(path)
    return FileState(found.st_size, found.st_mtime_ns, modes.S_ISDIR(found.st_mode))


def version(path: Path | str) -> tuple[int, int]:
    """Inode and time of the last change: another file of that name has another."""
    found = os.stat(path)
    return found.st_ino, found.st_mtime_ns


def keep_private(path: Path | str) -> None:
    """Let only the owner of a file read and write it."""
    os.chmod(path, 0o600)


def exists(path: Path | str) -> bool:
    """Whether a file, folder or link exists; a broken link counts, too."""
    return os.path.lexists(path)


def is_file(path: Path | str) -> bool:
    """Whether the path is a file."""
    return os.path.isfile(path)


def is_pipe(path: Path | str) -> bool:
    """Whether the path is a pipe, or a socket."""
    mode = os.stat(path).st_mode
    return modes.S_ISFIFO(mode) or modes.S_ISSOCK(mode)


def spool(path: Path | str) -> Path:
    """Copy a pipe into a temporary file, which is removed when the process ends."""
    number, name = tempfile.mkstemp(prefix="raypipe-input-")
    atexit.register(Path(name).unlink, missing_ok=True)
    with open(number, "wb") as kept, open_read(path) as source:
        shutil.copyfileobj(source, kept, _CHUNK)
    return Path(name)


def is_folder(path: Path | str) -> bool:
    """Whether the path is a folder."""
    return os.path.isdir(path)


def list_names(folder: Path | str, pattern: str = "*") -> list[str]:
    """Sorted names in a folder that match a pattern; empty if the folder does not exist."""
    return sorted(fnmatch.filter(os.listdir(folder), pattern)) if is_folder(folder) else []


def walk(
    folder: Path | str, enter: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[Path, list[str]]]:
    """Each folder at and below ``folder`` with the names of its files. Links are not followed.

    Args:
        enter: whether to go into a folder of that name.
    """

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = filter(enter, folders)
        yield Path(parent), names


def find(pattern: str) -> list[Path]:
    """Files and folders that match a glob pattern, in no order."""
    return [Path(path) for path in glob.glob(pattern, recursive=True)]


def list_tree(path: Path) -> list[str]:
    """Every file below ``path``, as sorted relative names with ``/``."""
    return sorted(
        Path(folder, name).relative_to(path).as_posix()
        for folder, _, names in os.walk(path)
        for name in names
    )


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open_read(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def writing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Write a file in pieces; it replaces the old one when the block ends. One writer at a time.

    Args:
        path: a file in a folder that exists.
        sync: False if the caller flushes it later, or detects a loss after a power failure.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.txt")
        ...     with writing(path) as file:
        ...         _ = file.write(b"whole")
        ...     read_bytes(path)
        b'whole'
    """
    # The name is fixed, so that what a kill leaves behind is overwritten and never piles up.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            if sync:
                flush(file)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if sync:
        fsync_folder(path.parent)


@contextmanager
def writing_output(path: Path) -> Iterator[BinaryIO]:
    """Write a file that the user names: as :func:`writing`, or directly into a device or pipe."""
    target = Path(os.path.realpath(path))
    if exists(target) and not is_file(target):
        with open(target, "wb") as file:  # /dev/stdout, say; a folder is refused here
            yield file
        return
    with writing(target) as file:
        yield file


def write_atomic(path: Path, data: bytes | memoryview, *, sync: bool = True) -> None:
    """Replace the content of a file atomically, as :func:`writing` does."""
    with writing(path, sync=sync) as file:
        file.write(data)


def open_append(path: Path) -> BinaryIO:
    """Open a file to append events; it is created if necessary. The caller flushes it."""
    return open(path, "ab")


def flush(file: BinaryIO) -> None:
    """Flush a file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def truncate(path: Path, size: int) -> None:
    """Cut a file off after ``size`` bytes."""
    os.truncate(path, size)


def make_folder(path: Path) -> None:
    """Create a folder and its parents if they do not exist."""
    path.mkdir(parents=True, exist_ok=True)


def remove_file(path: Path) -> None:
    """Remove a file if it exists."""
    path.unlink(missing_ok=True)


def remove_tree(path: Path, *, ignore_errors: bool = False) -> None:
    """Remove a folder with everything in it."""
    shutil.rmtree(path, ignore_errors=ignore_errors)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder atomically; the parent folder is not flushed."""
    os.rename(source, target)


def fsync_folder(path: Path) -> None:
    """Flush the entries of a folder to the disk."""
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


def to_json(value: Any) -> bytes:
    r"""JSON with sorted keys, indented, with a newline at the end: equal values, equal bytes.

    Example:
        >>> to_json({"b": 1, "a": "é"}).decode()
        '{\n  "a": "é",\n  "b": 1\n}\n'
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def utc_now() -> str:
    """The current time, such as ``2026-03-01T04:05:06Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
