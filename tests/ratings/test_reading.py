from __future__ import annotations

import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypipe.compute.frames import PandasEngine
from raypipe.config import load_config
from raypipe.errors import ConfigError, InputError, TooManyBadRows
from raypipe.ratings.data import build_ratings
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_follows, read_ratings
from tests.ratings.small_ratings import frame_of, rows_of

SCALE = (1.0, 5.0)


def configured(place, **settings):
    overrides = {f"input.{key}": value for key, value in settings.items()}
    return load_config(None, {"input.ratings": str(place), **overrides}).input


def read(place, block_bytes=1 << 26, **settings):
    settings = {"max_bad_fraction": 1.0, **settings}
    return read_ratings(open_inputs(configured(place, **settings)), SCALE, block_bytes)


def quarantined(intake):
    return [(row["row"], row["reason"]) for row in intake.quarantine.to_pylist()]


BAD = """\
userId,itemId,rating,when
ann,x,5,1
ann,x,5.5,2
bob,x,nan,3
bob,y,,4
bob,z,1_0,5
,x,four,6
cid,x,1e0,late
cid,y,1
cid,z,0.99,8
dan,x, 2 ,9
"""
BAD_ROWS = [
    (2, "column rating is outside 1 to 5"),
    (3, "column rating is no number"),
    (4, "column rating is no number"),
    (5, "column rating is no number"),
    (6, "empty id in column userId; column rating is no number"),
    (8, "found 3 values, expected 4"),
    (9, "column rating is outside 1 to 5"),
]


@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 26])
def test_a_row_without_a_rating_in_scale_is_in_quarantine(tmp_path, block_bytes):
    (tmp_path / "r.csv").write_text(BAD)
    intake = read(tmp_path / "r.csv", block_bytes)
    assert quarantined(intake) == BAD_ROWS
    assert intake.frame.columns.tolist() == ["userId", "itemId", "rating"]
    good = [("ann", "x", 5.0), ("cid", "x", 1.0), ("dan", "x", 2.0)]
    assert list(intake.frame.itertuples(index=False, name=None)) == good
    assert intake.counts == {"rows_in": 10, "quarantined": 7}


def test_a_time_that_is_no_number_is_in_quarantine_where_the_time_counts(tmp_path):
    (tmp_path / "r.csv").write_text(BAD)
    intake = read(tmp_path / "r.csv", rating_columns={"timestamp": "when"})
    assert (7, "column when is no number") in quarantined(intake)
    assert intake.frame["timestamp"].tolist() == [1.0, 9.0]


