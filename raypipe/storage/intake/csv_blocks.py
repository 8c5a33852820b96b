"""CSV: the header of a file, how it is cut into blocks, and how a block becomes a table.

A line is a row, except that a quoted value may hold line ends (RFC 4180). A file is cut at line
ends; a block that ends inside a quoted value says so, and its file is then read as one block. A
quote that is not closed costs one row, not the rest of the file. Lines end with LF, CR LF or CR.
Empty lines and comment lines are not rows. Rows are numbered from 1, without the header, comments
and empty lines; a header that is repeated has a number, but is no row.

Arrow parses a block. If it fails, the lines are checked one by one, broken ones are removed, and
Arrow parses the rest: only a block with a fault pays for the check.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from raypipe.config import InputConfig
from raypipe.errors import ConfigError, InputError
from raypipe.storage.intake import blocks, csv_lines, texts
from raypipe.storage.intake.blocks import BlockReport, InputFile, Reason
from raypipe.storage.intake.csv_layout import check_layout
from raypipe.storage.intake.id_values import shown
from raypipe.storage.intake.values import Column
from raypipe.storage.records import Notice

DELIMITERS = ",\t;| "  # the usual ones, to guess what went wrong
#: Arrow's threads take a piece of this size at a time (bytes); faster here than its 1 MB.
PARSE_BYTES = 4 << 20
#: Values of a first row that is a header, whatever the config says.
_NAMES = {b"followerid", b"followingid"}
#: The delimiter that stands for any number of blanks and tabs.
WHITESPACE = "whitespace"


@dataclass(frozen=True)
class Dialect:
    """The dialect of a CSV file.

    Attributes:
        header: whether the file has a header, which may be repeated.
        folds: whether any number of blanks and tabs stands between values; delimiter is a blank.
    """

    delimiter: str = ","
    comment: str | None = None
    header: bool = False
    folds: bool = False


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
        if self.names[:1] == ("Account address",):
            return (
                "one account's follows, as Mastodon exports them: name each file by its account, "
                "and set input.columns: {followerId: $file, followingId: Account address}"
            )
        if not self.header:
            return (
                f"there is no header: fix input.{key}, which counts positions from 0, "
                "or input.delimiter"
            )
        return f"fix input.{key}, or set input.header to false where the first row is no header"


class CsvBlock(NamedTuple):
    """A piece of the text of one file."""

    text: texts.TextBlock
    width: int
    columns: tuple[Column, ...]
    dialect: Dialect


class CsvFormat:
    """CSV, plain or compressed: cut at line ends. See :class:`.formats.Format`."""

    name = "csv"
    endings = (".csv", ".tsv", ".txt", ".gz", ".zst", ".bz2", ".xz", ".zip")

    def open(self, path: str, size: int, config: InputConfig) -> CsvFile:
        dialect = _dialect(config)
        head = texts.read_head(path)
        mark = (dialect.comment or "").encode()
        line, start, stop = texts.first_line(path, mark)
        if line and line.lower().startswith(b"sep=") and len(line) == len(b"sep=,"):
            # Excel names the delimiter in a line that is no row.
            named = line.decode("latin-1")
            if named[-1] != dialect.delimiter:
                raise InputError(
                    f"{path}: its first line is {shown(named)}; set input.delimiter to "
                    f"{named[-1]!r}"
                )
            line, start, stop = texts.first_line(path, mark, stop)
        if line is None:
            expected = "a header and rows" if config.header else "rows"
            raise texts.EmptyFileError(f"{path}: found no row; expected {expected}")
        if dialect.folds:
            line = csv_lines.fold_blanks(line)
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
        elif {value.lower() for value in values} >= _NAMES:
            raise InputError(f"{path}: its first row names the columns; set input.header: true")
        rows = head[stop if config.header else start :]
        check_layout(path, rows, len(names), dialect.delimiter, dialect.folds, config)
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
        width, columns = len(file.names), tuple(columns)
        pieces = texts.cut_text(file.path, file.start, file.size, block_bytes)
        return [CsvBlock(text, width, columns, file.dialect) for text in pieces]

    def read(self, block: CsvBlock, block_bytes: int) -> tuple[pd.DataFrame, BlockReport]:
        pieces, rest = [], b""
        for text, is_end in texts.pieces_of(block.text, block_bytes):
            final = is_end and block.text.is_last
            found = parse_text(rest + text, block.dialect, block.width, block.columns, final)
            rest = found.rest
            pieces.append((found.table, found.report))
        return blocks.join_pieces(pieces, unfinished=bool(rest))


class ParsedText(NamedTuple):
    """The good rows of a text.

    Attributes:
        rest: the last row, if its quoted value goes on after the text; it is not in the report.
    """

    table: pa.Table
    report: BlockReport
    rest: bytes = b""


def parse_text(
    text: bytes, dialect: Dialect, width: int, columns: Sequence[Column], final: bool = True
) -> ParsedText:
    """Parse whole lines of CSV, without a header; ``final``: the text ends the file.

    Example:
        >>> src = Column("followerId", 0, "src", pa.large_string())
        >>> found = parse_text(b"a,b\\nc\\n\\n,d\\n", Dialect(), 2, [src])
        >>> found.table.to_pylist(), found.report.bad
        ([{'followerId': 'a'}], [(2, 'found 1 values, expected 2'), (3, 'empty id in column src')])
    """
    if dialect.comment:
        text = csv_lines.without_comments(text, dialect.comment.encode())
    if dialect.folds:
        text = csv_lines.fold_blanks(text)
    if text.startswith(texts.BOM):
        text = b"\n" + text  # Arrow would take it for the mark at the start of a file
    broken: list[Reason] = []
    raw, stand_ins, rest, marks = None, {}, b"", 0
    # An open quote would let Arrow read on over line ends, and nothing might show it.
    if csv_lines.closes_quotes(text, dialect.delimiter):
        with suppress(pa.ArrowInvalid):  # a line is broken
            raw = _arrow_csv(text, dialect, width, columns, PARSE_BYTES)
    elif not dialect.folds:
        text, marks = csv_lines.without_marks(text)
        hidden = csv_lines.hide_line_ends(text, dialect.delimiter)
        end = len(text) if final or hidden.rest is None else hidden.rest
        text, rest, stand_ins = hidden.text[:end], text[end:], hidden.stand_ins
    if raw is None:
        text, broken, longest = csv_lines.without_broken(text, dialect.delimiter, width)
        raw = _arrow_csv(text, dialect, width, columns, max(PARSE_BYTES, longest))
    raw = [csv_lines.show_line_ends(column, stand_ins) for column in raw]
    table, report = blocks.check_rows(raw, columns, dialect.header, broken)
    if marks:
        notices = (*report.notices, Notice.of(blocks.INNER_MARKS, marks))
        report = replace(report, notices=notices)
    return ParsedText(table, report, rest)


def _dialect(config: InputConfig) -> Dialect:
    if config.delimiter == WHITESPACE:
        return Dialect(" ", config.comment, config.header, folds=True)
    if not config.delimiter.isascii() or config.delimiter in '"\r\n\0':
        raise ConfigError(
            f"input.delimiter: found {config.delimiter!r}; expected one ASCII character that "
            f"is no quote and no line end, or {WHITESPACE}"
        )
    return Dialect(config.delimiter, config.comment, config.header)


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
            include_columns=list(dict.fromkeys(wanted)),  # one column may be read as two
            strings_can_be_null=False,
        ),
    )
    return [table[name] for name in wanted]
