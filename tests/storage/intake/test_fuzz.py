"""Any bytes, in any file or list, make a result or one line: no traceback, no hang, no bomb."""

from __future__ import annotations

import bz2
import gzip
import lzma
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raypipe.compute.frames import PandasEngine
from raypipe.errors import RaypipeError
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_follows
from raypipe.storage.tables import TableColumn, read_table
from tests.storage.intake.kinds import BINARY, HEAD, KINDS
from tests.storage.intake.reading import configured, zipped

PACKS = [bytes, gzip.compress, bz2.compress, lzma.compress, zipped]
PIECES = st.sampled_from(
    [HEAD.encode(), b"ann,bob\n", b'"', b'""', b",", b"\n", b"\r\n", b"\xff", b"\0"]
    + [b"\xef\xbb\xbf", b"\t", b" ", b"[", b"{", b"sep=;\n", b"NULL", b"%"]
    + [b'{"followerId": "a", "followingId": 1}\n']
    + [data[:40] for data, _ in BINARY.values()]
    + [bytes(data, "utf-8") if isinstance(data, str) else data[:300]
       for kind in KINDS for data in kind.files.values()]
)  # fmt: skip
DATA = st.builds(lambda head, parts: head + b"".join(parts),
                 st.sampled_from([b"", HEAD.encode(), b"followerId followingId\n"]),
                 st.lists(PIECES | st.binary(max_size=8), max_size=8))  # fmt: skip
NAMES = ["a.csv", "a.csv.gz", "a.parquet", "a.jsonl", "a.tsv", "a.zip", "a"]
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "header": st.booleans(),
        "delimiter": st.sampled_from([",", ";", "\t", " ", "whitespace"]),
        "comment": st.sampled_from(["#", "%"]),
        "normalise": st.just(["trim", "invisible", "numbers", "nfc", "lower"]),
        "columns": st.sampled_from([{"timestamp": 1}, {"action": 1}, {"sign": 1}]),
        "carry": st.just("all"),
        "max_bad_fraction": st.sampled_from([0, 1]),
    },
)


def error_of(function, *words):
    """The message of an error that a user can fix; empty without one. Others are raised."""
    try:
        function(*words)
    except RaypipeError as error:
        return str(error)
    return ""


def read_all(path, config, block_bytes):
    found = read_follows(open_inputs(configured(path, **config)), PandasEngine(), block_bytes)
    counts = found.counts
    assert counts["rows_in"] == len(found.frame) + sum(counts.values()) - counts["rows_in"]


@given(DATA, st.sampled_from(PACKS), st.sampled_from(NAMES), SETTINGS, st.integers(1, 500))
@settings(max_examples=150, deadline=10_000)
def test_any_bytes_are_read_or_refused_in_one_line(data, pack, name, config, block_bytes):
    columns = [TableColumn("followerId"), TableColumn("n", "text", False)]
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(pack(data))
        assert "\n" not in error_of(read_all, path, config, block_bytes)
        assert "\n" not in error_of(read_table, path, columns, "cure")


@given(st.binary(min_size=1, max_size=60), st.integers(0, 400), st.sampled_from(NAMES))
@settings(max_examples=150, deadline=10_000)
def test_a_damaged_file_is_read_or_refused_in_one_line(noise, at, name):
    good = [data for kind in KINDS for data in kind.files.values() if isinstance(data, bytes)]
    for data in (good[at % len(good)], gzip.compress(HEAD.encode() * 9)):
        place = at % len(data)
        with TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(data[:place] + noise + data[place + len(noise) :])
            assert "\n" not in error_of(read_all, path, {}, 1 << 20)


@pytest.mark.parametrize(
    ("pack", "fill"),
    [(gzip.compress, fill) for fill in (b"\0", b"\n", b"a", b'"', b",")]
    + [(pack, b"a") for pack in PACKS[2:]],
)
def test_a_bomb_is_refused_within_bounded_memory_and_time(pack, fill, tmp_path, monkeypatch):
    monkeypatch.setattr("raypipe.storage.intake.texts.MAX_LINE", 1 << 20)
    for head in (b"", HEAD.encode()):
        path = tmp_path / "bomb.csv"
        path.write_bytes(pack(head + fill * (12 << 20)))
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        with pytest.raises(RaypipeError) as caught:
            read_follows(open_inputs(configured(path)), PandasEngine(), 1 << 20)
        assert len(str(caught.value)) < 600
        assert time.perf_counter() - started < 10
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_link_to_nothing_is_one_line(tmp_path):
    (tmp_path / "a.csv").write_text(HEAD + "ann,bob\n")
    (tmp_path / "b.csv").symlink_to("nobody.csv")
    with pytest.raises(RaypipeError) as caught:
        open_inputs(configured(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/b.csv: is gone, or a link to a file that is not there; restore or remove it"
    )