NUMBERS = {
    "int": pa.array([1, 5, 6, None]),
    "float": pa.array([1.0, 5.0, float("inf"), float("nan")]),
    "decimal": pa.array([Decimal("1.0"), Decimal("5.0"), Decimal("5.1"), None]),
    "text": pa.array(["1", "5", "-1", None]),
    "dictionary": pa.array(["1", "5", "7", "?"]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_parquet_holds_ratings_in_any_type_of_number(tmp_path, kind):
    table = pa.table(
        {"userId": [1, 2, 3, 4], "itemId": ["x", "x", "x", "x"], "rating": NUMBERS[kind]}
    )
    pq.write_table(table, tmp_path / "r.parquet")
    intake = read(tmp_path / "r.parquet")
    assert intake.frame["rating"].tolist() == [1.0, 5.0]
    assert intake.frame["userId"].tolist() == ["1", "2"]
    assert quarantined(intake) == [
        (3, "column rating is outside 1 to 5"),
        (4, "column rating is no number"),
    ]


def test_a_date_in_parquet_is_a_time(tmp_path):
    days = [datetime.datetime(2024, 1, day) for day in (2, 1)]
    table = pa.table({"userId": ["a", "a"], "itemId": ["x", "x"], "rating": [4, 2], "t": days})
    pq.write_table(table, tmp_path / "r.parquet")
    intake = read(tmp_path / "r.parquet", rating_columns={"timestamp": "t"})
    assert rows_of(build_ratings(intake.frame, SCALE)[0]) == [("a", "x", 4.0)]


def test_without_a_header_columns_are_counted(tmp_path):
    (tmp_path / "u.data").write_text("196\t242\t3\t88\n186\t302\t2\t89\n")
    intake = read(tmp_path / "u.data", header=False, delimiter="\t")
    assert intake.frame["rating"].tolist() == [3.0, 2.0]
    swapped = {"userId": 1, "itemId": 0}
    intake = read(tmp_path / "u.data", header=False, delimiter="\t", rating_columns=swapped)
    assert intake.frame["userId"].tolist() == ["242", "302"]


@pytest.mark.parametrize(
    ("rows", "kept", "dropped"),
    [
        pytest.param(
            [("b", "x", 1.0), ("a", "y", 2.0), ("b", "x", 3.0)],
            [("a", "y", 2.0), ("b", "x", 3.0)],
            1,
            id="the last",
        ),
        pytest.param(
            [("a", "x", 1.0, 7), ("a", "x", 2.0, 9), ("a", "x", 3.0, 8), ("a", "y", 4.0, 1)],
            [("a", "x", 2.0), ("a", "y", 4.0)],
            2,
            id="the newest",
        ),
        pytest.param(
            [("a", "x", 1.0, 7), ("a", "x", 2.0, 7)], [("a", "x", 2.0)], 1, id="the last of a time"
        ),
        pytest.param(
            [("x", "a", 1.0), ("a", "x", 2.0)], [("a", "x", 2.0), ("x", "a", 1.0)], 0, id="none"
        ),
    ],
)
def test_of_several_ratings_of_one_pair_one_counts(rows, kept, dropped):
    ratings, found = build_ratings(frame_of(rows), SCALE)
    assert rows_of(ratings) == kept
    assert found == dropped


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"follows": "f.csv"}, "input: follows and ratings are both set; expected one of the two"),
        ({"transform": "a:b"}, "input: transform and carry are for follows; remove them, or set"),
        ({"carry": ["since"]}, "input: transform and carry are for follows; remove them, or set"),
    ],
)
def test_what_is_for_follows_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        configured("r.csv", **settings)


def test_follows_are_wanted_and_ratings_named(tmp_path):
    (tmp_path / "r.csv").write_text(BAD)
    with pytest.raises(ConfigError, match=r"input.ratings: this needs follows; set input.follows"):
        read_follows(open_inputs(configured(tmp_path / "r.csv")), PandasEngine())


def test_ratings_are_wanted_and_follows_named(tmp_path):
    (tmp_path / "f.csv").write_text("followerId,followingId\nann,bob\n")
    inputs = open_inputs(load_config(None, {"input.follows": str(tmp_path / "f.csv")}).input)
    with pytest.raises(ConfigError, match=r"input.ratings: not set; expected a file, a folder"):
        read_ratings(inputs, SCALE)


@pytest.mark.parametrize(
    ("text", "settings", "error", "message"),
    [
        (None, {}, InputError, "r.csv: found no such file or folder; fix input.ratings"),
        (
            "userId,itemId,stars\na,b,1\n",
            {},
            InputError,
            "r.csv: no column rating; found userId, itemId, stars; fix input.rating_columns, or",
        ),
        (
            "userId,itemId,rating\na,b,1\n",
            {"rating_columns": {"rating": "itemId"}},
            ConfigError,
            "input.rating_columns: itemId and rating are both itemId; expected two columns",
        ),
        ("userId,itemId,rating\n", {}, InputError, "r.csv: found no rows in 1 file; expected rati"),
        (
            "userId,itemId,rating\na,b,9\na,c,1\n",
            {"max_bad_fraction": 0.2},
            TooManyBadRows,
            "row 1: column rating is outside 1 to 5; fix them or raise input.max_bad_fraction",
        ),
    ],
)
def test_bad_ratings_are_told_in_one_line(tmp_path, text, settings, error, message):
    if text is not None:
        (tmp_path / "r.csv").write_text(text)
    with pytest.raises(error) as caught:
        read(tmp_path / "r.csv", **settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_of_truths_is_no_rating(tmp_path):
    table = pa.table({"userId": ["a"], "itemId": ["x"], "rating": [True]})
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(InputError, match="column rating is bool, expected numbers as rating"):
        read(tmp_path / "r.parquet")


@pytest.mark.parametrize("scale", [[5, 1], [1, 1], [1], "high"])
def test_a_scale_has_a_lowest_and_a_highest_rating(scale):
    with pytest.raises(ConfigError, match=r"ratings\.scale"):
        load_config(None, {"ratings.scale": scale})
