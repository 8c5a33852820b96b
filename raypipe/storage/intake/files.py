"""The input files: which they are, what each is, and which of its columns are read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from raypipe.columns import FOLLOWER, FOLLOWING, ITEM, RATING, TIMESTAMP, USER
from raypipe.config import InputConfig
from raypipe.errors import ConfigError, InputError, MissingInputError
from raypipe.storage.intake.blocks import Column, unreadable
from raypipe.storage.intake.csv_blocks import CsvBlock, CsvFile, Dialect, cut_csv, open_csv
from raypipe.storage.intake.parquet_blocks import (
    ParquetBlock,
    ParquetFile,
    can_be_id,
    can_be_number,
    cut_parquet,
    open_parquet,
)

InputFile: TypeAlias = CsvFile | ParquetFile
Block: TypeAlias = CsvBlock | ParquetBlock

PARQUET_ENDINGS = (".parquet", ".pq")
CSV_ENDINGS = (".csv", ".tsv", ".txt", ".gz", ".zst")
#: Names that start so are notes that tools leave: .crc files, _SUCCESS, a volume's lost+found.
HIDDEN = (".", "_", "lost+found")
DELIMITERS = ",\t;| "  # the usual ones, to guess what went wrong


def list_files(config: InputConfig) -> list[Path]:
    """The input files, sorted by path.

    A folder is searched with all its folders, for names that end as CSV or Parquet do (for any
    name, where ``format`` is not auto). Links to folders are not followed, and what is hidden is
    left out: names that start with "." or "_".

    Raises:
        ConfigError: neither input.follows nor input.ratings is set.
        MissingInputError: there is no file.
    """
    if not config.place:
        raise ConfigError(f"input.{config.kind}: not set; expected a file, a folder or a glob")
    place = Path(config.place)
    try:
        files = _find_files(place, config.format)
    except OSError as error:
        raise unreadable(str(error.filename or place), error) from None
    if files:
        return files
    if place.is_dir():
        raise MissingInputError(
            f"{place}: found no input file in this folder; expected names that end in "
            f"{', '.join(CSV_ENDINGS + PARQUET_ENDINGS)}, or set input.format"
        )
    if glob.has_magic(config.place):
        raise MissingInputError(f"{place}: found no file that matches; mend input.{config.kind}")
    raise MissingInputError(f"{place}: found no such file or folder; mend input.{config.kind}")


def open_files(config: InputConfig, dialect: Dialect) -> list[InputFile]:
    """Report into each input file as far as its columns.

    Raises:
        ConfigError, MissingInputError, InputError: naming the file and what is wrong with it.
    """
    return [_open_file(path, config, dialect) for path in list_files(config)]


def choose_columns(
    files: Sequence[InputFile],
    config: InputConfig,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> list[tuple[Column, ...]]:
    """For each file the columns to read, those of the frame in the same order for all.

    A carried column has the type that it has in all files, or is text where they differ.

    Args:
        bounds: of the columns of numbers, by their names in the frame.

    Raises:
        ConfigError, InputError: a column is missing, is there twice, or cannot hold what it is to.
    """
    bounds = bounds or {}
    positions = [_positions(file, config) for file in files]
    names = list(positions[0])
    for file, at in zip(files, positions, strict=True):
        if odd := sorted(set(at) ^ set(names)):
            raise InputError(
                f"{file.path}: column {odd[0]} is not in all files; expected that with "
                "input.carry: all; list the columns to carry"
            )
    types = {}
    for name in names:
        found = {file.types[at[name]] for file, at in zip(files, positions, strict=True)}
        types[name] = pa.float64() if name in bounds else _common_type(name, found)
    return [
        tuple(
            Column(name, at[name], file.names[at[name]], types[name], bounds.get(name))
            for name in names
        )
        for file, at in zip(files, positions, strict=True)
    ]


def cut_file(file: InputFile, columns: Sequence[Column], block_bytes: int) -> Sequence[Block]:
    """Cut a file into blocks of about ``block_bytes``; none where it has no rows."""
    if isinstance(file, CsvFile):
        return cut_csv(file, columns, block_bytes)
    return cut_parquet(file, columns, block_bytes)


def csv_dialect(config: InputConfig) -> Dialect:
    """How the config says that CSV is written.

    Raises:
        ConfigError: Arrow cannot parse such a delimiter.
    """
    if not config.delimiter.isascii() or config.delimiter in '"\r\n\0':
        raise ConfigError(
            f"input.delimiter: found {config.delimiter!r}; expected one ASCII character that is "
            "no quote and no line end"
        )
    return Dialect(config.delimiter, config.comment)


def _find_files(place: Path, format: str) -> list[Path]:
    if place.is_file():
        return [place]
    matches = [place] if place.is_dir() else map(Path, glob.glob(str(place), recursive=True))
    found = set()
    for match in matches:
        found.update(_files_in(match, format) if match.is_dir() else [match])
    return sorted((path for path in found if not _is_hidden(path, place)), key=str)


def _files_in(folder: Path, format: str) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error  # a folder that cannot be listed must not be taken for an empty one

    endings, found = CSV_ENDINGS + PARQUET_ENDINGS, []
    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        found += [
            Path(parent, name)
            for name in names
            if format != "auto" or name.lower().endswith(endings)
        ]
    return found


def _is_hidden(path: Path, place: Path) -> bool:
    """Is a name on the way hidden, and did nobody ask for it?"""
    return any(part.startswith(HIDDEN) and part not in place.parts for part in path.parts)


def _open_file(path: Path, config: InputConfig, dialect: Dialect) -> InputFile:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(str(path), error) from None
    if not size:
        raise InputError(f"{path}: is empty (0 bytes); write it again or remove it")
    by_name = "parquet" if path.name.lower().endswith(PARQUET_ENDINGS) else "csv"
    kind = by_name if config.format == "auto" else config.format
    if kind == "parquet":
        return open_parquet(str(path), size)
    return open_csv(str(path), size, dialect, config.header)


def _positions(file: InputFile, config: InputConfig) -> dict[str, int]:
    """Where in the file each column of the frame is."""
    key, labels = _labels(config)
    if not file.header:  # the default names stand for the first columns
        labels = {
            name: position if label == name else label
            for position, (name, label) in enumerate(labels.items())
        }
    at = dict(zip(labels, _find(file, labels.values(), key, config), strict=True))
    for first, second in combinations(at, 2):
        if at[first] == at[second]:
            raise ConfigError(
                f"input.{key}: {first} and {second} are both {labels[first]}; expected two columns"
            )
    for name, position in at.items():
        kind = file.types[position]
        if name in (RATING, TIMESTAMP):
            holds, expected, cure = can_be_number(kind), "numbers", "a number"
        else:
            holds, expected, cure = can_be_id(kind), "text or whole numbers", "text"
        if not holds:
            raise InputError(
                f"{file.path}: column {file.names[position]} is {kind}, "
                f"expected {expected} as {name}; write it as {cure}"
            )
    if config.kind == "follows" and config.columns.timestamp is not None:
        (at[TIMESTAMP],) = _find(file, [config.columns.timestamp], "columns", config)
    carry = config.carry
    if carry == "all":
        carry = [name for i, name in enumerate(file.names) if i not in at.values()]
    for name in carry:
        if name in at:
            raise ConfigError(
                f"input.carry: {name} is what a column of input.columns is called in the frame; "
                "expected other columns"
            )
    return at | dict(zip(carry, _find(file, carry, "carry", config), strict=True))


def _labels(config: InputConfig) -> tuple[str, dict[str, str | int]]:
    """The key of the config that names the columns, and what each of the frame is called there."""
    if config.kind == "follows":
        return "columns", {name: getattr(config.columns, name) for name in (FOLLOWER, FOLLOWING)}
    labels = {name: getattr(config.rating_columns, name) for name in (USER, ITEM, RATING)}
    time = config.rating_columns.timestamp
    return "rating_columns", labels if time is None else {**labels, TIMESTAMP: time}


def _find(file: InputFile, wanted: Iterable[str | int], key: str, config: InputConfig) -> list[int]:
    """The position of each wanted column, given by name or by position."""
    wanted = list(wanted)
    known = {position: position for position in range(len(file.names))}
    known |= {name: position for position, name in enumerate(file.names)}
    missing = [str(name) for name in wanted if name not in known]
    if missing:
        found = ", ".join(file.names)
        raise InputError(
            f"{file.path}: no column {', '.join(missing)}; found {found}; "
            f"{_cure(file, key, config)}"
        )
    for name in wanted:
        label = file.names[known[name]]
        count = file.names.count(label)
        # In CSV a position tells such columns apart; Parquet is read by name.
        if count > 1 and (name == label or isinstance(file, ParquetFile)):
            raise InputError(
                f"{file.path}: column {label} is there {count} times; "
                "expected once: rename or remove the others"
            )
    return [known[name] for name in wanted]


def _common_type(name: str, found: set[pa.DataType]) -> pa.DataType:
    text = pa.large_string()
    if name in (FOLLOWER, FOLLOWING, USER, ITEM):
        return text
    if len(found) > 1:
        for kind in found:
            if not _can_be_text(kind):
                raise InputError(
                    f"input.carry: column {name} is {kind} in some files only; "
                    "expected one type, or types that can be written as text"
                )
        return text
    return next(iter(found))


def _can_be_text(kind: pa.DataType) -> bool:
    try:
        pa.array([], kind).cast(pa.large_string())
    except pa.ArrowNotImplementedError:
        return False
    return True


def _cure(file: InputFile, key: str, config: InputConfig) -> str:
    if isinstance(file, ParquetFile):
        return f"mend input.{key}"
    for delimiter in DELIMITERS:
        if len(file.names) == 1 and delimiter in file.names[0] and file.header:
            return f"the whole header is one column: set input.delimiter to {delimiter!r}"
    if not file.header:
        return (
            f"there is no header: mend input.{key}, which counts positions from 0, "
            "or input.delimiter"
        )
    return f"mend input.{key}, or set input.header to false where the first row is no header"
