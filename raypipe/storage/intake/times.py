"""Times of follows: numbers, ISO 8601 dates, and the dates of Twitter's API."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.errors import InputError
from raypipe.storage.intake.values import is_text

_MICROSECONDS = pa.timestamp("us")
_TWITTER = "%a %b %d %H:%M:%S %z %Y"
#: (unit, lowest, highest) of the numbers that are times of the years 1973 to 2286.
_UNITS = (
    ("seconds", 1e8, 1e10),
    ("milliseconds", 1e11, 1e13),
    ("microseconds", 1e14, 1e16),
    ("nanoseconds", 1e17, 1e19),
)


def times_of(array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, str | None]:
    """float64, NaN where a value is no time, and the kind of all: ``numbers`` or ``dates``.

    A time is a number, in any unit, or a date in seconds since 1970, in UTC if it has no time zone:
    as in ISO 8601, with UTC behind it or not, or as Twitter's API writes it.

    Example:
        >>> times_of(pa.array(["1970-01-02 00:00:00 UTC", "Thu Jan 01 00:01:00 +0000 1970", "x"]))
        (array([8.64e+04, 6.00e+01,      nan]), 'dates')
    """
    kind = array.type
    if not len(array):
        return np.empty(0), None
    if pa.types.is_temporal(kind) and not (pa.types.is_time(kind) or pa.types.is_duration(kind)):
        seconds = array.cast(_MICROSECONDS, safe=False).cast(pa.int64())
        return _with_nan(seconds) / 1e6, "dates"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _with_nan(array.cast(pa.float64(), safe=False)), "numbers"
    if not is_text(kind):
        return np.full(len(array), np.nan), "numbers"
    texts = pd.Series(pc.utf8_trim_whitespace(array.cast(pa.large_string())).to_pandas())
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64, na_value=np.nan).copy()
    if np.isfinite(numbers).any():
        return numbers, "numbers"
    plain = texts.str.replace(r"\s*(UTC|GMT)$", "Z", regex=True)
    dates = _seconds(plain, "ISO8601")
    odd = np.isnan(dates)
    if odd.any():
        dates[odd] = _seconds(texts[odd], _TWITTER)
    return dates, "dates"


def check_units(times: np.ndarray) -> None:
    """Check that the numbers of one column are in one unit, not seconds and milliseconds, say."""
    found = {unit: mask for (unit, *_), mask in zip(_UNITS, _in_units(times), strict=True)}
    found = {unit: mask for unit, mask in found.items() if mask.any()}
    if len(found) > 1:
        counts = ", ".join(f"{mask.sum():,} in {unit}" for unit, mask in found.items())
        counts = counts.replace(" in ", " times are in ", 1)
        example = times[list(found.values())[-1].argmax()]
        raise InputError(
            f"input.columns.timestamp: {counts}, such as {example:.0f}; write them in one unit"
        )


def seconds_in_unit(times: np.ndarray) -> float:
    """What makes seconds since 1970 of numbers in one unit: 1 for seconds, .001 for milliseconds.

    Raises:
        InputError: a number is no time of the years 1973 to 2286, such as a counter.
    """
    masks = _in_units(times)
    for (_, low, _), mask in zip(_UNITS, masks, strict=True):
        if mask.all():
            return 1e8 / low
    odd = times[~np.any(masks, axis=0)]
    raise InputError(
        f"input.columns.timestamp: {len(odd):,} numbers are no times since 1970, such as "
        f"{odd[0]:.0f}; filters.inactive.by_follows needs dates or Unix times"
    )


def _in_units(times: np.ndarray) -> list[np.ndarray]:
    """For each unit: bool[times], whether a number is a time in it."""
    return [(times >= low) & (times < high) for _, low, high in _UNITS]


def _seconds(texts: "pd.Series[str]", form: str) -> np.ndarray:
    try:
        dates = pd.to_datetime(texts, errors="coerce", utc=True, format=form)
    except (ValueError, OverflowError):  # pandas knows no year beyond 2262
        return np.full(len(texts), np.nan)
    return _with_nan(pa.array(dates).cast(_MICROSECONDS, safe=False).cast(pa.int64())) / 1e6


def _with_nan(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    result: np.ndarray = (
        array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    )
    return result
