"""Kinds of input: what is read, what is repaired and counted, and what is refused, as one table.

Each row is an input and its right result, or the line that says what is wrong, to the letter.
"""

from __future__ import annotations

import pytest

from raypipe.errors import RaypipeError
from tests.storage.intake.kinds import KINDS
from tests.storage.intake.reading import pairs, quarantined, read


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kinds(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in kind.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    settings = {"null": read.default_null, **kind.settings}
    if kind.error is not None:
        with pytest.raises(RaypipeError) as caught:
            read(kind.place, **settings)
        assert str(caught.value) == kind.error
        return
    intake = read(kind.place, **settings)
    assert pairs(intake) == kind.follows
    assert [reason for _, reason in quarantined(intake)] == kind.quarantine
    assert [notice.text for notice in intake.notices] == kind.notices
    used = len(intake.frame)
    counts = intake.counts
    assert counts["rows_in"] == used + sum(counts.values()) - counts["rows_in"]


def test_the_table_is_large():
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 120
