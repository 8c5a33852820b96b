"""Save an evaluation: the result as JSON, all values per account as Parquet, and pictures.

evaluations/<date>-<digest>/
    evaluation.json       storage.evaluations.EvaluationResult
    evaluation.parquet    accountId, segment, source, metric, value
    accuracy.png, beyond.png
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from raypipe.columns import ACCOUNT, SOURCE
from raypipe.evaluation.evaluate import Evaluation
from raypipe.evaluation.plots import PICTURES, plot_metrics
from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.data_files import parquet_writer
from raypipe.storage.evaluations import RESULT, save_result
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


def save(evaluation: Evaluation, folder: Path) -> Path:
    """Write an evaluation; replaces an earlier one of the same date and digest.

    The JSON is written last, so an evaluation with a JSON is complete.

    Args:
        folder: of all evaluations; it is made if needed.

    Returns:
        The folder of this evaluation.

    Raises:
        RunError: a file cannot be written.
    """
    result = evaluation.result
    path = folder / f"{result.date}-{result.digest}"
    with disk_errors(f"{path}: cannot be written"):
        make_folder(path)
        remove_file(path / RESULT)
        _write_values(evaluation, path / "evaluation.parquet")
        for name in PICTURES:
            picture = path / f"{name}.png"
            remove_file(picture)
            plot_metrics(result, name, picture)
    save_result(result, path / RESULT)
    return path


def _write_values(evaluation: Evaluation, path: Path) -> None:
    """One row group per source and metric, accounts in their order."""
    measures = evaluation.measures
    m = len(measures.accounts)
    segments = pa.DictionaryArray.from_arrays(
        pa.array(measures.segments, pa.int32()), list(SEGMENTS)
    )

    def same(names: tuple[str, ...], index: int) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array([index] * m, pa.int32()), list(names))

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
