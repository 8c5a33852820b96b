"""READ: input files -> a checked frame of follows or ratings, and a quarantine for other rows.

Rows of the files = rows of the frame + rows in quarantine, whatever is wrong with them, and
whatever the engine and the size of the blocks. Ids stay what they are in the file: text.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from raypipe.columns import FOLLOWING, RATING, TIMESTAMP
from raypipe.compute.frames import Frame, FrameEngine, PandasEngine
from raypipe.errors import ConfigError, InputError, TooManyBadRows
from raypipe.storage.intake.blocks import (
    BlockReport,
    join_reports,
    quarantine_table,
    with_constants,
)
from raypipe.storage.intake.columns import choose_columns
from raypipe.storage.intake.events import check_unread_columns, current_follows
from raypipe.storage.intake.formats import Format
from raypipe.storage.intake.inputs import InputFiles
from raypipe.storage.intake.transform import run_transform
from raypipe.storage.intake.values import Column
from raypipe.storage.records import Notice

#: Bytes of text in a block: large enough that a Ray task pays, small enough to fit many times.
BLOCK_BYTES = 64 << 20
_SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True)
class Intake:
    """The rows that were read, and those in quarantine.

    Attributes:
        frame: pandas or Modin; columns followerId, followingId (text), then those carried. Of
            ratings: pandas; userId, itemId (text), rating (float64), timestamp if it is named.
        quarantine: columns.QUARANTINE_SCHEMA, in the order of the files and their rows.
        counts: rows_in (of the files), quarantined, and dropped_by_transform: rows the transform
            removed minus rows it added; superseded: events that a later one ends, unfollows, and
            edges whose sign is not positive. rows_in = rows of the frame + the other three.
        lines_not_rows: number of lines that are no rows: repeated headers.
        notices: what else was found.
    """

    frame: Frame
    quarantine: pa.Table
    counts: dict[str, int]
    lines_not_rows: int = 0
    notices: tuple[Notice, ...] = ()


def read_follows(inputs: InputFiles, engine: FrameEngine, block_bytes: int = BLOCK_BYTES) -> Intake:
    """Read the input files into a frame of follows.

    Args:
        inputs: the files, from ``inputs.open_inputs``.
        engine: makes the frame: pandas or Modin.
        block_bytes: size of the blocks in which files are read. Affects speed only.

    Raises:
        ConfigError: the config and the files do not fit together.
        MissingInputError: a file cannot be read.
        TooManyBadRows: with the quarantine in its attribute ``quarantine``.
        InputError: a file, or what the transform returned, is not as expected.
    """
    config = inputs.config
    if config.kind == "ratings":
        raise ConfigError(
            "input.ratings: this needs follows; set input.follows, or use raypipe evaluate"
        )
    frame, quarantine, total = _read_files(inputs, engine, block_bytes, None)
    rows_in, events = total.rows - total.not_rows, len(frame)
    if config.columns.action is not None or config.columns.sign is not None:
        frame = current_follows(frame, config)
    superseded = events - len(frame)
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
        "dropped_by_transform": rows_in - len(quarantine) - len(frame) - superseded,
        "superseded": superseded,
    }
    return Intake(frame, quarantine, counts, total.not_rows, total.notices)


def read_ratings(
    inputs: InputFiles, scale: tuple[float, float], block_bytes: int = BLOCK_BYTES
) -> Intake:
    """Read the input files into a pandas frame of ratings.

    Args:
        inputs: the files, from ``inputs.open_inputs``.
        scale: the lowest and the highest rating; a row with any other, or with none, goes to
            quarantine.
        block_bytes: size of the blocks in which files are read. Affects speed only.

    Raises:
        ConfigError, MissingInputError, TooManyBadRows, InputError: as :func:`read_follows`.
    """
    if inputs.config.kind == "follows":
        raise ConfigError("input.ratings: not set; expected a file, a folder or a glob")
    bounds = {RATING: scale, TIMESTAMP: (-math.inf, math.inf)}
    frame, quarantine, total = _read_files(inputs, PandasEngine(), block_bytes, bounds)
    counts = {"rows_in": total.rows - total.not_rows, "quarantined": len(quarantine)}
    return Intake(frame, quarantine, counts, total.not_rows, total.notices)


class Piece(NamedTuple):
    """A block with the format that reads it, and the columns of the frame."""

    format: Format[Any, Any]
    block: Any
    columns: tuple[Column, ...]


def read_piece(piece: Piece, block_bytes: int) -> tuple[pd.DataFrame, BlockReport]:
    """Read one block, of any format; runs in this process or in a Ray task."""
    frame, report = piece.format.read(piece.block, block_bytes)
    if all(column.constant is None for column in piece.columns):
        return frame, report
    return with_constants(frame, report, piece.columns)


def check_bad_fraction(quarantine: pa.Table, rows: int, limit: float) -> None:
    """Raise TooManyBadRows, with the quarantine, if too many of the rows are in quarantine."""
    bad = len(quarantine)
    if bad <= limit * rows:
        return
    first = [
        f"{row['file']} row {row['row']}: {row['reason']}" for row in quarantine[:3].to_pylist()
    ]
    raise TooManyBadRows(
        f"{bad} of {rows} rows ({100 * bad / rows:.4g} %) are in quarantine, more than "
        f"max_bad_fraction {100 * limit:.4g} %: {'; '.join(first)}{'; ...' if bad > 3 else ''}; "
        "fix them or raise input.max_bad_fraction",
        quarantine,
    )


def _read_files(
    inputs: InputFiles,
    engine: FrameEngine,
    block_bytes: int,
    bounds: Mapping[str, tuple[float, float]] | None,
) -> tuple[Frame, pa.Table, BlockReport]:
    """The good rows, the quarantine, and a report on all files as if they were one."""
    columns_of = check_files(inputs, bounds, block_bytes)
    whole: set[str] = set()
    while True:
        cuts = [
            (opened.file.path, Piece(opened.format, block, columns))
            for opened, columns in zip(inputs.opened, columns_of, strict=True)
            for block in opened.format.cut(
                opened.file,
                [column for column in columns if column.constant is None],
                opened.file.size if opened.file.path in whole else block_bytes,
            )
        ]
        if not cuts:
            raise _no_rows(inputs)
        paths, pieces = zip(*cuts, strict=True)
        frame, reports = engine.load(partial(read_piece, block_bytes=block_bytes), pieces)
        # A row that goes on after its block: the file cannot be cut. Seldom, so it is read again.
        open_ended = {path for path, found in zip(paths, reports, strict=True) if found.unfinished}
        if not open_ended:
            break
        whole |= open_ended
    total = join_reports(reports)
    if total.rows == total.not_rows:
        raise _no_rows(inputs)
    quarantine = _gather_quarantine(paths, reports)
    check_bad_fraction(quarantine, total.rows - total.not_rows, inputs.config.max_bad_fraction)
    return frame, quarantine, replace(total, notices=(*inputs.notices, *total.notices))


def check_files(
    inputs: InputFiles,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> list[tuple[Column, ...]]:
    """The columns to read from each file, after a look at columns whose names suggest events.

    Raises:
        ConfigError, InputError: as ``columns.choose_columns``; or rows of the first file are no
            follows, as a column says that is not read.
    """
    columns_of = choose_columns([opened.file for opened in inputs.opened], inputs.config, bounds)
    opened, columns = inputs.opened[0], columns_of[0]
    file, config = opened.file, inputs.config

    def sample(label: str) -> list[str]:
        position = file.names.index(label)
        column = Column(label, position, label, file.types[position])
        for block in opened.format.cut(file, [column], min(block_bytes, _SAMPLE_BYTES)):
            frame, _ = opened.format.read(block, block_bytes)
            return [str(value) for value in frame[label].dropna().unique()]
        return []

    if config.kind == "follows" and config.carry != "all":
        read = [column.label for column in columns]
        check_unread_columns(file, read, config, sample)
    return columns_of


def _gather_quarantine(paths: Sequence[str], reports: Iterable[BlockReport]) -> pa.Table:
    """The quarantine of all blocks, with rows counted from the start of each file."""
    of_file: dict[str, list[BlockReport]] = {}
    for path, report in zip(paths, reports, strict=True):
        of_file.setdefault(path, []).append(report)
    tables = [quarantine_table(path, join_reports(of_file[path]).bad) for path in of_file]
    return pa.concat_tables(tables).combine_chunks()


def _no_rows(inputs: InputFiles) -> InputError:
    count = "1 file" if len(inputs.opened) == 1 else f"{len(inputs.opened)} files"
    return InputError(
        f"{inputs.config.place}: found no rows in {count}; expected {inputs.config.kind}"
    )
