"""The content of a report. Numbers stay numbers; the renderer formats them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

#: Format of a number. short: three digits, ``.276``. fine: one more. exact: four
#: decimals, ``0.9344``. megabytes: of a number of bytes. plain: as it is.
Format: TypeAlias = Literal["plain", "short", "fine", "exact", "megabytes"]


@dataclass(frozen=True)
class Value:
    """A number with a format, an interval and a mark.

    Attributes:
        number: None where undefined.
        low, high: the interval of the number, if it has one.
        best: True marks the number as the best of its row or column.
    """

    number: float | None
    format: Format = "plain"
    low: float | None = None
    high: float | None = None
    best: bool = False


#: Text, a number, a number with a format, or None where undefined.
Cell: TypeAlias = "str | int | float | Value | None"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: their headers.
        rows: a cell for each column.
        keys: number of leading columns that name a row. Where it is above 0, a table that is too
            wide may be cut into several, which repeat these; else rows are to be kept together.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str | None = None
    keys: int = 0


@dataclass(frozen=True)
class Facts:
    """Names and values, one pair per line."""

    items: tuple[tuple[str, Cell], ...]
    title: str | None = None


@dataclass(frozen=True)
class Line:
    """A line of text."""

    text: str


Content: TypeAlias = Table | Facts | Line
Report: TypeAlias = tuple[Content, ...]


def numbers(values: Mapping[str, int | float]) -> tuple[tuple[str, Cell], ...]:
    """Items of :class:`Facts`, with spaces in their names.

    Example:
        >>> numbers({"co_follow_pairs": 3})
        (('co follow pairs', 3),)
    """
    return tuple((name.replace("_", " "), value) for name, value in values.items())
