"""The time of each follow, for a split by time."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.columns import TIMESTAMP
from raypipe.errors import InputError
from raypipe.graph.follow_graph import EncodedFollows, FollowGraph, encode
from raypipe.kernels.csr import Pairs, find
from raypipe.storage.intake.times import check_units, seconds_in_unit, times_of


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


def check_has_times(columns: Iterable[str], transform: str | None) -> None:
    """Check that a transform has kept the times.

    Raises:
        InputError: they are gone.
    """
    if TIMESTAMP not in columns:
        raise InputError(f"{transform}: returned no column {TIMESTAMP}, which is needed; keep it")


def encode_timed(part: pd.DataFrame) -> TimedFollows:
    """Encode one row partition and parse its times, in the process that holds the partition.

    ``storage.intake.times`` says what a time is.

    Example:
        >>> part = pd.DataFrame({"followerId": ["a", "b"], "followingId": ["b", "c"]})
        >>> encode_timed(part.assign(timestamp=["17", "x"]))[1:]
        (array([17., nan]), 'numbers', 'x')
        >>> encode_timed(part.assign(timestamp=["1970-01-01", "1970-01-02T00:00:01Z"])).times
        array([    0., 86401.])
    """
    column = part[TIMESTAMP]
    times, kind = times_of(pa.array(column.astype("string") if column.dtype == object else column))
    times = times.copy()
    broken = np.flatnonzero(~np.isfinite(times))
    times[broken] = np.nan
    odd = str(column.iloc[int(broken[0])]) if len(broken) else None
    return TimedFollows(encode(part), times, kind, odd)


def last_seconds(graph: FollowGraph, parts: Sequence[TimedFollows]) -> np.ndarray:
    """float64[n]: when each account last followed, in seconds since 1970; inf if it never did.

    Raises:
        InputError: as for :func:`first_times`; or the times are numbers before 1973.

    Example:
        >>> from raypipe.graph.follow_graph import build_graph
        >>> frame = pd.DataFrame({"followerId": list("aa"), "followingId": list("bc")})
        >>> part = encode_timed(frame.assign(timestamp=["1970-01-02", "1970-01-01"]))
        >>> last_seconds(build_graph([part.follows])[0], [part]).tolist()
        [86400.0, inf, inf]
    """
    _check(parts)
    last = np.full(graph.accounts, -np.inf)
    for part in parts:
        codes = graph.codes(part.follows.ids)[part.follows.followers]
        scale = seconds_in_unit(part.times) if part.kind == "numbers" else 1.0
        np.maximum.at(last, codes[codes >= 0], part.times[codes >= 0] * scale)
    return np.where(np.isneginf(last), np.inf, last)


def first_times(graph: FollowGraph, parts: Sequence[TimedFollows]) -> np.ndarray:
    """float64[follows]: the time of each follow of the graph; the earliest if it is repeated.

    Raises:
        InputError: a time cannot be parsed, some times are numbers and others dates, or numbers
            are in several units.

    Example:
        >>> from raypipe.graph.follow_graph import build_graph
        >>> frame = pd.DataFrame({"followerId": list("aa"), "followingId": list("bb")})
        >>> part = encode_timed(frame.assign(timestamp=[9, 4]))
        >>> first_times(build_graph([part.follows])[0], [part]).tolist()
        [4.0]
    """
    _check(parts)
    first = np.full(graph.follows, np.inf)
    for part in parts:
        codes = graph.codes(part.follows.ids)
        pairs = Pairs(part.follows.followers, part.follows.followees, codes)
        positions = find(graph.followees, pairs)
        kept = positions >= 0  # the graph has no follows of an account by itself
        np.minimum.at(first, positions[kept], part.times[kept])
    return first


def _check(parts: Sequence[TimedFollows]) -> None:
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
    check_units(np.concatenate([np.empty(0), *(p.times for p in parts if p.kind == "numbers")]))
