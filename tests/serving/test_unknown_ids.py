"""Unknown ids: the nearest are named, and a typo is not acknowledged as a rejection."""

from __future__ import annotations

import pyarrow as pa
import pytest

import raypipe
from raypipe.errors import UnknownAccountError
from raypipe.storage.runs import parts
from raypipe.storage.runs.parts import nearest_ids


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unknown")
    rows = ["ann,bob", "bob,cid", "cid,bob", "dan,cid", "jazz-0042,ann"]
    (folder / "f.csv").write_text("followerId,followingId\n" + "\n".join(rows) + "\n")
    config = {"input.follows": str(folder / "f.csv"), "cluster": "none", "ladder": "fixed"}
    raypipe.run(config, runs_dir=folder / "runs", date="2026-03-01")
    return folder / "runs"


@pytest.mark.parametrize(
    ("written", "nearest"),
    [("jazz-042", "'jazz-0042'"), (" Ann ", "'ann'"), ("BOB", "'bob'"), ("dan.0", "'dan'")],
)
def test_the_nearest_ids_are_named(written, nearest, runs):
    for call in (
        lambda: raypipe.recommendations(written, runs_dir=runs),
        lambda: raypipe.explain("ann", written, runs_dir=runs),
        lambda: raypipe.reject("ann", written, runs_dir=runs),
        lambda: raypipe.reject(written, "cid", runs_dir=runs),
    ):
        with pytest.raises(UnknownAccountError, match=f"nearest: {nearest}"):
            call()
    assert not (runs / "feedback.sqlite").exists()


def test_unknown_ids_can_be_accepted(runs, tmp_path):
    with pytest.raises(UnknownAccountError, match="no id is near; nothing was stored"):
        raypipe.reject("ann", "zzzzzzzz", runs_dir=runs)
    url = f"sqlite:///{tmp_path}/f.sqlite"
    answer = raypipe.reject("ann", "zzzzzzzz", unknown=True, runs_dir=runs, feedback=url)
    assert answer.changed
    # Without a run, nothing can be known.
    assert raypipe.reject("ann", "zzzzzzzz", runs_dir=tmp_path / "none").changed


def test_a_large_file_is_searched_near_the_spellings(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_NEAR_ALL", 10)
    ids = pa.table({"id": pa.array(sorted(f"user{i:05}" for i in range(3000)), pa.large_string())})
    with pa.ipc.new_file(str(tmp_path / "ids.arrow"), ids.schema) as writer:
        writer.write_table(ids)
    assert nearest_ids(tmp_path / "ids.arrow", "USER00042")[0] == "user00042"
    assert nearest_ids(tmp_path / "ids.arrow", "user0042")
