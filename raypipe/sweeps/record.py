r"""The event log of a sweep on disk: one line of JSON per event, flushed before it takes effect.

    {"sweep": ...}                     first line: the config and data of the sweep
    {"began": 3, "settings": {...}}    a trial starts at a point of the search space
    {"ended": {...}}                   the result of a trial

A line without a newline at its end was interrupted by a kill or a power failure, and is removed. A
sweep continues from its log: it keeps finished trials, repeats unfinished ones at the same points,
and then starts the others. Ray Tune's own state is not used: it is pickled, and saved only every
few seconds.
"""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from raypipe.errors import RunError
from raypipe.storage import files
from raypipe.sweeps.space import Settings
from raypipe.sweeps.trials import Report, Trial

NAME = "record.jsonl"


class Record(AbstractContextManager["Record"]):
    """The event log of a sweep, open for more events until the context ends. A :class:`Watch`.

    Attributes:
        began: number to settings, for every trial that started.
        ended: number to result, for every trial that ended.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        """Open the log, or create it with ``about`` as its first event.

        Raises:
            RunError: the log belongs to another sweep, is damaged, or cannot be read or written.
        """
        self._path = folder / NAME
        self.began: dict[int, Settings] = {}
        self.ended: dict[int, Trial] = {}
        with files.disk_errors(f"{self._path}: cannot be written"):
            lines = _whole_lines(self._path)
            self._file = files.open_append(self._path)
            if not lines:
                self._add({"sweep": about})
                files.fsync_folder(folder)
        try:
            self._check_about(lines, about)
            for line in lines[1:]:
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            self._file.close()
            raise RunError(
                f"{self._path}: is damaged; move the folder away, and start the sweep again"
            ) from None

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def begin(self, number: int, settings: Settings) -> None:
        """Log that a trial starts, unless it is repeated."""
        if number not in self.began:
            self._log({"began": number, "settings": settings})

    def report(self, number: int, report: Report) -> None:
        """Ignored: the result of a trial contains its reports."""

    def end(self, trial: Trial) -> None:
        """Log the result of a trial, which is then never repeated."""
        self._log({"ended": trial.to_json()})

    def _check_about(self, lines: list[bytes], about: dict[str, Any]) -> None:
        logged = json.loads(lines[0])["sweep"] if lines else about
        changed = sorted(key for key in {*logged, *about} if logged.get(key) != about.get(key))
        if changed:
            self._file.close()
            raise RunError(
                f"{self._path.parent}: holds a sweep with another {' and '.join(changed)}; "
                "restore it, or start a sweep without --resume"
            )

    def _log(self, event: dict[str, Any]) -> None:
        with files.disk_errors(f"{self._path}: cannot be written"):
            self._add(event)
        self._take(event)

    def _add(self, event: dict[str, Any]) -> None:
        self._file.write(json.dumps(event, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        files.flush(self._file)

    def _take(self, event: dict[str, Any]) -> None:
        if "began" in event:
            self.began[event["began"]] = event["settings"]
        else:
            trial = Trial.from_json(event["ended"])
            self.ended[trial.number] = trial


def _whole_lines(path: Path) -> list[bytes]:
    """The complete lines of the file; this removes an incomplete last line."""
    if not files.exists(path):
        return []
    data = files.read_bytes(path)
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        files.truncate(path, len(whole))
    return whole.splitlines()
