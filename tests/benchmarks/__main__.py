"""`python -m tests.benchmarks [NAME ...]`: all of them, or those named."""

from __future__ import annotations

import sys

from tests.benchmarks import (
    blend,
    bounds,
    capacity,
    caps,
    cluster,
    commands,
    default,
    detection,
    newcomers,
    nights,
    predictions,
    published,
    reading,
    rejections,
    serve,
    sources,
    sweeps,
    teaching,
    walks,
)
from tests.benchmarks.similarity.__main__ import main as similarity
from tests.conftest import real_data

BENCHMARKS = {
    "nights": lambda: nights.bench(_data()),
    "published": lambda: published.bench(_data()),
    "reading": reading.bench,
    "similarity": lambda: similarity(
        [
            *("--graphs", "slashdot"),
            *("--peers", "raypipe,sparse_dot_topn-full,scipy,sparse_dot_topn,implicit"),
            *("--threads", "1"),
        ]
    ),
    "caps": caps.bench,
    "capacity": capacity.bench,
    "predictions": predictions.bench,
    "commands": commands.bench,
    "cluster": lambda: cluster.bench(_data()),
    "sources": lambda: sources.bench(_data()),
    "walks": walks.bench,
    "blend": lambda: blend.bench(_data()),
    "default": lambda: default.bench(_data()),
    "ranker": blend.bench_ranker,
    "newcomers": lambda: newcomers.bench(_data()),
    "rejections": rejections.bench,
    "serve": serve.bench,
    "serve-million": serve.bench_million,
    "detection": lambda: detection.bench(_data()),
    "bounds": lambda: bounds.bench(_data()),
    "teaching": lambda: teaching.bench(_data()),
    "sweeps": lambda: sweeps.bench(_data()),
    "sweeps-memory": sweeps.bench_memory,
}


def _data():
    data = real_data()
    if data is None:
        sys.exit("no real graphs here; set RAYPIPE_TEST_DATA to a folder that holds them")
    return data


for name in sys.argv[1:] or BENCHMARKS:
    if name not in BENCHMARKS:
        sys.exit(f"no benchmark {name}; there are: {', '.join(BENCHMARKS)}")
    BENCHMARKS[name]()
