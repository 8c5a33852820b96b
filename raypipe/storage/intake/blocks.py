"""Code that all input formats share: columns of a file, columns to read, check of each row.

A block is a piece of one input file that can be read by itself. Reading it gives a frame of its
good rows, and a report with the number of its rows and why some of them are in quarantine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.columns import QUARANTINE_SCHEMA
from raypipe.errors import MissingInputError
from raypipe.storage.intake.id_values import Fault, check_ids
from raypipe.storage.intake.values import Column, check_column
from raypipe.storage.records import Notice, merge_notices

#: Text in a frame: pandas strings whose characters stay where Arrow has put them.
STRING = pd.StringDtype("pyarrow")

#: Kind of a notice.
INNER_MARKS = "byte order marks inside a file were removed"

Reason = tuple[int, str]  # (row, why it is in quarantine); rows are counted from 1


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """A file with known columns. A format adds what it needs to read the rows.

    Attributes:
        path, size: as listed; bytes on disk.
        names, types: of all columns, as the file has them; a dictionary has the type of its values.
        header: whether the file names its columns; if not, ``names`` are positions, from 0.
        by_name: whether columns are read by name; then a duplicate name cannot be read.
        constants: (name, value) of columns that the file's path holds, as ``dt=2026-01-01``.
    """

    path: str
    size: int
    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    header: bool = True
    by_name: bool = True
    constants: tuple[tuple[str, str], ...] = ()

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names of the columns, and those in the path."""
        return self.names + tuple(name for name, _ in self.constants)

    @property
    def all_types(self) -> tuple[pa.DataType, ...]:
        """Their types."""
        return self.types + (pa.large_string(),) * len(self.constants)

    def cure(self, key: str) -> str:
        """How to fix a missing column that ``input.<key>`` names."""
        return f"fix input.{key}"


@dataclass(frozen=True)
class BlockReport:
    """The number of rows of a block, and its quarantine.

    Attributes:
        rows: number of rows, with those in quarantine and those that are no rows.
        bad: (row, reason) of those in quarantine, ascending; rows count from 1 in the block.
        not_rows: number of lines that are numbered as rows, but are none: repeated headers.
        notices: what else was found.
        unfinished: whether the last row goes on after the block. The frame is then not whole, and
            the file has to be read as one block.
    """

    rows: int
    bad: Sequence[Reason]
    not_rows: int = 0
    notices: tuple[Notice, ...] = ()
    unfinished: bool = False


def join_reports(reports: Iterable[BlockReport], unfinished: bool = False) -> BlockReport:
    """One report on pieces of a file that follow each other."""
    rows, not_rows = 0, 0
    bad: list[Reason] = []
    notices: list[Notice] = []
    for report in reports:
        bad += [(rows + row, reason) for row, reason in report.bad]
        rows += report.rows
        not_rows += report.not_rows
        notices += report.notices
    return BlockReport(rows, bad, not_rows, merge_notices(notices), unfinished)


def join_pieces(
    pieces: Iterable[tuple[pa.Table, BlockReport]], unfinished: bool = False
) -> tuple[pd.DataFrame, BlockReport]:
    """The frame and the report of a block, from one piece or several of its text."""
    tables, reports = zip(*pieces, strict=True)
    return to_frame(pa.concat_tables(tables)), join_reports(reports, unfinished)


def check_rows(
    arrays: Sequence[pa.ChunkedArray],
    columns: Sequence[Column],
    header: bool | None = None,
    broken: Sequence[Reason] = (),
) -> tuple[pa.Table, BlockReport]:
    """Convert raw columns to the columns of the frame, and remove invalid rows.

    Args:
        arrays: one for each of ``columns``, all equally long, of any type that Arrow can cast.
        columns: the columns of the frame.
        header: of text: whether it has a header, which may be repeated in it; None: no text.
        broken: the rows that are not in the arrays.
    """
    checked: dict[str, pa.ChunkedArray] = {}
    faults: list[Fault] = []
    headers, marks = [], 0
    for array, column in zip(arrays, columns, strict=True):
        found = check_column(array, column, header)
        checked[column.name] = found.ids
        faults += found.faults
        marks += found.marks
        if found.header is not None:
            headers.append(found.header)
    table, notices = pa.table(checked), []
    if marks:
        notices.append(Notice.of(INNER_MARKS, marks))
    every_row = np.full(len(table), bool(header and headers))
    repeats = np.logical_and.reduce([every_row, *headers])
    count = int(np.count_nonzero(repeats))
    if count:
        example = ",".join(column.label for column in columns)
        notices.append(Notice.of("lines repeat the header, and are no rows", count, example))
    good, faulty = without_faults(table, [*faults, ("", repeats)])
    rows = len(table) + len(broken)
    numbers = np.delete(np.arange(1, rows + 1), [row - 1 for row, _ in broken])
    bad = [(int(numbers[index]), reason) for index, reason in faulty if not repeats[index]]
    return good, BlockReport(rows, sorted([*broken, *bad]), count, tuple(notices))


