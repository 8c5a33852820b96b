"""Lines of CSV: their positions, their numbers of values, and lines that are not rows."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.kernels.quotes import quotes_close

#: A quoted value with line ends has at most this size; a longer one is a quote that is not closed.
MAX_VALUE = 1 << 20
OPEN_QUOTE = 'a quote (") is not closed'
_LINE_START = rb"(?<![^\r\n])"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def find_lines(text: bytes) -> Iterator[tuple[int, int]]:
    """Start and stop of each nonempty line in bytes, without its line end: LF, CR LF or CR."""
    return (line.span() for line in re.finditer(rb"[^\r\n]+", text))


def split_values(line: bytes, delimiter: str) -> list[bytes] | None:
    """The values of one line, as Arrow would split it; None where a quote is not closed.

    A quote counts only at the start of a value; there, two quotes stand for one.

    Example:
        >>> split_values(b'a,"b,""c",5" disk', ",")
        [b'a', b'b,"c', b'5" disk']
        >>> split_values(b'a,"b', ",") is None
        True
    """
    pattern = _value_pattern(delimiter)
    values, position = [], 0
    while True:
        match = pattern.match(line, position)
        if match is None:
            return None
        position = match.end()
        quoted, rest = match.groups()
        values.append((quoted or b"").replace(b'""', b'"') + rest)
        if position == len(line):
            return values
        position += 1


class HiddenLineEnds(NamedTuple):
    """A text whose quoted values hold no line ends.

    Attributes:
        text: as long as before.
        stand_ins: the bytes in place of LF and CR; empty where nothing was hidden.
        rest: where the last row begins, if its quoted value goes on after the text; else None.
    """

    text: bytes
    stand_ins: dict[bytes, bytes]
    rest: int | None = None


def hide_line_ends(text: bytes, delimiter: str) -> HiddenLineEnds:
    """Put stand-ins for the line ends inside quoted values, as RFC 4180 reads them.

    A quote that is not closed at an edge of a value hides nothing, so it costs one row.

    Example:
        >>> hide_line_ends(b'a,"b' + bytes([10]) + b'c"', ",").text
        b'a,"b\\x01c"'
    """
    free = [mark for mark in (b"%c" % number for number in range(1, 9)) if mark not in text]
    if len(free) < 2:
        return HiddenLineEnds(text, {})
    stand_ins, opened = {b"\n": free[0], b"\r": free[1]}, []

    def hide(quoted: re.Match[bytes]) -> bytes:
        value = quoted[0]
        if quoted["open"] is not None:
            opened.append(quoted.start())
        elif len(value) <= MAX_VALUE:
            for line_end, stand_in in stand_ins.items():
                value = value.replace(line_end, stand_in)
        return value

    hidden = _quoted_pattern(delimiter).sub(hide, text)
    rest = None
    if opened and len(text) - opened[0] <= MAX_VALUE:
        rest = max(hidden.rfind(line_end, 0, opened[0]) for line_end in stand_ins) + 1
    return HiddenLineEnds(hidden, {} if hidden == text else stand_ins, rest)


def show_line_ends(values: pa.ChunkedArray, stand_ins: dict[bytes, bytes]) -> pa.ChunkedArray:
    """Values, as bytes, with line ends in place of the stand-ins."""
    for line_end, stand_in in stand_ins.items():
        values = pc.replace_substring(values, stand_in, line_end)
    return values


def without_marks(text: bytes) -> tuple[bytes, int]:
    """The text without byte order marks at the start of lines, and their number.

    A file that was appended to another brings its mark along.
    """
    if _BYTE_ORDER_MARK not in text:
        return text, 0
    return re.subn(_LINE_START + _BYTE_ORDER_MARK, b"", text)


_BLANKS = re.compile(rb'(?P<quoted>"[^"\r\n]*")|[ \t]+')


def fold_blanks(text: bytes) -> bytes:
    """Rows whose values are apart by any number of blanks and tabs, with one blank between two."""
    if b'"' in text:
        text = _BLANKS.sub(lambda found: found["quoted"] or b" ", text)
    else:
        text = text.replace(b"\t", b" ")
        while b"  " in text:
            text = text.replace(b"  ", b" ")
    for line_end in (b"\n", b"\r"):
        text = text.replace(b" " + line_end, line_end).replace(line_end + b" ", line_end)
    return text.strip(b" ")


def closes_quotes(text: bytes, delimiter: str) -> bool:
    """Whether each quote is at an edge of a value, and closed in the same line.

    False is not yet a fault: a value may hold quotes.
    """
    if b'"' not in text:
        return True
    return quotes_close(np.frombuffer(text, dtype=np.uint8), ord(delimiter))


def without_broken(
    text: bytes, delimiter: str, width: int
) -> tuple[bytes, list[tuple[int, str]], int]:
    """Remove the lines that do not have ``width`` values.

    Returns:
        The other lines; (row from 1, reason) of each that was taken out; bytes of the longest line.
    """
    kept, reasons, longest, end = [], [], 0, 0
    for row, (start, stop) in enumerate(find_lines(text), start=1):
        longest = max(longest, stop - start)
        count = count_values(text[start:stop], delimiter)
        if count != width:
            reason = f"found {count} values, expected {width}" if count else OPEN_QUOTE
            reasons.append((row, reason))
            kept.append(text[end:start])
            end = stop
    return b"".join([*kept, text[end:]]), reasons, longest + len("\r\n")


def without_comments(text: bytes, mark: bytes) -> bytes:
    """The text without the lines that start with ``mark``."""
    if mark not in text:
        return text
    return re.sub(_LINE_START + re.escape(mark) + rb"[^\r\n]*", b"", text)


def count_values(line: bytes, delimiter: str) -> int:
    """Number of values of a line; 0 where a quote is not closed."""
    if b'"' in line:
        return len(split_values(line, delimiter) or ())
    return line.count(delimiter.encode()) + 1


@lru_cache
def _quoted_pattern(delimiter: str) -> re.Pattern[bytes]:
    edge = b"[\r\n" + re.escape(delimiter.encode()) + b"]"
    value = rb'"[^"]*(?:""[^"]*)*(?:"(?=' + edge + rb"|\Z)|(?P<open>\Z))"
    return re.compile(rb"(?:\A|(?<=" + edge + rb"))" + value)


@lru_cache
def _value_pattern(delimiter: str) -> re.Pattern[bytes]:
    # The second quote of a pair is no end: (?!").
    plain = b"([^" + re.escape(delimiter.encode()) + b"]*)"
    return re.compile(rb'(?:"([^"]*(?:""[^"]*)*)"(?!")|(?!"))' + plain, re.DOTALL)
