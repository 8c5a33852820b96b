"""A finished run: its manifest, its rows for an account, and checks of its files."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from raypipe.errors import ConfigError, RunError, UnknownAccountError
from raypipe.storage.data_files import read_parquet
from raypipe.storage.files import disk_errors, is_folder, list_tree, read_bytes, sha256_file, stat
from raypipe.storage.records import GraphStatistics
from raypipe.storage.runs.manifest import FileRecord, Manifest, PartRecord
from raypipe.storage.runs.parts import holds_id, nearest_ids, read_account

if TYPE_CHECKING:
    from raypipe.config import RunConfig

MANIFEST = "manifest.json"
#: Folder of changed files in a run, while an account is erased from it.
ERASING = ".erase"


@dataclass(frozen=True)
class Run:
    """A finished run. Methods raise RunError where its files are missing or damaged.

    Attributes:
        id: ``<date>-<config hash>``; with ``.2``, ``.3``, ... if the input of that date changed.
        stored: content of manifest.json; None if it cannot be read.
        problem: description of the damage, or None. A damaged run is listed, but never read and
            never published.
    """

    id: str
    path: Path
    stored: Manifest | None
    problem: str | None = None

    @property
    def manifest(self) -> Manifest:
        """The content of manifest.json.

        Raises:
            RunError: the file cannot be read, or has another schema version.
        """
        if self.stored is None:
            raise RunError(f"run {self.id} {self.problem}")
        return self.stored

    def config(self) -> RunConfig:
        """The config of the night, with what it has chosen."""
        from raypipe.config import load_config  # readers of lists need none

        try:
            return load_config(self.path / "config.yaml")
        except ConfigError as error:
            raise RunError(f"run {self.id}: {error}; run the night again") from error

    @property
    def breaches(self) -> tuple[str, ...]:
        """Why the guard held the run back, one line each; also if it was published later."""
        return self.stored.guard.breaches if self.stored and self.stored.guard else ()

    @property
    def date(self) -> datetime.date:
        """The date in the id."""
        return datetime.date.fromisoformat(self.id[:10])

    @property
    def name(self) -> str:
        """The id without its number: ``<date>-<config hash>``."""
        return self.id.partition(".")[0]

    @property
    def age_key(self) -> tuple[datetime.date, str, int]:
        """Sort key from the oldest to the newest run: date, creation time, number."""
        created = self.stored.created if self.stored else ""
        return self.date, created, int(self.id.partition(".")[2] or 1)

    def recommendations(self, account: str, k: int | None = None) -> pa.Table:
        """Recommendations of one account, best first, as ``columns.RECOMMENDATIONS_SCHEMA``.

        Args:
            account: id of the account, as written in the input.
            k: maximum number of rows; None: all published rows.

        Raises:
            UnknownAccountError: the account is not in the run.
        """
        return self._read("recommendations", account, k)

    def neighbours(self, account: str, k: int | None = None) -> pa.Table:
        """Neighbours of one account, best first, as ``columns.NEIGHBOURS_SCHEMA``.

        Arguments and errors as for :meth:`recommendations`.
        """
        return self._read("neighbours", account, k)

    def table(self, kind: str) -> pa.Table:
        """All rows of ``recommendations`` or ``neighbours``, in the order of the parts."""
        parts = self._parts(kind)
        with self._reading(kind):
            return pa.concat_tables([read_parquet(self.path / part.file) for part in parts])

    def statistics(self) -> GraphStatistics:
        """Statistics of the run's graph, from ``raypipe.graph.statistics.graph_statistics``."""
        with self._reading("statistics"):
            return GraphStatistics.model_validate_json(read_bytes(self.path / "statistics.json"))

    def _read(self, kind: str, account: str, k: int | None) -> pa.Table:
        parts = self._parts(kind)
        with self._reading(kind):
            rows = read_account(self.path, kind, parts, account, k)
            known = len(rows) > 0 or holds_id(self.path / "graph" / "ids.arrow", account)
        if not known:
            raise self.unknown(account, "for a list of a new account: --following ID,...")
        return rows

    def holds(self, account: str) -> bool:
        """Whether the account is in the run."""
        with self._reading("graph"):
            return holds_id(self.path / "graph" / "ids.arrow", account)

    def unknown(self, account: str, otherwise: str) -> UnknownAccountError:
        """The error for an unknown account: the nearest ids, and what to do with a new one."""
        near = nearest_ids(self.path / "graph" / "ids.arrow", account)
        meant = f"nearest: {', '.join(map(repr, near))}" if near else "no id is near"
        return UnknownAccountError(
            f"account {account!r} is not in run {self.id}; {meant}; {otherwise}"
        )

    def _parts(self, kind: str) -> Sequence[PartRecord]:
        parts = self.manifest.parts
        if kind not in parts:
            raise RunError(f"run {self.id} holds no {kind}; found {', '.join(parts) or 'nothing'}")
        return parts[kind]

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, pa.ArrowException) as error:
            raise RunError(
                f"run {self.id}: its {what} cannot be read ({' '.join(str(error).split())}); "
                "go back to another run: raypipe runs rollback"
            ) from error


