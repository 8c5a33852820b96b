"""CSV: the header of a file, how it is cut into blocks, and how a block becomes a table.

A line is a row: a value holds no line end, quoted or not (in a small table it may, which is read
whole). So a file can be cut at any line end, and one unclosed quote costs one row, not the rest of
the file. Lines end with LF, CR LF or CR. Empty lines and comment lines are not rows. Rows are
numbered from 1, without the header, comments and empty lines.

Arrow parses a block. If it fails, the lines are checked one by one, broken ones are removed, and
Arrow parses the rest: only a block with a fault pays for the check.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from raypipe.config import InputConfig
from raypipe.errors import ConfigError, InputError
from raypipe.storage import files
from raypipe.storage.intake import csv_lines
from raypipe.storage.intake.blocks import (
    BlockReport,
    Column,
    InputFile,
    Reason,
    check_rows,
    empty_frame,
    to_frame,
    unreadable,
)

BOM = b"\xef\xbb\xbf"
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "parquet": b"PAR1"}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = ",\t;| "  # the usual ones, to guess what went wrong
HEAD_BYTES = 1 << 16
#: Arrow's threads take a piece of this size at a time (bytes); faster here than its 1 MB.
PARSE_BYTES = 4 << 20


@dataclass(frozen=True)
class Dialect:
    """The dialect of a CSV file.

    Attributes:
        delimiter: between values.
        comment: mark of comment lines.
        line_ends_in_quotes: whether a quoted value may contain line ends; only in whole files.
    """

    delimiter: str = ","
    comment: str | None = None
    line_ends_in_quotes: bool = False


@dataclass(frozen=True, kw_only=True)
class CsvFile(InputFile):
    """A CSV file with known columns, all of them text: values are not changed.

    Attributes:
        start: offset in the text (decompressed) of the first row after the header, in bytes.
    """

    start: int
    dialect: Dialect
    by_name: bool = False  # a position tells two columns of one name apart

    def cure(self, key: str) -> str:
        """How to fix a missing column: often it is the delimiter, or there is no header."""
        for delimiter in DELIMITERS:
            if len(self.names) == 1 and delimiter in self.names[0] and self.header:
                return f"the whole header is one column: set input.delimiter to {delimiter!r}"
        if not self.header:
            return (
                f"there is no header: fix input.{key}, which counts positions from 0, "
                "or input.delimiter"
            )
        return f"fix input.{key}, or set input.header to false where the first row is no header"


@dataclass(frozen=True)
class CsvBlock:
    """Bytes ``start`` to ``stop`` of the text of one file; a compressed file is one block.

    The path is absolute: a Ray task may run in another folder.
    """

    path: str
    start: int
    stop: int | None
    width: int
    columns: tuple[Column, ...]
    dialect: Dialect


class CsvFormat:
    """CSV, plain or compressed: cut at line ends. See :class:`.formats.Format`."""

    name = "csv"
    endings = (".csv", ".tsv", ".txt", ".gz", ".zst")

    def open(self, path: str, size: int, config: InputConfig) -> CsvFile:
        """Read the first row of a CSV file.

        Raises:
            ConfigError: Arrow cannot parse such a delimiter.
            InputError: there is no first row, or it is not text of UTF-8.
            MissingInputError: the file cannot be read.
        """
        if not config.delimiter.isascii() or config.delimiter in '"\r\n\0':
            raise ConfigError(
                f"input.delimiter: found {config.delimiter!r}; expected one ASCII character that "
                "is no quote and no line end"
            )
        dialect = Dialect(config.delimiter, config.comment)
        line, start, stop = _first_line(path, dialect.comment)
        if line is None:
            raise InputError(
                f"{path}: found no row; expected {'a header and ' if config.header else ''}rows"
            )
        if line.startswith(UTF_16):
            raise InputError(
                f"{path}: is UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 converts it"
            )
        if b"\0" in line:
            raise InputError(f"{path}: is binary, not text; expected CSV in UTF-8, or Parquet")
        values = csv_lines.split_values(line, dialect.delimiter)
        if values is None:
            raise InputError(
                f"{path}: {csv_lines.OPEN_QUOTE} in the first row, which names the columns; fix it"
            )
        names = tuple(map(str, range(len(values))))
        if config.header:
            try:
                names = tuple(value.decode("utf-8") for value in values)
            except UnicodeDecodeError:
                raise InputError(
                    f"{path}: the header is not UTF-8; expected CSV in UTF-8, or Parquet"
                ) from None
        return CsvFile(
            path=path,
            size=size,
            names=names,
            types=(pa.large_string(),) * len(names),
            header=config.header,
            start=stop if config.header else start,
            dialect=dialect,
        )

    def cut(self, file: CsvFile, columns: Sequence[Column], block_bytes: int) -> list[CsvBlock]:
        """Cut a plain file at line ends into blocks of about ``block_bytes``.

        A compressed file is one block.
        """
        path, width, columns = os.path.abspath(file.path), len(file.names), tuple(columns)
        if compression(path):
            return [CsvBlock(path, file.start, None, width, columns, file.dialect)]
        blocks, start = [], file.start
        with _open_text(path, None) as text:
            while start < file.size:
                text.seek(start + block_bytes)
                text.readline()
                stop = min(text.tell(), file.size)
                blocks.append(CsvBlock(path, start, stop, width, columns, file.dialect))
                start = stop
        return blocks

    def read(self, block: CsvBlock, block_bytes: int) -> tuple[pd.DataFrame, BlockReport]:
        tables, reasons, rows = [], [], 0
        for text in _texts(block, block_bytes):
            table, bad, count = parse_text(text, block.dialect, block.width, block.columns)
            tables.append(table)
            reasons += [(rows + row, reason) for row, reason in bad]
            rows += count
        frame = to_frame(pa.concat_tables(tables)) if tables else empty_frame(block.columns)
        return frame, BlockReport(rows, reasons)


def parse_text(
    text: bytes, dialect: Dialect, width: int, columns: Sequence[Column]
) -> tuple[pa.Table, list[Reason], int]:
    """Parse whole lines of CSV.

    Args:
        text: lines without a header.
        dialect: delimiter and comment mark.
        width: values in a row.
        columns: those to read.

    Returns:
        The good rows; (row from 1, reason) of the others, ascending; the number of all rows.

    Example:
        >>> src = Column("followerId", 0, "src", pa.large_string())
        >>> table, bad, rows = parse_text(b"a,b\\nc\\n\\n,d\\n", Dialect(), 2, [src])
        >>> table.to_pylist(), bad, rows  # doctest: +NORMALIZE_WHITESPACE
        ([{'followerId': 'a'}],
         [(2, 'found 1 values, expected 2'), (3, 'empty id in column src')], 3)
    """
    if dialect.comment:
        text = csv_lines.without_comments(text, dialect.comment.encode())
    hidden = (
        csv_lines.hide_line_ends(text, dialect.delimiter) if dialect.line_ends_in_quotes else None
    )
    text = hidden or text
    if text.startswith(BOM):
        text = b"\n" + text  # Arrow would take it for the mark at the start of a file
    broken: list[Reason] = []
    raw = None
    # An open quote would let Arrow read on over line ends, and nothing might show it.
    if csv_lines.closes_quotes(text, dialect.delimiter):
        with suppress(pa.ArrowInvalid):  # a line is broken
            raw = _arrow_csv(text, dialect, width, columns, PARSE_BYTES)
    if raw is None:
        text, broken, longest = csv_lines.without_broken(text, dialect.delimiter, width)
        raw = _arrow_csv(text, dialect, width, columns, max(PARSE_BYTES, longest))
    if hidden:
        raw = [csv_lines.show_line_ends(column) for column in raw]
    table, faulty = check_rows(raw, columns)
    rows = len(raw[0]) + len(broken)
    numbers = np.delete(np.arange(1, rows + 1), [row - 1 for row, _ in broken])
    bad = broken + [(int(numbers[index]), reason) for index, reason in faulty]
    return table, sorted(bad), rows


def compression(path: str) -> str | None:
    """The compression of a file, by its extension."""
    return next((kind for end, kind in COMPRESSIONS.items() if path.lower().endswith(end)), None)


def _arrow_csv(
    text: bytes, dialect: Dialect, width: int, columns: Sequence[Column], parse_bytes: int
) -> list[pa.ChunkedArray]:
    """Values as bytes, exactly as written: no types guessed, no nulls, no check of UTF-8."""
    wanted = [str(column.position) for column in columns]
    if not text:
        return [pa.chunked_array([], pa.large_binary()) for _ in wanted]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(text),
        read_options=pyarrow.csv.ReadOptions(
            column_names=[str(position) for position in range(width)], block_size=parse_bytes
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char='"' if b'"' in text else False
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.large_binary()),
            include_columns=wanted,
            strings_can_be_null=False,
        ),
    )
    return [table[name] for name in wanted]


def _texts(block: CsvBlock, block_bytes: int) -> Iterator[bytes]:
    """The text of a block in whole lines; that of a compressed file piece by piece."""
    with _open_text(block.path, compression(block.path)) as stream:
        if block.stop is not None:
            stream.seek(block.start)
            yield stream.read(block.stop - block.start)
            return
        stream.read(block.start)
        rest = b""
        while data := stream.read(block_bytes):
            cut = data.rfind(b"\n") + 1
            if cut:
                yield rest + data[:cut]
                rest = data[cut:]
            else:
                rest += data
        if rest:
            yield rest


def _first_line(path: str, comment: str | None) -> tuple[bytes | None, int, int]:
    """The header or first row, where it starts, and where the rows after it start (bytes)."""
    mark, text = (comment or "").encode(), b""
    with _open_text(path, compression(path), check=True) as stream:
        while True:
            data = stream.read(max(HEAD_BYTES, len(text)))
            text += data
            behind_bom = len(BOM) if text.startswith(BOM) else 0
            for start, stop in np.column_stack(csv_lines.find_lines(text)).tolist():
                start = max(start, behind_bom)
                if stop == len(text) and data:
                    break  # the line may go on
                if start < stop and not (mark and text.startswith(mark, start)):
                    return text[start:stop], start, stop + 1
            if not data:
                return None, 0, 0


def _check_magic(path: str, head: bytes) -> None:
    """Check that the content of a file matches the compression of its extension."""
    said = compression(path)
    found = next((kind for kind, magic in MAGIC.items() if head.startswith(magic)), None)
    if said in MAGIC and said != found:
        raise InputError(f"{path}: is not {said} data; name the file by what is in it")
    if said is None and found == "parquet":
        raise InputError(f"{path}: is Parquet, not CSV; set input.format to parquet or auto")
    if said is None and found:
        end = next(end for end, kind in COMPRESSIONS.items() if kind == found)
        raise InputError(f"{path}: is {found} data; let its name end in {end}")


@contextmanager
def _open_text(path: str, kind: str | None, check: bool = False) -> Iterator[BinaryIO]:
    """A file's text as bytes, decompressed; errors become an InputError.

    Args:
        kind: how the file is compressed.
        check: verify this before the text is read.
    """
    try:
        with files.open_arrow(path) if kind else files.open_read(path) as stream:
            if check:
                _check_magic(path, stream.read(4))
                stream.seek(0)
            yield pa.CompressedInputStream(stream, kind) if kind else stream
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from None
        fault = "cut short" if "runcated" in str(error) else "damaged"
        raise InputError(f"{path}: the {kind} data is {fault}; copy the file again") from error
