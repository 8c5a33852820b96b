"""An evaluation as files: what it came to as JSON, every value of every account as Parquet.

evaluations/<date>-<digest>/
    evaluation.json       means, intervals, differences; split, config, engines, versions
    evaluation.parquet    accountId, segment, source, metric, value
    accuracy.png, beyond.png
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from raypipe.columns import ACCOUNT, SOURCE
from raypipe.compute.versions import versions
from raypipe.evaluation.evaluate import Evaluation
from raypipe.evaluation.plots import PICTURES, plot_metrics
from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.data_files import parquet_writer, write_json
from raypipe.storage.files import disk_errors, make_folder, remove_file

_TEXT = pa.dictionary(pa.int32(), pa.string())
VALUES_SCHEMA = pa.schema(
    [
        (ACCOUNT, pa.string()),
        ("segment", _TEXT),
        (SOURCE, _TEXT),
        ("metric", _TEXT),
        ("value", pa.float64()),
    ]
)


def save(evaluation: Evaluation, folder: Path, date: str) -> Path:
    """Write an evaluation; one of the same date and digest is replaced.

    The JSON comes last: where it is, all is there.

    Args:
        folder: of all evaluations; made where it is not.
        date: of the evaluation, as ``2026-03-01``.

    Returns:
        The folder of this one.

    Raises:
        RunError: it cannot be written.
    """
    place = folder / f"{date}-{evaluation.digest}"
    with disk_errors(f"{place}: cannot be written"):
        make_folder(place)
        remove_file(place / "evaluation.json")
        _write_values(evaluation, place / "evaluation.parquet")
        for name in PICTURES:
            picture = place / f"{name}.png"
            remove_file(picture)
            plot_metrics(evaluation, name, picture)
        write_json(place / "evaluation.json", as_json(evaluation, date))
    return place


def as_json(evaluation: Evaluation, date: str) -> dict[str, Any]:
    """Everything but the values of the single accounts, as JSON values."""
    return {
        "date": date,
        "digest": evaluation.digest,
        "sources": list(evaluation.measures.sources),
        "means": evaluation.means,
        "differences": evaluation.differences,
        **evaluation.facts,
        "versions": versions(),
    }


def _write_values(evaluation: Evaluation, path: Path) -> None:
    """One row group for each source and metric, accounts in their order."""
    measures = evaluation.measures
    m = len(measures.accounts)
    segments = pa.DictionaryArray.from_arrays(
        pa.array(measures.segments, pa.int32()), list(SEGMENTS)
    )

    def same(names: tuple[str, ...], place: int) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array([place] * m, pa.int32()), list(names))

    with parquet_writer(path, VALUES_SCHEMA, "zstd") as writer:
        for i in range(len(measures.sources)):
            for j in range(len(measures.metrics)):
                columns = [
                    evaluation.ids.cast(pa.string()),
                    segments,
                    same(measures.sources, i),
                    same(measures.metrics, j),
                    pa.array(measures.values[i, j], from_pandas=True),
                ]
                table = pa.Table.from_arrays(columns, schema=VALUES_SCHEMA)
                writer.write_table(table, row_group_size=max(1, m))
