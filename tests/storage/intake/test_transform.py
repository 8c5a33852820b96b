"""The user's own step: what it is given, and what is made of what it returns."""

from __future__ import annotations

import sys

import pytest

from raypipe.columns import FOLLOWER, FOLLOWING
from raypipe.errors import InputError
from raypipe.storage.intake.blocks import STRING
from tests.storage.intake.reading import pairs, quarantined, read

STEPS = """
import pandas as pd
import helper_of_steps
def lower(frame):
    return frame.assign(followerId=frame["followerId"].str.lower())
def others(frame):
    return frame[frame["followerId"] != frame["followingId"]]
def twice(frame):
    return frame.take([0, 1, 2, 0, 1, 2])
def blank(frame):
    frame["followerId"] = frame["followerId"].map({"ann": "", "bob": pd.NA, "cat": "cat"}.get)
    return frame[["since", "followingId", "followerId"]].take([2, 1, 0, 2])
def category(frame):
    return frame.astype({"followerId": "category"})
def late(frame):
    import late_helper_of_steps
    return frame
"""


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """A follows file and a module of transforms in the current folder."""
    monkeypatch.chdir(tmp_path)
    for module in ("steps", "helper_of_steps", "late_helper_of_steps"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "helper_of_steps.py").touch()
    (tmp_path / "late_helper_of_steps.py").touch()
    (tmp_path / "a.csv").write_text(
        "followerId,followingId,since\nann,BOB,1\nbob,bob,2\ncat,,3\ncat,bob,4\n"
    )
    return tmp_path / "a.csv"


EMPTY_ID = (3, "empty id in column followingId")


@pytest.mark.parametrize(
    ("step", "expected", "dropped"),
    [
        ("lower", [("ann", "BOB"), ("bob", "bob"), ("cat", "bob")], 0),
        ("others", [("ann", "BOB"), ("cat", "bob")], 1),
        ("twice", [("ann", "BOB"), ("bob", "bob"), ("cat", "bob")] * 2, -3),
        ("late", [("ann", "BOB"), ("bob", "bob"), ("cat", "bob")], 0),
    ],
)
def test_transform(step, expected, dropped, steps):
    path = list(sys.path)
    intake = read(steps, transform=f"steps:{step}")
    assert pairs(intake) == expected
    assert intake.counts == {
        "rows_in": 4,
        "quarantined": 1,
        "dropped_by_transform": dropped,
        "superseded": 0,
    }
    assert quarantined(intake) == [EMPTY_ID]
    assert intake.frame.dtypes.tolist() == [STRING, STRING]
    assert sys.path == path


def test_ids_that_a_transform_loses_go_to_quarantine(steps):
    intake = read(steps, transform="steps:blank", carry="all")
    assert intake.frame.columns.tolist() == [FOLLOWER, FOLLOWING, "since"]
    assert intake.frame.dtypes.tolist() == [STRING] * 3
    assert intake.frame.values.tolist() == [["cat", "bob", "4"]] * 2
    assert intake.quarantine.to_pylist() == [
        {"file": str(steps), "row": 3, "reason": "empty id in column followingId"},
        {"file": "steps:blank", "row": 2, "reason": "null id in column followerId"},
        {"file": "steps:blank", "row": 3, "reason": "empty id in column followerId"},
    ]
    assert intake.counts == {
        "rows_in": 4,
        "quarantined": 3,
        "dropped_by_transform": -1,
        "superseded": 0,
    }
    assert intake.counts["rows_in"] == len(intake.frame) + 3 - 1


@pytest.mark.parametrize(
    "kind", ["object", "'string'", "pd.StringDtype('python')", "pd.ArrowDtype(pa.string())"]
)
def test_text_of_any_kind(kind, steps):
    with open("steps.py", "a") as code:
        code.write(
            "import pyarrow as pa\n"
            "def text(frame):\n"
            f"    frame = frame.astype({{'followerId': {kind}}})\n"
            "    return frame.replace({'followerId': {'bob': None}})\n"
        )
    intake = read(steps, transform="steps:text")
    assert pairs(intake) == [("ann", "BOB"), ("cat", "bob")]
    assert intake.quarantine[1:].to_pylist() == [
        {"file": "steps:text", "row": 2, "reason": "null id in column followerId"}
    ]
    assert intake.frame.dtypes.tolist() == [STRING, STRING]


def test_ids_of_another_type_than_text(steps):
    with pytest.raises(
        InputError, match=r"^steps:category: column followerId is category, expected text; "
    ):
        read(steps, transform="steps:category")
