"""CSV: every way to write it, and every line judged by itself."""

from __future__ import annotations

import re
import time
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raypipe.columns import FOLLOWER, FOLLOWING, QUARANTINE_SCHEMA
from raypipe.errors import InputError
from raypipe.storage.intake.blocks import STRING
from raypipe.storage.intake.csv_blocks import Dialect, parse_text
from raypipe.storage.intake.values import Column
from tests.storage.intake.reading import (
    ALL_PACKS,
    BROKEN,
    BROKEN_GOOD,
    BROKEN_ROWS,
    ID_LOOKALIKES,
    PACK,
    pairs,
    quarantined,
    read,
)

HEAD = "followerId,followingId\n"

#: What is written, the settings, and the follows that are in it.
DIALECTS = {
    "plain": (HEAD + "ann,bob\nbob,cat\n", {}, [("ann", "bob"), ("bob", "cat")]),
    "no last line end": (HEAD + "ann,bob\nbob,cat", {}, [("ann", "bob"), ("bob", "cat")]),
    "CR LF": ("followerId,followingId\r\nann,bob\r\n", {}, [("ann", "bob")]),
    "CR": ("followerId,followingId\rann,bob\rbob,cat", {}, [("ann", "bob"), ("bob", "cat")]),
    "mark of UTF-8": ("\ufeff" + HEAD + "ann,bob\n", {}, [("ann", "bob")]),
    "blank lines": (
        "\n\r\n" + HEAD + "\nann,bob\n\n\nbob,cat\n\n",
        {},
        [("ann", "bob"), ("bob", "cat")],
    ),
    "other order, more columns": (
        "x,followingId,y,followerId\n1,bob,2,ann\n,cat,,bob\n",
        {},
        [("ann", "bob"), ("bob", "cat")],
    ),
    "renamed": (
        "src,dst\nann,bob\n",
        {"columns": {"followerId": "dst", "followingId": "src"}},
        [("bob", "ann")],
    ),
    "by position": (
        "a,a,a\nann,x,bob\n",
        {"columns": {"followerId": 0, "followingId": 2}},
        [("ann", "bob")],
    ),
    "quoted": (
        '"followerId","followingId"\n"ann","b,o""b"\n"cat",5" disk\n"""","x "\n',
        {},
        [("ann", 'b,o"b'), ("cat", '5" disk'), ('"', "x ")],
    ),
    "a quote that closes early": (HEAD + '"a"n"n,bob\n', {}, [('an"n', "bob")]),
    "tab": ("followerId\tfollowingId\nan n\tb,b\n", {"delimiter": "\t"}, [("an n", "b,b")]),
    "space": ("followerId followingId\nann bob\n", {"delimiter": " "}, [("ann", "bob")]),
    "semicolon": ("followerId;followingId\nann;b,b\n", {"delimiter": ";"}, [("ann", "b,b")]),
    "bar": ("followerId|followingId\nann|b^b\n", {"delimiter": "|"}, [("ann", "b^b")]),
    "caret": ('followerId^followingId\nann^"b]^b"\n', {"delimiter": "^"}, [("ann", "b]^b")]),
    "no header": ("ann,bob\nbob,cat\n", {"header": False}, [("ann", "bob"), ("bob", "cat")]),
    "no header, mark of UTF-8": ("\ufeffann,bob\n", {"header": False}, [("ann", "bob")]),
    "no header, positions": (
        "1,ann,bob\n2,bob,cat\n",
        {"header": False, "columns": {"followerId": 2, "followingId": 1}},
        [("bob", "ann"), ("cat", "bob")],
    ),
    "edge list with comments": (
        "# Directed graph\n#  FromNodeId\tToNodeId\n\n0\t1\n# in between\n007\t0\n#",
        {"header": False, "delimiter": "\t", "comment": "#"},
        [("0", "1"), ("007", "0")],
    ),
    "long comment mark, header": (
        "//x\n" + HEAD + "//y\n/ann,//bob\n\n",
        {"comment": "//"},
        [("/ann", "//bob")],
    ),
    "comment mark in quotes": (HEAD + '"#ann",bob\n#a,b\n', {"comment": "#"}, [("#ann", "bob")]),
    "no comment mark": (HEAD + "#ann,bob\n", {}, [("#ann", "bob")]),
    "no number, no null": (
        HEAD + "".join(f"{name},x{name}\n" for name in ID_LOOKALIKES if name),
        {},
        [(name, "x" + name) for name in ID_LOOKALIKES if name],
    ),
    # of files put together with cat
    "mark of UTF-8 in the rows": (
        HEAD + '\ufeffann,bob\n\ufeff"b""b",bob\ncat,\ufeffbob\n',
        {},
        [("ann", "bob"), ('b"b', "bob"), ("cat", "\ufeffbob")],
    ),
    "line ends in quotes": (
        'followerId,bio,followingId\nann,"two\nlines, ""x""\r\nand\n\n",bob\nbob,,"c\nat"\n',
        {},
        [("ann", "bob"), ("bob", "c\nat")],
    ),
    "blanks and tabs": (
        "% asym\n 1000\t1007 1  17\n1000   1010\t\t1 17 \n",
        {"header": False, "comment": "%", "delimiter": "whitespace"},
        [("1000", "1007"), ("1000", "1010")],
    ),
    "sep=": ("sep=;\nfollowerId;followingId\nann;bob\n", {"delimiter": ";"}, [("ann", "bob")]),
}


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("block_bytes", [1, 10, 1 << 26])
@pytest.mark.parametrize("name", DIALECTS)
def test_dialects(name, block_bytes, pack, tmp_path):
    text, settings, expected = DIALECTS[name]
    path = tmp_path / f"a.csv{pack}"
    path.write_bytes(PACK[pack](text.encode()))
    intake = read(path, block_bytes, **settings)
    assert pairs(intake) == expected
    assert intake.quarantine.num_rows == 0
    assert intake.counts == {
        "rows_in": len(expected),
        "quarantined": 0,
        "dropped_by_transform": 0,
        "superseded": 0,
    }
    assert intake.frame.dtypes.to_dict() == {FOLLOWER: STRING, FOLLOWING: STRING}
    assert intake.frame.index.equals(pd.RangeIndex(len(expected)))


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 26])
def test_quarantine(block_bytes, line_end, pack, tmp_path):
    path = tmp_path / f"a.csv{pack}"
    path.write_bytes(PACK[pack](BROKEN.replace(b"\n", line_end)))
    intake = read(path, block_bytes, comment="#")
    assert quarantined(intake) == BROKEN_ROWS
    assert pairs(intake) == BROKEN_GOOD
    assert set(intake.quarantine["file"].to_pylist()) == {str(path)}
    assert intake.quarantine.schema == QUARANTINE_SCHEMA
    assert intake.counts["rows_in"] == 13
    assert intake.counts["quarantined"] == 9


