"""The audience: the accounts that get recommendations."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from raypipe.config import AudienceConfig, InputConfig
from raypipe.errors import InputError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.storage.tables import read_ids


def read_accounts(
    config: AudienceConfig, input_config: InputConfig | None = None
) -> pa.Array | None:
    """The distinct ids in the audience file, as large_string; None where the config names none.

    Args:
        input_config: its rules for ids hold for this file, too.

    Raises:
        MissingInputError: there is no such file.
        InputError: it cannot be read, or has no column of ids.
    """
    if config.accounts is None:
        return None
    ids = read_ids(Path(config.accounts), "audience.accounts", input_config)
    if len(ids) == 0:
        raise InputError(
            f"{config.accounts}: holds no accounts; give some, or leave audience.accounts out"
        )
    return ids


def audience(graph: FollowGraph, ids: pa.Array | None, min_follows: int) -> np.ndarray:
    """int32: the accounts that get recommendations, ascending.

    Args:
        ids: from :func:`read_accounts`; None for every account.
    """
    codes = np.arange(graph.accounts) if ids is None else np.sort(graph.codes(ids))
    return codes[graph.followees.degrees_of(codes) >= min_follows].astype(np.int32)
