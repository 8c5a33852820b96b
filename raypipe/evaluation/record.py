"""Save an evaluation: the result as JSON, all values per account as Parquet, and pictures.

evaluations/<date>-<digest>/
    evaluation.json       storage.evaluations.EvaluationResult
    evaluation.parquet    accountId, segment, source, metric, value
    accuracy.png, beyond.png
"""

from pathlib import Path

import pyarrow as pa

from raypipe.columns import ACCOUNT, SOURCE
from raypipe.evaluation.evaluate import Evaluation
from raypipe.evaluation.plots import PICTURES, plot_metrics
from raypipe.evaluation.splits import SEGMENTS
from raypipe.storage.data_files import parquet_writer
from raypipe.storage.evaluations import save_evaluation
from raypipe.storage.files import remove_file

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
    """Write an evaluation, as :func:`raypipe.storage.evaluations.save_evaluation` says."""

    def write(path: Path) -> None:
        _write_values(evaluation, path / "evaluation.parquet")
        for name in PICTURES:
            picture = path / f"{name}.png"
            remove_file(picture)
            plot_metrics(evaluation.result, name, picture)

    return save_evaluation(evaluation.result, folder, write)


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
