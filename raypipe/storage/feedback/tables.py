"""Tables of rejections, blocks and impressions in CSV or Parquet, read by ``storage.tables``.

The rules of ``config`` for ids hold for these files, too. Raises MissingInputError where there is
no such file, and InputError where it cannot be read, a column is missing, or a row is invalid.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE, LAST_ACTIVE, NIGHT, REASON
from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage.intake.blocks import quarantine_table, without_faults
from raypipe.storage.tables import SmallTable, TableColumn, read_table, whole_rows

_COLUMNS = (TableColumn(ACCOUNT), TableColumn(CANDIDATE), TableColumn(REASON, "text", False))
_CURE = f"expected a CSV or Parquet file with columns {ACCOUNT}, {CANDIDATE} and, if any, {REASON}"


def read_rejections(path: Path) -> SmallTable:
    """Read a file with the columns accountId, candidateId and, optionally, reason.

    Returns:
        The valid rows, in which a reason may be null, and the quarantine of the others.
    """
    table = _read(path)
    reason = table.rows[REASON]
    reason = pc.if_else(pc.equal(reason, ""), None, reason)
    return table._replace(rows=table.rows.set_column(2, REASON, reason))


def read_pairs(path: str, what: str, config: InputConfig | None = None) -> pa.Table:
    """Read a file of (accountId, candidateId) pairs; ``what`` names one of them in the error."""
    return whole_rows(_read(Path(path), config), what).select([ACCOUNT, CANDIDATE])


def read_impressions(path: str, config: InputConfig | None = None) -> pa.Table:
    """Read a file with the columns accountId, candidateId and night; ``night`` becomes date32."""
    columns = TableColumn(ACCOUNT), TableColumn(CANDIDATE), TableColumn(NIGHT)
    cure = f"expected a CSV or Parquet file with columns {ACCOUNT}, {CANDIDATE} and {NIGHT}"
    rows = whole_rows(_read(Path(path), config, columns, cure), "impression")
    return rows.set_column(2, NIGHT, _nights(rows[NIGHT]).cast(pa.date32()))


def read_inactive(path: str, since: str, config: InputConfig | None = None) -> pa.Array:
    """The accounts whose last activity, by a file with accountId and lastActive, was earlier.

    The latest of several rows of an account counts. ``since`` is a date, as ``2026-03-01``.
    """
    columns = TableColumn(ACCOUNT), TableColumn(LAST_ACTIVE)
    cure = f"expected a CSV or Parquet file with columns {ACCOUNT} and {LAST_ACTIVE}"
    rows = whole_rows(read_table(Path(path), columns, cure, config), "last activity")
    days = _nights(rows[LAST_ACTIVE])
    if days.null_count:
        row = pc.index(pc.is_null(days), True).as_py()
        raise InputError(
            f"{path}: found {rows[LAST_ACTIVE][row].as_py()!r} in column {LAST_ACTIVE} (row "
            f"{row + 1}); expected dates such as 2026-03-01"
        )
    last = pa.table({ACCOUNT: rows[ACCOUNT], LAST_ACTIVE: days}).group_by(ACCOUNT)
    last = last.aggregate([(LAST_ACTIVE, "max")])
    late = pc.less(last[f"{LAST_ACTIVE}_max"], pc.strptime(since, format="%Y-%m-%d", unit="s"))
    return last[ACCOUNT].filter(late).combine_chunks()


def _nights(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps; null where a text is no date such as 2026-03-01."""
    found = pc.strptime(texts, format="%Y-%m-%d", unit="s", error_is_null=True)
    same = pc.equal(pc.strftime(found, format="%Y-%m-%d"), texts)  # 2026-02-31 is no date
    return pc.if_else(same, found, None)


def _read(
    path: Path,
    config: InputConfig | None = None,
    columns: Sequence[TableColumn] = _COLUMNS,
    cure: str = _CURE,
) -> SmallTable:
    """Read the table; rows that are no pair of two accounts go to its quarantine."""
    table = read_table(path, columns, cure, config)
    rows = table.rows
    faults = {
        f"null character in column {name}": pc.match_substring(rows[name], "\0")
        for name in rows.column_names
    }
    faults["account and candidate are the same"] = pc.equal(rows[ACCOUNT], rows[CANDIDATE])
    if NIGHT in rows.column_names:
        faults[f"no date such as 2026-03-01 in column {NIGHT}"] = pc.is_null(_nights(rows[NIGHT]))
    masks = {reason: pc.fill_null(mask, False).to_numpy() for reason, mask in faults.items()}
    good, faulty = without_faults(rows, masks.items())
    bad = [(int(table.numbers[index]), reason) for index, reason in faulty]
    quarantine = pa.concat_tables([table.quarantine, quarantine_table(str(path), bad)])
    return table._replace(rows=good, quarantine=quarantine.sort_by("row"))