def load_run(path: Path) -> Run:
    """Load the run in a folder; ``problem`` describes damage, including a missing folder."""
    manifest = None
    try:
        manifest = Manifest.from_json(read_bytes(path / MANIFEST))
    except FileNotFoundError:
        problem = "has no manifest.json" if is_folder(path) else "is gone"
    except OSError as error:
        problem = f"has no readable manifest.json: {error.strerror or error}"
    except ValueError as error:
        problem = f"has no readable manifest.json: {error}"
        if "schema_version" in str(error):
            problem += (
                ": another raypipe wrote it; read it with that version, or run the night again"
            )
    if manifest is None:
        return Run(path.name, path, None, problem)
    if mismatch := manifest_problem(manifest, path.name):
        return Run(path.name, path, None, mismatch)
    return Run(path.name, path, manifest, _size_problem(path, manifest.files))


def verify_run(run: Run) -> list[str]:
    """Read every file of a run and compare it with the manifest.

    Returns:
        One line for each file that is missing, is extra, or has another SHA-256.

    Raises:
        RunError: a file cannot be read.
    """
    if run.stored is None:
        return [f"run {run.id} {run.problem}"]
    files = run.stored.files
    with disk_errors(f"{run.path}: cannot be read"):
        found = set(list_tree(run.path)) - {MANIFEST}
        differ = [
            name
            for name in sorted(found & files.keys())
            if sha256_file(run.path / name) != files[name].sha256
        ]
    return (
        [f"missing: {name}" for name in sorted(files.keys() - found)]
        + [f"extra: {name}" for name in sorted(found - files.keys())]
        + [f"sha256 differs: {name}" for name in differ]
    )


def manifest_problem(manifest: Manifest, run_id: str) -> str | None:
    """Why a manifest does not match a run id or its own files; None if it matches."""
    parts = [part for kind in manifest.parts.values() for part in kind]
    if missing := [part.file for part in parts if part.file not in manifest.files]:
        return f"has a manifest.json that does not describe its files: {missing[0]} is not among"
    if manifest.run != run_id:
        return f"has the manifest.json of {manifest.run}"
    return None


def _sizes_after_erasing(path: Path, name: str) -> list[int]:
    """The size that a file has when the erasing of an account has ended."""
    for folder in (path / ERASING, path):  # the new manifest is in one of the two
        try:
            return [Manifest.from_json(read_bytes(folder / MANIFEST)).files[name].bytes]
        except (OSError, ValueError, KeyError):
            continue
    return []


def _size_problem(path: Path, files: dict[str, FileRecord]) -> str | None:
    """Check names and sizes of the files, which is fast; ``verify_run`` reads the bytes."""
    for name, expected in files.items():
        try:
            found = stat(path / name).size
        except OSError:
            return f"is damaged: {name} is missing"
        if found != expected.bytes and found not in _sizes_after_erasing(path, name):
            return f"is damaged: {name} has {found} bytes, expected {expected.bytes}"
    return None
