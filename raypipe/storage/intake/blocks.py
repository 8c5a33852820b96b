"""Code that all input formats share: columns of a file, columns to read, check of each row.

A block is a piece of one input file that can be read by itself. Reading it gives a frame of its
good rows, and a report with the number of its rows and why some of them are in quarantine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE, FOLLOWER, FOLLOWING, ITEM, QUARANTINE_SCHEMA, USER
from raypipe.errors import MissingInputError
from raypipe.storage.intake.id_types import uuid_texts, whole_floats
from raypipe.storage.intake.id_values import NO_RULES, CheckedIds, Fault, IdRules, check_ids, shown
from raypipe.storage.records import Notice

#: Text in a frame: pandas strings whose characters stay where Arrow has put them.
STRING = pd.StringDtype("pyarrow")

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
class Column:
    """A column to read: its name in the frame, and where and what it is in the file.

    Attributes:
        bounds: of a column of numbers: the lowest and the highest. Other rows go to quarantine.
        rules: of a column of ids: null marks and normalisations.
        required: whether a row without a value goes to quarantine, of a column that is no id.
        constant: the value in all rows of the file, which its path holds.
        values: of a column that is no id: the only values that it may have; None: any.
    """

    name: str
    position: int
    label: str
    type: pa.DataType
    bounds: tuple[float, float] | None = None
    rules: IdRules = NO_RULES
    required: bool = False
    constant: str | None = None
    values: tuple[str, ...] | None = None

    @property
    def is_id(self) -> bool:
        """Whether it is an id of a follow, of a rating, or of an account in a small table."""
        return self.name in (FOLLOWER, FOLLOWING, USER, ITEM, ACCOUNT, CANDIDATE)


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


class Checked(NamedTuple):
    """Rows after their check.

    Attributes:
        table: the good rows.
        bad: (index from 0, reason) of those in quarantine, ascending.
        not_rows: number of rows that repeat the header; they are in neither.
        notices: what else was found.
    """

    table: pa.Table
    bad: list[Reason]
    not_rows: int = 0
    notices: tuple[Notice, ...] = ()


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text or bytes."""
    return any(
        check(kind)
        for check in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
        )
    )


