"""READ as a whole: bad input, all rows accounted for, both engines, and the choice of one."""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.columns import FOLLOWER, FOLLOWING, QUARANTINE_SCHEMA
from raypipe.compute.engines import choose_frames
from raypipe.compute.frames import PandasEngine
from raypipe.config import load_config
from raypipe.errors import TooManyBadRows
from raypipe.storage.intake.id_values import BLANKS
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_follows
from tests.storage.intake.bad_inputs import BAD_INPUTS
from tests.storage.intake.reading import (
    BROKEN,
    ID_LOOKALIKES,
    PACK,
    configured,
    pairs,
    quarantined,
    read,
    write_parquet,
)


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
@pytest.mark.parametrize("block_bytes", [1000, 1 << 26], ids=["small blocks", "one block"])
def test_bad_inputs(bad, block_bytes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(None, bad.make(tmp_path)).input
    with pytest.raises(bad.error) as caught:
        read_follows(open_inputs(config), PandasEngine(), block_bytes)
    assert bad.is_said_by(str(caught.value), tmp_path), f"{caught.value}\nis not\n{bad.message}"
    assert type(caught.value) is bad.error
    assert "\n" not in str(caught.value)


def test_what_is_wrong_is_said_once():
    names = [bad.name for bad in BAD_INPUTS]
    assert len(names) == len(set(names)) >= 25


def test_too_many_bad_rows_brings_the_quarantine_along(tmp_path):
    (tmp_path / "a.csv").write_text("followerId,followingId\nann,bob\n,bob\nann,\n")
    with pytest.raises(TooManyBadRows, match=r"^2 of 3 rows \(66.67 %\)") as caught:
        read(tmp_path / "a.csv", max_bad_fraction=0.66)
    assert caught.value.quarantine.column("row").to_pylist() == [2, 3]
    assert caught.value.quarantine.schema == QUARANTINE_SCHEMA


def test_as_many_bad_rows_as_allowed_are_no_error(tmp_path):
    (tmp_path / "a.csv").write_text("followerId,followingId\nann,bob\n,bob\n")
    assert len(read(tmp_path / "a.csv", max_bad_fraction=0.5).quarantine) == 1


IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n\ufeff"),
    min_size=1,
    max_size=6,
) | st.sampled_from([name for name in ID_LOOKALIKES if name] + ['a"', 'a","', "#"])
#: A value that starts with a delimiter or a quote could close the quote that a row before it opens.
IDS = IDS.filter(lambda name: name.strip(BLANKS) and name[0] not in '",\t;|')
GOOD = st.tuples(IDS, IDS).map(lambda ids: (ids, None))
EMPTY = st.sampled_from(
    [
        (("", "b"), "empty id in column followerId"),
        (("a", ""), "empty id in column followingId"),
        (("", ""), "empty id in column followerId; empty id in column followingId"),
    ]
)
NOT_UTF_8 = st.sampled_from(
    [
        ((b"\xff", "b"), "column followerId is not UTF-8"),
        (("a", b"\xed\xa0\x80"), "column followingId is not UTF-8"),
    ]
)
NULL = st.sampled_from(
    [
        ((None, "b"), "null id in column followerId"),
        ((None, None), "null id in column followerId; null id in column followingId"),
    ]
)
BROKEN_CSV = st.sampled_from(
    [
        (("a",), "found 1 values, expected 2"),
        (("a", "", "c"), "found 3 values, expected 2"),
        (("a", b'"b'), 'a quote (") is not closed'),
        ((b'"a"b', b'"c""'), 'a quote (") is not closed'),
    ]
)
NO_ROW = st.sampled_from([b"", b"", b"\n", b"\r\n", b"# no row\n", b'#",\n'])


def as_bytes(value):
    return value.encode() if isinstance(value, str) else value


def csv_line(values, delimiter, line_end, quote_all):
    def quote(value):
        """Bytes are written as they are."""
        if isinstance(value, bytes):
            return value
        if quote_all or re.search(f'["#{re.escape(delimiter)}]', value):
            value = '"' + value.replace('"', '""') + '"'
        return value.encode()

    return delimiter.encode().join(map(quote, values)) + line_end


