"""Labels of accounts as tables in the folder of a run: reputation, and suspects with evidence."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from raypipe.columns import REPUTATION, REPUTATION_SCHEMA, SUSPECTS_SCHEMA
from raypipe.errors import RunError
from raypipe.storage.data_files import read_parquet, write_parquet
from raypipe.storage.files import is_file
from raypipe.storage.runs.parts import PART_ROWS
from raypipe.storage.runs.run import Run

REPUTATION_FILE, SUSPECTS_FILE = "reputation.parquet", "suspects.parquet"
_SCHEMAS = {REPUTATION_FILE: REPUTATION_SCHEMA, SUSPECTS_FILE: SUSPECTS_SCHEMA}


def save_labels(folder: Path, reputation: pa.Table, suspects: pa.Table) -> None:
    """Write both tables, by their schemas in ``columns``; nothing is flushed to the disk.

    Reputations are in the order of the graph, suspects with the most suspicious first.
    """
    for file, table in ((REPUTATION_FILE, reputation), (SUSPECTS_FILE, suspects)):
        # In batches: a column of ids may hold more than the 2 GB of a string array.
        batches = pa.Table.from_batches(table.to_batches(max_chunksize=PART_ROWS), table.schema)
        write_parquet(folder / file, batches.cast(_SCHEMAS[file]), sync=False)


def has_reputation(run: Run) -> bool:
    """False for runs of an earlier raypipe."""
    return is_file(run.path / REPUTATION_FILE)


def load_reputation(run: Run) -> np.ndarray:
    """float64[n]: the reputation of each account of a run, in the order of its graph.

    Raises:
        RunError: the file is missing or damaged.
    """
    values: np.ndarray = _read(run, REPUTATION_FILE, [REPUTATION])[REPUTATION].to_numpy()
    return values


def load_suspects(run: Run) -> pa.Table:
    """The suspects of a run, as columns.SUSPECTS_SCHEMA. Raises as :func:`load_reputation`."""
    return _read(run, SUSPECTS_FILE, SUSPECTS_SCHEMA.names)


def _read(run: Run, file: str, columns: list[str]) -> pa.Table:
    try:
        return read_parquet(run.path / file, columns)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"run {run.id}: {file} cannot be read ({error}); run it again") from None
