"""The table of kinds of input."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

HEAD = "followerId,followingId\n"
AB = [("ann", "bob")]
ONE = HEAD + "ann,bob\n"


class Kind(NamedTuple):
    """An input, and what comes of it: follows and counts, or an error."""

    name: str
    files: dict[str, str | bytes]
    follows: list[tuple[str, str]] | None
    error: str | None
    quarantine: list[str]
    notices: list[str]
    settings: dict[str, Any]
    place: str


def good(name: str, data: Any, follows: Any = AB, file: str = "a.csv", **more: Any) -> Kind:
    """An input that is read."""
    files = data if isinstance(data, dict) else {file: data}
    place = more.pop("place", "." if isinstance(data, dict) else file)
    quarantine, notices = more.pop("quarantine", []), more.pop("notices", [])
    return Kind(name, files, follows, None, quarantine, notices, more, place)


def bad(name: str, data: Any, error: str, file: str = "a.csv", **settings: Any) -> Kind:
    """An input that is refused."""
    files = data if isinstance(data, dict) else {file: data}
    place = settings.pop("place", "." if isinstance(data, dict) else file)
    return Kind(name, files, None, error, [], [], settings, place)


MARKS = ["\\N", "NULL", "null", "None", "nan", "NaN", "NA", "<NA>"]
A_NULL_MARKS = [
    *(
        good(
            f"null mark {mark}",
            f"{HEAD}ann,bob\nann,{mark}\n{mark},bob\n",
            quarantine=[
                f"null mark {mark} in column followingId (input.null)",
                f"null mark {mark} in column followerId (input.null)",
            ],
        )
        for mark in MARKS
    ),
    good("null marks by config", HEAD + "ann,-\nann,NULL\n", [("ann", "NULL")], null=["-"],
         quarantine=["null mark - in column followingId (input.null)"]),
    good("no null marks", HEAD + "ann,\\N\n", [("ann", "\\N")], null=[]),
    good("a null mark inside an id", HEAD + "NULLa,xNULL\n", [("NULLa", "xNULL")]),
    *(
        good(f"blank id {blank!r}", f'{HEAD}ann,bob\nann,"{blank}"\n',
             quarantine=["blank id in column followingId"])
        for blank in (" ", "   ", "\t", "\u00a0", "\u3000", "\u200b", "\u2060", " \u200b ")
    ),
    good("quoted empty id", HEAD + 'ann,bob\n"",bob\n',
         quarantine=["empty id in column followerId"]),
    good("a blank inside an id", HEAD + "ann b,\u00e9 \u00e9\n", [("ann b", "\u00e9 \u00e9")]),
]  # fmt: skip

REPEATED = "1 lines repeat the header, and are no rows, such as followerId,followingId"
MARK = "1 byte order marks inside a file were removed"
B_NO_ROWS = [
    good("repeated header", HEAD + "ann,bob\n" + HEAD, notices=[REPEATED]),
    good("repeated header with a mark", HEAD + "ann,bob\n\ufeff" + HEAD,
         notices=[MARK, REPEATED]),
    good("repeated header in quotes", HEAD + 'ann,bob\n"followerId","followingId"\n',
         notices=[REPEATED]),
    good("half a header is a row", HEAD + "followerId,bob\n", [("followerId", "bob")]),
    good("mark inside", HEAD + "\ufeffann,bob\n", notices=[MARK]),
    good("mark inside before a quote", HEAD + '\ufeff"ann",bob\n', notices=[MARK]),
    good("mark at the start", "\ufeff" + HEAD + "ann,bob\n"),
    good("line end in quotes", 'followerId,bio,followingId\nann,"a\nb, ""c""\n",bob\n'),
    good("line ends of Windows in quotes", 'followerId,bio,followingId\r\nann,"a\r\nb",bob\r\n'),
    good("line end in quotes, too many values", HEAD + 'ann,"a\nx,y",z\nann,bob\n',
         quarantine=["found 3 values, expected 2"]),
    good("open quote", HEAD + 'ann,"b\nann,bob\n', quarantine=['a quote (") is not closed']),
    good("sep=", "sep=,\n" + HEAD + "ann,bob\n"),
    good("sep= of Windows", "sep=;\r\nfollowerId;followingId\r\nann;bob\r\n", delimiter=";"),
    bad("sep= that says another delimiter", "sep=;\nfollowerId;followingId\nann;bob\n",
        "a.csv: its first line is sep=;; set input.delimiter to ';'"),
    bad("Matrix Market", "%%MatrixMarket matrix coordinate pattern general\n3 3 1\n1 2\n",
        "a.csv: is Matrix Market, whose second line holds sizes and no follow; grep -v '^%' FILE | "
        "tail -n +2 > follows.txt makes an edge list; read that with input.header: false and "
        "input.delimiter: whitespace", header=False, comment="%"),
    bad("R's row names", '"followerId","followingId"\n"1","ann","bob"\n"2","bob","cat"\n',
        "a.csv: the header names 2 columns, but rows hold 3 values, as \"1\",\"ann\",\"bob\": "
        "probably R's row names; write the file with row.names = FALSE", max_bad_fraction=0.01),
    bad("rows end with a delimiter", HEAD + "ann,bob,\nbob,cat,\n",
        "a.csv: the header names 2 columns, but rows hold 3 values, as ann,bob,: rows end with a "
        "delimiter; remove it", max_bad_fraction=0.01),
    bad("a header that is said not to be there", ONE,
        "a.csv: its first row names the columns; set input.header: true", header=False),
    good("R's row names with a name", '"","followerId","followingId"\n"1","ann","bob"\n'),
]  # fmt: skip


def parquet(**columns: Any) -> bytes:
    """A Parquet file."""
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue().to_pybytes()


def zipped(**members: str) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


def tarred(text: str) -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


LINES = '{"followerId": "ann", "followingId": "bob"}\n'
FLOATS = [1000.0, float("nan"), 1.5, 2.0**60]
C_LAYOUTS = [
    good("blanks", "followerId  followingId\n ann   bob \n", delimiter="whitespace"),
    good("KONECT", "% asym positive\n1000\t1007 1 17\n", [("1000", "1007")], header=False,
         comment="%", delimiter="whitespace"),
    good("blanks in quotes", 'followerId followingId\n"a  b" c\nann bob\n',
         [("a  b", "c"), ("ann", "bob")], delimiter="whitespace"),
    bad("KONECT by blanks", "% asym\n1000\t1007 1 17\n", "a.csv: several blanks or tabs stand "
        "between values, as in 1000\\t1007 1 17; set input.delimiter: whitespace",
        header=False, comment="%", delimiter=" "),
    bad("several blanks", "ann  bob\n", "a.csv: several blanks or tabs stand between values, as in "
        "ann  bob; set input.delimiter: whitespace", header=False, delimiter=" "),
    bad("adjacency list", "a b\nb c d\nc d e f\nd a\ne a b c\nf a b c d\n",
        "a.csv: rows hold 2 to 5 values, as in an adjacency list; write one follow on each row: "
        "awk '{for (i = 2; i <= NF; i++) print $1, $i}' FILE", header=False, delimiter=" ",
        max_bad_fraction=0.01),
    bad("a list in a value", HEAD + 'ann,"[bob, cat]"\n', "a.csv: a value holds a list, as "
        "[bob, cat]; write one follow on each row (DataFrame.explode)"),
    bad("a list of PostgreSQL", HEAD + 'ann,"{bob,cat}"\n', "a.csv: a value holds a list, as "
        "{bob,cat}; write one follow on each row (DataFrame.explode)"),
    bad("lists in Parquet", parquet(followerId=["ann"], followingId=[["bob", "cat"]]),
        "a.parquet: column followingId is list<element: string>, expected text or whole numbers as "
        "followingId; write it as text", file="a.parquet"),
    good("JSON lines", LINES, file="a.jsonl"),
    good("JSON lines by content", LINES, file="a.json"),
    good("JSON lines, packed", gzip.compress(LINES.encode()), file="a.json.gz"),
    good("JSON lines with numbers", '{"followerId": 7, "followingId": 12345678901234567890}\n',
         [("7", "12345678901234567890")], file="a.jsonl"),
    good("JSON lines with faults", LINES + 'x\n[1]\n{"followerId": [1]}\n{"followerId": "a"}\n'
         '\n{"followerId": "\\ud800", "followingId": "b"}\n', file="a.ndjson",
         quarantine=["is no JSON object", "is no JSON object", "column followerId is [1], no text",
                     "null id in column followingId",
                     "column followerId is not UTF-8"]),
    bad("JSON array", '[{"followerId": "ann", "followingId": "bob"}]', "a.json: is a JSON array; "
        "jq -c '.[]' FILE > follows.jsonl writes lines", file="a.json"),
    bad("JSON array on many lines", '[\n  {\n "a": 1}\n]', "a.json: is a JSON array; "
        "jq -c '.[]' FILE > follows.jsonl writes lines", file="a.json"),
    bad("JSON object on many lines", '{\n "a": 1}\n', "a.jsonl: its first line is {, no JSON "
        "object; expected one on each line (jq -c writes them)", file="a.jsonl"),
    bad("Twitter archive", 'window.YTD.following.part0 = [\n {"following": {}}]',
        "following.js: is a part of a Twitter archive (JavaScript); sed '1s/.*= //' FILE | jq -c "
        "'.[] | {followerId: \"ME\", followingId: .following.accountId}' > follows.jsonl writes "
        "JSON lines", file="following.js"),
    bad("Mastodon's export", "Account address,Show boosts\nbob@x.org,true\n",
        "following_accounts.csv: no column followerId, followingId; found Account address, Show "
        "boosts; one account's follows, as Mastodon exports them: name each file by its account, "
        "and set input.columns: {followerId: $file, followingId: Account address}",
        file="following_accounts.csv"),
    good("Mastodon's exports, one account a file",
         {"ann@x.org.csv": "Account address,Show boosts\nbob@x.org,true\ncid@y.org,true\n",
          "bob@x.org.csv.gz": gzip.compress(b"Account address,Show boosts\ncid@y.org,false\n")},
         [("ann@x.org", "bob@x.org"), ("ann@x.org", "cid@y.org"), ("bob@x.org", "cid@y.org")],
         columns={"followerId": "$file", "followingId": "Account address"}),
]  # fmt: skip
E_FILES = [
    good("other files beside", {"a.csv": ONE, "notes.md": "x", "b.log": "x", "_SUCCESS": "",
                                "c.md": "x"},
         notices=["3 files of the folder are left out, by their endings, such as 2 .md, 1 .log "
                  "(input.format)"]),
    good("bz2 beside gz", {"a.csv.gz": gzip.compress(ONE.encode()),
                           "b.csv.bz2": bz2.compress(b"followerId,followingId\nbob,cid\n")},
         [("ann", "bob"), ("bob", "cid")]),
    bad("Avro beside CSV", {"a.csv": ONE, "b.avro": "x", "c.avro": "x"},
        ".: 2 .avro would be left out: raypipe does not read them; convert them, move them away, "
        "or name the others by a glob, as ./*.csv"),
    bad("JSON beside CSV", {"a.csv": ONE, "b.json": "[]"},
        ".: 1 .json would be left out: raypipe does not read them; convert them, move them away, "
        "or name the others by a glob, as ./*.csv"),
    good("a glob names the others", {"a.csv": ONE, "b.avro": "x"}, place="*.csv"),
    good("an empty part", {"a.csv": ONE, "b.csv": ""},
         notices=["1 files without rows are left out, such as b.csv"]),
    good("gzip of nothing", {"a.csv": ONE, "b.csv.gz": gzip.compress(b"")},
         notices=["1 files without rows are left out, such as b.csv.gz"]),
    good("Parquet without types", {"a.csv": ONE, "b.parquet": parquet(followerId=pa.nulls(0),
                                                                     followingId=pa.nulls(0))},
         notices=["1 files without rows are left out, such as b.parquet"]),
    good("blank lines only beside", {"a.csv": ONE, "b.csv": "\n\n"},
         notices=["1 files without rows are left out, such as b.csv"]),
]  # fmt: skip
F_GOOD_DATA = [
    *(good(f"packed as {name}", pack(ONE.encode()), file=f"a.csv.{name}")
      for name, pack in {"bz2": bz2.compress, "xz": lzma.compress, "gz": gzip.compress,
                         "zst": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
                         }.items()),
    good("zip", zipped(a__csv=ONE), file="a.zip"),
    good("packed without the name", gzip.compress(ONE.encode())),
    good("named gz, but plain", ONE, file="a.csv.gz"),
    good("two gzip members", gzip.compress(HEAD.encode()) + gzip.compress(b"ann,bob\n")),
    good("two bz2 streams", bz2.compress(HEAD.encode()) + bz2.compress(b"ann,bob\n")),
    good("Parquet named CSV", parquet(followerId=["ann"], followingId=["bob"])),
    good(".parq", parquet(followerId=["ann"], followingId=["bob"]), file="a.parq"),
    good("decimals", parquet(followerId=pa.array([7], pa.decimal128(20, 0)), followingId=["bob"]),
         [("7", "bob")], file="a.parquet"),
    good("UUID", parquet(followerId=pa.array([UUID(int=7).bytes], pa.uuid()), followingId=["bob"]),
         [("00000000-0000-0000-0000-000000000007", "bob")], file="a.parquet"),
    good("fixed bytes", parquet(followerId=pa.array([b"ann"], pa.binary(3)), followingId=["bob"]),
         file="a.parquet"),
    good("whole floats", parquet(followerId=FLOATS, followingId=["b"] * 4), [("1000", "b")],
         file="a.parquet",
         quarantine=["null id in column followerId",
                     *["column followerId holds a number that is not whole"] * 2]),
    good("a column of nulls", parquet(followerId=["ann"], followingId=pa.nulls(1)), [],
         file="a.parquet", quarantine=["null id in column followingId"]),
    bad("decimals with places", parquet(followerId=pa.array([7], pa.decimal128(20, 2)),
                                        followingId=["bob"]),
        "a.parquet: column followerId is decimal128(20, 2), expected text or whole numbers as "
        "followerId; write it as text", file="a.parquet"),
    good("columns in the path", {"followerId=ann/p.parquet": parquet(followingId=["bob"]),
                                 "followerId=b%20b/p.csv": "followingId\ncid\n"},
         [("ann", "bob"), ("b b", "cid")]),
    good("null in the path", {"followerId=ann/p.csv": "followingId\nbob\n",
                              "followerId=__HIVE_DEFAULT_PARTITION__/p.csv": "followingId\ncid\n"},
         null=["__HIVE_DEFAULT_PARTITION__"],
         quarantine=["null mark __HIVE_DEFAULT_PARTITION__ in column followerId (input.null)"]),
    good("the file's own column wins", {"followerId=x/p.csv": ONE}),
    good("Windows line ends, no last one", HEAD.replace("\n", "\r\n") + "ann,bob"),
]  # fmt: skip
BINARY = {
    "Avro": (b"Obj\x01", "Avro; convert it to CSV or Parquet with the columns followerId and "
             "followingId (spark, or duckdb's read_avro)"),
    "ORC": (b"ORC\0", "ORC; convert it to CSV or Parquet with the columns followerId and "
            "followingId: pandas.read_orc(...).to_parquet(...)"),
    "Arrow": (b"ARROW1\0\0", "an Arrow file; pandas.read_feather(...).to_parquet(...) converts it"),
    "Feather": (b"FEA1", "a Feather file; pandas.read_feather(...).to_parquet(...) converts it"),
    "SQLite": (b"SQLite format 3\0", "SQLite; sqlite3 -csv -header FILE 'select ...' writes CSV"),
    "HDF5": (b"\x89HDF\r\n", "HDF5; convert it with pandas to CSV or Parquet with the columns "
             "followerId and followingId"),
    "NumPy": (b"\x93NUMPY", "a NumPy array; write it as CSV with a header"),
    "pickle": (b"\x80\x04\x95", "a Python pickle; convert it with pandas to CSV or Parquet with "
               "the columns followerId and followingId"),
    "PDF": (b"%PDF-1.4", "a PDF; expected a table"),
    "7z": (b"7z\xbc\xaf\x27", "a 7z archive; unpack it, and name the folder"),
    "RAR": (b"Rar!\x1a", "a RAR archive; unpack it, and name the folder"),
    "xls": (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save it as CSV"),
    "pg_dump": (b"PGDMP", "a dump of PostgreSQL; write it with \\copy ... to FILE csv header"),
    "lz4": (b"\x04\x22\x4d\x18", "lz4 data; lz4 -d unpacks it"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4\n",
            "a Git LFS pointer, not the file itself; git lfs pull fetches it"),
    "HTML": (b"<!DOCTYPE html>\n<html>", "a web page (HTML); probably an error page: download it "
             "again"),
    "html": (b"\n <html><body>", "a web page (HTML); probably an error page: download it again"),
    "XML": (b"<?xml version='1.0'?>", "XML; convert it to CSV or Parquet with the columns "
            "followerId and followingId"),
    "SQL": (b"COPY public.follows (a, b) FROM stdin;\n1\t2\n",
            "a dump of PostgreSQL; write it with \\copy ... to FILE csv header"),
    "tar": (tarred(ONE), "a tar archive; tar -xf unpacks it: name the folder then"),
    "tar.gz": (gzip.compress(tarred(ONE)),
               "a tar archive; tar -xf unpacks it: name the folder then"),
    "xlsx": (zipped(**{"[Content_Types]__xml": "x", "a": "b"}),
             "an Excel workbook; save it as CSV UTF-8"),
    "zip of two": (zipped(a__csv=ONE, b__csv=ONE),
                   "a zip archive of 2 files, expected one; unzip it, and name the folder"),
    "UTF-16": (ONE.encode("utf-16"),
               "UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 converts it"),
    "zeros": (bytes(100_000), "binary, not text; expected CSV in UTF-8, or Parquet"),
    "zeros, packed": (gzip.compress(bytes(10_000_000)),
                      "binary, not text; expected CSV in UTF-8, or Parquet"),
}  # fmt: skip
G_CURES = [
    *(bad(f"first bytes of {name}", data, f"a.csv: is {line}")
      for name, (data, line) in BINARY.items()),
    bad("a long header is cut", "x" * 500 + "\na\n",
        "a.csv: no column followerId, followingId; found " + "x" * 197 + "...; fix input.columns, "
        "or set input.header to false where the first row is no header"),
    bad("invisible characters are shown", "follower\u200bId,followingId\nann,bob\n",
        "a.csv: no column followerId; found follower\\u200bId, followingId; fix input.columns, or "
        "set input.header to false where the first row is no header"),
    bad("bz2 cut short", bz2.compress(ONE.encode() * 999)[:-9],
        "a.csv: the bz2 data is cut short; copy the file again"),
    bad("xz cut short", lzma.compress(ONE.encode() * 999)[:-30],
        "a.csv: the xz data is cut short; copy the file again"),
    bad("xz damaged", lzma.compress(ONE.encode() * 999)[:20] + bytes(99),
        "a.csv: the xz data is damaged; copy the file again"),
    bad("zip damaged", b"PK\x03\x04" + bytes(99),
        "a.csv: the zip data is damaged; copy the file again"),
]  # fmt: skip

EVENTS = (
    "followerId,followingId,action,at\nann,bob,follow,5\nbob,cid,follow,2\n"
    "ann,bob,unfollow,1\nbob,cid,unfollow,3\ncid,ann,like,4\n"
)
SIGNED = "followerId,followingId,sign\nann,bob,1\nbob,cid,-1\ncid,ann,0\ncid,dan,x\n"
C_EVENTS = [
    good("events by time", EVENTS, columns={"action": "action", "timestamp": "at"},
         quarantine=["column action holds like"]),
    good("events in the order of the input", EVENTS, [], columns={"action": "action"},
         quarantine=["column action holds like"]),
    good("events by time, as dates", "followerId,followingId,action,at\nann,bob,add,2026-01-02\n"
         "ann,bob,remove,2026-01-01T23:59:59Z\n", columns={"action": "action", "timestamp": "at"}),
    good("events of ones and zeros", "followerId,followingId,op\nann,bob,1\nann,cid,1\nann,cid,0\n",
         columns={"action": "op"}),
    good("events in JSON lines", LINES.replace("}", ', "action": "follow"}'),
         columns={"action": "action"}, file="a.jsonl"),
    bad("events without their column", EVENTS, "a.csv: column action holds unfollow: not every row "
        "is a follow; set input.columns.action: action, or input.ignore: [action]"),
    good("events that are ignored", EVENTS, [("ann", "bob"), ("bob", "cid"), ("ann", "bob"),
                                             ("bob", "cid"), ("cid", "ann")], ignore=["action"]),
    good("a column called action without unfollows",
         "followerId,followingId,action\nann,bob,follow\n"),
    bad("events with a time that is none",
        "followerId,followingId,action,at\nann,bob,follow,soon\n",
        "input.columns.timestamp: 1 of 1 events have no time that can be read, such as soon; "
        "expected numbers, or dates as 2026-03-01T04:05:06Z",
        columns={"action": "action", "timestamp": "at"}),
    good("signed edges", SIGNED, columns={"sign": "sign"}, quarantine=["column sign is no number"]),
    bad("signed edges without their column", SIGNED, "a.csv: column sign holds -1: not every row "
        "is a follow; set input.columns.sign: sign, or input.ignore: [sign]"),
    bad("signed edges in Parquet", parquet(followerId=["ann"], followingId=["bob"], weight=[-1]),
        "a.parquet: column weight holds -1: not every row is a follow; set input.columns.sign: "
        "weight, or input.ignore: [weight]", file="a.parquet"),
    good("positive weights", "followerId,followingId,weight\nann,bob,3\n"),
    good("a missing time", "followerId,followingId,at\nann,bob,7\nann,cid,\nann,cid,NULL\n",
         columns={"timestamp": "at"}, quarantine=["no value in column at"] * 2),
    good("a missing time in Parquet", parquet(followerId=["ann", "ann"], followingId=["bob", "cid"],
                                              at=pa.array([7, None], pa.timestamp("s"))),
         columns={"timestamp": "at"}, file="a.parquet", quarantine=["no value in column at"]),
]  # fmt: skip
D_SPELLINGS = [
    good("normalised numbers", HEAD + "7.0,1e3\n", [("7", "1000")], normalise=["numbers"]),
    good("normalised blanks", HEAD + " ann ,\u00a0bob\n", normalise=["trim"]),
    good("normalised invisible characters", HEAD + "a\u200bnn,bob\u00ad\n",
         normalise=["invisible"]),
    good("normalised accents", HEAD + "e\u0301,bob\n", [("\u00e9", "bob")], normalise=["nfc"]),
    good("normalised case", HEAD + "Ann,BOB\n", normalise=["lower"]),
    good("null marks after blanks", HEAD + "ann,bob\n NULL ,bob\n", normalise=["trim"],
         quarantine=["null mark NULL in column followerId (input.null)"]),
    good("exact text", HEAD + "7.0, 1e3\nE\u0301,a\u200b\n",
         [("7.0", " 1e3"), ("E\u0301", "a\u200b")]),
]  # fmt: skip

KINDS: list[Kind] = [
    *A_NULL_MARKS,
    *B_NO_ROWS,
    *C_LAYOUTS,
    *E_FILES,
    *F_GOOD_DATA,
    *G_CURES,
    *C_EVENTS,
    *D_SPELLINGS,
]
