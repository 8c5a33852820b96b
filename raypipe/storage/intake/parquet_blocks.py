"""Parquet: columns, blocks and rows of a file."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage import files
from raypipe.storage.intake.blocks import BlockReport, InputFile, read_rows, unreadable
from raypipe.storage.intake.texts import EmptyFileError
from raypipe.storage.intake.values import Column

MAGIC = b"PAR1"


@dataclass(frozen=True, kw_only=True)
class ParquetFile(InputFile):
    """A Parquet file with the contents of its footer.

    Attributes:
        groups: uncompressed bytes of each row group.
    """

    groups: tuple[int, ...]


@dataclass(frozen=True)
class ParquetBlock:
    """Some row groups of one file. The path is absolute: a Ray task may run in another folder."""

    path: str
    groups: tuple[int, ...]
    columns: tuple[Column, ...]


class ParquetFormat:
    """Parquet: read by row groups; columns by name. See :class:`.formats.Format`."""

    name = "parquet"
    endings = (".parquet", ".pq", ".parq")

    def open(self, path: str, size: int, config: InputConfig) -> ParquetFile:
        with _errors_named(path), files.open_arrow(path) as source:
            _check_magic(path, source)
            with pq.ParquetFile(source) as file:
                schema, metadata = file.schema_arrow, file.metadata
                if not metadata.num_rows:
                    raise EmptyFileError(f"{path}: found no row; expected rows")
                groups = tuple(
                    metadata.row_group(group).total_byte_size
                    for group in range(metadata.num_row_groups)
                )
        types = tuple(map(_plain_type, schema.types))
        return ParquetFile(
            path=path, size=size, names=tuple(schema.names), types=types, groups=groups
        )

    def cut(
        self, file: ParquetFile, columns: Sequence[Column], block_bytes: int
    ) -> list[ParquetBlock]:
        """Gather row groups into blocks of about ``block_bytes`` (uncompressed)."""
        path = os.path.abspath(file.path)
        blocks: dict[int, list[int]] = {}
        for group, end in enumerate(accumulate(file.groups)):
            blocks.setdefault((end - 1) // block_bytes, []).append(group)
        return [ParquetBlock(path, tuple(groups), tuple(columns)) for groups in blocks.values()]

    def read(self, block: ParquetBlock, block_bytes: int) -> tuple[pd.DataFrame, BlockReport]:
        labels = [column.label for column in block.columns]
        with (
            _errors_named(block.path),
            files.open_arrow(block.path) as source,
            pq.ParquetFile(source) as file,
        ):
            raw = file.read_row_groups(block.groups, columns=labels)
        return read_rows([raw[label] for label in labels], block.columns)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = pa.types.is_string(kind) or pa.types.is_string_view(kind)
    return pa.large_string() if text else kind


def _check_magic(path: str, source: pa.NativeFile) -> None:
    start = source.read(len(MAGIC))
    source.seek(max(0, source.size() - len(MAGIC)))
    end = source.read()
    source.seek(0)
    if start != MAGIC:
        raise InputError(f"{path}: is not Parquet; name the file by what is in it")
    if end != MAGIC:
        raise InputError(f"{path}: the Parquet file is cut short; copy it again")


@contextmanager
def _errors_named(path: str) -> Iterator[None]:
    """Convert errors of a Parquet file to an InputError of one line."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from None
        detail = " ".join(str(error).split())
        raise InputError(
            f"{path}: the Parquet file is damaged ({detail}); copy it again"
        ) from error
