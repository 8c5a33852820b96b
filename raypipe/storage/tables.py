"""The one reader of small tables: audience, opt-outs, bots, blocks, rejections, degree tables.

They are read like the input: the same formats and compressions by file extension (a .tsv has tabs),
UTF-8, and every value is the text in the file: ``0123`` stays ``0123``, and ``NA`` is not null. In
addition, a quoted value may contain line ends.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from raypipe.columns import ACCOUNT
from raypipe.config import InputConfig
from raypipe.errors import InputError, MissingInputError
from raypipe.storage import files
from raypipe.storage.intake.blocks import (
    Column,
    InputFile,
    can_be_id,
    can_be_number,
    is_text,
    quarantine_table,
    unreadable,
)
from raypipe.storage.intake.columns import find_columns
from raypipe.storage.intake.formats import format_by_ending
from raypipe.storage.intake.parquet_blocks import ParquetFormat
from raypipe.storage.intake.texts import packing_by_name

_BLOCK_BYTES = 64 << 20
_HOLDS = {"id": can_be_id, "text": is_text, "number": can_be_number}
_EXPECTED = {"id": "text or whole numbers", "text": "text", "number": "numbers"}


class TableColumn(NamedTuple):
    """A column of a small table.

    Attributes:
        kind: id: a row without it is bad; text, number: may be missing, and is read as text.
        required: if False, the column may be missing; its values are then null.
    """

    name: str
    kind: Literal["id", "text", "number"] = "id"
    required: bool = True


class SmallTable(NamedTuple):
    """The content of a small table.

    Attributes:
        path: the file.
        rows: the good rows; every column that was asked for, as large_string.
        quarantine: columns.QUARANTINE_SCHEMA, the bad rows; rows count from 1.
        present: the columns that the file has.
    """

    path: Path
    rows: pa.Table
    quarantine: pa.Table
    present: frozenset[str]

    @property
    def numbers(self) -> np.ndarray:
        """int64: the number of each good row in the file, from 1."""
        every = np.arange(1, self.rows.num_rows + self.quarantine.num_rows + 1)
        return np.delete(every, self.quarantine["row"].to_numpy() - 1)


def read_table(path: Path, columns: Sequence[TableColumn], cure: str) -> SmallTable:
    """Read the columns of a small table.

    Args:
        cure: what kind of file is expected, for errors.

    Raises:
        MissingInputError: there is no such file, or it cannot be read.
        InputError: it is damaged, a column is missing, is there twice, or has another type.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.csv")
        ...     _ = path.write_text('n,accountId\\n1,0123\\n2,\\n3,"two\\nlines"\\n')
        ...     found = read_table(path, [TableColumn("accountId")], "expected ids")
        >>> found.rows["accountId"].to_pylist(), found.quarantine["reason"].to_pylist()
        (['0123', 'two\\nlines'], ['empty id in column accountId'])
        >>> found.numbers.tolist()
        [1, 3]
    """
    known = format_by_ending(str(path))
    file = known.open(str(path), _size(path, cure), InputConfig(delimiter=_delimiter(path)))
    chosen = _choose(file, columns, cure)
    schema = pa.schema([(column.name, pa.large_string()) for column in chosen])
    tables, bad, before = [schema.empty_table()], [], 0
    # A plain file is one block: it may not be cut inside a value.
    for block in known.cut(file, chosen, max(file.size, _BLOCK_BYTES)):
        frame, report = known.read(block, _BLOCK_BYTES)
        tables.append(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
        bad += [(before + row, reason) for row, reason in report.bad]
        before += report.rows
    rows = pa.concat_tables(tables).combine_chunks()
    for column in columns:
        if column.name not in rows.column_names:
            rows = rows.append_column(column.name, pa.nulls(rows.num_rows, pa.large_string()))
    rows = rows.select([column.name for column in columns])
    return SmallTable(path, rows, quarantine_table(str(path), bad), frozenset(schema.names))


def whole_rows(table: SmallTable, what: str) -> pa.Table:
    """All rows of a table in which every row must be valid.

    Args:
        what: a name of one row, for the error.

    Raises:
        InputError: a row is bad.
    """
    if table.quarantine.num_rows:
        first = table.quarantine.slice(0, 1).to_pylist()[0]
        rows = table.rows.num_rows + table.quarantine.num_rows
        raise InputError(
            f"{table.path}: {table.quarantine.num_rows:,} of {rows:,} rows hold no {what} "
            f"(row {first['row']}: {first['reason']}); fix them, so that none is overlooked"
        )
    return table.rows


def read_ids(path: Path, key: str) -> pa.LargeStringArray:
    """The distinct ids in a file with a column accountId, in their order.

    Args:
        key: of the config, which names the file.

    Raises:
        MissingInputError, InputError: as :func:`read_table`; or a row has no id.
    """
    cure = f"{key} names a CSV or Parquet file with a column {ACCOUNT}"
    rows = whole_rows(read_table(path, [TableColumn(ACCOUNT)], cure), "account")
    return rows[ACCOUNT].combine_chunks().unique()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table for :func:`read_table`: Parquet or CSV, by file extension.

    Raises:
        RunError: the file cannot be written.
    """
    with (
        files.disk_errors(f"{path}: cannot be written"),
        files.writing_output(path) as file,
    ):
        if path.name.lower().endswith(ParquetFormat.endings):
            pa.parquet.write_table(table, file)
            return
        options = pa.csv.WriteOptions(delimiter=_delimiter(path))
        kind = packing_by_name(str(path))
        if kind is None:
            pa.csv.write_csv(table, file, options)
            return
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, kind) as packed:
            pa.csv.write_csv(table, packed, options)
        file.write(sink.getvalue())


def _size(path: Path, cure: str) -> int:
    try:
        state = files.stat(path)
    except FileNotFoundError:
        raise MissingInputError(f"{path}: found no such file; {cure}") from None
    except OSError as error:
        raise unreadable(str(path), error) from None
    if state.is_folder:
        raise InputError(f"{path}: is a folder; {cure}")
    if not state.size:
        raise InputError(f"{path}: is empty (0 bytes); {cure}")
    return state.size


def _delimiter(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes[-2:] else ","


def _choose(file: InputFile, columns: Sequence[TableColumn], cure: str) -> tuple[Column, ...]:
    """The columns that the file has, with their positions."""
    here = [column for column in columns if column.required or column.name in file.names]
    positions = find_columns(file, [column.name for column in here], cure)
    for column, position in zip(here, positions, strict=True):
        kind = file.types[position]
        if not _HOLDS[column.kind](kind):
            raise InputError(
                f"{file.path}: column {column.name} is {kind}, expected {_EXPECTED[column.kind]}"
            )
    return tuple(
        Column(column.name, position, column.name, pa.large_string())
        for column, position in zip(here, positions, strict=True)
    )
