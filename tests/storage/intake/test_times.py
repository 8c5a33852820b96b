"""Times of follows, in every form that exports have."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from raypipe.errors import InputError
from raypipe.storage.intake.times import check_units, times_of

#: 2026-03-01T04:05:06 in UTC.
AT = 1772337906.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01T04:05:06Z", AT),
        ("2026-03-01 04:05:06", AT),
        ("2026-03-01 04:05:06 UTC", AT),
        ("2026-03-01 04:05:06.5 UTC", AT + 0.5),
        ("2026-03-01T04:05:06+00:00", AT),
        ("2026-03-01T05:05:06+01:00", AT),
        (" 2026-03-01T04:05:06Z ", AT),
        ("Sun Mar 01 04:05:06 +0000 2026", AT),
        ("2026-03-01", AT - 4 * 3600 - 5 * 60 - 6),
        ("3000-01-01T00:00:00Z", math.nan),
        ("9999-12-31", math.nan),
        ("yesterday", math.nan),
        ("", math.nan),
    ],
)
def test_forms_of_a_date(text, seconds):
    times, kind = times_of(pa.array([text]))
    assert kind == "dates"
    assert np.array_equal(times, [seconds], equal_nan=True)


def test_years_that_only_arrow_knows():
    far = pa.array([32503680000, None], pa.timestamp("s"))
    assert np.array_equal(times_of(far)[0], [32503680000.0, math.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("times", "units"),
    [
        ([1.7e9, 1.7e12], "1 times are in seconds, 1 in milliseconds"),
        ([1.7e9, 1.7e15, 1.7e15], "1 times are in seconds, 2 in microseconds"),
        ([1.7e12, 1.7e18], "1 times are in milliseconds, 1 in nanoseconds"),
    ],
)
def test_mixed_units_are_refused(times, units):
    with pytest.raises(InputError, match=f"^input.columns.timestamp: {units}, such as 1700"):
        check_units(np.array(times))


@pytest.mark.parametrize("times", [[], [1, 2, 3], [0, 1.7e9], [math.nan, 1.7e12], [5, 1e9 - 1]])
def test_numbers_of_one_unit_are_good(times):
    check_units(np.array(times, float))
