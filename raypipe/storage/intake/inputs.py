"""The input files of a night: listed, checked and opened once."""

import glob
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

import raypipe
from raypipe.config import InputConfig
from raypipe.config.user_code import source_file
from raypipe.errors import ConfigError, InputError, MissingInputError
from raypipe.storage import files
from raypipe.storage.ids import digest_of_ids
from raypipe.storage.intake import formats, transform
from raypipe.storage.intake.blocks import InputFile, unreadable
from raypipe.storage.records import Notice

#: Prefixes of files that tools create: .crc files, _SUCCESS, the lost+found of a volume.
HIDDEN = (".", "_", "lost+found")


class ListedFile(NamedTuple):
    """An input file with its state when it was listed."""

    path: Path
    state: files.FileState


class OpenFile(NamedTuple):
    """An input file with its format and columns."""

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

        Raises:
            ConfigError: there is no such transform or format.
            MissingInputError: a file cannot be read.
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

        Raises:
            InputError: a file has another size or time, or is gone.
        """
        for opened in self.opened:
            try:
                unchanged = files.stat(opened.file.path) == opened.state
            except OSError:
                unchanged = False
            if not unchanged:
                raise InputError(f"{self.config.place}: changed while it was read; run it again")


def open_inputs(config: InputConfig) -> InputFiles:
    """List the input files, and read their columns.

    Raises:
        ConfigError, MissingInputError, InputError: naming the file and what is wrong with it.
    """
    named = formats.named_format(config.format)
    return InputFiles(config, tuple(_open(found, named, config) for found in list_files(config)))


def list_files(config: InputConfig) -> list[ListedFile]:
    """The input files, sorted by path.

    A folder is searched with all its folders, for names that end as those of a format (for any
    name, where ``format`` is not auto). Links to folders are not followed, and what is hidden is
    left out: names that start with "." or "_".

    Raises:
        ConfigError: neither input.follows nor input.ratings is set.
        MissingInputError: there is no file.
    """
    if not config.place:
        raise ConfigError(f"input.{config.kind}: not set; expected a file, a folder or a glob")
    place = Path(config.place)
    try:
        state = _state(place)
        if state and not state.is_folder:
            return [ListedFile(place, state)]
        found = {listed.path: listed for listed in _find(place, state, config)}
    except OSError as error:
        raise unreadable(str(error.filename or place), error) from None
    if found:
        return sorted(found.values(), key=lambda listed: str(listed.path))
    raise MissingInputError(f"{place}: {_why_none(config, state)}")


def digest_of_inputs(inputs: InputFiles, accounts: pa.Array | None) -> str:
    """SHA-256 (hex) over raypipe's version, the input and the audience."""
    digest = hashlib.sha256(f"raypipe {raypipe.__version__}\n".encode())
    digest.update(inputs.digest.encode())
    if accounts is not None:
        digest.update(digest_of_ids(accounts))
    return digest.hexdigest()


def _find(place: Path, state: files.FileState | None, config: InputConfig) -> Iterator[ListedFile]:
    """The files in a folder, or the files and contents of folders that match a glob."""
    matches = (
        [(place, state)] if state else [(path, _state(path)) for path in files.find(str(place))]
    )
    for match, seen in matches:
        paths = _files_in(match, config) if seen and seen.is_folder else [match]
        for path in paths:
            if not _is_hidden(path, place):
                yield ListedFile(path, seen if seen and path is match else files.stat(path))


def _files_in(folder: Path, config: InputConfig) -> list[Path]:
    endings = formats.all_endings()
    return [
        parent / name
        for parent, names in files.walk(folder, lambda name: not name.startswith(HIDDEN))
        for name in names
        if config.format != "auto" or name.lower().endswith(endings)
    ]


def _state(path: Path) -> files.FileState | None:
    """The state of a file or folder; None where there is none."""
    try:
        return files.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_hidden(path: Path, place: Path) -> bool:
    """Whether a part of the path is hidden, unless the config names it."""
    return any(part.startswith(HIDDEN) and part not in place.parts for part in path.parts)


def _why_none(config: InputConfig, state: files.FileState | None) -> str:
    if state:
        return (
            "found no input file in this folder; expected names that end in "
            f"{', '.join(formats.all_endings())}, or set {formats.KEY}"
        )
    what = "file that matches" if glob.has_magic(str(config.place)) else "such file or folder"
    return f"found no {what}; fix input.{config.kind}"


def _open(
    listed: ListedFile, named: formats.Format[Any, Any] | None, config: InputConfig
) -> OpenFile:
    path, size = str(listed.path), listed.state.size
    if not size:
        raise InputError(f"{path}: is empty (0 bytes); write it again or remove it")
    chosen = named or formats.format_by_ending(path)
    return OpenFile(chosen, chosen.open(path, size, config), listed.state)


def _file_digest(path: str) -> str:
    try:
        return files.sha256_file(path)
    except OSError as error:
        raise unreadable(path, error) from None
