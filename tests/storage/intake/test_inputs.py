"""Which files are read, which of their columns, and what types these become."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from raypipe.columns import FOLLOWER, FOLLOWING, TIMESTAMP
from raypipe.config import load_config
from raypipe.errors import InputError
from raypipe.pipeline.run import run_night
from raypipe.storage import files
from raypipe.storage.intake.blocks import STRING
from raypipe.storage.intake.formats import FORMATS
from raypipe.storage.intake.inputs import InputFiles, list_files, open_inputs
from raypipe.storage.runs.store import RunStore
from tests.storage.intake.reading import configured, pairs, quarantined, read, write_parquet


def test_list_files(tmp_path):
    for name in (
        "b.csv", "a.CSV", "c.tsv", "d.csv.gz", "sub/e.csv.zst", "sub/f.parquet", "g.pq", "h.txt",
        "notes.md", "part-0", "_SUCCESS", "_metadata.parquet", ".b.csv.crc", ".hidden.csv",
        "_temporary/x.csv", ".git/y.csv", "sub/_z.csv",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    def found(place, **settings):
        files = list_files(configured(tmp_path / place, **settings)).files
        return [path.relative_to(tmp_path).as_posix() for path in files]

    tables = [
        "a.CSV",
        "b.csv",
        "c.tsv",
        "d.csv.gz",
        "g.pq",
        "h.txt",
        "sub/e.csv.zst",
        "sub/f.parquet",
    ]
    assert found("") == tables
    assert found("", format="csv") == sorted([*tables, "notes.md", "part-0"])
    assert found("part-0") == ["part-0"]
    assert found("_metadata.parquet") == ["_metadata.parquet"]
    assert found("*.csv") == ["b.csv"]
    assert found("[ab].*") == ["a.CSV", "b.csv"]
    assert found("**/*.parquet") == ["sub/f.parquet"]
    assert found("**") == sorted([*tables, "notes.md", "part-0"])
    assert found("s*") == ["sub/e.csv.zst", "sub/f.parquet"]
    assert found("_temporary") == found("_temporary/*") == ["_temporary/x.csv"]


def test_carry(tmp_path):
    (tmp_path / "a.csv").write_text(
        "since,followingId,followerId,trust\n007,bob,ann,\n,cat,bob,0.5\n"
    )
    assert read(tmp_path / "a.csv").frame.columns.tolist() == [FOLLOWER, FOLLOWING]
    some = read(tmp_path / "a.csv", carry=["trust"]).frame
    assert some.to_dict("list") == {
        FOLLOWER: ["ann", "bob"],
        FOLLOWING: ["bob", "cat"],
        "trust": ["", "0.5"],
    }
    everything = read(tmp_path / "a.csv", carry="all").frame
    assert everything.columns.tolist() == [FOLLOWER, FOLLOWING, "since", "trust"]
    assert everything["since"].tolist() == ["007", ""]
    assert everything.dtypes.tolist() == [STRING] * 4


def test_a_timestamp_is_kept_under_its_own_name(tmp_path):
    (tmp_path / "a.csv").write_text("at,followingId,followerId,n\n007,bob,ann,1\n,cat,bob,2\n")
    columns = {"timestamp": "at"}
    frame = read(tmp_path / "a.csv", columns=columns).frame
    assert frame.columns.tolist() == [FOLLOWER, FOLLOWING, TIMESTAMP]
    assert frame[TIMESTAMP].tolist() == ["007"]
    assert quarantined(read(tmp_path / "a.csv", columns=columns)) == [(2, "no value in column at")]
    frame = read(tmp_path / "a.csv", columns=columns, carry="all").frame
    assert frame.columns.tolist() == [FOLLOWER, FOLLOWING, TIMESTAMP, "n"]
    (tmp_path / "b.csv").write_text("ann,bob,17\n")
    frame = read(tmp_path / "b.csv", header=False, columns={"timestamp": 2}).frame
    assert frame.to_dict("list") == {FOLLOWER: ["ann"], FOLLOWING: ["bob"], TIMESTAMP: ["17"]}
    table = {FOLLOWER: ["ann"], FOLLOWING: ["bob"], "at": pa.array([5], pa.int64())}
    frame = read(write_parquet(tmp_path / "c.parquet", table), columns=columns).frame
    assert frame[TIMESTAMP].tolist() == [5]


@pytest.mark.parametrize("block_bytes", [1, 1 << 26])
def test_a_prefix_is_put_before_every_followee(block_bytes, tmp_path):
    (tmp_path / "a.csv").write_text("followerId,followingId\n1,1\n2,\n,3\n1,é\n")
    found = read(tmp_path / "a.csv", block_bytes, followee_prefix="place ")
    assert pairs(found) == [("1", "place 1"), ("1", "place é")]
    assert quarantined(found) == [
        (2, "empty id in column followingId"),
        (3, "empty id in column followerId"),
    ]
    assert found.frame.dtypes.tolist() == [STRING] * 2


def test_carry_without_a_header(tmp_path):
    (tmp_path / "a.csv").write_text("ann,bob,1,2\n")
    frame = read(tmp_path / "a.csv", header=False, carry=["3"]).frame
    assert frame.to_dict("list") == {FOLLOWER: ["ann"], FOLLOWING: ["bob"], "3": ["2"]}


@pytest.mark.parametrize("block_bytes", [1, 1 << 26])
def test_carried_columns_keep_their_type_where_all_files_agree(block_bytes, tmp_path):
    ids = {FOLLOWER: ["ann", "bob"], FOLLOWING: ["bob", "cat"]}
    write_parquet(tmp_path / "a.parquet", {**ids, "n": [1, None], "same": [1, None]}, 1)
    write_parquet(tmp_path / "b.parquet", {"same": [3, 4], "n": ["x", None], **ids}, 1)
    frame = read(tmp_path, block_bytes, carry="all").frame
    assert frame.dtypes.to_dict() == {
        FOLLOWER: STRING, FOLLOWING: STRING, "n": STRING, "same": pd.ArrowDtype(pa.int64()),
    }  # fmt: skip
    assert frame["n"].fillna("-").tolist() == ["1", "-", "x", "-"]
    assert frame["same"].fillna(-1).tolist() == [1, -1, 3, 4]


def test_carried_columns_that_cannot_go_together(tmp_path):
    ids = {FOLLOWER: ["ann"], FOLLOWING: ["bob"]}
    write_parquet(tmp_path / "a.parquet", {**ids, "n": [{"deep": 1}]})
    assert read(tmp_path / "a.parquet", carry="all").frame["n"].tolist() == [{"deep": 1}]
    write_parquet(tmp_path / "b.parquet", {**ids, "n": [1]})
    with pytest.raises(
        InputError, match=r"^input.carry: column n is struct<deep: int64> in some files only; "
    ):
        read(tmp_path, carry=["n"])


@pytest.mark.parametrize(
    "kind",
    [
        "string",
        "large_string",
        "string_view",
        "binary",
        "large_binary",
        "int64",
        "uint8",
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.int64()),
    ],
    ids=str,
)
@pytest.mark.parametrize("block_bytes", [1, 1 << 26])
def test_parquet_types_of_ids(kind, block_bytes, tmp_path):
    whole = pa.types.is_integer(kind := pa.type_for_alias(kind) if isinstance(kind, str) else kind)
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    ids = pa.array(
        [1, None, 3, 4] if whole or pa.types.is_integer(held) else ["1", None, "3", "4"], held
    )
    ids = ids.dictionary_encode().cast(kind) if held != kind else ids
    table = {FOLLOWING: ids, "x": [1.5] * 4, FOLLOWER: ["a", "b", "", "é"]}
    intake = read(write_parquet(tmp_path / "a.pq", table, row_groups=1), block_bytes)
    assert pairs(intake) == [("a", "1"), ("é", "4")]
    assert quarantined(intake) == [
        (2, "null id in column followingId"),
        (3, "empty id in column followerId"),
    ]
    assert intake.frame.dtypes.tolist() == [STRING, STRING]


def test_parquet_dictionary_of_what_is_not_utf_8(tmp_path):
    ids = pa.array([b"a", b"\xff", b"a"], pa.binary()).dictionary_encode()
    intake = read(write_parquet(tmp_path / "a.pq", {FOLLOWER: ids, FOLLOWING: ["b", "b", "b"]}))
    assert pairs(intake) == [("a", "b"), ("a", "b")]
    assert quarantined(intake) == [(2, "column followerId is not UTF-8")]


def test_parquet_columns_with_odd_names(tmp_path):
    table = {"a.b": ["ann"], "a": [{"b": "x"}], "": ["bob"]}
    path = write_parquet(tmp_path / "a.pq", table)
    columns = {"followerId": "a.b", "followingId": ""}
    frame = read(path, columns=columns, carry="all").frame
    assert frame.to_dict("list") == {FOLLOWER: ["ann"], FOLLOWING: ["bob"], "a": [{"b": "x"}]}


def test_parquet_that_is_damaged_inside(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {FOLLOWER: ["ann"] * 99, FOLLOWING: ["bob"] * 99})
    data = bytearray(path.read_bytes())
    data[4:40] = b"\xff" * 36
    path.write_bytes(data)
    with pytest.raises(
        InputError, match=r"^\S+/a\.parquet: the Parquet file is damaged \(.+\); copy it again$"
    ):
        read(path)


def test_a_night_lists_once_looks_once_and_opens_each_header_once(tmp_path, monkeypatch):
    """Counted at the seam; the second look, after everything was read, is counted apart."""
    counts = Counter()
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("followerId,followingId\nann,bob\nann,cid\n")
    (folder / "b.csv.gz").write_bytes(gzip.compress(b"followerId,followingId\nbob,cid\nbob,ann\n"))
    write_parquet(folder / "c.parquet", {FOLLOWER: ["cid"], FOLLOWING: ["ann"]})

    def counted(owner, name, key):
        plain = getattr(owner, name)

        def counting(*words, **options):
            path = next(Path(word) for word in words if isinstance(word, str | Path))
            if path == folder or path.parent == folder:
                counts[key, path.name] += 1
            return plain(*words, **options)

        monkeypatch.setattr(owner, name, counting)

    counted(files, "walk", "listed")
    counted(files, "find", "listed")
    counted(files, "stat", "looked at")
    counted(files, "open_read", "opened")
    counted(files, "open_arrow", "opened")
    for known in FORMATS:
        counted(type(known), "open", "header read")
    again = InputFiles.check_unchanged

    def check_unchanged(inputs):
        before = Counter(counts)
        again(inputs)
        late = counts - before
        counts.subtract(late)
        counts.update({("looked at again", name): count for (_, name), count in late.items()})

    monkeypatch.setattr(InputFiles, "check_unchanged", check_unchanged)
    settings = {"input.follows": str(folder), "cluster": "none", "ladder": "fixed"}
    made = run_night(load_config(None, settings), RunStore(tmp_path / "runs"), "2026-03-01")
    manifest = json.loads((made.run.path / "manifest.json").read_text())
    assert manifest["counts"]["rows"]["rows_in"] == 5
    names = ("a.csv", "b.csv.gz", "c.parquet")
    assert +counts == {
        ("listed", "in"): 1,
        ("looked at", "in"): 1,
        **{("looked at", name): 1 for name in names},
        **{("header read", name): 1 for name in names},
        **{("looked at again", name): 1 for name in names},
        # for its first bytes (twice), its header, its digest and its block, and to cut it at line
        # ends; each time a packed file is opened, its compression is looked at first
        ("opened", "a.csv"): 6,
        ("opened", "b.csv.gz"): 11,
        ("opened", "c.parquet"): 3,
    }


@pytest.mark.parametrize("change", ["write", "touch", "remove"])
def test_check_unchanged_sees_a_file_that_changed_while_it_was_read(change, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("followerId,followingId\nann,bob\n")
    inputs = open_inputs(configured(tmp_path))
    inputs.check_unchanged()
    if change == "write":
        path.write_text("followerId,followingId\nann,bob\ncid,bob\n")
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"changed while it was read; run it again$"):
        inputs.check_unchanged()
