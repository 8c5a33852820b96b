"""What a file is, by its first bytes: compressions that are read, and formats that are refused."""

from typing import NamedTuple

from raypipe.errors import InputError

#: Bytes of a file that are enough to recognise it.
HEAD_BYTES = 1 << 16

#: Compression to the first bytes of its data.
PACKED = {
    "gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",
    "bz2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zip": b"PK\x03\x04",
}
PARQUET = b"PAR1"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Signature(NamedTuple):
    """A format that is not read: its first bytes (of text, in lower case), name and cure."""

    start: bytes
    what: str
    cure: str


_COLUMNS = "to CSV or Parquet with the columns followerId and followingId"
_PANDAS = f"convert it with pandas {_COLUMNS}"

#: Binary formats.
BINARY = (
    Signature(b"Obj\x01", "Avro", f"convert it {_COLUMNS} (spark, or duckdb's read_avro)"),
    Signature(b"ORC", "ORC", f"convert it {_COLUMNS}: pandas.read_orc(...).to_parquet(...)"),
    Signature(b"ARROW1", "an Arrow file", "pandas.read_feather(...).to_parquet(...) converts it"),
    Signature(b"FEA1", "a Feather file", "pandas.read_feather(...).to_parquet(...) converts it"),
    Signature(b"SQLite format 3\0", "SQLite", "sqlite3 -csv -header FILE 'select ...' writes CSV"),
    Signature(b"\x89HDF", "HDF5", _PANDAS),
    Signature(b"\x93NUMPY", "a NumPy array", "write it as CSV with a header"),
    Signature(b"\x80\x04", "a Python pickle", _PANDAS),
    Signature(b"\x80\x05", "a Python pickle", _PANDAS),
    Signature(b"%PDF", "a PDF", "expected a table"),
    Signature(b"7z\xbc\xaf", "a 7z archive", "unpack it, and name the folder"),
    Signature(b"Rar!", "a RAR archive", "unpack it, and name the folder"),
    Signature(b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save it as CSV"),
    Signature(b"PGDMP", "a dump of PostgreSQL", "write it with \\copy ... to FILE csv header"),
    Signature(b"PGCOPY\n\xff", "binary COPY of PostgreSQL", "write it with format csv, header"),
    Signature(b"\x04\x22\x4d\x18", "lz4 data", "lz4 -d unpacks it"),
    Signature(b"\xff\x06\0\0sNaPpY", "Snappy data", "unpack it first"),
)

#: Formats that are text.
TEXT = (
    Signature(
        b"version https://git-lfs.github.com/",
        "a Git LFS pointer, not the file itself",
        "git lfs pull fetches it",
    ),
    Signature(b"<!doctype html", "a web page (HTML)", "probably an error page: download it again"),
    Signature(b"<html", "a web page (HTML)", "probably an error page: download it again"),
    Signature(b"<?xml", "XML", f"convert it {_COLUMNS}"),
    Signature(
        b"%%matrixmarket",
        "Matrix Market, whose second line holds sizes and no follow",
        "grep -v '^%' FILE | tail -n +2 > follows.txt makes an edge list; read that with "
        "input.header: false and input.delimiter: whitespace",
    ),
    Signature(
        b"window.ytd.",
        "a part of a Twitter archive (JavaScript)",
        "sed '1s/.*= //' FILE | jq -c '.[] | {followerId: \"ME\", followingId: "
        ".following.accountId}' > follows.jsonl writes JSON lines",
    ),
    Signature(b"copy ", "a dump of PostgreSQL", "write it with \\copy ... to FILE csv header"),
)


def packed_as(head: bytes) -> str | None:
    """The compression of a file, by its first bytes; None: it is not compressed."""
    return next((kind for kind, magic in PACKED.items() if head.startswith(magic)), None)


def refuse(path: str, head: bytes) -> None:
    """Refuse a file that is not text, or no table, and say what it is.

    Args:
        head: its first bytes, decompressed.

    Raises:
        InputError: it is not text, not UTF-8, or of a format that is not read.
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature in BINARY:
        if head.startswith(signature.start):
            raise InputError(f"{path}: is {signature.what}; {signature.cure}")
    if head[257:262] == b"ustar":
        raise InputError(f"{path}: is a tar archive; tar -xf unpacks it: name the folder then")
    if head.startswith(UTF_16):
        raise InputError(f"{path}: is UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 converts it")
    if b"\0" in head.lstrip(b"\r\n").split(b"\n", 1)[0]:
        raise InputError(f"{path}: is binary, not text; expected CSV in UTF-8, or Parquet")
    for signature in TEXT:
        if start[:64].lower().startswith(signature.start):
            raise InputError(f"{path}: is {signature.what}; {signature.cure}")
    if start[:1] == b"[" and start[1:64].lstrip()[:1] in b'{["]' and start[1:2]:
        raise InputError(f"{path}: is a JSON array; jq -c '.[]' FILE > follows.jsonl writes lines")
