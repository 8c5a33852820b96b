"""The smallest nightly run there is: four accounts, two shards, one published table."""

from __future__ import annotations

import hashlib
import json
import os
import warnings

import pyarrow as pa
import pytest

from raypipe.columns import RECOMMENDATIONS_SCHEMA
from raypipe.errors import RunError
from raypipe.storage.files import disk_errors
from raypipe.storage.runs.manifest import RowCounts, RunFacts, SecondsRecord
from raypipe.storage.runs.parts import write_parts
from raypipe.storage.runs.run import verify_run

NAMES = [f"2026-03-0{day}-0a1b2c3d" for day in range(1, 5)]
ACCOUNTS = ("a", "b", "c", "d")
SHARDS = {"0-2": ("a", "b"), "2-4": ("c", "d")}


def table(accounts, word):
    """One recommendation an account; ``word`` tells one input from another."""
    end = (0.5, "popular", "popular")
    rows = [(account, 1, f"{word}-for-{account}", *end) for account in accounts]
    return pa.table(list(zip(*rows, strict=True)), schema=RECOMMENDATIONS_SCHEMA)


def digest(word):
    return hashlib.sha256(word.encode()).hexdigest()


def write_ids(path):
    ids = pa.table({"id": pa.array([*ACCOUNTS, "quiet"], pa.large_string())})
    with open(path, "wb") as file, pa.ipc.new_file(file, ids.schema) as writer:
        writer.write_table(ids)


def facts(parts):
    """What the pipeline reports of a run with these parts."""
    counts = {
        "rows": dict.fromkeys(RowCounts.model_fields, 0),
        "graph": {"accounts": 5, "follows": 4, "co_follow_pairs": 0},
        "recommendations": {"popular": 4},
        "excluded": {},
        "filters": {},
        **dict.fromkeys(("audience", "neighbours", "checked_at_the_gate", "shards"), 4),
    }
    ladder = {"decided_by": "fixed", "why": "ladder: fixed (config)", "metric": "ndcg@10"}
    tiers = [{"min_follows": 0, "sources": ["popular"], "how": "fill_up"}]
    similarity = {"max_followers": None, "hubs_left_out": 0, "share_of_co_follow_pairs_left": 1.0}
    seconds = dict.fromkeys(SecondsRecord.model_fields, 1.0)
    return RunFacts.model_validate(
        {
            "config_digest": "0a1b2c3d",
            "fingerprint": "00",
            "seed": 0,
            "counts": counts,
            "feedback": dict.fromkeys(("url", "previously_followed_in", "shown_in"))
            | {"watermark": 0},
            "integrity": {
                "trusted": "",
                "warm_from": None,
                "with_reputation": 0,
                "suspects": 0,
                "by_detector": {},
            },
            "ladder": {**ladder, "tiers": tiers},
            "similarity": {**similarity, "recall": 1.0, "low": 1.0, "high": 1.0, "sample": 0},
            "walks": {},
            "parts": parts,
            "inputs": [],
            "engines": {"frames": "frames: pandas", "cluster": "cluster: none"},
            "predicted": seconds,
            "actual": seconds,
            "stages": [],
            "versions": {},
        }
    )


def finish(store, name, word="x"):
    """A finished run that is not published; and the shards that had to be computed."""
    with store.lock():
        staging = store.open_staging(name, digest(word))
        left = set(staging.shards())
        computed = [shard for shard in SHARDS if shard not in left]
        for shard in computed:
            staging.save_shard(shard, {"recommendations": table(SHARDS[shard], word)})
        tables = [staging.load_shard(shard)["recommendations"] for shard in SHARDS]
        parts = write_parts(staging.path, "recommendations", tables, part_rows=3)
        with disk_errors("graph: cannot be written"):
            (staging.path / "graph").mkdir()
            write_ids(staging.path / "graph" / "ids.arrow")
        run = store.finish(staging, facts({"recommendations": parts}))
    return run, computed


def nightly(store, name, word="x", keep=2):
    """What the pipeline does every night; the shards that had to be computed."""
    computed = []
    with store.lock():
        run = store.find(name, digest(word))
        if run is None:
            run, computed = finish(store, name, word)
        if not store.was_published(run):
            store.publish(run)
        store.prune(keep)
    return computed


def seen(store):
    """What a reader sees: the id and every recommendation; the run must be whole to the byte."""
    run = store.current()
    assert verify_run(run) == []
    rows = [run.recommendations(account).to_pylist() for account in ACCOUNTS]
    return run.id, [row["candidateId"] for (row,) in rows]


def expected(run_id, word):
    return run_id, [f"{word}-for-{account}" for account in ACCOUNTS]


def in_child(function):
    """Fork a child that calls the function and exits with what it returns, or with 1; its pid."""
    with warnings.catch_warnings():  # Python 3.12 warns of forks beside threads, as Arrow's are
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = function() or 0
    finally:
        os._exit(code)


def exit_code(pid):
    """Wait for the child's end."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def rewrite_manifest(run, **changes):
    tree = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**tree, **changes}))


def ids(runs):
    return [run.id for run in runs]


def refusal(function, *args, error=RunError):
    """The message of the one-line error that the call raises."""
    with pytest.raises(error) as caught:
        function(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)
