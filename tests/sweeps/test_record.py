"""The record of a sweep: what was told is there, whole."""

from __future__ import annotations

import pytest

from raypipe.errors import RunError
from raypipe.sweeps.record import NAME, Record
from tests.sweeps.trying import trial_of

ABOUT = {"config": "aa", "data": "bb"}


def write(folder):
    with Record(folder, ABOUT) as record:
        record.begin(0, {"a": 0.1})
        record.begin(1, {"a": "x"})
        record.end(trial_of(1, 0.93, 0.9, state="stopped"))
    return folder / NAME


def test_what_was_told_is_there_again(tmp_path):
    write(tmp_path)
    with Record(tmp_path, ABOUT) as record:
        assert record.began == {0: {"a": 0.1}, 1: {"a": "x"}}
        assert record.ended == {1: trial_of(1, 0.93, 0.9, state="stopped")}
        record.end(trial_of(0, 0.8))
    with Record(tmp_path, ABOUT) as record:
        assert sorted(record.ended) == [0, 1]


def test_after_a_cut_at_any_byte_there_are_the_whole_lines(tmp_path):
    path = write(tmp_path)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Record(tmp_path, ABOUT) as record:
            ends = whole[:cut].count(b"\n")
            assert len(record.began) == max(0, min(2, ends - 1))
            assert len(record.ended) == (ends == 4)
            record.begin(7, {})
        with Record(tmp_path, ABOUT) as record:
            assert 7 in record.began


def test_another_sweep_is_told(tmp_path):
    path = write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(
        RunError, match="holds a sweep with another data; restore it, or start a sweep"
    ):
        Record(tmp_path, {**ABOUT, "data": "cc"})
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"ended": {"number": 3}}', b'{"other": 1}'])
def test_a_damaged_record_is_told(tmp_path, line):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(RunError, match=r"record.jsonl: is damaged; move the folder away"):
        Record(tmp_path, ABOUT)


def test_a_value_that_is_no_number_never_gets_there(tmp_path):
    with Record(tmp_path, ABOUT) as record, pytest.raises(ValueError, match="not JSON compliant"):
        record.end(trial_of(0, float("nan")))
    with Record(tmp_path, ABOUT) as record:
        assert not record.ended
