"""Who gets recommendations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from raypipe.config import AudienceConfig
from raypipe.errors import InputError, MissingInputError
from raypipe.graph import FollowGraph

ACCOUNT = "accountId"


def read_accounts(config: AudienceConfig) -> pa.Array | None:
    """The distinct ids in the audience file, as large_string; None where the config names none.

    Raises:
        MissingInputError: there is no such file.
        InputError: it cannot be read, or its column is not one of ids.
    """
    if config.accounts is None:
        return None
    ids = read_ids(Path(config.accounts), "audience.accounts")
    if len(ids) == 0:
        raise InputError(
            f"{config.accounts}: holds no accounts; give some, or leave audience.accounts out"
        )
    return ids


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


def audience(graph: FollowGraph, ids: pa.Array | None, min_follows: int) -> np.ndarray:
    """int32: codes of the accounts that get recommendations, ascending.

    Args:
        ids: what :func:`read_accounts` gave; None for every account.
        min_follows: only accounts with at least so many follows.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aab"), "followingId": list("bcc")})
        >>> audience(build_graph([encode(frame)])[0], None, min_follows=1).tolist()
        [0, 1]
    """
    codes = np.arange(graph.accounts) if ids is None else np.sort(graph.codes(ids))
    return codes[graph.followees.degrees_of(codes) >= min_follows].astype(np.int32)


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
