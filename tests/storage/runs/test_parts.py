"""Published tables: same rows, same bytes; one account is read from one part, by bisection."""

import tempfile
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raypipe.columns import NEIGHBOURS_SCHEMA, RECOMMENDATIONS_SCHEMA
from raypipe.storage.runs import parts
from raypipe.storage.runs.parts import holds_id, read_account, write_parts

RECOMMENDATIONS = pa.table(
    {
        "accountId": ["a", "a", "a", "c", "é", "é"],
        "rank": [1, 2, 3, 1, 1, 2],
        "candidateId": ["b", "c", "d", "a", "a", "b"],
        "score": [0.75, 0.5, 0.25, 3.0, 0.5, 0.25],
        "source": ["similar", "similar", "popular", "popular", "similar", "similar"],
        "reason": ["follows you", "popular", "popular", "popular", "popular", "follows you"],
    },
    schema=RECOMMENDATIONS_SCHEMA,
)


def neighbours(*accounts):
    """A neighbours table: accounts in this order, ranks counted up for each."""
    ranks = [accounts[: place + 1].count(account) for place, account in enumerate(accounts)]
    return pa.table(
        {
            "accountId": accounts,
            "rank": ranks,
            "neighbourId": [f"n{rank}" for rank in ranks],
            "score": [1 / rank for rank in ranks],
        },
        schema=NEIGHBOURS_SCHEMA,
    )


def test_parts_are_cut_between_accounts_and_say_whom_they_hold(tmp_path):
    found = write_parts(tmp_path, "recommendations", [RECOMMENDATIONS], part_rows=2)
    assert [(part.file, part.first, part.last, part.rows) for part in found] == [
        ("recommendations/part-00000.parquet", "a", "a", 3),
        ("recommendations/part-00001.parquet", "c", "é", 3),
    ]
    assert pq.read_table(tmp_path / "recommendations").equals(RECOMMENDATIONS)


@pytest.mark.parametrize(
    ("account", "k", "rows"),
    [
        ("a", None, slice(0, 3)),
        ("a", 2, slice(0, 2)),
        ("a", 0, slice(0, 0)),
        ("c", 9, slice(3, 4)),
        ("é", None, slice(4, 6)),
        ("", None, slice(0, 0)),
        ("b", None, slice(0, 0)),
        ("\udcff", None, slice(0, 0)),  # bytes of the command line that are no UTF-8
        ("zz", None, slice(0, 0)),
    ],
)
def test_read_account(tmp_path, account, k, rows):
    infos = write_parts(tmp_path, "recommendations", [RECOMMENDATIONS], part_rows=3)
    found = read_account(tmp_path, "recommendations", infos, account, k)
    assert found.schema.equals(RECOMMENDATIONS_SCHEMA)
    assert found.to_pylist() == RECOMMENDATIONS.to_pylist()[rows]


def test_no_rows_make_one_empty_part(tmp_path):
    for tables in ([], [RECOMMENDATIONS.slice(0, 0)]):
        infos = write_parts(tmp_path, "recommendations", tables)
        assert [(info.first, info.last, info.rows) for info in infos] == [(None, None, 0)]
        assert pq.read_table(tmp_path / "recommendations").schema.equals(RECOMMENDATIONS_SCHEMA)
        assert len(read_account(tmp_path, "recommendations", infos, "a")) == 0


def test_parts_of_an_attempt_before_are_replaced(tmp_path):
    write_parts(tmp_path, "neighbours", [neighbours("a", "b", "c")], part_rows=1)
    write_parts(tmp_path, "neighbours", [neighbours("a", "b")], part_rows=9)
    assert [path.name for path in (tmp_path / "neighbours").iterdir()] == ["part-00000.parquet"]


def test_only_the_part_and_the_rows_of_the_account_are_read(tmp_path):
    with mock.patch.object(parts, "GROUP_ROWS", 3):
        infos = write_parts(tmp_path, "neighbours", [neighbours(*"aaabbbcccddd")], part_rows=6)
    part = tmp_path / infos[0].file
    second_group = pq.ParquetFile(part).metadata.row_group(1).column(0).dictionary_page_offset
    data = bytearray(part.read_bytes())
    data[4:second_group] = bytes(second_group - 4)
    part.write_bytes(data)
    (tmp_path / infos[1].file).unlink()
    assert len(read_account(tmp_path, "neighbours", infos, "b")) == 3
    with pytest.raises(OSError, match=r"Parquet|Thrift|page"):
        read_account(tmp_path, "neighbours", infos, "a")


