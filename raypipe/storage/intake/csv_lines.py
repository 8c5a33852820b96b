"""Lines of CSV: their positions, their numbers of values, and lines that are not rows.

Everything here works on bytes and arrays of positions, for a text of whole lines.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.kernels.quotes import CR, LF, QUOTE, quotes_close

#: A quoted value with line ends has at most this size; a longer one is a quote that is not closed.
MAX_VALUE = 1 << 20
OPEN_QUOTE = 'a quote (") is not closed'


def find_lines(text: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Start and stop of each nonempty line in bytes, without its line end.

    Each CR and each LF ends a line: the empty line that this makes of a CR LF is none.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero((data == LF) | (data == CR))
    starts, stops = np.append(0, ends + 1), np.append(ends, len(data))
    keep = stops > starts
    return starts[keep], stops[keep]


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
        >>> hide_line_ends(b'a,"b' + bytes([10]) + b'c,"d"', ",").stand_ins
        {}
        >>> hide_line_ends(b'a,b' + bytes([10]) + b'a,"b' + bytes([10]), ",").rest
        4
    """
    free = [mark for mark in map(_byte, range(1, 9)) if mark not in text]
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


def shown(text: bytes, stand_ins: dict[bytes, bytes]) -> bytes:
    """The text with line ends in place of the stand-ins."""
    for line_end, stand_in in stand_ins.items():
        text = text.replace(stand_in, line_end)
    return text


def without_marks(text: bytes) -> tuple[bytes, int]:
    """The text without byte order marks at the start of lines, and their number.

    A file that was appended to another brings its mark along.
    """
    pattern = re.compile(rb"(?:\A|(?<=[\r\n]))\xef\xbb\xbf")
    return pattern.subn(b"", text) if b"\xef\xbb\xbf" in text else (text, 0)


_BLANKS = re.compile(rb'(?P<quoted>"[^"\r\n]*")|[ \t]+')


def fold_blanks(text: bytes) -> bytes:
    """Rows whose values are apart by any number of blanks and tabs, with one blank between two.

    Example:
        >>> fold_blanks(b' 1000  1007' + bytes([9]) + b'3 ')
        b'1000 1007 3'
    """
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

    Example:
        >>> closes_quotes(b'"a",b\\n', ","), closes_quotes(b'"a,b\\n"', ",")
        (True, False)
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

    Example:
        >>> without_broken(b'a,b\\nc\\n"d,e\\n', ",", 2)
        (b'a,b\\n\\n\\n', [(2, 'found 1 values, expected 2'), (3, 'a quote (") is not closed')], 6)
    """
    starts, stops = find_lines(text)
    found = count_values(text, starts, stops, delimiter)
    broken = np.flatnonzero(found != width)
    reasons = [
        (row + 1, f"found {count} values, expected {width}" if count else OPEN_QUOTE)
        for row, count in zip(broken.tolist(), found[broken].tolist(), strict=True)
    ]
    longest = int((stops - starts).max(initial=0)) + len("\r\n")
    return _without(text, starts[broken], stops[broken]), reasons, longest


def without_comments(text: bytes, mark: bytes) -> bytes:
    """The text without the lines that start with ``mark``."""
    if not text.startswith(mark) and b"\n" + mark not in text and b"\r" + mark not in text:
        return text
    starts, stops = find_lines(text)
    comments = [text.startswith(mark, start) for start in starts.tolist()]
    return _without(text, starts[comments], stops[comments])


def count_values(text: bytes, starts: np.ndarray, stops: np.ndarray, delimiter: str) -> np.ndarray:
    """Number of values of each line; 0 where a quote is not closed.

    Example:
        >>> text = b'a,b\\n"a,b",c\\n"a'
        >>> count_values(text, *find_lines(text), ",").tolist()
        [2, 2, 0]
    """
    data, lines = np.frombuffer(text, dtype=np.uint8), np.arange(len(starts))
    delimiters, quotes = np.flatnonzero(data == ord(delimiter)), np.flatnonzero(data == QUOTE)
    line_of_delimiter = np.repeat(lines, _count_between(delimiters, starts, stops))
    line_of_quote = np.repeat(lines, _count_between(quotes, starts, stops))
    first_quote = np.searchsorted(quotes, starts)
    # In a line whose quotes open and close at the edges of values, a delimiter is a value's end
    # where an even number of quotes is before it. Other lines are few, and looked at one by one.
    before = np.searchsorted(quotes, delimiters) - first_quote[line_of_delimiter]
    found = np.bincount(line_of_delimiter[before % 2 == 0], minlength=len(lines)) + 1
    opens = (np.arange(len(quotes)) - first_quote[line_of_quote]) % 2 == 0
    odd = np.bincount(line_of_quote, minlength=len(lines)) % 2 == 1
    odd[line_of_quote[~_at_edges(data, quotes, opens, delimiter)]] = True
    for line in np.flatnonzero(odd).tolist():
        found[line] = len(split_values(text[starts[line] : stops[line]], delimiter) or ())
    return found


def _at_edges(
    data: np.ndarray, quotes: np.ndarray, opens: np.ndarray, delimiter: str
) -> np.ndarray:
    """For each quote: whether a delimiter, a line end or an end of the text is next to it."""
    edge = np.isin(np.arange(256), [ord(delimiter), LF, CR])
    outer = np.where(opens, quotes - 1, quotes + 1)
    at_edge: np.ndarray = (outer < 0) | (outer == len(data)) | edge[data[outer % len(data)]]
    return at_edge


def _count_between(positions: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    return np.searchsorted(positions, stops) - np.searchsorted(positions, starts)


def _without(text: bytes, starts: np.ndarray, stops: np.ndarray) -> bytes:
    edges = zip([0, *stops.tolist()], [*starts.tolist(), len(text)], strict=True)
    return b"".join(text[start:stop] for start, stop in edges)


def _byte(value: int) -> bytes:
    return bytes([value])


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
