from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypipe.config import AudienceConfig
from raypipe.errors import InputError, MissingInputError
from raypipe.recommend.audience import audience, read_accounts
from tests.strategies import graph_of


def read(path):
    return read_accounts(AudienceConfig(accounts=str(path)))


def test_the_column_is_found_by_name_and_its_ids_stay_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("seen,accountId\n1,0123\n2,1e5\n3,0123\n4,NAN\n")
    assert read(path).to_pylist() == ["0123", "1e5", "NAN"]


@pytest.mark.parametrize("values", [["7", "8"], [7, 8]])
def test_parquet(tmp_path, values):
    pq.write_table(pa.table({"x": [0, 0], "accountId": values}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").to_pylist() == ["7", "8"]


def test_none_is_everybody():
    graph = graph_of([("a", "b"), ("a", "c"), ("b", "c")])
    assert read_accounts(AudienceConfig()) is None
    assert audience(graph, None, 0).tolist() == [0, 1, 2]
    assert audience(graph, None, 2).tolist() == [0]
    assert audience(graph, pa.array(["c", "a"], pa.large_string()), 0).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "b\nc\n", "no column accountId; found b; audience.accounts names a CSV"),
        (
            "a.csv",
            "accountId,x\n,1\nb,2\n",
            "1 of 2 rows hold no account (row 1: empty id",
        ),
        ("a.csv", "accountId\n", "holds no accounts; give some"),
        ("a.csv", "", "is empty (0 bytes); audience.accounts names a CSV"),
        ("a.parquet", "no parquet", "is not Parquet; name the file by what is in it"),
    ],
)
def test_bad_files(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_floats_that_are_not_whole_are_no_ids(tmp_path):
    pq.write_table(pa.table({"accountId": [1.5]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column accountId holds a number that is not whole"):
        read(tmp_path / "a.parquet")


def test_missing_file():
    with pytest.raises(MissingInputError, match=r"none\.csv: found no such file"):
        read("none.csv")
