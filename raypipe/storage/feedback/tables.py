"""Tables of rejections that come from elsewhere, or go there: CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from raypipe.columns import ACCOUNT, CANDIDATE, QUARANTINE_SCHEMA, REASON
from raypipe.errors import InputError, MissingInputError
from raypipe.storage.feedback.store import is_id
from raypipe.storage.files import disk_errors

_PARQUET = (".parquet", ".pq")


class ReadRejections(NamedTuple):
    """What a file holds.

    Attributes:
        table: columns accountId, candidateId and reason, which may be null; all large_string.
        quarantine: columns.QUARANTINE_SCHEMA, the rows that are no rejection; the first is row 1.
    """

    table: pa.Table
    quarantine: pa.Table


def read_rejections(path: Path) -> ReadRejections:
    """Read a CSV or Parquet file with columns accountId, candidateId and, if wanted, reason.

    Raises:
        MissingInputError: there is no such file.
        InputError: it cannot be read, or a column is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.csv")
        ...     _ = path.write_text("accountId,candidateId\\nann,bob\\nann,\\n")
        ...     found = read_rejections(path)
        >>> found.table.num_rows, found.quarantine["reason"].to_pylist()
        (1, ['no candidateId'])
    """
    good: list[tuple[str, str, str | None]] = []
    bad: list[tuple[str, int, str]] = []
    try:
        rows = _parquet_rows(path) if path.suffix in _PARQUET else _csv_rows(path)
        for number, row in enumerate(rows, start=1):
            problem = _problem(row)
            if problem:
                bad.append((str(path), number, problem))
            else:
                good.append((row[0], row[1], row[2] or None))
    except FileNotFoundError:
        raise MissingInputError(f"{path}: found no such file; {_CURE}") from None
    except (OSError, csv.Error, pa.ArrowException) as error:
        said = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: cannot be read ({said}); {_CURE}") from None
    return ReadRejections(
        _table(
            good, pa.schema([(name, pa.large_string()) for name in (ACCOUNT, CANDIDATE, REASON)])
        ),
        _table(bad, QUARANTINE_SCHEMA),
    )


def write_rejections(table: pa.Table, path: Path) -> None:
    """Write what ``FeedbackStore.export_table`` gave, so that :func:`read_rejections` reads it.

    Raises:
        RunError: the file cannot be written.
    """
    with disk_errors(f"{path}: cannot be written"), open(path, "wb") as file:
        if path.suffix in _PARQUET:
            pq.write_table(table, file)
        else:
            pa.csv.write_csv(table, file)


_CURE = f"expected a CSV or Parquet file with columns {ACCOUNT}, {CANDIDATE} and, if any, {REASON}"


def _csv_rows(path: Path) -> Iterator[list[str | None] | None]:
    # A byte that is not UTF-8 becomes what is no id, and its row goes to quarantine.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = csv.reader(file, strict=True)
        header = next(lines, [])
        places = _places(path, header)
        for line in lines:
            if len(line) != len(header):
                yield None
            else:
                yield [None if place is None else line[place] for place in places]


def _parquet_rows(path: Path) -> Iterator[list[str | None]]:
    table = pq.read_table(path)
    places = _places(path, table.column_names)
    none = pa.nulls(table.num_rows, pa.large_string())
    columns = [
        none if place is None else table.column(place).cast(pa.large_string()) for place in places
    ]
    yield from zip(*(column.to_pylist() for column in columns), strict=True)


def _places(path: Path, header: list[str]) -> list[int | None]:
    missing = [name for name in (ACCOUNT, CANDIDATE) if name not in header]
    if missing:
        found = ", ".join(header[:8]) or "nothing"
        raise InputError(f"{path}: no column {', '.join(missing)}; found {found}; {_CURE}")
    names = (ACCOUNT, CANDIDATE, REASON)
    return [header.index(name) if name in header else None for name in names]


def _problem(row: list[str | None] | None) -> str | None:
    """Why a row is no rejection; None if it is one."""
    if row is None:
        return "another number of values than the header"
    account, candidate, reason = row
    for name, value in ((ACCOUNT, account), (CANDIDATE, candidate)):
        if not value:
            return f"no {name}"
        if not is_id(value):
            return f"{name} is not text"
    if account == candidate:
        return "account and candidate are the same"
    return "reason is not text" if reason and not is_id(reason) else None


def _table(rows: list[tuple], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def read_pairs(path: str, what: str) -> pa.Table:
    """A table of accounts and candidates, all of whose rows can be read.

    Args:
        what: one of them, for the error.

    Raises:
        InputError: the file cannot be read, or holds a row that is none.
    """
    found = read_rejections(Path(path))
    if found.quarantine.num_rows:
        first = found.quarantine.slice(0, 1).to_pylist()[0]
        raise InputError(
            f"{path}: {found.quarantine.num_rows:,} rows are no {what} (row {first['row']}: "
            f"{first['reason']}); mend them, so that none is overlooked"
        )
    return found.table.select([ACCOUNT, CANDIDATE])
