"""The input files of a night: listed, checked and opened once."""

import glob
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa

import raypipe
from raypipe.config import InputConfig
from raypipe.config.user_code import source_file
from raypipe.errors import ConfigError, InputError, MissingInputError
from raypipe.storage import files
from raypipe.storage.ids import digest_of_ids
from raypipe.storage.intake import formats, transform
from raypipe.storage.intake.blocks import InputFile, unreadable
from raypipe.storage.intake.texts import EmptyFileError
from raypipe.storage.records import Notice

#: Stands for the name of the file in input.columns: one account for each file.
FILE_NAME = "$file"
#: Endings of data that is not read. In a folder, it is not left out in silence.
UNREAD_DATA = (
    ".json", ".avro", ".orc", ".feather", ".arrow", ".ipc", ".xlsx", ".xls", ".ods",
    ".tar", ".tgz", ".7z", ".rar", ".lz4", ".snappy", ".sz", ".br", ".lzo",
    ".lz", ".sqlite", ".sqlite3", ".db", ".sas7bdat", ".dta", ".sav", ".rds", ".rdata",
    ".pkl", ".pickle", ".npy", ".npz", ".h5", ".hdf5", ".mtx", ".xml", ".sql",
    ".graphml", ".gml", ".net", ".mat", ".deflate", ".z",
)  # fmt: skip

#: Prefixes of files that tools create: .crc files, _SUCCESS, the lost+found of a volume.
HIDDEN = (".", "_", "lost+found")


class OpenFile(NamedTuple):
    """An input file with its format and columns, and its state before it was read."""

    format: formats.Format[Any, Any]
    file: InputFile
    state: files.FileState


@dataclass(frozen=True)
class InputFiles:
    """The input of a night, which its first step opens for all later ones.

    Attributes:
        config: the section ``input``.
        opened: the files with rows, sorted by path.
        notices: on files that are left out.
    """

    config: InputConfig
    opened: tuple[OpenFile, ...]
    notices: tuple[Notice, ...] = ()

    @property
    def sizes(self) -> list[tuple[str, int]]:
        """(path, bytes) of each file, in the order in which they are read."""
        return [(opened.file.path, opened.file.size) for opened in self.opened]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the files' content, and the user's own code that reads them.

        The names of the files do not count, their order does. Reads every byte, once.
        """
        paths = [opened.file.path for opened in self.opened]
        if self.config.transform:
            paths.append(str(source_file(self.config.transform, transform.KEY)))
        if ":" in self.config.format:
            paths.append(str(source_file(self.config.format, formats.KEY)))
        return hashlib.sha256("\n".join(map(_file_digest, paths)).encode()).hexdigest()

    def check_unchanged(self) -> None:
        """Check that no file changed while the input was read.

        Otherwise a result of partly new files would be stored under the digest of the old ones.
        """
        for opened in self.opened:
            try:
                unchanged = files.stat(opened.file.path) == opened.state
            except OSError:
                unchanged = False
            if not unchanged:
                raise InputError(f"{self.config.place}: changed while it was read; run it again")


def open_inputs(config: InputConfig, cure: str | None = None) -> InputFiles:
    """List the input files, and read their columns; those without rows are left out.

    Args:
        cure: what to do where there is no file; None: fix the key of the config.

    Raises:
        ConfigError, MissingInputError, InputError: naming the file and what is wrong with it.
    """
    named = formats.named_format(config.format)
    listing = list_files(config, cure)
    opened: list[OpenFile] = []
    empty: list[EmptyFileError] = []
    for found in listing.files:
        try:
            opened.append(_open(found, named, config))
        except EmptyFileError as error:
            empty.append(error)
    if not opened:
        raise empty[0]
    notices = list(listing.notices)
    if empty:
        example = str(empty[0]).partition(": ")[0]
        notices.append(Notice.of("files without rows are left out", len(empty), example))
    return InputFiles(config, tuple(opened), tuple(notices))


class Listing(NamedTuple):
    """Files that are read, and notices on those that are not."""

    files: list[Path]
    notices: tuple[Notice, ...] = ()


def list_files(config: InputConfig, cure: str | None = None) -> Listing:
    """The input files, sorted by path.

    A folder is searched with all its folders, for names that end as those of a format (for any
    name, where ``format`` is not auto). Links to folders are not followed, and what is hidden is
    left out: names that start with "." or "_". A pipe, and ``-`` for the standard input, is read
    once into a temporary file.

    Raises:
        ConfigError: neither input.follows nor input.ratings is set.
        InputError: a folder has data in a format that is not read.
        MissingInputError: there is no file.
    """
    if not config.place:
        raise ConfigError(f"input.{config.kind}: not set; expected a file, a folder or a glob")
    place = Path("/dev/stdin" if config.place == "-" else config.place)
    left_out: Counter[str] = Counter()
    try:
        is_folder = _is_folder(place)
        if is_folder is False:
            if files.is_file(place):
                return Listing([place])
            if not files.is_pipe(place):
                raise InputError(
                    f"{place}: is a device, no file; expected a file, a folder or a glob"
                )
            return Listing([files.spool(place)])
        matches = [place] if is_folder else files.find(str(place))
        found = {path for match in matches for path in _files_at(match, place, config, left_out)}
    except OSError as error:
        raise unreadable(str(error.filename or place), error) from None
    unread = {ending: count for ending, count in left_out.items() if ending in UNREAD_DATA}
    if unread:
        raise InputError(
            f"{place}: {_counted(unread)} would be left out: raypipe does not read them; convert "
            f"them, move them away, or name the others by a glob, as {place}/*.csv"
        )
    if not found:
        if is_folder:
            raise MissingInputError(
                f"{place}: found no input file in this folder; expected names that end in "
                f"{', '.join(formats.all_endings())}, or set {formats.KEY}"
            )
        what = "file that matches" if glob.has_magic(str(place)) else "such file or folder"
        cure = cure or f"fix input.{config.kind}"
        raise MissingInputError(f"{place}: found no {what}; {cure}")
    notices: tuple[Notice, ...] = ()
    if left_out:
        kind = "files of the folder are left out, by their endings"
        example = _counted(left_out)
        notices = (Notice.of(kind, left_out.total(), example, formats.KEY),)
    return Listing(sorted(found, key=str), notices)


def _counted(endings: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count:,} {ending or 'without an ending'}" for ending, count in endings.items()
    )


def digest_of_inputs(inputs: InputFiles, accounts: pa.Array | None) -> str:
    """SHA-256 (hex) over raypipe's version, the input and the audience."""
    digest = hashlib.sha256(f"raypipe {raypipe.__version__}\n".encode())
    digest.update(inputs.digest.encode())
    if accounts is not None:
        digest.update(digest_of_ids(accounts))
    return digest.hexdigest()


