"""The runs folder: finishing, reading, publishing, rolling back, pruning."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from raypipe.errors import ConfigError, UnknownAccountError
from raypipe.storage.runs.run import verify_run
from tests.storage.runs.small_runs import (
    NAMES,
    digest,
    expected,
    finish,
    ids,
    nightly,
    refusal,
    rewrite_manifest,
    seen,
)

A, B, C, D = NAMES


def test_a_run_is_finished_then_published(store):
    run, _ = finish(store, A, "x")
    assert run.id == A
    assert str(run.date) == "2026-03-01"
    assert not store.was_published(run)
    assert refusal(store.current) == (
        f"nothing is published in {store.root}; start with: raypipe run CONFIG"
    )
    store.publish(run)
    assert store.was_published(run)
    assert seen(store) == expected(A, "x")
    assert sorted(os.listdir(store.root / A)) == ["graph", "manifest.json", "recommendations"]


def test_manifest_names_every_file(store):
    run, _ = finish(store, A, "x")
    assert sorted(run.manifest.files) == [
        "graph/ids.arrow",
        "recommendations/part-00000.parquet",
        "recommendations/part-00001.parquet",
    ]
    for name, entry in run.manifest.files.items():
        assert entry.bytes == (run.path / name).stat().st_size
    assert run.manifest.run == A
    assert run.manifest.input_digest == digest("x")
    text = (run.path / "manifest.json").read_text()
    assert text == run.manifest.to_json()
    values = run.manifest.model_dump(mode="json")
    assert text == json.dumps(values, indent=2, sort_keys=True) + "\n"


def test_reading_one_account(store):
    run, _ = finish(store, A, "x")
    assert run.recommendations("d").to_pylist() == [
        {"accountId": "d", "rank": 1, "candidateId": "x-for-d", "score": 0.5}
        | {"source": "popular", "reason": "popular"}
    ]
    assert len(run.recommendations("d", k=0)) == 0
    assert len(run.recommendations("quiet")) == 0
    assert refusal(run.recommendations, "D", error=UnknownAccountError) == (
        f"account 'D' is not in run {A}; nearest: 'd'; for a list of a new account: "
        "--following ID,..."
    )
    assert "'\\udcff'" in refusal(run.recommendations, "\udcff", error=UnknownAccountError)
    assert refusal(run.neighbours, "a") == (f"run {A} holds no neighbours; found recommendations")


def test_same_input_is_found_other_input_gets_a_number(store):
    first, _ = finish(store, A, "x")
    assert store.find(A, digest("x")) == first
    assert store.find(A, digest("y")) is None
    assert store.find(B, digest("x")) is None
    second, _ = finish(store, A, "y")
    third, _ = finish(store, A, "z")
    assert ids([second, third]) == [f"{A}.2", f"{A}.3"]
    assert store.find(A, digest("y")) == second
    assert store.find(A, digest("x")) == first


def test_runs_are_listed_newest_first(store):
    for name in (B, A):
        finish(store, name)
    for word in "yzabcdefgh":
        finish(store, A, word)
    (store.root / "notes").mkdir()
    (store.root / "2026-03-99-0a1b2c3d").mkdir()
    (store.root / "2026-03-03-0a1b2c3d").write_text("a file")
    # The date decides, then the time of creation, then the number (.11 after .9).
    assert ids(store.runs()) == [B, *(f"{A}.{n}" for n in range(11, 1, -1)), A]
    rewrite_manifest(store.root / A, created="2099-01-01T00:00:00Z")
    assert ids(store.runs())[:2] == [B, A]


def test_an_id_is_never_given_twice(store):
    for name in (A, B, C):
        nightly(store, name, keep=1)
    assert ids(store.runs()) == [C, B]
    run, _ = finish(store, A, "x")
    assert run.id == f"{A}.2"
    assert not store.was_published(run)


def test_rerun_publishes_what_was_finished_but_not_what_was_rolled_back_from(store):
    nightly(store, A)
    finish(store, B)
    assert nightly(store, B) == []
    assert store.current().id == B
    store.rollback()
    assert nightly(store, B) == []
    assert store.current().id == A


@pytest.mark.parametrize(
    ("moves", "current", "previous"),
    [
        ([], C, B),
        ([None], B, A),
        ([None, None], A, None),
        ([A], A, None),
        ([None, C], C, B),
        ([A, C], C, A),
        ([None, D], D, B),
        ([None, D, None], B, A),
        ([C], C, B),
    ],
)
def test_rollbacks(published, moves, current, previous):
    finish(published, D)
    for move in moves:
        assert published.rollback(move) == published.current()
    assert published.current().id == current
    found = published.previous()
    assert (found.id if found else None) == previous


def test_publishing_again_what_was_rolled_back_from(published):
    published.rollback(A)
    published.publish(published.get(C))
    published.publish(published.get(A))
    assert [published.current().id, published.rollback().id, published.rollback().id] == [A, C, A]


def test_rollback_with_nothing_before(store):
    assert refusal(store.rollback).startswith("nothing is published in")
    nightly(store, A)
    assert refusal(store.rollback) == (
        f"{store.root}: nothing was published before {A}; "
        f"name a run: raypipe runs rollback RUN (finished: {A})"
    )


def test_rollback_passes_over_pruned_runs_but_not_over_damaged_ones(published):
    shutil.rmtree(published.root / B)
    assert published.previous().id == A
    (published.root / A / "manifest.json").unlink()
    assert refusal(published.rollback) == (
        f"{published.root}: run {A} has no manifest.json; choose another (finished: {C})"
    )
    assert published.current().id == C


def test_history_tells_each_move(published):
    published.rollback()
    published.publish(published.get(B))  # is current already: no move
    tree = json.loads((published.root / "CURRENT.json").read_bytes())
    assert tree["current"] == B
    assert [(move["run"], move["action"]) for move in tree["history"]] == [
        (A, "publish"),
        (B, "publish"),
        (C, "publish"),
        (B, "rollback"),
    ]
    assert all(len(move["at"]) == len("2026-03-01T04:05:06Z") for move in tree["history"])


def test_current_moved_by_hand_is_taken_as_a_rollback(published):
    path = published.root / "CURRENT.json"
    path.write_text(path.read_text().replace(f'"current": "{C}"', f'"current": "{B}"'))
    assert (published.current().id, published.previous().id) == (B, A)


@pytest.mark.parametrize(
    ("keep", "rolled_back_to", "left"),
    [
        (9, None, [D, C, B, A]),
        (2, None, [D, C]),
        (1, None, [D, C]),
        (1, B, [D, B, A]),
        (1, A, [D, A]),
    ],
)
def test_prune_keeps_the_newest_the_current_and_the_previous(published, keep, rolled_back_to, left):
    nightly(published, D, keep=9)
    if rolled_back_to:
        published.rollback(rolled_back_to)
    before = ids(published.runs())
    removed = published.prune(keep)
    assert ids(published.runs()) == left
    assert ids(removed) == [run_id for run_id in before if run_id not in left]
    assert not (set(os.listdir(published.root)) & set(ids(removed)))
    assert verify_run(published.current()) == []


def test_prune_deletes_left_staging_and_trash(published):
    with published.lock():
        published.open_staging(D, digest("x")).save_shard("0-1", {})
    (published.root / ".trash" / A / "graph").mkdir(parents=True)
    assert ids(published.prune(2)) == [A]
    assert not (published.root / ".staging").exists()
    assert os.listdir(published.root / ".trash") == []


def test_prune_counts_whole_runs_only(published):
    (published.root / C / "manifest.json").unlink()
    published.rollback(A)
    published.prune(1)
    assert ids(published.runs()) == [C, B, A]


def test_prune_zero_is_refused(published):
    message = refusal(published.prune, 0, error=ConfigError)
    assert message == "keep 0: expected 1 or more; the current run is always kept"
    assert len(published.runs()) == 3


def test_a_reader_needs_nothing_heavy(published):
    code = (
        "import sys; from pathlib import Path; from raypipe.storage.runs.store import RunStore\n"
        "rows = RunStore(Path(sys.argv[1])).current().recommendations('a')\n"
        "heavy = {'ray', 'modin', 'numba', 'pandas', 'pyarrow.dataset'}\n"
        "print(rows.num_rows, sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, published.root], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "1 []\n"
