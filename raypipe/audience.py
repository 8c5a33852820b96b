"""Who gets recommendations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from raypipe.config import AudienceConfig
from raypipe.errors import InputError, MissingInputError
from raypipe.graph import FollowGraph

ACCOUNT = "accountId"


def read_accounts(config: AudienceConfig) -> pa.Array | None:
    """The ids in the audience file, or None where the config names none.

    Raises:
        MissingInputError: there is no such file.
        InputError: it cannot be read, or holds no ids.
    """
    if config.accounts is None:
        return None
    path = Path(config.accounts)
    try:
        if path.suffix in {".parquet", ".pq"}:
            table = pa.parquet.read_table(path)
        else:
            names = pa.csv.open_csv(path).schema.names
            types = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
            table = pa.csv.read_csv(path, convert_options=types)
        column = table[ACCOUNT if ACCOUNT in table.column_names else table.column_names[0]]
        ids = column.cast(pa.large_string()).combine_chunks().unique().drop_null()
    except FileNotFoundError:
        raise MissingInputError(
            f"{path}: no such file; audience.accounts names a CSV or Parquet file of account ids"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: not a table of account ids ({' '.join(str(error).split())[:160]}); "
            "audience.accounts names a CSV or Parquet file"
        ) from None
    if len(ids) == 0:
        raise InputError(f"{path}: holds no account ids; give some, or leave audience.accounts out")
    return ids


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
    return codes[graph.followees.degrees[codes] >= min_follows].astype(np.int32)
