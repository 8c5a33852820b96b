"""SHA-256 of the published lists: a refactoring must not change them.

``python -m tests.benchmarks published`` runs a night on wiki-vote, advogato and slashdot, each with
configs/nightly.yaml as it is, rank fusion of all sources, and the learned ranker. It prints a
digest for each: over the rows (account, rank, candidate, score, source) in published order.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from raypipe.config import load_config
from raypipe.pipeline.run import run_night
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.store import RunStore
from tests.paths import ROOT

GRAPHS = {
    "wiki-vote": "wiki-vote/follows.csv",
    "advogato": "advogato/follows.csv",
    "slashdot": "slashdot/follows.csv.gz",
}
_MODEL = {"sources.factors.algorithm": "TruncatedSVD", "sources.similar.neighbours": 100}
CONFIGS = {
    "nightly": {},
    "rank_fusion": {**_MODEL, "blend.method": "rank_fusion"},
    "learned_ranker": {**_MODEL, "blend.method": "learned_ranker"},
}


def digest_of_lists(run: Run) -> str:
    """SHA-256 over the rows that readers see, without their reasons."""
    digest = hashlib.sha256()
    for part in run.manifest.parts["recommendations"]:
        table = pq.read_table(run.path / part.file)
        for row in table.drop_columns(["reason"]).to_pylist():
            digest.update(repr(tuple(row.values())).encode())
    return digest.hexdigest()


def bench(data: Path) -> None:
    """Print a digest for each graph and config."""
    for graph, path in GRAPHS.items():
        for name, settings in CONFIGS.items():
            told = {"input.follows": str(data / path), "cluster": "none", "frames": "pandas"}
            config = load_config(ROOT / "configs" / "nightly.yaml", {**told, **settings})
            with tempfile.TemporaryDirectory() as folder:
                run = run_night(config, RunStore(Path(folder)), "2026-01-01").run
                print(f"{graph:10} {name:15} {digest_of_lists(run)}", flush=True)
