"""Shared by the tests of READ: short ways to write an input and to look at what came of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from raypipe.columns import FOLLOWER, FOLLOWING
from raypipe.compute.frames import PandasEngine
from raypipe.config import load_config
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_follows


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", data)
    return buffer.getvalue()


PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}
ALL_PACKS = {**PACK, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": zipped}


def configured(place, **settings):
    overrides = {f"input.{key}": value for key, value in settings.items()}
    return load_config(None, {"input.follows": str(place), **overrides}).input


def read(place, block_bytes=1 << 26, engine=None, **settings):
    settings = {"max_bad_fraction": 1.0, "null": [], **settings}
    inputs = open_inputs(configured(place, **settings))
    return read_follows(inputs, engine or PandasEngine(), block_bytes)


def pairs(intake):
    return list(zip(*(intake.frame[name].tolist() for name in (FOLLOWER, FOLLOWING)), strict=True))


def quarantined(intake):
    return [(row["row"], row["reason"]) for row in intake.quarantine.to_pylist()]


def write_parquet(path, table, row_groups=1000):
    pq.write_table(pa.table(table), path, row_group_size=row_groups)
    return path


ID_LOOKALIKES = [
    "0123",
    "1e5",
    "null",
    "NA",
    "nan",
    "",
    "true",
    "00480160-0e6a-11e6",
    "é",
    " a ",
    "2020-01-01",
    "-0",
]

BROKEN = b"""\
# comments, blank lines and the header have no number
followerId,followingId,since

ann,bob,1
ann,bob
# in between
ann,bob,1,2,3
,bob,1
ann,"",1
caf\xe9,bob,1
,caf\xe9,
ann,bob,caf\xe9
"ann,bob,1
ann,b"ob,1
ann,"b""ob,1
"ann"x,bob,1
bob"""
BROKEN_ROWS = [
    (2, "found 2 values, expected 3"),
    (3, "found 5 values, expected 3"),
    (4, "empty id in column followerId"),
    (5, "empty id in column followingId"),
    (6, "column followerId is not UTF-8"),
    (7, "empty id in column followerId; column followingId is not UTF-8"),
    (9, 'a quote (") is not closed'),
    (11, 'a quote (") is not closed'),
    (13, "found 1 values, expected 3"),
]
BROKEN_GOOD = [("ann", "bob"), ("ann", "bob"), ("ann", 'b"ob'), ("annx", "bob")]


#: The default of input.null; ``read`` itself has none, so that ids may be any text.
read.default_null = load_config().input.null
