"""Small tables that the config names: read once, checked, as columns of ids."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from raypipe.columns import ACCOUNT
from raypipe.errors import InputError, MissingInputError


def read_ids(path: Path, key: str) -> pa.Array:
    """The distinct ids in a CSV or Parquet file with a column accountId, as large_string.

    Args:
        key: of the config, which names the file.

    Raises:
        MissingInputError: there is no such file.
        InputError: it cannot be read, or its column is not one of ids.
    """
    cure = f"{key} names a CSV or Parquet file with a column accountId"
    try:
        ids = _read_column(path)
    except FileNotFoundError:
        raise MissingInputError(f"{path}: found no such file; {cure}") from None
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: cannot be read ({reason}); {cure}") from None
    empty = pc.sum(pc.equal(ids.fill_null(""), "")).as_py()
    if empty:
        raise InputError(f"{path}: {empty} of {len(ids)} rows have no {ACCOUNT}; take them out")
    return ids.unique()


def _read_column(path: Path) -> pa.Array:
    if path.suffix in {".parquet", ".pq"}:
        column = _only_ids(path, pa.parquet.ParquetFile(path).schema_arrow)
        return (
            pa.parquet.read_table(path, columns=[column])
            .column(0)
            .cast(pa.large_string())
            .combine_chunks()
        )
    with pa.csv.open_csv(path) as stream:
        column = _only_ids(path, stream.schema, text=True)
    convert = pa.csv.ConvertOptions(
        column_types={column: pa.large_string()}, include_columns=[column]
    )
    return pa.csv.read_csv(path, convert_options=convert).column(0).combine_chunks()


def _only_ids(path: Path, schema: pa.Schema, text: bool = False) -> str:
    """The name of the column of ids, if the file has one, and it holds ids."""
    if ACCOUNT not in schema.names:
        found = ", ".join(schema.names[:8])
        raise InputError(f"{path}: no column {ACCOUNT}; found {found}; name it so")
    kind = schema.field(ACCOUNT).type
    is_id = pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (text or is_id):
        raise InputError(f"{path}: column {ACCOUNT} is of type {kind}; expected text or integers")
    return ACCOUNT
