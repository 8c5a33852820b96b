"""Parquet: the columns of a file, how it is cut into blocks, and how a block is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raypipe.errors import InputError
from raypipe.storage.intake.blocks import (
    BlockReport,
    Column,
    check_rows,
    is_text,
    to_frame,
    unreadable,
)

MAGIC = b"PAR1"


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file whose footer was read.

    Attributes:
        path, size: as listed; bytes on disk.
        names, types: of all columns; dictionaries count as what they hold, any text as text.
        groups: uncompressed bytes of each row group.
    """

    path: str
    size: int
    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    groups: tuple[int, ...]
    header: bool = True  # a Parquet file names its columns


@dataclass(frozen=True)
class ParquetBlock:
    """Some row groups of one file.

    Its path is absolute: a Ray task may run in another folder.
    """

    path: str
    groups: tuple[int, ...]
    columns: tuple[Column, ...]


def open_parquet(path: str, size: int) -> ParquetFile:
    """Read the footer of a Parquet file.

    Raises:
        InputError: it has none that can be read.
        MissingInputError: the file cannot be read.
    """
    with _errors_named(path):
        _check_magic(path)
    with _errors_named(path), pq.ParquetFile(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
        groups = tuple(
            metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
        )
    return ParquetFile(
        path, size, tuple(schema.names), tuple(map(_plain_type, schema.types)), groups
    )


def cut_parquet(
    file: ParquetFile, columns: Sequence[Column], block_bytes: int
) -> list[ParquetBlock]:
    """Put row groups together to blocks of about ``block_bytes`` (uncompressed)."""
    path, columns = os.path.abspath(file.path), tuple(columns)
    blocks, groups, total = [], [], 0
    for group, size in enumerate(file.groups):
        if groups and total + size > block_bytes:
            blocks.append(ParquetBlock(path, tuple(groups), columns))
            groups, total = [], 0
        groups.append(group)
        total += size
    return blocks + [ParquetBlock(path, tuple(groups), columns)] * bool(groups)


def read_parquet_block(block: ParquetBlock) -> tuple[pd.DataFrame, BlockReport]:
    """Read a block: the frame of its good rows, and a report on all of them.

    Raises:
        InputError: the file is damaged, or gone.
    """
    labels = [column.label for column in block.columns]
    with _errors_named(block.path), pq.ParquetFile(block.path) as file:
        raw = file.read_row_groups(block.groups, columns=labels)
    table, bad = check_rows([raw[label] for label in labels], block.columns)
    return to_frame(table), BlockReport(raw.num_rows, [(index + 1, why) for index, why in bad])


def can_be_id(kind: pa.DataType) -> bool:
    """May a column of this type hold ids?"""
    return is_text(kind) or pa.types.is_integer(kind)


def can_be_number(kind: pa.DataType) -> bool:
    """May a column of this type hold numbers? A time counts as one."""
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return is_text(kind) or number or pa.types.is_timestamp(kind)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = pa.types.is_string(kind) or pa.types.is_string_view(kind)
    return pa.large_string() if text else kind


def _check_magic(path: str) -> None:
    with open(path, "rb") as file:
        start = file.read(len(MAGIC))
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(MAGIC)))
        end = file.read()
    if start != MAGIC:
        raise InputError(f"{path}: is not Parquet; name the file by what is in it")
    if end != MAGIC:
        raise InputError(f"{path}: the Parquet file is cut short; copy it again")


@contextmanager
def _errors_named(path: str) -> Iterator[None]:
    """What goes wrong with a Parquet file becomes an InputError of one line."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from None
        detail = " ".join(str(error).split())
        raise InputError(
            f"{path}: the Parquet file is damaged ({detail}); copy it again"
        ) from error
