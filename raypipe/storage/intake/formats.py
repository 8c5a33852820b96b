"""The input formats: one row each in ``FORMATS``.

A format is a class with the methods of :class:`Format`. Everything that lists, opens, cuts or
reads input, and every message that names the formats, iterates over ``FORMATS``; a new format is
one class and one row. A format of your own needs no row: set ``input.format: "module:Class"``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pandas as pd

from raypipe.config import InputConfig
from raypipe.config.user_code import load_user_code, user_errors
from raypipe.errors import ConfigError, did_you_mean
from raypipe.storage.intake.blocks import BlockReport, InputFile
from raypipe.storage.intake.csv_blocks import CsvFormat
from raypipe.storage.intake.json_lines import JsonLinesFormat
from raypipe.storage.intake.parquet_blocks import ParquetFormat
from raypipe.storage.intake.signatures import PARQUET
from raypipe.storage.intake.texts import BOM, open_text
from raypipe.storage.intake.values import Column

#: The key of the config that names a format.
KEY = "input.format"

File = TypeVar("File", bound=InputFile)
Block = TypeVar("Block")


class Format(Protocol[File, Block]):
    """How files of one kind are opened, cut into blocks and read.

    It has no state: a Ray task gets it, pickled, with each block.

    Attributes:
        name: as ``input.format`` names it.
        endings: of the names of its files, in lower case, as ``(".csv", ".gz")``.
    """

    @property
    def name(self) -> str: ...

    @property
    def endings(self) -> tuple[str, ...]: ...

    def open(self, path: str, size: int, config: InputConfig) -> File:
        """Read a file as far as its columns.

        Args:
            path, size: as listed; at least one byte.

        Raises:
            InputError: the file is not of this format, or damaged.
            MissingInputError: it cannot be read.
        """

    def cut(self, file: File, columns: Sequence[Column], block_bytes: int) -> Sequence[Block]:
        """Cut a file into blocks of about ``block_bytes`` that can be read by themselves.

        None where the file has no rows. A block is pickled to a Ray task, which may run in another
        folder: it holds an absolute path, and the columns.
        """

    def read(self, block: Block, block_bytes: int) -> tuple[pd.DataFrame, BlockReport]:
        """Read a block: a frame of its good rows, and a report on all (``blocks.read_rows``).

        Raises:
            InputError: the file is damaged, or gone.
        """


#: A file with another extension is read as the first, or as its first bytes say.
FORMATS: tuple[Format[Any, Any], ...] = (CsvFormat(), ParquetFormat(), JsonLinesFormat())


def all_endings() -> tuple[str, ...]:
    """The file extensions of all formats."""
    return tuple(ending for known in FORMATS for ending in known.endings)


def describe_formats() -> str:
    """The formats with their file extensions, for help and documents."""
    return ", ".join(f"{known.name} ({', '.join(known.endings)})" for known in FORMATS)


def recognised_format(path: str) -> Format[Any, Any]:
    """The format of a file: by its longest extension, and by its bytes where that says text."""
    by_ending = {ending: known for known in FORMATS for ending in known.endings}
    fitting = [ending for ending in by_ending if path.lower().endswith(ending)]
    known = by_ending[max(fitting, key=len)] if fitting else FORMATS[0]
    if known is not FORMATS[0]:
        return known
    with open_text(path) as (stream, _):
        head = stream.read(len(PARQUET) + 60)
    if head.startswith(PARQUET):
        return FORMATS[1]
    start = head.removeprefix(BOM).lstrip()
    is_object = start.startswith(b"{") and start[1:].lstrip()[:1] == b'"'
    return FORMATS[2] if is_object else known


def named_format(name: str) -> Format[Any, Any] | None:
    """The format in ``input.format``; None for ``auto``, which decides by file extension.

    Raises:
        ConfigError: there is no such format, or the class lacks something that a format has.
        InputError: the module of the class raised when it was imported.

    Example:
        >>> named_format("auto"), named_format("csv").name
        (None, 'csv')
    """
    if name == "auto":
        return None
    if ":" in name:
        return _user_format(name)
    found = next((known for known in FORMATS if known.name == name), None)
    if found is None:
        names = ["auto", *(known.name for known in FORMATS)]
        cure = did_you_mean(name, names, f"expected {', '.join(names)} or MODULE:CLASS")
        raise ConfigError(f"{KEY}: found {name}; {cure}")
    return found


@dataclass(frozen=True)
class UserFormat:
    """A user-defined format; its errors become one line that names it."""

    name: str
    made: Format[Any, Any]
    endings: tuple[str, ...] = ()  # every file of the input has this format

    def open(self, path: str, size: int, config: InputConfig) -> InputFile:
        with user_errors(self.name):
            file = self.made.open(path, size, config)
            if not isinstance(file, InputFile):
                raise TypeError(f"open returned a {type(file).__name__}, expected an InputFile")
            return file

    def cut(self, file: InputFile, columns: Sequence[Column], block_bytes: int) -> Sequence[Any]:
        with user_errors(self.name):
            return list(self.made.cut(file, columns, block_bytes))

    def read(self, block: Any, block_bytes: int) -> tuple[pd.DataFrame, BlockReport]:
        with user_errors(self.name):
            return self.made.read(block, block_bytes)


def _user_format(spec: str) -> UserFormat:
    make = load_user_code(spec, KEY, "class")
    with user_errors(spec):
        made = make()
    needed = ("open", "cut", "read")
    missing = [name for name in needed if not callable(getattr(made, name, None))]
    if missing:
        raise ConfigError(
            f"{spec}: is no input format: it has no {', '.join(missing)}; expected a class with "
            f"{', '.join(needed)}"
        )
    return UserFormat(spec, made)
