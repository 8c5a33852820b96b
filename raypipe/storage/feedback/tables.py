"""Tables of rejections or blocks: CSV or Parquet, read and written through ``storage.tables``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE, REASON
from raypipe.storage.intake.blocks import quarantine_table
from raypipe.storage.tables import SmallTable, TableColumn, read_table, whole_rows, write_table

_COLUMNS = (TableColumn(ACCOUNT), TableColumn(CANDIDATE), TableColumn(REASON, "text", False))
_CURE = f"expected a CSV or Parquet file with columns {ACCOUNT}, {CANDIDATE} and, if any, {REASON}"


class ReadRejections(NamedTuple):
    """The rejections in a file.

    Attributes:
        table: columns accountId, candidateId and reason, which may be null; all large_string.
        quarantine: columns.QUARANTINE_SCHEMA, the rows that are no rejection; the first is row 1.
    """

    table: pa.Table
    quarantine: pa.Table


def read_rejections(path: Path) -> ReadRejections:
    """Read a file with columns accountId, candidateId and, if wanted, reason.

    Raises:
        MissingInputError: there is no such file.
        InputError: it cannot be read, or a column is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.csv")
        ...     _ = path.write_text("accountId,candidateId\\nann,bob\\nann,\\nann,ann\\n")
        ...     found = read_rejections(path)
        >>> found.table.num_rows, found.quarantine["reason"].to_pylist()
        (1, ['empty id in column candidateId', 'account and candidate are the same'])
    """
    found = _read(path)
    reason = found.rows[REASON]
    reason = pc.if_else(pc.equal(reason, ""), None, reason)
    return ReadRejections(found.rows.set_column(2, REASON, reason), found.quarantine)


def read_pairs(path: str, what: str) -> pa.Table:
    """The pairs of accounts and candidates in a file, every row of which can be read.

    Args:
        what: one pair, for the error.

    Raises:
        MissingInputError, InputError: as :func:`read_rejections`; or a row is no pair.
    """
    return whole_rows(_read(Path(path)), what).select([ACCOUNT, CANDIDATE])


def write_rejections(table: pa.Table, path: Path) -> None:
    """Write what ``FeedbackStore.export_table`` returned, so that :func:`read_rejections` reads it.

    Raises:
        RunError: the file cannot be written.
    """
    write_table(path, table)


def _read(path: Path) -> SmallTable:
    """The table; rows that are no pair of two accounts are in its quarantine."""
    found = read_table(path, _COLUMNS, _CURE)
    rows = found.rows
    faults = [
        (f"null character in column {name}", pc.match_substring(rows[name], "\0"))
        for name in rows.column_names
    ]
    same = pc.equal(rows[ACCOUNT], rows[CANDIDATE])
    faults.append(("account and candidate are the same", same))
    reasons: dict[int, str] = {}
    for reason, mask in faults:
        for index in np.flatnonzero(pc.fill_null(mask, False).to_numpy()).tolist():
            reasons.setdefault(index, reason)
    if not reasons:
        return found
    numbers = found.numbers
    bad = [(int(numbers[index]), reason) for index, reason in sorted(reasons.items())]
    good = np.ones(rows.num_rows, bool)
    good[list(reasons)] = False
    quarantine = pa.concat_tables([found.quarantine, quarantine_table(str(path), bad)])
    return found._replace(rows=rows.filter(pa.array(good)), quarantine=quarantine.sort_by("row"))