@pytest.mark.parametrize("part_rows", [1, 9])
@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([neighbours("b", "a")], "rows are not sorted by accountId, then rank"),
        ([neighbours("b"), neighbours("c"), neighbours("a")], "rows are not sorted"),
        ([neighbours("a", "b"), neighbours("a", "b")], "rows are not sorted"),
        ([neighbours("a"), neighbours("a")], "rows are not sorted"),
        ([neighbours("a", "a").take([1, 0])], "rows are not sorted"),
        (
            [neighbours("a").set_column(3, "score", [[None]])],
            "found null in score; expected a value",
        ),
    ],
)
def test_rows_that_bisection_cannot_search_are_refused(tmp_path, tables, message, part_rows):
    with pytest.raises(ValueError, match=message):
        write_parts(tmp_path, "neighbours", tables, part_rows=part_rows)


def test_unknown_kind_is_a_bug(tmp_path):
    with pytest.raises(KeyError, match="friends"):
        write_parts(tmp_path, "friends", [])


ID_TYPES = [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("aé\U0001f600", max_size=2), max_size=30).map(sorted),
    st.lists(st.integers(0, 30), max_size=5).map(sorted),
    st.sampled_from(ID_TYPES),
    st.integers(1, 8),
)
def test_same_rows_same_bytes_and_every_account_is_found(accounts, cuts, id_type, part_rows):
    table = neighbours(*accounts)
    cut = [
        table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(table)], strict=True) if b > a
    ]
    cut = [
        rows.set_column(0, "accountId", rows.column(0).cast(id_type)).replace_schema_metadata(
            {"pandas": str(number)}
        )
        for number, rows in enumerate(cut)
    ]
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        mock.patch.object(parts, "GROUP_ROWS", 4),
    ):
        infos = write_parts(Path(one), "neighbours", [table], part_rows)
        assert write_parts(Path(other), "neighbours", cut, part_rows) == infos
        for info in infos:
            assert Path(one, info.file).read_bytes() == Path(other, info.file).read_bytes()
        assert pq.read_table(Path(one, "neighbours")).equals(table)
        assert all(info.rows >= part_rows for info in infos[:-1])
        for account in {*accounts, "", "absent"}:
            found = read_account(Path(one), "neighbours", infos, account)
            assert found.to_pylist() == [
                row for row in table.to_pylist() if row["accountId"] == account
            ]


def test_same_bytes_where_a_group_fills_many_pages(tmp_path):
    """Ids of 300 bytes: how rows come in decides where Arrow ends a page, if it is let to."""
    accounts = [f"{row:0300d}" for row in range(20_000)]
    table = pa.table(
        [accounts, [1] * len(accounts), accounts[::-1], [0.5] * len(accounts)],
        schema=NEIGHBOURS_SCHEMA,
    )
    cut = [table.slice(start, 777) for start in range(0, len(table), 777)]
    infos = write_parts(tmp_path / "one", "neighbours", [table], part_rows=12_000)
    assert write_parts(tmp_path / "other", "neighbours", cut, part_rows=12_000) == infos
    for info in infos:
        one, other = ((tmp_path / way / info.file).read_bytes() for way in ("one", "other"))
        assert one == other


@pytest.mark.parametrize("id_type", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("ids", [[], ["b"], ["a", "b", "c", "é"]])
def test_holds_id(tmp_path, ids, id_type):
    table = pa.table({"id": pa.array(ids, id_type)})
    with pa.ipc.new_file(tmp_path / "ids.arrow", table.schema) as writer:
        writer.write_table(table)
    probes = ["", "a", "aa", "b", "c", "d", "é", "ê", "\udcff"]
    assert [id for id in probes if holds_id(tmp_path / "ids.arrow", id)] == ids
