"""Small tables: one reader, one rule of what text is, whatever they are for."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypipe.config import AudienceConfig, InputConfig
from raypipe.errors import InputError, MissingInputError
from raypipe.graph.degree_table import read_degrees
from raypipe.recommend.audience import read_accounts
from raypipe.storage.feedback.tables import read_pairs, read_rejections
from raypipe.storage.tables import TableColumn, read_ids, read_table, write_table

#: The text of each table with ids that look like something else, and who reads it.
IDS = ["0123", "1e5", "NAN", "nil", " a ", "é", "\ufeffb", "true", 'q"q']
PACK = {
    "a.csv": bytes,
    "a.tsv": lambda data: data.replace(b",", b"\t"),
    "a.CSV.gz": gzip.compress,
    "a.tsv.gz": lambda data: gzip.compress(data.replace(b",", b"\t")),
    "a.csv.zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "a.csv.bz2": bz2.compress,
    "packed.csv": lzma.compress,
    "a.txt": lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
}


def pairs_in(path):
    return read_pairs(str(path), "pair")["accountId"].to_pylist()


READERS = {
    "audience": lambda path: read_accounts(AudienceConfig(accounts=str(path))).to_pylist(),
    "ids": lambda path: read_ids(path, "filters.bots").to_pylist(),
    "pairs": pairs_in,
    "rejections": lambda path: read_rejections(path).rows["accountId"].to_pylist(),
}


def quoted(value):
    return '"' + value.replace('"', '""') + '"'


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", PACK)
def test_ids_are_the_text_that_stands_in_the_file(name, reader, tmp_path):
    rows = "".join(f"x,{quoted(name)},c\n" for name in IDS)
    path = tmp_path / name
    path.write_bytes(PACK[name](f"note,accountId,candidateId\n{rows}".encode()))
    assert READERS[reader](path) == IDS


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.int64(), "dictionary"])
def test_ids_in_parquet(kind, reader, tmp_path):
    ids = pa.array([12, 3]) if kind == pa.int64() else pa.array(["12", "3"])
    ids = ids.dictionary_encode() if kind == "dictionary" else ids.cast(kind)
    path = tmp_path / "a.PQ"
    pq.write_table(pa.table({"accountId": ids, "candidateId": ["c", "d"]}), path)
    assert READERS[reader](path) == ["12", "3"]


ALL = {**READERS, "degrees": read_degrees}
HEAD = b"accountId,candidateId,follows,followers\n"


@pytest.mark.parametrize("reader", ALL)
@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        ("a.csv", None, MissingInputError, "found no such file or folder; "),
        ("folder", None, MissingInputError, "found no input file in this folder; "),
        ("a.csv", b"", InputError, r"is empty \(0 bytes\); "),
        ("a.csv", b"\n\n", InputError, "found no row; "),
        ("a.csv", b"a,b\n1,2\n", InputError, "no column .*; found a, b; "),
        ("a.csv", HEAD.decode().encode("utf-16"), InputError, "is UTF-16; expected UTF-8"),
        (
            "a.csv.gz",
            gzip.compress(HEAD * 999, mtime=0)[:-12],
            InputError,
            "the gzip data is cut short; ",
        ),
        ("a.parquet", HEAD, InputError, "is not Parquet; "),
        ("a.csv", HEAD[:-1] + b"," + HEAD, InputError, "found column .* 2 times, expected once"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_from_every_reader(
    name, data, error, message, reader, tmp_path
):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif data is not None:
        path.write_bytes(data)
    with pytest.raises(error, match=f"^{path}: {message}") as caught:
        ALL[reader](path)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", sorted(ALL.keys() - {"rejections"}))
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"a,b,1,1,5", "found 5 values, expected 4"),
        (b"\xff,\xff,\xff,1", "column .* is not UTF-8"),
        (b'"a,b,1,1', r"a quote \(\"\) is not closed"),
    ],
)
def test_a_bad_row_is_refused(row, reason, reader, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEAD + b"a,b,1,1\n" + row + b"\nc,d,1,1\n")
    with pytest.raises(InputError, match=rf"1 of 3 rows hold no .* \(row 2: {reason}.*\); fix "):
        ALL[reader](path)


def test_bad_rows_of_rejections_keep_their_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'accountId,candidateId,reason\na,b,\n,b,x\na,a,x\nc,"d\0",x\nc,d\ne,f,\xff\ng,h,"i\nj"\n'
    )
    found = read_rejections(path)
    assert found.rows.to_pylist() == [
        {"accountId": "a", "candidateId": "b", "reason": None},
        {"accountId": "g", "candidateId": "h", "reason": "i\nj"},
    ]
    assert found.quarantine.to_pylist() == [
        {"file": str(path), "row": row, "reason": reason}
        for row, reason in (
            (2, "empty id in column accountId"),
            (3, "account and candidate are the same"),
            (4, "null character in column candidateId"),
            (5, "found 2 values, expected 3"),
            (6, "column reason is not UTF-8"),
        )
    ]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_the_delimiter_is_the_one_that_gives_the_columns(delimiter, reader, tmp_path):
    text = "n,accountId,candidateId\n1,0123,x\n2,7,y\n".replace(",", delimiter)
    (tmp_path / "a.csv").write_text(text)
    assert READERS[reader](tmp_path / "a.csv") == ["0123", "7"]


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_and_a_glob_of_all_formats(reader, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("accountId,candidateId\n1,x\n")
    (tmp_path / "in" / "b.jsonl").write_text('{"accountId": "2", "candidateId": "x"}\n')
    table = {"accountId": pa.array([3.0]), "candidateId": ["x"]}
    pq.write_table(pa.table(table), tmp_path / "in" / "c.parq")
    (tmp_path / "in" / "d.csv").write_bytes(b"")
    for place in (tmp_path / "in", tmp_path / "in" / "*"):
        assert READERS[reader](place) == ["1", "2", "3"]


def test_rules_for_ids_of_the_input_hold_for_tables(tmp_path):
    (tmp_path / "a.csv").write_text("accountId\n1064.0\n 7 \n-\n")
    config = InputConfig(null=["-"], normalise=["trim", "numbers"])
    found = read_table(tmp_path / "a.csv", [TableColumn("accountId")], "", config)
    assert found.rows["accountId"].to_pylist() == ["1064", "7"]
    assert found.quarantine["reason"].to_pylist() == [
        "null mark - in column accountId (input.null)"
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.csv.zst", "a.parquet"])
def test_what_is_written_is_read_back(name, tmp_path):
    columns = [TableColumn("accountId"), TableColumn("reason", "text", required=False)]
    texts = ["plain", 'two\nlines, "quoted"\t', "\r\n", "漢"]
    table = pa.table({"accountId": ["1", "2", "3", "4"], "reason": texts})
    write_table(tmp_path / name, table)
    found = read_table(tmp_path / name, columns, "")
    assert found.rows["reason"].to_pylist() == texts
    assert found.quarantine.num_rows == 0
    assert found.present == {"accountId", "reason"}


def test_a_column_that_is_not_required_is_null_where_it_is_missing(tmp_path):
    Path(tmp_path, "a.csv").write_text("accountId\n1\n")
    columns = [TableColumn("reason", "text", required=False), TableColumn("accountId")]
    found = read_table(tmp_path / "a.csv", columns, "")
    assert found.rows.to_pylist() == [{"reason": None, "accountId": "1"}]
    assert found.present == {"accountId"}


def test_an_unclosed_quote_costs_one_row_not_the_rest(tmp_path):
    Path(tmp_path, "a.csv").write_text('accountId,n\n"a,1\nb,2\n"c",3\n"d",4\n')
    found = read_table(tmp_path / "a.csv", [TableColumn("accountId")], "")
    assert found.rows["accountId"].to_pylist() == ["b", "c", "d"]
    assert found.numbers.tolist() == [2, 3, 4]
