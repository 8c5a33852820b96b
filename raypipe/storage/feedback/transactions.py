"""Whether a SQLite file has changed, from the transaction counter in its header.

A look costs two system calls and takes no lock. Source: https://www.sqlite.org/fileformat.html,
section 1.3.6; the counter changes with every transaction in the journal modes without WAL, which
are those of the feedback store.
"""

import os
from pathlib import Path

#: Length and position of the counter in the file.
_LENGTH, _POSITION = 4, 24


class _OpenFile:
    """An open file, closed once no thread reads it."""

    def __init__(self, name: str) -> None:
        self.number = os.open(name, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        os.close(self.number)


class TransactionCounter:
    """The transaction counter of a SQLite file, which another file may replace."""

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._file: _OpenFile | None = None

    def read(self) -> tuple[int, bytes]:
        """The inode of the file, and its counter.

        Raises:
            OSError: there is no file, or it cannot be read.
        """
        inode = os.stat(self._name).st_ino
        file = self._file
        if file is None or inode != os.fstat(file.number).st_ino:
            file = self._file = _OpenFile(self._name)
        return inode, os.pread(file.number, _LENGTH, _POSITION)
