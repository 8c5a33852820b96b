"""READ: input files -> a checked frame of follows or ratings, and a quarantine for other rows.

Rows of the files = rows of the frame + rows in quarantine, whatever is wrong with them, and
whatever the engine and the size of the blocks. Ids stay what they are in the file: text.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa

from raypipe.columns import FOLLOWING, QUARANTINE_SCHEMA, RATING, TIMESTAMP
from raypipe.compute.frames import Frame, FrameEngine, PandasEngine
from raypipe.config import InputConfig
from raypipe.config.user_code import source_file
from raypipe.errors import ConfigError, InputError, TooManyBadRows
from raypipe.storage.intake.blocks import BlockReport, quarantine_table, unreadable
from raypipe.storage.intake.csv_blocks import CsvBlock, Dialect, read_csv_block
from raypipe.storage.intake.files import (
    Block,
    InputFile,
    choose_columns,
    csv_dialect,
    cut_file,
    list_files,
    open_files,
)
from raypipe.storage.intake.parquet_blocks import read_parquet_block
from raypipe.storage.intake.transform import KEY, run_transform

#: Bytes of text in a block: large enough that a Ray task pays, small enough to fit many times.
BLOCK_BYTES = 64 << 20


@dataclass(frozen=True)
class Intake:
    """What was read.

    Attributes:
        frame: pandas or Modin; columns followerId, followingId (text), then those carried. Of
            ratings: pandas; userId, itemId (text), rating (float64), timestamp if it is named.
        quarantine: columns.QUARANTINE_SCHEMA, in the order of the files and their rows.
        counts: rows_in (of the files), quarantined, and dropped_by_transform: rows the transform
            removed minus rows it added. rows_in = rows of the frame + the other two.
        files: (path, bytes) of each file, in the order in which they were read.
    """

    frame: Frame
    quarantine: pa.Table
    counts: dict[str, int]
    files: list[tuple[str, int]]


def input_digest(config: InputConfig) -> str:
    """SHA-256 (hex) over what the frame is made of: the files' content and the transform's file.

    The names of the files do not count, their order does.

    Raises:
        ConfigError, MissingInputError: as :func:`list_files`; or there is no such transform.
    """
    paths = list_files(config)
    if config.transform:
        paths.append(source_file(config.transform, KEY))
    digests = [_file_digest(path) for path in paths]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def read_follows(
    config: InputConfig, engine: FrameEngine, block_bytes: int = BLOCK_BYTES
) -> Intake:
    """Read the input files into a frame of follows.

    Args:
        config: where the files are and how to read them.
        engine: makes the frame: pandas or Modin.
        block_bytes: size of the blocks in which files are read. Affects speed only.

    Raises:
        ConfigError: the config and the files cannot go together.
        MissingInputError: there is no such input, or it cannot be read.
        TooManyBadRows: with the quarantine in its attribute ``quarantine``.
        InputError: a file or what the transform returned is not what it should be.
    """
    if config.kind == "ratings":
        raise ConfigError(
            "input.ratings: this needs follows; set input.follows, or use raypipe evaluate"
        )
    frame, quarantine, rows_in, files = _read_files(config, engine, block_bytes, None)
    if config.followee_prefix:
        frame[FOLLOWING] = config.followee_prefix + frame[FOLLOWING]
    if config.transform:
        frame, missing = run_transform(config.transform, frame)
        quarantine = pa.concat_tables([quarantine, missing])
        check_bad_fraction(quarantine, len(frame) + len(quarantine), config.max_bad_fraction)
        if not len(frame):
            raise InputError(f"{config.transform}: returned no rows; expected follows")
    counts = {
        "rows_in": rows_in,
        "quarantined": len(quarantine),
        "dropped_by_transform": rows_in - len(quarantine) - len(frame),
    }
    return Intake(frame, quarantine, counts, files)


def read_ratings(
    config: InputConfig, scale: tuple[float, float], block_bytes: int = BLOCK_BYTES
) -> Intake:
    """Read the input files into a pandas frame of ratings.

    Args:
        scale: the lowest and the highest rating; a row with any other, or with none, goes to
            quarantine.
        block_bytes: size of the blocks in which files are read. Affects speed only.

    Raises:
        ConfigError, MissingInputError, TooManyBadRows, InputError: as :func:`read_follows`.
    """
    if config.kind == "follows":
        raise ConfigError("input.ratings: not set; expected a file, a folder or a glob")
    bounds = {RATING: scale, TIMESTAMP: (-math.inf, math.inf)}
    frame, quarantine, rows_in, files = _read_files(config, PandasEngine(), block_bytes, bounds)
    return Intake(frame, quarantine, {"rows_in": rows_in, "quarantined": len(quarantine)}, files)


def read_block(
    block: Block, dialect: Dialect, block_bytes: int
) -> tuple[pd.DataFrame, BlockReport]:
    """Read one block, of either format; runs in this process or in a Ray task."""
    if isinstance(block, CsvBlock):
        return read_csv_block(block, dialect, block_bytes)
    return read_parquet_block(block)


def check_bad_fraction(quarantine: pa.Table, rows: int, limit: float) -> None:
    """Check that not too many of the rows are in quarantine.

    Raises:
        TooManyBadRows: with the quarantine in its attribute.

    Example:
        >>> from raypipe.storage.intake.blocks import quarantine_table
        >>> bad = quarantine_table("a.csv", [(7, "found 3 values, expected 2")])
        >>> check_bad_fraction(bad, 100, 0.01)
        >>> check_bad_fraction(bad, 10, 0.01)
        Traceback (most recent call last):
        ...
        raypipe.errors.TooManyBadRows: 1 of 10 rows (10 %) are in quarantine, more than \
