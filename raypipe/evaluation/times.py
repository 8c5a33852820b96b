"""The time of each follow, for a split by time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.columns import TIMESTAMP
from raypipe.errors import InputError
from raypipe.graph.follow_graph import EncodedFollows, FollowGraph, encode
from raypipe.kernels.csr import Pairs, find
from raypipe.storage.intake.blocks import is_text

_MICROSECONDS = pa.timestamp("us")


class TimedFollows(NamedTuple):
    """One part of the follows, with the time of each follow.

    Attributes:
        follows: encoded.
        times: float64: numbers unchanged, dates in seconds since 1970, NaN for all other values.
        kind: ``numbers`` or ``dates``; None if the part is empty.
        odd: the first value that is not a time, unchanged; None if there is none.
    """

    follows: EncodedFollows
    times: np.ndarray
    kind: str | None
    odd: str | None


def encode_timed(part: pd.DataFrame) -> TimedFollows:
    """Encode one row partition and parse its times, in the process that holds the partition.

    A time is a number, in any unit, or an ISO 8601 date, in UTC if it has no time zone.

    Example:
        >>> part = pd.DataFrame({"followerId": ["a", "b"], "followingId": ["b", "c"]})
        >>> encode_timed(part.assign(timestamp=["17", "x"]))[1:]
        (array([17., nan]), 'numbers', 'x')
        >>> encode_timed(part.assign(timestamp=["1970-01-01", "1970-01-02T00:00:01Z"])).times
        array([    0., 86401.])
    """
    column = part[TIMESTAMP]
    times, kind = _times_and_kind(column)
    broken = np.flatnonzero(~np.isfinite(times))
    times[broken] = np.nan
    odd = str(column.iloc[int(broken[0])]) if len(broken) else None
    return TimedFollows(encode(part), times, kind, odd)


def first_times(graph: FollowGraph, parts: Sequence[TimedFollows]) -> np.ndarray:
    """float64[follows]: the time of each follow of the graph; the earliest if it is repeated.

    Args:
        graph: built from the same parts.

    Raises:
        InputError: a time cannot be parsed, or some times are numbers and others dates.

    Example:
        >>> from raypipe.graph.follow_graph import build_graph
        >>> frame = pd.DataFrame({"followerId": list("aa"), "followingId": list("bb")})
        >>> part = encode_timed(frame.assign(timestamp=[9, 4]))
        >>> first_times(build_graph([part.follows])[0], [part]).tolist()
        [4.0]
    """
    unreadable = sum(int(np.isnan(part.times).sum()) for part in parts)
    if unreadable:
        odd = next(part.odd for part in parts if part.odd is not None)
        rows = sum(len(part.times) for part in parts)
        raise InputError(
            f"input.columns.timestamp: {unreadable:,} of {rows:,} follows have no time that can be "
            f"read, such as {odd!r}; expected numbers, or dates as 2026-03-01T04:05:06Z"
        )
    if len({part.kind for part in parts if part.kind}) > 1:
        raise InputError(
            "input.columns.timestamp: found numbers in some rows and dates in others; "
            "expected one or the other"
        )
    first = np.full(graph.follows, np.inf)
    for part in parts:
        codes = graph.codes(part.follows.ids)
        pairs = Pairs(part.follows.followers, part.follows.followees, codes)
        positions = find(graph.followees, pairs)
        kept = positions >= 0  # the graph has no follows of an account by itself
        np.minimum.at(first, positions[kept], part.times[kept])
    return first


def _times_and_kind(column: pd.Series) -> tuple[np.ndarray, str | None]:
    """float64, NaN where a value is not a time, and the kind of all times."""
    if column.dtype == object:
        column = column.astype("string")
    array = pa.array(column)
    kind = array.type
    if not len(column):
        return np.empty(0), None
    if pa.types.is_temporal(kind) and not (pa.types.is_time(kind) or pa.types.is_duration(kind)):
        seconds = array.cast(_MICROSECONDS, safe=False).cast(pa.int64()).cast(pa.float64())
        return _with_nan(seconds) / 1e6, "dates"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _with_nan(array.cast(pa.float64(), safe=False)), "numbers"
    if not is_text(kind):
        return np.full(len(column), np.nan), "numbers"
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan).copy()
    if np.isfinite(numbers).any():
        return numbers, "numbers"
    dates = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    return _with_nan(
        pa.array(dates).cast(_MICROSECONDS, safe=False).cast(pa.int64())
    ) / 1e6, "dates"


def _with_nan(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    result: np.ndarray = (
        array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    )
    return result
