"""Run ids, and the history in CURRENT.json: which run is published, and which were before."""

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
    """The moves of the published run, oldest first.

    Attributes:
        current: id of the run that readers see; None before the first publish.
        moves: ``{"run": run id, "at": UTC time, "action": "publish" or "rollback"}`` each.

    Example:
        >>> moves = [("2026-03-01-aa", "publish"), ("2026-03-02-aa", "publish")]
        >>> history = History()
        >>> for run_id, action in [*moves, ("2026-03-01-aa", "rollback")]:
        ...     history = history.moved(run_id, action)
        >>> history.current, history.below(), sorted(history.ever())
        ('2026-03-01-aa', [], ['2026-03-01-aa', '2026-03-02-aa'])
    """

    current: str | None = None
    moves: tuple[dict[str, str], ...] = ()

    @classmethod
    def from_json(cls, data: bytes) -> History:
        """Read the bytes that :meth:`to_json` wrote.

        Raises:
            ValueError: the bytes are something else.
        """
        try:
            tree = json.loads(data)
            history = cls(tree["current"], tuple(tree["history"]))
            sound = is_run_id(history.current or "") and all(
                is_run_id(move["run"]) and move["action"] in _ACTIONS for move in history.moves
            )
        except (KeyError, TypeError) as error:
            raise ValueError("not a history of runs") from error
        if not sound:
            raise ValueError("not a history of runs")
        return history

    def to_json(self) -> bytes:
        """The bytes of CURRENT.json."""
        return to_json({"current": self.current, "history": list(self.moves)})

    def moved(self, run_id: str, action: str) -> History:
        """The history after one more move, now."""
        return History(run_id, (*self.moves, {"run": run_id, "at": utc_now(), "action": action}))

    def ever(self) -> set[str]:
        """Every run that was ever published."""
        return {move["run"] for move in self._all_moves()}

    def below(self) -> list[str]:
        """The runs that a rollback can go down to, nearest first.

        A publish lays a run on top; a rollback takes off what lies above the run it goes to.
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
        # A "current" that was set by hand is a move that is not in the history.
        return (*self.moves, {"run": self.current, "action": "rollback"})


def is_run_id(text: str) -> bool:
    """Is it ``<date>-<config hash>`` or ``<date>-<config hash>.N``?

    Example:
        >>> is_run_id("2026-03-01-0a1b2c3d.2"), is_run_id("2026-13-01-0a1b2c3d"), is_run_id("../x")
        (True, False, False)
    """
    try:
        return bool(_RUN_ID.fullmatch(text) and datetime.date.fromisoformat(text[:10]))
    except ValueError:
        return False


def check_run_id(text: str) -> None:
    """Check before an id becomes a path.

    Raises:
        RunError: it is no run id.
    """
    if not is_run_id(text):
        raise RunError(f"{text!r} is no run id; expected DATE-HASH, as 2026-03-01-0a1b2c3d")
