"""Text files, plain or packed: their first line and their blocks of whole lines, in bounded memory.

The compression is found by the first bytes; the file's name does not matter. Every function raises
InputError where a file is damaged, no text, or holds a line that is too long.
"""

import bz2
import lzma
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import pyarrow as pa

from raypipe.errors import InputError
from raypipe.storage import files
from raypipe.storage.intake.blocks import unreadable
from raypipe.storage.intake.csv_lines import find_lines
from raypipe.storage.intake.signatures import HEAD_BYTES, PARQUET, packed_as, refuse

BOM = b"\xef\xbb\xbf"
#: No line is longer, so that a block fits into memory whatever is in the file.
MAX_LINE = 64 << 20
_DAMAGED = (EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, RuntimeError)


class EmptyFileError(InputError):
    """The file has no row; beside others it is left out."""


@dataclass(frozen=True)
class TextBlock:
    """Bytes ``start`` to ``stop`` of the text of one file; None: to its end.

    The path is absolute: a Ray task may run in another folder.
    """

    path: str
    start: int
    stop: int | None
    is_last: bool


def cut_text(path: str, start: int, size: int, block_bytes: int) -> list[TextBlock]:
    """Cut a plain file at line ends, from the first row; a compressed file is one block."""
    blocks, path = [], os.path.abspath(path)
    with open_text(path) as (text, kind):
        if kind:
            return [TextBlock(path, start, None, True)]
        while start < size:
            text.seek(start + block_bytes)
            if len(text.readline(MAX_LINE)) == MAX_LINE:
                raise _long_line(path)
            stop = min(text.tell(), size)
            blocks.append(TextBlock(path, start, stop, stop == size))
            start = stop
    return blocks


def pieces_of(block: TextBlock, block_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """The text of a block in whole lines, and whether it is the last piece."""
    with open_text(block.path) as (stream, kind):
        if kind:
            stream.read(block.start)
        else:
            stream.seek(block.start)
        left = math.inf if block.stop is None else block.stop - block.start
        if left <= 2 * block_bytes + MAX_LINE:
            yield stream.read(int(left)), True
            return
        rest = b""
        while data := stream.read(int(min(left, block_bytes))):
            left -= len(data)
            cut = data.rfind(b"\n") + 1
            if cut:
                yield rest + data[:cut], False
                rest = data[cut:]
            else:
                rest += data
                if len(rest) > MAX_LINE:
                    raise _long_line(block.path)
        yield rest, True


def read_head(path: str) -> bytes:
    """The first bytes of a file's text, decompressed; raises EmptyFileError if there are none."""
    with open_text(path) as (stream, kind):
        head = stream.read(HEAD_BYTES)
    if not head:
        raise EmptyFileError(f"{path}: is empty (0 bytes); write it again or remove it")
    if head.startswith(PARQUET):
        found = "Parquet in a packed file; unpack it" if kind else "Parquet, not text"
        raise InputError(f"{path}: is {found}; set input.format to parquet or auto")
    refuse(path, head)
    return head


def first_line(path: str, mark: bytes = b"", behind: int = 0) -> tuple[bytes | None, int, int]:
    """The first line that is no comment, where it starts, and where the lines after it start.

    Args:
        mark: of comment lines.
        behind: bytes of the text that are left out.
    """
    text = b""
    with open_text(path) as (stream, _):
        while True:
            data = stream.read(max(HEAD_BYTES, len(text)))
            text += data
            behind_bom = len(BOM) if text.startswith(BOM) else 0
            for start, stop in find_lines(text):
                start = max(start, behind_bom, behind)
                if stop == len(text) and data:
                    break  # the line may go on
                if start < stop and not (mark and text.startswith(mark, start)):
                    return text[start:stop], start, stop + 1
            if not data:
                return None, 0, 0
            if len(text) > MAX_LINE:
                raise _long_line(path)


def packing_by_name(path: str) -> str | None:
    """The compression with which a file of this name is written."""
    endings = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
    return next((kind for end, kind in endings.items() if path.lower().endswith(end)), None)


@contextmanager
def open_text(path: str) -> Iterator[tuple[BinaryIO, str | None]]:
    """A file's text as bytes, decompressed, and its compression; errors become an InputError."""
    kind = None
    try:
        with files.open_read(path) as raw:
            kind = packed_as(raw.read(8))
            raw.seek(0)
            if kind is None:
                yield raw, None
                return
            if kind in _UNPACKERS:
                yield cast(BinaryIO, _UNPACKERS[kind](raw)), kind
                return
        with files.open_arrow(path) as source:
            yield pa.CompressedInputStream(source, kind), kind
    except (OSError, *_DAMAGED) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from None
        cut = isinstance(error, EOFError) or "runcated" in str(error)
        fault = "cut short" if cut else "damaged"
        raise InputError(f"{path}: the {kind} data is {fault}; copy the file again") from error


def _only_member(raw: BinaryIO) -> IO[bytes]:
    path, archive = raw.name, zipfile.ZipFile(raw)
    names = [name for name in archive.namelist() if not name.endswith("/")]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if "[Content_Types].xml" in names:
        raise InputError(f"{path}: is an Excel workbook; save it as CSV UTF-8")
    if len(names) != 1:
        raise InputError(
            f"{path}: is a zip archive of {len(names):,} files, expected one; unzip it, and name "
            "the folder"
        )
    return archive.open(names[0])


#: Compressions that Arrow does not unpack.
_UNPACKERS: dict[str, Callable[[BinaryIO], object]] = {
    "bz2": bz2.open,
    "xz": lzma.open,
    "zip": _only_member,
}


def _long_line(path: str) -> InputError:
    return InputError(
        f"{path}: a line is longer than {MAX_LINE >> 20} MB; expected a row on each line"
    )
