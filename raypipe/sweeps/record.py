r"""What has happened in a sweep, on disk: one line of JSON an event, flushed before it counts.

    {"sweep": ...}                     once, first: of which config and data this is the record
    {"began": 3, "settings": {...}}    a trial has its point of the space
    {"ended": {...}}                   what came of it

A line is there whole or, where a kill or a power cut came between, has no newline at its end and is
cut off. What is here is therefore all that was ever told to anybody, and a sweep goes on from it:
the trials that ended are kept, those that only began are tried again at the same points, and the
others follow. Ray Tune's own state is pickles, and is written every few seconds: it is not asked.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from raypipe.errors import RunError
from raypipe.storage.files import (
    disk_errors,
    exists,
    flush,
    fsync_folder,
    open_append,
    read_bytes,
    truncate,
)
from raypipe.sweeps.space import Settings
from raypipe.sweeps.trials import Trial

NAME = "record.jsonl"


class Record:
    """The events of a sweep; a context in which more are added.

    Attributes:
        began: number to settings, of every trial that began.
        ended: number to what came of it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Record(Path(folder), {"data": "abc"}) as record:
        ...         record.begin(0, {"sources.similar.neighbours": 10})
        ...     with Record(Path(folder), {"data": "abc"}) as record:
        ...         record.began
        {0: {'sources.similar.neighbours': 10}}
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        """Read what there is, or start with ``about``.

        Raises:
            RunError: it is about something else, is damaged, or cannot be read or written.
        """
        self._path = folder / NAME
        self.began: dict[int, Settings] = {}
        self.ended: dict[int, Trial] = {}
        with disk_errors(f"{self._path}: cannot be written"):
            lines = _whole_lines(self._path)
            self._file = open_append(self._path)
            if not lines:
                self._add({"sweep": about})
                fsync_folder(folder)
        try:
            self._check_about(lines, about)
            for line in lines[1:]:
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            self._file.close()
            raise RunError(
                f"{self._path}: is damaged; move the folder away, and start the sweep anew"
            ) from None

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def begin(self, number: int, settings: Settings) -> None:
        """A trial has its point."""
        self._tell({"began": number, "settings": settings})

    def end(self, trial: Trial) -> None:
        """A trial has ended: from now on it is not tried again."""
        self._tell({"ended": trial.to_json()})

    def _check_about(self, lines: list[bytes], about: dict[str, Any]) -> None:
        found = json.loads(lines[0])["sweep"] if lines else about
        changed = sorted(key for key in {*found, *about} if found.get(key) != about.get(key))
        if changed:
            self._file.close()
            raise RunError(
                f"{self._path.parent}: was of other {' and '.join(changed)}; bring that back, or "
                "start a sweep without --resume"
            )

    def _tell(self, event: dict[str, Any]) -> None:
        with disk_errors(f"{self._path}: cannot be written"):
            self._add(event)
        self._take(event)

    def _add(self, event: dict[str, Any]) -> None:
        self._file.write(json.dumps(event, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        flush(self._file)

    def _take(self, event: dict[str, Any]) -> None:
        if "began" in event:
            self.began[event["began"]] = event["settings"]
        else:
            trial = Trial.from_json(event["ended"])
            self.ended[trial.number] = trial


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that have an end; what comes after the last is cut off."""
    if not exists(path):
        return []
    data = read_bytes(path)
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        truncate(path, len(whole))
    return whole.splitlines()
