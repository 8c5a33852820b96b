"""The one reader of small tables: audience, opt-outs, bots, blocks, rejections, degree tables.

They are read as the input is: files, folders and globs of the same formats and compressions, UTF-8,
and every id is the text in the file, with the null marks and normalisations of the input. The
delimiter is the one by which the header holds the columns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from raypipe.columns import ACCOUNT
from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage import files
from raypipe.storage.data_files import read_parquet
from raypipe.storage.intake.blocks import InputFile, join_reports, quarantine_table
from raypipe.storage.intake.columns import find_columns
from raypipe.storage.intake.csv_blocks import DELIMITERS
from raypipe.storage.intake.id_values import IdRules
from raypipe.storage.intake.inputs import InputFiles, open_inputs
from raypipe.storage.intake.parquet_blocks import ParquetFormat
from raypipe.storage.intake.texts import EmptyFileError, packing_by_name
from raypipe.storage.intake.values import Column, can_be_id, can_be_number, is_text

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


def read_table(
    path: Path, columns: Sequence[TableColumn], cure: str, config: InputConfig | None = None
) -> SmallTable:
    """Read the columns of a small table.

    Args:
        path: a file, a folder or a glob.
        cure: what kind of file is expected, for errors.
        config: its null marks and normalisations hold for the ids; None: the defaults.

    Raises:
        MissingInputError: there is no such file, or it cannot be read.
        InputError: it is damaged, a column is missing, is there twice, or has another type.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.csv")
        ...     _ = path.write_text('n;accountId\\n1;0123\\n2;\\n3;"two\\nlines"\\n')
        ...     found = read_table(path, [TableColumn("accountId")], "expected ids")
        >>> found.rows["accountId"].to_pylist(), found.quarantine["reason"].to_pylist()
        (['0123', 'two\\nlines'], ['empty id in column accountId'])
        >>> found.numbers.tolist()
        [1, 3]
    """
    config = config or InputConfig()
    rules = IdRules(tuple(config.null), tuple(config.normalise))
    plain = InputConfig(follows=str(path), delimiter=_delimiter(path))
    schema = pa.schema([(column.name, pa.large_string()) for column in columns])
    try:
        inputs = open_inputs(plain, cure)
        names = [column.name for column in columns if column.required]
        if delimiter := _other_delimiter(inputs, names):
            inputs = open_inputs(plain.model_copy(update={"delimiter": delimiter}), cure)
    except EmptyFileError as error:
        # An export of nothing: a table with these columns, and no row.
        if path.suffix == ".parquet" and "found no row" in str(error):
            present = frozenset(read_parquet(path).column_names)
            if present >= {column.name for column in columns if column.required}:
                return SmallTable(
                    path, schema.empty_table(), quarantine_table(str(path), []), present
                )
        raise InputError(f"{str(error).partition(';')[0]}; {cure}") from None
    tables, reports = [schema.empty_table()], []
    names_present: set[str] = set()
    for known, file, _ in inputs.opened:
        chosen = _choose(file, columns, cure, rules)
        names_present |= {column.name for column in chosen}
        # A plain file is one block: it may not be cut inside a value.
        for block in known.cut(file, chosen, max(file.size, _BLOCK_BYTES)):
            frame, report = known.read(block, _BLOCK_BYTES)
            tables.append(pa.Table.from_pandas(frame, preserve_index=False))
            reports.append(report)
    # A column that a file does not have is null.
    rows = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    quarantine = quarantine_table(str(path), join_reports(reports).bad)
    return SmallTable(path, rows, quarantine, frozenset(names_present))


def whole_rows(table: SmallTable, what: str) -> pa.Table:
    """All rows of a table; raises InputError, with ``what`` a row is, if one of them is bad."""
    if table.quarantine.num_rows:
        first = table.quarantine.slice(0, 1).to_pylist()[0]
        rows = table.rows.num_rows + table.quarantine.num_rows
        raise InputError(
            f"{table.path}: {table.quarantine.num_rows:,} of {rows:,} rows hold no {what} "
            f"(row {first['row']}: {first['reason']}); fix them, so that none is overlooked"
        )
    return table.rows


def read_ids(path: Path, key: str, config: InputConfig | None = None) -> pa.LargeStringArray:
    """The distinct ids in a file with a column accountId, in their order; every row has one.

    The file is the value of ``key`` in the config. Raises as :func:`read_table`.
    """
    cure = f"{key} names a CSV or Parquet file with a column {ACCOUNT}"
    rows = whole_rows(read_table(path, [TableColumn(ACCOUNT)], cure, config), "account")
    return rows[ACCOUNT].combine_chunks().unique()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table for :func:`read_table`: Parquet or CSV, by file extension."""
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


#: What a cell begins with where a spreadsheet takes it for a formula
#: (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = r"^([=+\-@\t\r\n])"


def count_formulas(table: pa.Table) -> int:
    """Cells of a table of texts that a spreadsheet would take for formulas."""
    found = [pc.match_substring_regex(column, _FORMULA) for column in table.columns]
    return sum(pc.sum(cells).as_py() or 0 for cells in found)


def without_formulas(table: pa.Table) -> pa.Table:
    """A table of texts for a spreadsheet: an apostrophe stands before what begins a formula."""
    columns = [pc.replace_substring_regex(column, _FORMULA, r"'\1") for column in table.columns]
    return pa.table(columns, table.column_names)


def _delimiter(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes[-2:] else ","


def _other_delimiter(inputs: InputFiles, names: Sequence[str]) -> str | None:
    """The delimiter by which the one column of the first file becomes these columns, if any."""
    found = inputs.opened[0].file.names
    for delimiter in DELIMITERS:
        if len(found) == 1 and set(names) <= set(found[0].split(delimiter)) - {found[0]}:
            return delimiter
    return None


def _choose(
    file: InputFile, columns: Sequence[TableColumn], cure: str, rules: IdRules
) -> tuple[Column, ...]:
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
        Column(column.name, position, column.name, pa.large_string(), rules=rules)
        for column, position in zip(here, positions, strict=True)
    )
