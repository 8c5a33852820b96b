"""Tables of rejections and blocks in CSV or Parquet, read by ``storage.tables``."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE, REASON
from raypipe.storage.intake.blocks import quarantine_table, without_faults
from raypipe.storage.tables import SmallTable, TableColumn, read_table, whole_rows

_COLUMNS = (TableColumn(ACCOUNT), TableColumn(CANDIDATE), TableColumn(REASON, "text", False))
_CURE = f"expected a CSV or Parquet file with columns {ACCOUNT}, {CANDIDATE} and, if any, {REASON}"


def read_rejections(path: Path) -> SmallTable:
    """Read a file with the columns accountId, candidateId and, optionally, reason.

    Returns:
        The valid rows, in which a reason may be null, and the quarantine of the others.

    Raises:
        MissingInputError: the file does not exist.
        InputError: the file cannot be read, or a column is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.csv")
        ...     _ = path.write_text("accountId,candidateId\\nann,bob\\nann,\\nann,ann\\n")
        ...     rejected = read_rejections(path)
        >>> rejected.rows.num_rows, rejected.quarantine["reason"].to_pylist()
        (1, ['empty id in column candidateId', 'account and candidate are the same'])
    """
    table = _read(path)
    reason = table.rows[REASON]
    reason = pc.if_else(pc.equal(reason, ""), None, reason)
    return table._replace(rows=table.rows.set_column(2, REASON, reason))


def read_pairs(path: str, what: str) -> pa.Table:
    """Read a file of (accountId, candidateId) pairs, in which every row must be valid.

    Args:
        what: a name of one pair, for the error message.

    Raises:
        MissingInputError, InputError: as for :func:`read_rejections`; or a row is invalid.
    """
    return whole_rows(_read(Path(path)), what).select([ACCOUNT, CANDIDATE])


def _read(path: Path) -> SmallTable:
    """Read the table; rows that are no pair of two accounts go to its quarantine."""
    table = read_table(path, _COLUMNS, _CURE)
    rows = table.rows
    faults = {
        f"null character in column {name}": pc.match_substring(rows[name], "\0")
        for name in rows.column_names
    }
    faults["account and candidate are the same"] = pc.equal(rows[ACCOUNT], rows[CANDIDATE])
    masks = {reason: pc.fill_null(mask, False).to_numpy() for reason, mask in faults.items()}
    good, faulty = without_faults(rows, masks.items())
    bad = [(int(table.numbers[index]), reason) for index, reason in faulty]
    quarantine = pa.concat_tables([table.quarantine, quarantine_table(str(path), bad)])
    return table._replace(rows=good, quarantine=quarantine.sort_by("row"))