def can_be_id(kind: pa.DataType) -> bool:
    """Whether a column of this type may contain ids."""
    return (
        is_text(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or (pa.types.is_decimal(kind) and kind.scale == 0)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_null(kind)
        or kind == pa.uuid()
    )


def can_be_number(kind: pa.DataType) -> bool:
    """Whether a column of this type may contain numbers; a time is a number."""
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return is_text(kind) or number or pa.types.is_timestamp(kind)


def check_rows(
    arrays: Sequence[pa.ChunkedArray], columns: Sequence[Column], header: bool | None = None
) -> Checked:
    """Convert raw columns to the columns of the frame, and remove invalid rows.

    Args:
        arrays: one for each of ``columns``, all equally long, of any type that Arrow can cast.
        columns: the columns of the frame.
        header: of text: whether it has a header, which may be repeated in it; None: no text.

    Example:
        >>> ids = pa.chunked_array([[b"ann", b"", b"caf\\xe9"]])
        >>> found = check_rows([ids], [Column("followerId", 0, "src", pa.large_string())])
        >>> found.table.to_pylist()
        [{'followerId': 'ann'}]
        >>> found.bad
        [(1, 'empty id in column src'), (2, 'column src is not UTF-8')]
    """
    checked: dict[str, pa.ChunkedArray] = {}
    faults: list[Fault] = []
    headers, marks = [], 0
    for array, column in zip(arrays, columns, strict=True):
        found = _check_column(array, column, header)
        checked[column.name] = found.ids
        faults += found.faults
        marks += found.marks
        if column.is_id:
            headers.append(found.header)
    table, notices = pa.table(checked), []
    if marks:
        notices.append(Notice.of("byte order marks inside a file were removed", marks))
    masks = [mask for mask in headers if mask is not None]
    if not header or not masks or len(masks) < len(headers):
        return Checked(*without_faults(table, faults), notices=tuple(notices))
    repeats = np.logical_and.reduce(masks)
    count = int(np.count_nonzero(repeats))
    if count:
        example = ",".join(column.label for column in columns)
        notices.append(Notice.of("lines repeat the header, and are no rows", count, example))
    good, bad = without_faults(table, [*faults, ("", repeats)])
    kept = [(index, reason) for index, reason in bad if not repeats[index]]
    return Checked(good, kept, count, tuple(notices))


def without_faults(table: pa.Table, faults: Iterable[Fault]) -> tuple[pa.Table, list[Reason]]:
    """The rows without a fault, and for each of the others its index from 0 and its faults."""
    reasons: dict[int, list[str]] = {}
    for reason, mask in faults:
        for index in np.flatnonzero(mask).tolist():
            reasons.setdefault(index, []).append(reason)
    if not reasons:
        return table, []
    good = np.ones(table.num_rows, dtype=bool)
    good[list(reasons)] = False
    bad = [(index, "; ".join(reasons[index])) for index in sorted(reasons)]
    return table.filter(pa.array(good)), bad


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
    found = check_rows(arrays, columns)
    rows = len(arrays[0]) if len(arrays) else 0
    bad = [(index + 1, reason) for index, reason in found.bad]
    return to_frame(found.table), BlockReport(rows, bad, notices=found.notices)


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


def empty_frame(columns: Sequence[Column]) -> pd.DataFrame:
    """A frame with these columns and no row."""
    return to_frame(pa.schema([(column.name, column.type) for column in columns]).empty_table())


def quarantine_table(file: str, reasons: Sequence[Reason]) -> pa.Table:
    """Rows of one file as a table of columns.QUARANTINE_SCHEMA.

    Example:
        >>> quarantine_table("a.csv", [(7, "found 3 values, expected 2")]).to_pylist()
        [{'file': 'a.csv', 'row': 7, 'reason': 'found 3 values, expected 2'}]
    """
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


def _check_column(array: pa.ChunkedArray, column: Column, header: bool | None) -> CheckedIds:
    """The column in its final type, and a mask of the faulty rows for each kind of fault."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if column.bounds:
        return CheckedIds(*_check_numbers(array, column.label, *column.bounds))
    if column.required:
        missing = _missing(array, column.rules)
        faults = [(f"no value in column {column.label}", missing)] if missing.any() else []
    else:
        faults = []
    if not pa.types.is_large_string(column.type):
        return CheckedIds(array.cast(column.type), faults)
    if pa.types.is_floating(array.type) and column.is_id:
        array, faults = whole_floats(array, column.label)
    if array.type == pa.uuid():
        array = uuid_texts(array)
    if is_text(array.type) or pa.types.is_fixed_size_binary(array.type):
        array, broken = _decode(array)
    else:
        array, broken = array.cast(pa.large_string()), None
    if broken is not None:
        faults.append((f"column {column.label} is not UTF-8", broken))
    if column.values is not None:
        known = pc.is_in(array, value_set=pa.array(column.values, pa.large_string()))
        faults += _unknown_values(array, ~known.to_numpy(), column.label)
    if not column.is_id:
        return CheckedIds(array, faults)
    starts_line = header is not None and column.position == 0
    found = check_ids(array, column.label, column.rules, broken, starts_line)
    return found._replace(faults=faults + found.faults)


def _unknown_values(array: pa.ChunkedArray, mask: np.ndarray, label: str) -> list[Fault]:
    """One fault for each value that a column may not have; the first few by name."""
    values = array.filter(pa.array(mask)).unique().to_pylist()[:5]
    texts = array.to_numpy() if values else mask
    faults = [(f"column {label} holds {shown(value, 30)}", texts == value) for value in values]
    rest = mask & ~np.logical_or.reduce([found for _, found in faults], axis=0) if values else mask
    return faults + [(f"column {label} holds another value", rest)] * bool(rest.any())


def _missing(array: pa.ChunkedArray, rules: IdRules) -> np.ndarray:
    """bool[rows]: where there is no value."""
    missing: np.ndarray = array.is_null().to_numpy().copy()
    if is_text(array.type):
        texts, broken = _decode(array)
        for _, mask in check_ids(texts, "", rules, broken).faults:
            missing |= mask
    return missing


def _check_numbers(
    array: pa.ChunkedArray, label: str, low: float, high: float
) -> tuple[pa.ChunkedArray, list[Fault]]:
    """The column as numbers, and masks of the rows without a number and of those out of bounds."""
    numbers = _numbers(array)
    masks = {
        f"column {label} is no number": np.isnan(numbers),
        f"column {label} is outside {low:g} to {high:g}": (numbers < low) | (numbers > high),
    }
    faults = [(reason, mask) for reason, mask in masks.items() if mask.any()]
    return pa.chunked_array([numbers]), faults


def _numbers(array: pa.ChunkedArray) -> np.ndarray:
    """float64: each value as a number, NaN where it is none."""
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    numbers: np.ndarray
    if not is_text(array.type):
        numbers = array.cast(pa.float64(), safe=False).to_numpy()
        return numbers
    # Arrow's own cast stops at the first text that is no number, without saying where it is.
    encoded = array.cast(pa.large_binary()).combine_chunks().dictionary_encode()
    distinct = np.array([_number(text) for text in encoded.dictionary.to_pylist()] + [np.nan])
    numbers = distinct[encoded.indices.fill_null(len(distinct) - 1).to_numpy()]
    return numbers


def _number(text: bytes) -> float:
    try:
        return float(text) if b"_" not in text else np.nan
    except ValueError:
        return np.nan


def _decode(array: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray | None]:
    """Bytes as text; where they are not UTF-8, an empty text and True in the mask."""
    raw = array.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string()), None
    except pa.ArrowInvalid:
        broken = np.concatenate([_not_utf8(chunk) for chunk in raw.chunks])
    return pc.if_else(pa.array(broken), b"", raw).cast(pa.large_string()), broken


def _not_utf8(raw: pa.Array) -> np.ndarray:
    unchecked = pc.cast(raw, options=pc.CastOptions(pa.large_string(), allow_invalid_utf8=True))
    plain = pc.fill_null(pc.string_is_ascii(unchecked), True).to_numpy(zero_copy_only=False)
    broken = np.zeros(len(raw), dtype=bool)
    for index in np.flatnonzero(~plain).tolist():
        try:
            raw[index].as_py().decode("utf-8")
        except UnicodeDecodeError:
            broken[index] = True
    return broken
