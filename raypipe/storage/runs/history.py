"""Run ids, and the history in CURRENT.json: the published run and the earlier ones."""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass

from raypipe.errors import RunError
from raypipe.storage.files import to_json, utc_now

_RUN_ID = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-z]+(\.[0-9]+)?")
_ACTIONS = ("publish", "rollback")


@dataclass(frozen=True)
class History:
    """The history of publications, oldest first.

    Attributes:
        current: id of the published run; None before the first publication.
        moves: one ``{"run": run id, "at": UTC time, "action": "publish" or "rollback"}`` each.
    """

    current: str | None = None
    moves: tuple[dict[str, str], ...] = ()

    @classmethod
    def from_json(cls, data: bytes) -> History:
        """Read the bytes that :meth:`to_json` wrote.

        Raises:
            ValueError: the bytes are not a history of runs.
        """
        try:
            tree = json.loads(data)
            history = cls(tree["current"], tuple(tree["history"]))
            sound = is_run_id(history.current or "") and all(
                is_run_id(move["run"]) and move["action"] in _ACTIONS for move in history.moves
            )
        except (KeyError, TypeError):
            sound = False
        if not sound:
            raise ValueError("not a history of runs")
        return history

    def to_json(self) -> bytes:
        """The bytes of CURRENT.json."""
        return to_json({"current": self.current, "history": list(self.moves)})

    def moved(self, run_id: str, action: str) -> History:
        """A new history with one more move, at the current time."""
        return History(run_id, (*self.moves, {"run": run_id, "at": utc_now(), "action": action}))

    def ever(self) -> set[str]:
        """Ids of all runs that were ever published."""
        return {move["run"] for move in self._all_moves()}

    def below(self) -> list[str]:
        """Ids of the runs that a rollback can publish again, most recent first.

        The history is a stack: a publication pushes a run, and a rollback pops the runs above its
        target.
        """
        pile: list[str] = []
        for move in self._all_moves():
            if move["action"] == "rollback" and move["run"] in pile:
                while pile[-1] != move["run"]:
                    pile.pop()
            else:
                pile.append(move["run"])
        return pile[-2::-1]

    def _all_moves(self) -> tuple[dict[str, str], ...]:
        if self.current is None:
            return self.moves
        # If a user edited "current", that move is missing in the history.
        return (*self.moves, {"run": self.current, "action": "rollback"})


def is_run_id(text: str) -> bool:
    """Whether a text is a run id: ``<date>-<config hash>`` or ``<date>-<config hash>.N``.

    Example:
        >>> is_run_id("2026-03-01-0a1b2c3d.2"), is_run_id("2026-13-01-0a1b2c3d"), is_run_id("../x")
        (True, False, False)
    """
    try:
        return bool(_RUN_ID.fullmatch(text) and datetime.date.fromisoformat(text[:10]))
    except ValueError:
        return False


def check_run_id(text: str) -> None:
    """Check a run id before it becomes part of a path.

    Raises:
        RunError: the text is no run id.
    """
    if not is_run_id(text):
        raise RunError(f"{text!r} is no run id; expected DATE-HASH, such as 2026-03-01-0a1b2c3d")
