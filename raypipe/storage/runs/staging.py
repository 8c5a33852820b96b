"""The staging folder of an unfinished run, and its checkpoints.

    .staging/<run id>/
        run/                     becomes the run's folder when it is finished
        scratch/
            input_digest         digest of the input of the checkpoints
            shards/              <shard>.json, written last, and <shard>.<table>.arrow

A killed run leaves this folder behind; the next run of the same input continues from its shards.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from raypipe.errors import RunError
from raypipe.storage import files
from raypipe.storage.data_files import map_arrow, read_json, write_arrow, write_json

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Staging:
    """The folder of an unfinished run; ``RunStore.open_staging`` creates it.

    Attributes:
        home: ``.staging/<run id>``.
    """

    run_id: str
    input_digest: str
    home: Path

    @property
    def path(self) -> Path:
        """The folder for the files of the run. It is empty at the start, also after a kill."""
        return self.home / "run"

    @property
    def scratch(self) -> Path:
        """The folder for checkpoints: deleted when the run is finished, kept after a kill."""
        return self.home / "scratch"

    @property
    def _shards(self) -> Path:
        return self.scratch / "shards"

    def save_shard(self, name: str, tables: dict[str, pa.Table]) -> None:
        """Save a checkpoint: the tables of a shard as uncompressed, memory-mappable Arrow files.

        The files are not flushed to disk: if a power failure damages a table, its SHA-256 differs,
        and :meth:`shards` leaves the shard out. Names of shards and tables consist of letters,
        digits, ``_`` and ``-``, such as ``0000012000-0000024000``.

        Raises:
            RunError: the disk is full, or cannot be written.
        """
        entries = {}
        with files.disk_errors(f"{self._shards}: shard {name} cannot be written"):
            files.make_folder(self._shards)
            for table_name, table in tables.items():
                write_arrow(self._file(name, table_name), table, sync=False)
                entries[table_name] = files.sha256_file(self._file(name, table_name))
            write_json(self._file(name), entries, sync=False)

    def shards(self) -> list[str]:
        """Names of the complete, undamaged shards; this reads every file once."""
        names = [Path(name).stem for name in files.list_names(self._shards, "*.json")]
        return [name for name in names if self._is_whole(name)]

    def load_shard(self, name: str) -> dict[str, pa.Table]:
        """The tables of a shard, memory-mapped.

        Raises:
            RunError: the shard is missing or damaged; :meth:`shards` lists the others.
        """
        try:
            return {
                table_name: map_arrow(self._file(name, table_name))
                for table_name in self._entries(name)
            }
        except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
            raise RunError(
                f"{self._shards}: shard {name} is missing or damaged; repeat the run to compute it"
            ) from error

    def _is_whole(self, name: str) -> bool:
        try:
            return all(
                files.sha256_file(self._file(name, table_name)) == digest
                for table_name, digest in self._entries(name).items()
            )
        except (OSError, ValueError):
            return False

    def _entries(self, name: str) -> dict[str, str]:
        entries = read_json(self._file(name))
        if not isinstance(entries, dict):
            raise ValueError(f"{self._file(name)}: not a table of digests")
        return entries

    def _file(self, *names: str) -> Path:
        """The entry of a shard, or with the name of a table, its table."""
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"shard or table name {name!r}: expected letters, digits, _ and -")
        return self._shards / ".".join([*names, "json" if len(names) == 1 else "arrow"])