@given(
    lines=st.lists(
        st.tuples(NO_ROW, GOOD | EMPTY | NOT_UTF_8 | BROKEN_CSV), min_size=1, max_size=30
    ),
    delimiter=st.sampled_from(",\t;|"),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    quote_all=st.booleans(),
    bom=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    header=st.booleans(),
    pack=st.sampled_from(sorted(PACK)),
    block_bytes=st.integers(1, 200) | st.just(1 << 26),
)
def test_every_row_of_a_csv_file_is_accounted_for(
    lines, delimiter, line_end, quote_all, bom, header, pack, block_bytes
):
    first = (FOLLOWER, FOLLOWING) if header else ("a", "b")
    data = bom + csv_line(first, delimiter, line_end, quote_all)
    for no_row, (values, _) in lines:
        data += no_row + csv_line(values, delimiter, line_end, quote_all)
    rows = [row for _, row in lines] if header else [(first, None), *(row for _, row in lines)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a.csv{pack}"
        path.write_bytes(PACK[pack](data))
        intake = read(path, block_bytes, delimiter=delimiter, header=header, comment="#")
    labels = {} if header else {FOLLOWER: "0", FOLLOWING: "1"}
    check_accounts(intake, rows, labels)


@given(
    rows=st.lists(GOOD | EMPTY | NOT_UTF_8 | NULL, min_size=1, max_size=30),
    row_groups=st.integers(1, 10),
    block_bytes=st.integers(1, 200) | st.just(1 << 26),
)
def test_every_row_of_a_parquet_file_is_accounted_for(rows, row_groups, block_bytes):
    columns = [
        pa.array(map(as_bytes, column), pa.binary())
        for column in zip(*[r for r, _ in rows], strict=True)
    ]
    with TemporaryDirectory() as folder:
        table = dict(zip((FOLLOWER, FOLLOWING), columns, strict=True))
        path = write_parquet(Path(folder) / "a.parquet", table, row_groups)
        intake = read(path, block_bytes)
    check_accounts(intake, rows, {})


def check_accounts(intake, rows, labels):
    expected = []
    for number, (_, reason) in enumerate(rows, start=1):
        for name, label in labels.items():
            reason = reason and reason.replace(name, label)
        expected += [(number, reason)] if reason else []
    assert quarantined(intake) == expected
    assert pairs(intake) == [values for values, reason in rows if not reason]
    assert intake.counts["rows_in"] == len(rows) == len(intake.frame) + len(intake.quarantine)


@pytest.mark.parametrize("block_bytes", [1, 1 << 26])
def test_a_folder_of_all_kinds(block_bytes, tmp_path):
    (tmp_path / "a.csv").write_text("followerId,followingId\nann,bob\nann\n")
    (tmp_path / "b.csv.gz").write_bytes(
        gzip.compress(b"x,followingId,followerId\n,bob,cat\n,,cat\n,bob,dan\n")
    )
    (tmp_path / "c.csv").write_text("followerId,followingId\n")
    write_parquet(
        tmp_path / "d.parquet", {FOLLOWING: [7, None, 8], FOLLOWER: ["eve", "eve", "eve"]}, 1
    )
    intake = read(tmp_path, block_bytes)
    assert pairs(intake) == [
        ("ann", "bob"),
        ("cat", "bob"),
        ("dan", "bob"),
        ("eve", "7"),
        ("eve", "8"),
    ]
    assert intake.quarantine.to_pylist() == [
        {"file": f"{tmp_path}/a.csv", "row": 2, "reason": "found 1 values, expected 2"},
        {"file": f"{tmp_path}/b.csv.gz", "row": 2, "reason": "empty id in column followingId"},
        {"file": f"{tmp_path}/d.parquet", "row": 2, "reason": "null id in column followingId"},
    ]
    assert intake.counts == {
        "rows_in": 8,
        "quarantined": 3,
        "dropped_by_transform": 0,
        "superseded": 0,
    }
    assert intake.frame.index.equals(pd.RangeIndex(5))


def test_input_digest_is_of_the_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def digest(place, **settings):
        return open_inputs(configured(place, **settings)).digest

    for name, text in {"one": "12", "two": "12"}.items():
        for number, character in enumerate(text):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{name}{number}.csv").write_text(character)
    (tmp_path / "digested.py").write_text("x = 1")
    same = digest("one")
    assert re.fullmatch("[0-9a-f]{64}", same)
    assert digest("two") == same
    with_transform = digest("one", transform="digested:step")
    assert with_transform != same
    (tmp_path / "digested.py").write_text("x = 2")
    assert digest("one", transform="digested:step") not in (same, with_transform)
    (tmp_path / "one" / "one0.csv").write_text("2")
    (tmp_path / "one" / "one1.csv").write_text("1")
    swapped = digest("one")
    (tmp_path / "one" / "one0.csv").write_text("12")
    (tmp_path / "one" / "one1.csv").write_text("x")
    assert len({same, swapped, digest("one")}) == 3


STEPS = """
def others(frame):
    return frame[frame["followerId"] != frame["followingId"]]
def blank(frame):
    frame["followerId"] = frame["followerId"].map({"ann": "", "bob": None, "cat": "cat"}.get)
    return frame.take([2, 1, 0, 2])
"""


@pytest.mark.parametrize(
    ("place", "settings"),
    [
        ("a.csv", {"carry": "all"}),
        ("a.csv", {"carry": "all", "transform": "steps_of_modin:blank"}),
        ("a.csv", {"transform": "steps_of_modin:others"}),
        (
            "a.csv",
            {
                "columns": {"action": "since", "timestamp": "since"},
                "follow_actions": ["1", "3"],
                "unfollow_actions": ["2", "4"],
            },
        ),
        ("a.csv", {"columns": {"sign": "since"}}),
        ("a.csv", {"columns": {"timestamp": "since"}, "followee_prefix": "place "}),
        ("[bc].*", {"comment": "#"}),
    ],
)
def test_modin_reads_the_same(place, settings, tmp_path, monkeypatch, local_ray):
    from raypipe.compute.ray_cluster import ModinEngine

    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "steps_of_modin", raising=False)
    (tmp_path / "steps_of_modin.py").write_text(STEPS)
    rows = "ann,BOB,1\nbob,bob,2\ncat,,3\ncat,bob,4\n"
    (tmp_path / "a.csv").write_text("followerId,followingId,since\n" + rows)
    (tmp_path / "b.csv").write_bytes(BROKEN)
    write_parquet(tmp_path / "c.pq", {FOLLOWING: [1, None, 3], FOLLOWER: ["a", "b", "c"]}, 1)
    expected = read(place, 1, **settings)
    intake = read(place, 1, ModinEngine(), **settings)
    assert type(intake.frame).__module__.startswith("modin.")
    pd.testing.assert_frame_equal(intake.frame._to_pandas(), expected.frame)
    assert intake.quarantine.equals(expected.quarantine)
    assert intake.counts == expected.counts


