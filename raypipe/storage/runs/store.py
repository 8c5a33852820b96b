"""The runs folder: it stores finished runs and publishes one of them.

    runs/
        CURRENT.json             {"current": run id, "history": [{"run", "at", "action"}, ...]}
        .lock, .lock.owner       the lock of the only writer, and the writer's process
        .staging/<run id>/       an unfinished run (raypipe.storage.runs.staging)
        .trash/                  files that are being deleted
        <date>-<config hash>/    a finished run; never changed. Also <date>-<config hash>.2, .3 ...
            manifest.json        every file with its size and SHA-256
            config.yaml, statistics.json, quarantine.parquet, reputation.parquet, suspects.parquet,
            graph/, neighbours/, recommendations/ ...

Three renames make each change atomic. A run is written and flushed in ``.staging``, and one rename
finishes it; one rename of ``CURRENT.json`` publishes it; one rename removes a pruned run before it
is deleted. After a kill between two steps, readers still see the previous result, and the next run
continues from there. Readers take no lock. A run id in the history is never used again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from raypipe.errors import ConfigError, HeldError, RunError, RunsLockedError, did_you_mean
from raypipe.storage import files
from raypipe.storage.runs.history import History, check_run_id, is_run_id
from raypipe.storage.runs.manifest import FileRecord, Manifest, RunFacts
from raypipe.storage.runs.run import MANIFEST, Run, load_run, manifest_problem
from raypipe.storage.runs.staging import Staging

if TYPE_CHECKING:  # readers take no lock
    from filelock import FileLock

_OWNER, _STAGING = ".lock.owner", ".staging"


@dataclass(frozen=True)
class RunStore:
    """A runs folder. Reading needs no lock; every change takes the lock unless it is already held.

    Every method raises RunError where the folder cannot be read or written, or where the run that
    it needs is missing or damaged (a file is missing or has another size).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = RunStore(Path(folder))
        ...     with store.lock():
        ...         staging = store.open_staging("2026-03-01-0a1b2c3d", input_digest="e3b0c442")
        ...     staging.run_id, store.runs(), store.current_id()
        ('2026-03-01-0a1b2c3d', [], None)
    """

    root: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the writer lock until the block ends. The same thread may take it again inside.

        Raises:
            RunsLockedError: another process or thread holds the lock; this does not wait.
        """
        from filelock import Timeout

        with files.disk_errors(f"{self.root}: cannot be written"):
            files.make_folder(self.root)
            lock = self._file_lock()
            try:
                lock.acquire(blocking=False)
            except Timeout:
                raise RunsLockedError(
                    f"{self.root}: {self._owner()} is writing there; wait until it has ended, "
                    "or stop it, then run this again"
                ) from None
        try:
            # Only error messages of other processes need it, and prune must work on a full disk.
            with suppress(OSError):
                owner = f"process {os.getpid()} on {socket.gethostname()}\n"
                files.write_atomic(self.root / _OWNER, owner.encode(), sync=False)
            yield
        finally:
            lock.release()

    def runs(self) -> list[Run]:
        """All finished runs, newest first (date, then creation time), including damaged ones.

        A damaged run has a ``problem``. Entries that are no run ids are ignored.
        """
        with files.disk_errors(f"{self.root}: cannot be read"):
            names = files.list_names(self.root)
        runs = map(self._load, filter(is_run_id, names))
        here = (run for run in runs if files.is_folder(run.path))  # prune may run at the same time
        return sorted(here, key=lambda run: run.age_key, reverse=True)

    def current_id(self) -> str | None:
        """The id of the published run, which may be damaged or missing; None if there is none."""
        return self._history().current

    def current(self) -> Run:
        """The published run."""
        current = self._published_id()
        run = self._load(current)
        if run.problem:
            raise RunError(
                f"{self.root}: the published run {current} {run.problem}; "
                f"go back to another: raypipe runs rollback RUN ({self._known()})"
            )
        return run

    def get(self, run_id: str) -> Run:
        """The finished run with an id."""
        run = self._load(run_id)
        if not files.is_folder(run.path):
            cure = did_you_mean(run_id, [run.id for run in self.runs()], self._known())
            raise RunError(f"{self.root}: no run {run_id}; {cure}")
        if run.problem:
            raise RunError(
                f"{self.root}: run {run_id} {run.problem}; choose another ({self._known()})"
            )
        return run

    def before(self, run: Run) -> Run | None:
        """The newest undamaged run that is older than a run."""
        return next((other for other in self._whole() if other.age_key < run.age_key), None)

    def find(self, name: str, input_digest: str) -> Run | None:
        """The newest undamaged run with a name (an id without ``.2``) and an input, if any."""
        named = (run for run in self._whole() if run.name == name)
        return next((run for run in named if run.manifest.input_digest == input_digest), None)

    def open_staging(self, name: str, input_digest: str) -> Staging:
        """Open the staging folder of a new run; hold the lock from here to :meth:`finish`.

        The run's id is ``name``, or ``name.2``, ``name.3``, ... if that id is already used. The
        checkpoints of a killed run with the same id and input are kept.

        Args:
            name: ``<date>-<config hash>``.
            input_digest: digest of everything that the result depends on, except date and config.

        Raises:
            RuntimeError: the lock is not held.
        """
        if not self._file_lock().is_locked:
            raise RuntimeError("open_staging: hold store.lock() from here to finish")
        check_run_id(name)
        if "." in name:
            raise RunError(f"{name!r} is no name of a run; expected DATE-HASH without a number")
        published = self._history().ever()
        run_id, number = name, 1
        while run_id in published or files.exists(self.root / run_id):
            number += 1
            run_id = f"{name}.{number}"
        staging = Staging(run_id, input_digest, self.root / _STAGING / run_id)
        with files.disk_errors(f"{staging.home}: cannot be written"):
            path, digest = staging.scratch / "input_digest", input_digest.encode()
            if not files.is_file(path) or files.read_bytes(path) != digest:
                self._discard(staging.home)
                files.make_folder(staging.scratch)
                files.write_atomic(path, digest)
            self._discard(staging.path)
            files.make_folder(staging.path)
        return staging

    def finish(self, staging: Staging, facts: RunFacts) -> Run:
        """Turn the files in ``staging.path`` into a finished run; delete the rest of the staging.

        The manifest holds ``facts``, and the id, creation time and files.

        Raises:
            ValueError: ``facts.parts`` names files that do not exist.
        """
        final = self.root / staging.run_id
        with self.lock(), files.disk_errors(f"{final}: cannot be written"):
            manifest = Manifest(
                **dict(facts),
                run=staging.run_id,
                created=files.utc_now(),
                input_digest=staging.input_digest,
                files={
                    name: FileRecord(
                        sha256=files.sha256_file(staging.path / name),
                        bytes=files.stat(staging.path / name).size,
                    )
                    for name in files.list_tree(staging.path)
                },
            )
            if problem := manifest_problem(manifest, staging.run_id):
                raise ValueError(f"run {staging.run_id} {problem}")
            files.write_atomic(staging.path / MANIFEST, manifest.to_json().encode(), sync=False)
            files.fsync_tree(staging.path)
            files.rename(staging.path, final)
            files.fsync_folder(self.root)
            self._discard(staging.home)
        return self.get(staging.run_id)

    def publish(self, run: Run, action: Literal["publish", "rollback"] = "publish") -> Run:
        """Publish a run: readers see it as soon as CURRENT.json is renamed."""
        with self.lock():
            run = self.get(run.id)
            history = self._history()
            if history.current != run.id:
                with files.disk_errors(f"{self._current_path}: cannot be written"):
                    files.write_atomic(self._current_path, history.moved(run.id, action).to_json())
        return run

    def release(self, run: Run, force: bool = False) -> Run:
        """Publish a finished run because a user asks for it: one that was held, or an older one.

        Raises:
            HeldError: the guard has held it back, and ``force`` is not given.
        """
        if run.breaches and not force and not self.was_published(run):
            raise HeldError(
                "\n  ".join((f"run {run.id} was held back:", *run.breaches))
                + f"\npublish it all the same: raypipe runs publish {run.id} --force"
            )
        return self.publish(run)

    def was_published(self, run: Run) -> bool:
        """Whether a run was ever published; False if it was killed between finish and publish."""
        return run.id in self._history().ever()

    def newest(self, before: str | None = None) -> Run | None:
        """The newest undamaged run that was ever published; after a rollback not the current one.

        Args:
            before: count only runs of earlier dates, such as ``2026-03-01``.
        """
        return next(iter(self.published(before)), None)

    def last_published(self) -> Run | None:
        """The published run; if it is damaged or gone, the newest that was ever published.

        This is "the night before" of a new night: what readers have until it is published.
        """
        current = self.current_id()
        run = None if current is None else self._load(current)
        return run if run and run.problem is None else self.newest()

    def published(self, before: str | None = None) -> list[Run]:
        """The undamaged runs that were ever published, newest first; ``before`` as above."""
        runs = map(self._load, self._history().ever())
        whole = [
            run for run in runs if run.problem is None and (before is None or run.id[:10] < before)
        ]
        return sorted(whole, key=lambda run: (run.age_key, run.id), reverse=True)

    def previous(self) -> Run | None:
        """The target of :meth:`rollback`: the last run before the current one that still exists."""
        below = map(self._load, self._history().below())
        return next((run for run in below if files.is_folder(run.path)), None)

    def rollback(self, run_id: str | None = None) -> Run:
        """Publish the run before the current one again, or any run by its id."""
        with self.lock():
            if run_id is not None:
                return self.publish(self.get(run_id), "rollback")
            current = self._published_id()
            if previous := self.previous():
                return self.publish(previous, "rollback")
            raise RunError(
                f"{self.root}: nothing was published before {current}; "
                f"name a run: raypipe runs rollback RUN ({self._known()})"
            )

    def prune(self, keep: int, before: str | None = None) -> list[Run]:
        """Delete the runs that are older than the ``keep`` newest undamaged ones.

        The current run and the target of :meth:`rollback` are always kept. The staging folders of
        killed runs are deleted too.

        Args:
            keep: at least 1; other values raise ConfigError.
            before: delete only runs of earlier dates, such as ``2026-03-01``.

        Returns:
            The runs that were deleted, newest first.
        """
        if keep < 1:
            raise ConfigError(f"keep {keep}: expected 1 or more; the current run is always kept")
        with self.lock(), files.disk_errors(f"{self.root}: cannot be pruned"):
            protected = {self.current_id(), *(run.id for run in [self.previous()] if run)}
            removed, whole = [], 0
            for run in self.runs():
                is_old = before is None or run.id[:10] < before
                if whole >= keep and is_old and run.id not in protected:
                    removed.append(run)
                whole += run.problem is None
            for run in removed:
                self._discard(run.path)
            self.discard_unfinished()
        return removed

    def discard_unfinished(self) -> None:
        """Delete the staging folders of killed runs, and the trash."""
        with self.lock(), files.disk_errors(f"{self.root}: cannot be written"):
            self._discard(self.root / _STAGING)
            for left in files.list_names(self._trash):
                files.remove_tree(self._trash / left)

    @property
    def _current_path(self) -> Path:
        return self.root / "CURRENT.json"

    @property
    def _trash(self) -> Path:
        return self.root / ".trash"

    def _file_lock(self) -> FileLock:
        from filelock import FileLock

        # One instance per path and process, which counts how often its thread has taken the lock.
        return FileLock(self.root / ".lock", is_singleton=True)

    def _owner(self) -> str:
        try:
            return files.read_bytes(self.root / _OWNER).decode().strip() or "another process"
        except OSError:
            return "another process"

    def _load(self, run_id: str) -> Run:
        check_run_id(run_id)
        return load_run(self.root / run_id)

    def _published_id(self) -> str:
        current = self.current_id()
        if current is None:
            raise RunError(f"nothing is published in {self.root}; start with: raypipe run CONFIG")
        return current

    def _whole(self) -> list[Run]:
        return [run for run in self.runs() if run.problem is None]

    def _known(self) -> str:
        """The newest undamaged runs, for the cure in a message."""
        whole = [run.id for run in self._whole()]
        more = f" and {len(whole) - 5} more" if len(whole) > 5 else ""
        return f"finished: {', '.join(whole[:5]) or 'none'}{more}"

    def _history(self) -> History:
        with files.disk_errors(f"{self._current_path}: cannot be read"):
            try:
                data = files.read_bytes(self._current_path)
            except FileNotFoundError:
                return History()
        try:
            return History.from_json(data)
        except ValueError:
            text = " ".join(data[:60].decode(errors="replace").split())
            found = repr(text) if text else "nothing"
            raise RunError(
                f'{self._current_path}: found {found}, expected {{"current": RUN, '
                '"history": [...]}; move it away, then: raypipe runs rollback RUN '
                f"({self._known()})"
            ) from None

    def _discard(self, path: Path) -> None:
        """Move a path to the trash with one rename, then delete it, so that it is never listed."""
        if files.exists(path):
            files.make_folder(self._trash)
            files.remove_tree(self._trash / path.name, ignore_errors=True)
            files.rename(path, self._trash / path.name)
            files.remove_tree(self._trash / path.name)
