"""The staging folder of an unfinished run, and its checkpoints.

    .staging/<run id>/
        run/                     becomes the run's folder when it is finished
        scratch/
            input_digest         of the input that the checkpoints were made from
            shards/              <shard>.json, written last, and <shard>.<table>.arrow

A killed run leaves this folder behind; the next run of the same input goes on from the shards.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from raypipe.errors import RunError
from raypipe.storage.data_files import map_arrow, read_json
from raypipe.storage.files import (
    disk_errors,
    list_names,
    make_folder,
    sha256_file,
    to_json,
    write_atomic,
)

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Staging:
    """The folder of an unfinished run; made by ``RunStore.open_staging``.

    Attributes:
        run_id: the id that the finished run will have.
        input_digest: of the input that the run reads.
        home: ``.staging/<run id>``.
    """

    run_id: str
    input_digest: str
    home: Path

    @property
    def path(self) -> Path:
        """The files of the run. It starts empty, after a kill too."""
        return self.home / "run"

    @property
    def scratch(self) -> Path:
        """Intermediate results: deleted when the run is finished, kept after a kill."""
        return self.home / "scratch"

    @property
    def _shards(self) -> Path:
        return self.scratch / "shards"

    def save_shard(self, name: str, tables: dict[str, pa.Table]) -> None:
        """Keep the result of a shard: uncompressed Arrow files that can be memory-mapped.

        Nothing is flushed to the disk: a table that a power cut has torn does not match its
        SHA-256, and :meth:`shards` leaves it out.

        Args:
            name: of the shard; letters, digits, ``_`` and ``-``, as ``0000012000-0000024000``.
            tables: by name, of the same letters.

        Raises:
            RunError: the disk is full, or cannot be written.
        """
        entries = {}
        with disk_errors(f"{self._shards}: shard {name} cannot be written"):
            make_folder(self._shards)
            for table_name, table in tables.items():
                data = memoryview(_ipc_buffer(table))
                write_atomic(self._table_path(name, table_name), data, sync=False)
                entries[table_name] = hashlib.sha256(data).hexdigest()
            write_atomic(self._entry_path(name), to_json(entries), sync=False)

    def shards(self) -> list[str]:
        """Names of the shards that are there, whole and as written (every file is read once)."""
        names = [Path(name).stem for name in list_names(self._shards, "*.json")]
        return [name for name in names if self._is_whole(name)]

    def load_shard(self, name: str) -> dict[str, pa.Table]:
        """The tables of a shard, memory-mapped.

        Raises:
            RunError: there is no such shard, or it is damaged; :meth:`shards` lists the whole ones.
        """
        try:
            return {
                table_name: map_arrow(self._table_path(name, table_name))
                for table_name in self._entries(name)
            }
        except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
            raise RunError(
                f"{self._shards}: no whole shard {name}; run it again, it will be computed anew"
            ) from error

    def _is_whole(self, name: str) -> bool:
        try:
            return all(
                sha256_file(self._table_path(name, table_name)) == digest
                for table_name, digest in self._entries(name).items()
            )
        except (OSError, ValueError):
            return False

    def _entries(self, name: str) -> dict[str, str]:
        entries = read_json(self._entry_path(name))
        if not isinstance(entries, dict):
            raise ValueError(f"{self._entry_path(name)}: not a table of digests")
        return entries

    def _entry_path(self, name: str) -> Path:
        return self._shards / f"{_checked(name)}.json"

    def _table_path(self, name: str, table_name: str) -> Path:
        return self._shards / f"{_checked(name)}.{_checked(table_name)}.arrow"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"shard or table name {name!r}: expected letters, digits, _ and -")
    return name


def _ipc_buffer(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
