"""Event logs and signed edges: which rows of a frame are follows now.

An event log holds follows and unfollows; the last event of a pair, by time, decides. A signed
network holds a number on each row, and only positive ones are follows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.columns import FOLLOWER, FOLLOWING, TIMESTAMP
from raypipe.compute.frames import Frame
from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage.intake.blocks import InputFile
from raypipe.storage.intake.id_values import shown
from raypipe.storage.intake.times import times_of

#: Names of the columns in the frame; a column of the input has other characters.
ACTION = "\0action"
SIGN = "\0sign"
_AT = "\0at"
#: Names of columns that often hold actions or signs.
_ACTION_NAMES = ("action", "event", "event_type", "operation", "op")
_SIGN_NAMES = ("sign", "weight", "trust", "sentiment")
_UNFOLLOWS = ("unfollow", "unfollowed", "unfollowing", "remove", "removed", "delete", "deleted")


def current_follows(frame: Frame, config: InputConfig) -> Frame:
    """The rows that are follows now, without the columns of actions and signs.

    Raises:
        InputError: a time cannot be read.
    """
    columns = config.columns
    if columns.action is not None:
        if columns.timestamp is not None:
            frame = frame.assign(**{_AT: _checked_times(frame[TIMESTAMP])})
            frame = frame.sort_values(_AT, kind="stable").drop(columns=_AT)
        frame = frame.drop_duplicates([FOLLOWER, FOLLOWING], keep="last").sort_index()
        frame = frame[frame[ACTION].isin(config.follow_actions)].drop(columns=ACTION)
    if columns.sign is not None:
        frame = frame[frame[SIGN] > 0].drop(columns=SIGN)
    return frame.reset_index(drop=True)


def check_unread_columns(
    file: InputFile, read: Sequence[str], config: InputConfig, sample: Any
) -> None:
    """Refuse a file with unfollows or negative numbers in a column that is not read.

    Args:
        read: labels of the columns that are read.
        sample: the function from a label to some values of the column, as text.
    """
    for label in file.names:
        name = label.lower()
        if label in read or label in config.ignore or name not in _ACTION_NAMES + _SIGN_NAMES:
            continue
        values = sample(label)
        odd = [value for value in values if _is_no_follow(value, name)]
        if odd:
            key = "action" if name in _ACTION_NAMES else "sign"
            raise InputError(
                f"{file.path}: column {label} holds {shown(odd[0], 30)}: not every row is a "
                f"follow; set input.columns.{key}: {label}, or input.ignore: [{label}]"
            )


def _is_no_follow(value: str, name: str) -> bool:
    if name in _ACTION_NAMES:
        return value.strip().lower() in _UNFOLLOWS
    try:
        return float(value) < 0
    except ValueError:
        return False


def _checked_times(column: Any) -> np.ndarray:
    plain = column if isinstance(column, pd.Series) else column._to_pandas()
    times, _ = times_of(pa.array(plain))
    odd = np.flatnonzero(np.isnan(times))
    if len(odd):
        raise InputError(
            f"input.columns.timestamp: {len(odd):,} of {len(times):,} events have no time that "
            f"can be read, such as {shown(plain.iloc[int(odd[0])])}; expected numbers, or dates as "
            "2026-03-01T04:05:06Z"
        )
    return times