@pytest.mark.parametrize("name", DIALECTS)
def test_a_header_that_comes_in_pieces(name, tmp_path, monkeypatch):
    monkeypatch.setattr("raypipe.storage.intake.texts.HEAD_BYTES", 1)
    text, settings, expected = DIALECTS[name]
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert pairs(read(tmp_path / "a.csv", **settings)) == expected


def test_a_value_that_is_not_read_may_be_anything(tmp_path):
    (tmp_path / "a.csv").write_bytes(HEAD.encode()[:-1] + b",note\nann,bob,caf\xe9\n")
    assert pairs(read(tmp_path / "a.csv")) == [("ann", "bob")]
    intake = read(tmp_path / "a.csv", carry=["note"])
    assert quarantined(intake) == [(1, "column note is not UTF-8")]


def test_a_line_longer_than_what_arrow_parses_at_a_time(tmp_path):
    long = "x" * (5 << 20)
    lines = [HEAD, "ann,bob\n", f"{long},bob\n", f"{long},bob,1\n", "bob,cat\n"]
    (tmp_path / "a.csv").write_text("".join(lines))
    intake = read(tmp_path / "a.csv")
    assert pairs(intake) == [("ann", "bob"), (long, "bob"), ("bob", "cat")]
    assert quarantined(intake) == [(3, "found 3 values, expected 2")]


def naive_joined(text):
    """The text with 1 and 2 in place of the line ends in quoted values that close at an edge."""
    found, at = "", 0
    while at < len(text):
        if text[at] == '"' and (at == 0 or text[at - 1] in ",\n\r"):
            end = at + 1
            while text[end : end + 1] and (text[end] != '"' or text[end : end + 2] == '""'):
                end += 2 if text[end] == '"' else 1
            if text[end : end + 1] == '"' and text[end + 1 : end + 2] in ("", ",", "\n", "\r"):
                found += text[at : end + 1].replace("\n", "1").replace("\r", "2")
                at = end + 1
                continue
        found += text[at]
        at += 1
    return found