max_bad_fraction 1 %: a.csv row 7: found 3 values, expected 2; mend them or raise \
input.max_bad_fraction
    """
    bad = len(quarantine)
    if bad <= limit * rows:
        return
    first = [
        f"{row['file']} row {row['row']}: {row['reason']}" for row in quarantine[:3].to_pylist()
    ]
    raise TooManyBadRows(
        f"{bad} of {rows} rows ({100 * bad / rows:.4g} %) are in quarantine, more than "
        f"max_bad_fraction {100 * limit:.4g} %: {'; '.join(first)}{'; ...' if bad > 3 else ''}; "
        "mend them or raise input.max_bad_fraction",
        quarantine,
    )


def _read_files(
    config: InputConfig,
    engine: FrameEngine,
    block_bytes: int,
    bounds: Mapping[str, tuple[float, float]] | None,
) -> tuple[Frame, pa.Table, int, list[tuple[str, int]]]:
    """The good rows, the quarantine, the number of all rows, and (path, bytes) of the files."""
    dialect = csv_dialect(config)
    files = open_files(config, dialect)
    cuts = [
        (file.path, block)
        for file, columns in zip(files, choose_columns(files, config, bounds), strict=True)
        for block in cut_file(file, columns, block_bytes)
    ]
    if not cuts:
        raise _no_rows(config, files)
    paths, blocks = zip(*cuts, strict=True)
    read = partial(read_block, dialect=dialect, block_bytes=block_bytes)
    frame, reports = engine.load(read, blocks)
    rows_in = sum(report.rows for report in reports)
    if not rows_in:
        raise _no_rows(config, files)
    quarantine = _gather_quarantine(paths, reports)
    check_bad_fraction(quarantine, rows_in, config.max_bad_fraction)
    return frame, quarantine, rows_in, [(file.path, file.size) for file in files]


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise unreadable(str(path), error) from None
    return digest.hexdigest()


def _gather_quarantine(paths: Sequence[str], reports: Iterable[BlockReport]) -> pa.Table:
    """The quarantine of all blocks, with rows counted from the start of each file."""
    before: dict[str, int] = {}
    tables = [QUARANTINE_SCHEMA.empty_table()]
    for path, report in zip(paths, reports, strict=True):
        start = before.get(path, 0)
        tables.append(quarantine_table(path, [(start + row, why) for row, why in report.bad]))
        before[path] = start + report.rows
    return pa.concat_tables(tables).combine_chunks()


def _no_rows(config: InputConfig, files: Sequence[InputFile]) -> InputError:
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    return InputError(f"{config.place}: found no rows in {count}; expected {config.kind}")
