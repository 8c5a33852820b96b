"""JSON, NumPy arrays and Arrow tables as files, written and read through :mod:`.files`.

Files are replaced atomically. A file that cannot be read raises OSError; a damaged one ValueError,
or pyarrow.ArrowException if it holds a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raypipe.storage import files

if TYPE_CHECKING:  # CLI commands that read one small JSON file start without these
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from matplotlib.figure import Figure


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(files.read_bytes(path))


def write_json(path: Path, value: Any, *, sync: bool = True) -> None:
    """Write JSON values, encoded by :func:`raypipe.storage.files.to_json`."""
    files.write_atomic(path, files.to_json(value), sync=sync)


def save_array(path: Path, array: np.ndarray, *, sync: bool = True) -> None:
    """Write an array as ``.npy``, without pickle."""
    import numpy as np

    with files.writing(path, sync=sync) as file:
        np.save(file, array, allow_pickle=False)


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray | None]) -> None:
    """Write each array as ``<name>.npy`` into a folder, which is made; nothing is flushed.

    Raises:
        RunError: they cannot be written.
    """
    with files.disk_errors(f"{folder}: cannot be written"):
        files.make_folder(folder)
        for name, array in arrays.items():
            if array is not None:
                save_array(folder / f"{name}.npy", array, sync=False)


def map_array(path: Path) -> np.ndarray:
    """Memory-map an array of a ``.npy`` file, read-only."""
    import numpy as np

    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a Parquet file, or some of its columns."""
    import pyarrow.parquet as pq

    with files.open_arrow(path) as source:
        return pq.read_table(source, columns=None if columns is None else list(columns))


def write_parquet(path: Path, table: pa.Table, *, sync: bool = True) -> None:
    """Write a table as Parquet."""
    import pyarrow.parquet as pq

    with files.writing(path, sync=sync) as file:
        pq.write_table(table, file)


@contextmanager
def parquet_writer(
    path: Path, schema: pa.Schema, compression: str, *, sync: bool = True
) -> Iterator[pq.ParquetWriter]:
    """Write a Parquet file table by table; it is replaced when the block ends without error."""
    import pyarrow.parquet as pq

    with (
        files.writing(path, sync=sync) as file,
        pq.ParquetWriter(file, schema, compression=compression) as writer,
    ):
        yield writer


def write_arrow(path: Path, table: pa.Table, *, sync: bool = True) -> None:
    """Write a table as an uncompressed Arrow file for :func:`map_arrow`."""
    import pyarrow as pa

    with files.writing(path, sync=sync) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def map_arrow(path: Path) -> pa.Table:
    """Memory-map the table in an Arrow file; rows are read on use."""
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def save_figure(path: Path, figure: Figure) -> None:
    """Write a picture as PNG."""
    with files.writing_output(path) as file:
        figure.savefig(file, format="png")