def _files_at(path: Path, place: Path, config: InputConfig, left_out: Counter[str]) -> list[Path]:
    """A file, or the files in a folder; those that are not read are counted by their ending."""
    if not files.is_folder(path):
        return [] if _is_hidden(path, place) else [path]
    endings = formats.all_endings()
    found = []
    for parent, names in files.walk(path, lambda name: not name.startswith(HIDDEN)):
        for name in names:
            if _is_hidden(parent / name, place):
                continue
            if config.format != "auto" or name.lower().endswith(endings):
                found.append(parent / name)
            else:
                left_out[Path(name).suffix.lower()] += 1
    return found


def _is_folder(path: Path) -> bool | None:
    """Whether the path is a folder; None where there is none."""
    try:
        return files.stat(path).is_folder
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_hidden(path: Path, place: Path) -> bool:
    """Whether a part of the path is hidden, unless the config names it."""
    return any(part.startswith(HIDDEN) and part not in place.parts for part in path.parts)


def _open(path: Path, named: formats.Format[Any, Any] | None, config: InputConfig) -> OpenFile:
    try:
        state = files.stat(path)
    except OSError as error:
        raise unreadable(str(path), error) from None
    if not state.size:
        raise EmptyFileError(f"{path}: is empty (0 bytes); write it again or remove it")
    chosen = named or formats.recognised_format(str(path))
    file = chosen.open(str(path), state.size, config)
    constants = [(FILE_NAME, _plain_name(path.name))]
    for part in path.parent.parts:
        name, equals, value = part.partition("=")
        if equals and name.isidentifier():
            constants.append((name, unquote(value)))
    known = dict(pair for pair in constants if pair[0] not in file.names)
    return OpenFile(chosen, replace(file, constants=tuple(known.items())), state)


def _plain_name(name: str) -> str:
    """A file's name without the endings of formats."""
    while name.lower().endswith(formats.all_endings()):
        name = name.rpartition(".")[0]
    return name


def _file_digest(path: str) -> str:
    try:
        return files.sha256_file(path)
    except OSError as error:
        raise unreadable(path, error) from None
