"""JSON lines: an object on each line, as exports of APIs and databases write them.

Strings and whole numbers may be ids, exactly as they are written. Slower than CSV and Parquet
(about half a million rows a second), as Python parses the lines.
"""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage.intake import blocks, texts
from raypipe.storage.intake.blocks import BlockReport, InputFile, Reason
from raypipe.storage.intake.csv_lines import find_lines
from raypipe.storage.intake.id_values import shown
from raypipe.storage.intake.values import Column

_SAMPLE = 100


class JsonBlock(NamedTuple):
    """A piece of the text of one file."""

    text: texts.TextBlock
    columns: tuple[Column, ...]


class JsonLinesFormat:
    """JSON lines, plain or compressed; columns are keys. See :class:`.formats.Format`."""

    name = "jsonl"
    endings = (".jsonl", ".ndjson")

    def open(self, path: str, size: int, config: InputConfig) -> InputFile:
        head = texts.read_head(path)
        line = texts.first_line(path)[0]
        if line is None:
            raise texts.EmptyFileError(f"{path}: found no row; expected an object on each line")
        if not isinstance(_parsed(line), dict):
            found = shown(line.decode("utf-8", "replace"))
            raise InputError(
                f"{path}: its first line is {found}, no JSON object; expected one on each line "
                "(jq -c writes them)"
            )
        names: dict[str, None] = dict.fromkeys(_parsed(line))
        for start, stop in islice(find_lines(head), _SAMPLE):
            row = _parsed(head[start:stop])
            names |= dict.fromkeys(row if isinstance(row, dict) else ())
        types = (pa.large_string(),) * len(names)
        return InputFile(path=path, size=size, names=tuple(names), types=types)

    def cut(self, file: InputFile, columns: Sequence[Column], block_bytes: int) -> list[JsonBlock]:
        pieces = texts.cut_text(file.path, 0, file.size, block_bytes)
        return [JsonBlock(text, tuple(columns)) for text in pieces]

    def read(self, block: JsonBlock, block_bytes: int) -> tuple[pd.DataFrame, BlockReport]:
        pieces = texts.pieces_of(block.text, block_bytes)
        parsed = (_parse_text(text.removeprefix(texts.BOM), block.columns) for text, _ in pieces)
        return blocks.join_pieces(parsed)


def _parse_text(text: bytes, columns: Sequence[Column]) -> tuple[pa.Table, BlockReport]:
    values: list[list[str | None]] = [[] for _ in columns]
    bad: list[Reason] = []
    for number, (start, stop) in enumerate(find_lines(text), start=1):
        row = _parsed(text[start:stop])
        if not isinstance(row, dict):
            bad.append((number, "is no JSON object"))
            continue
        try:
            found = [_text(row.get(column.label), column.label) for column in columns]
        except TypeError as error:
            bad.append((number, str(error)))
            continue
        for column, value in zip(values, found, strict=True):
            column.append(value)
    arrays = [pa.chunked_array([column], pa.large_string()) for column in values]
    return blocks.check_rows(arrays, columns, broken=bad)


def _parsed(line: bytes) -> Any:
    """The value of a line; None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _text(value: object, label: str) -> str | None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            raise TypeError(f"column {label} is not UTF-8") from None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"column {label} is {shown(json.dumps(value), 40)}, no text")