def naive_parse(text, width):
    """Rows and bad rows, character by character."""
    good, bad, row = [], [], 0
    for line in re.split(r"[\r\n]", naive_joined(text)):
        if not line:
            continue
        row += 1
        values, value, quoted, fresh = [], "", False, True
        characters = iter(range(len(line)))
        for i in characters:
            if quoted and line[i : i + 2] == '""':
                value += '"'
                next(characters)
            elif quoted:
                quoted = line[i] != '"'
                value += line[i] if quoted else ""
            elif line[i] == ",":
                values, value, fresh = [*values, value], "", True
                continue
            elif fresh and line[i] == '"':
                quoted = True
            else:
                value += line[i]
            fresh = False
        values.append(value)
        values = [value.replace("1", "\n").replace("2", "\r") for value in values]
        if quoted:
            bad.append((row, 'a quote (") is not closed'))
        elif len(values) != width:
            bad.append((row, f"found {len(values)} values, expected {width}"))
        elif not values[0]:
            bad.append((row, "empty id in column src"))
        elif not values[0].strip():
            bad.append((row, "blank id in column src"))
        else:
            good.append(tuple(values))
    return good, bad, row


COLUMNS = [Column(name, at, "src", pa.large_string()) for at, name in enumerate([FOLLOWER, "n"])]


def parse(text, parse_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("raypipe.storage.intake.csv_blocks.PARSE_BYTES", parse_bytes)
        found = parse_text(text.encode(), Dialect(), 2, COLUMNS)
    return (
        list(zip(*found.table.to_pydict().values(), strict=True)),
        found.report.bad,
        found.report.rows,
    )


def test_every_row_of_every_short_text_is_judged_by_itself():
    for length in range(6):
        for characters in product('a,"\n', repeat=length):
            text = "".join(characters)
            assert parse(text, 1 << 22) == naive_parse(text, 2), repr(text)


TEXTS = st.lists(st.sampled_from(["a", '"', '""', ",", "\n", "\r", "\r\n", "a,b\n", '"a,b",c\n']))


@given(TEXTS.map("".join), st.sampled_from([2, 4, 1 << 22]))
@settings(max_examples=300)
@example('a"b,"c\nd,e\n', 1 << 22)  # as many quotes as make a pair, but the second opens a value
@example('a,"b\n"c,d\n', 1 << 22)
@example('aa,"\n,', 4)  # an open quote at the end of what one of Arrow's threads parses
def test_every_row_is_judged_by_itself(text, parse_bytes):
    assert parse(text, parse_bytes) == naive_parse(text, 2)


@given(TEXTS.map("".join), st.integers(1, 30))
def test_a_file_reads_the_same_whatever_its_blocks(text, block_bytes):
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(b"followerId,followingId\n" + text.encode())
        try:
            whole = read(path)
        except InputError as error:
            with pytest.raises(InputError, match=re.escape(str(error))):
                read(path, block_bytes)
            return
        blocks = read(path, block_bytes)
    assert pairs(blocks) == pairs(whole)
    assert quarantined(blocks) == quarantined(whole)
    assert blocks.counts == whole.counts


@pytest.mark.parametrize("pack", ALL_PACKS)
@pytest.mark.parametrize("block_bytes", [1, 10, 1 << 26])
def test_a_repeated_header_is_no_row(block_bytes, pack, tmp_path):
    path = tmp_path / f"a.csv{pack}"
    text = HEAD + "ann,bob\n\ufeff" + HEAD + ",x\n" + HEAD + "followerId,cat\n"
    path.write_bytes(ALL_PACKS[pack](text.encode()))
    intake = read(path, block_bytes)
    assert pairs(intake) == [("ann", "bob"), ("followerId", "cat")]
    assert quarantined(intake) == [(3, "empty id in column followerId")]
    assert intake.counts == {
        "rows_in": 3,
        "quarantined": 1,
        "dropped_by_transform": 0,
        "superseded": 0,
    }
    assert intake.lines_not_rows == 2
    assert sorted(notice.text for notice in intake.notices) == [
        "1 byte order marks inside a file were removed",
        "2 lines repeat the header, and are no rows, such as followerId,followingId",
    ]


def test_a_quoted_value_of_more_than_a_megabyte_is_an_open_quote(tmp_path, monkeypatch):
    monkeypatch.setattr("raypipe.storage.intake.csv_lines.MAX_VALUE", 20)
    text = 'followerId,followingId\nann,"b\n' + "c,d\n" * 9 + '"\ne,f\n'
    (tmp_path / "a.csv").write_text(text)
    for block_bytes in (1, 1 << 26):
        intake = read(tmp_path / "a.csv", block_bytes)
        assert pairs(intake) == [("c", "d")] * 9 + [("e", "f")]
        assert quarantined(intake) == [
            (1, 'a quote (") is not closed'),
            (11, 'a quote (") is not closed'),
        ]


def test_quotes_that_many_values_open_take_no_time():
    text = b'a,"' + b'""' * 200_000 + b"x\n" + b'"a,b\n' * 20_000
    started = time.perf_counter()
    assert parse_text(text, Dialect(), 2, COLUMNS).report.rows == 20_001
    assert time.perf_counter() - started < 10