def without_faults(table: pa.Table, faults: Iterable[Fault]) -> tuple[pa.Table, list[Reason]]:
    """The rows without a fault, and for each of the others its index from 0 and its faults."""
    bad = reasons_of(faults)
    if not bad:
        return table, []
    good = np.ones(table.num_rows, dtype=bool)
    good[[index for index, _ in bad]] = False
    return table.filter(pa.array(good)), bad


def reasons_of(faults: Iterable[Fault]) -> list[Reason]:
    """The index from 0 of each row with a fault, ascending, and its faults in words."""
    reasons: dict[int, list[str]] = {}
    for reason, mask in faults:
        for index in np.flatnonzero(mask).tolist():
            reasons.setdefault(index, []).append(reason)
    return [(index, "; ".join(reasons[index])) for index in sorted(reasons)]


def read_rows(
    arrays: Sequence[pa.ChunkedArray], columns: Sequence[Column]
) -> tuple[pd.DataFrame, BlockReport]:
    """The frame and the report of a block, from its unchecked values.

    Args:
        arrays: one for each of ``columns``, all equally long, of any type that Arrow can cast.
        columns: what they become in the frame.

    Example:
        >>> ids = pa.chunked_array([["ann", ""]])
        >>> frame, report = read_rows([ids], [Column("followerId", 0, "src", pa.large_string())])
        >>> frame["followerId"].tolist(), report.rows, report.bad
        (['ann'], 2, [(2, 'empty id in column src')])
    """
    table, report = check_rows(arrays, columns)
    return to_frame(table), report


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a pandas frame backed by Arrow, without a copy."""
    frame: pd.DataFrame = table.to_pandas(
        types_mapper=lambda kind: STRING if pa.types.is_large_string(kind) else pd.ArrowDtype(kind)
    )
    return frame


def with_constants(
    frame: pd.DataFrame, report: BlockReport, columns: Sequence[Column]
) -> tuple[pd.DataFrame, BlockReport]:
    """The frame and the report of a block, with the columns that the path of its file holds."""
    bad = set()
    for column in columns:
        if column.constant is not None:
            value = pa.chunked_array([[column.constant]], pa.large_string())
            checked = check_ids(value, column.label, column.rules)
            frame[column.name] = pd.Series(checked.ids[0].as_py(), frame.index, STRING)
            if column.is_id:
                bad |= {reason for reason, _ in checked.faults}
    frame = frame[[column.name for column in columns]]
    if bad:
        rows = report.rows - report.not_rows
        reasons = [(row, "; ".join(sorted(bad))) for row in range(1, rows + 1)]
        return frame.iloc[:0], BlockReport(rows, reasons, notices=report.notices)
    return frame, report


def quarantine_table(file: str, reasons: Sequence[Reason]) -> pa.Table:
    """Rows of one file as a table of columns.QUARANTINE_SCHEMA."""
    rows, texts = zip(*reasons, strict=True) if reasons else ((), ())
    return pa.table([[file] * len(rows), list(rows), list(texts)], schema=QUARANTINE_SCHEMA)


def unreadable(path: str, error: OSError) -> MissingInputError:
    """The error for a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return MissingInputError(
            f"{path}: is gone, or a link to a file that is not there; restore or remove it"
        )
    return MissingInputError(
        f"{path}: cannot be read: {error.strerror}; give this user the right to read it"
    )