@pytest.mark.parametrize(
    "name",
    ["gzip cut short in the rows", "too many broken rows", "transform: function that raises"],
)
def test_modin_says_the_same(name, tmp_path, monkeypatch, local_ray):
    from raypipe.compute.ray_cluster import ModinEngine

    monkeypatch.chdir(tmp_path)
    bad = next(bad for bad in BAD_INPUTS if bad.name == name)
    with pytest.raises(bad.error) as caught:
        read_follows(open_inputs(load_config(None, bad.make(tmp_path)).input), ModinEngine())
    assert bad.is_said_by(str(caught.value), tmp_path), str(caught.value)


@pytest.mark.parametrize(
    ("files", "memory", "cluster", "expected"),
    [
        ([("a.csv", 100)], 1167, "auto", "pandas"),
        ([("a.csv", 100)], 1166, "auto", "modin"),
        ([("a.csv", 100)], 1166, "ray://head:10001", "modin"),
        ([("a.csv", 100)], 1166, "none", "pandas"),
        ([("a.CSV.GZ", 100)], 5000, "auto", "pandas"),
        ([("a.csv.gz", 100)], 4999, "auto", "modin"),
        ([("a.zst", 100)], 7000, "auto", "pandas"),
        ([("a.zst", 100)], 6999, "auto", "modin"),
        ([("a.pq", 50), (Path("b.parquet"), 50)], 4667, "auto", "pandas"),
        ([("a.pq", 50), (Path("b.parquet"), 50)], 4666, "auto", "modin"),
    ],
)  # fmt: skip
def test_modin_only_where_pandas_does_not_fit(files, memory, cluster, expected):
    name, reason = choose_frames(files, memory, cluster)
    assert name == expected
    assert reason.startswith(f"frames: {expected} (100 bytes of input, about ")
    assert ("cluster is none" in reason) == (cluster == "none")
