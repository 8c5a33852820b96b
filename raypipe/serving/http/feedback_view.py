"""The feedback since a night, held in memory and up to date at every look.

A look costs one read of four bytes where nothing has changed: SQLite counts its transactions in the
header of its file. PostgreSQL is asked for its last event.
"""

import json
from threading import Lock

from raypipe.config.feedback_url import sqlite_path
from raypipe.errors import FeedbackError
from raypipe.storage.feedback.account import AccountFeedback, Rejection
from raypipe.storage.feedback.changes import MARKS
from raypipe.storage.feedback.store import Event, FeedbackStore
from raypipe.storage.feedback.transactions import TransactionCounter

#: What each action adds and removes, for the account; blocks count for the candidate too.
_EFFECTS = {"reject": ("reject", None), "unreject": (None, "reject"), **MARKS}


class FeedbackView:
    """What the events after a watermark have set, by account.

    Attributes:
        store: the store.
        seq: number of the last event.
        opted_out: ids of accounts that have opted out since.
        opted_out_texts: the same as JSON bytes, without quotes.
    """

    def __init__(self, url: str, watermark: int) -> None:
        self.store = FeedbackStore(url)
        self.opted_out: set[str] = set()
        self.opted_out_texts: set[bytes] = set()
        self.seq = self.base = watermark
        self._path = sqlite_path(url)
        self._counter_of = None if self._path is None else TransactionCounter(self._path)
        self._counter: tuple[int, bytes] | None = None
        self._kinds: dict[str, dict[str, set[str]]] = {}
        self._lock = Lock()

    def refresh(self) -> int:
        """Apply the events since the last look.

        Returns:
            The number of the last event.

        Raises:
            FeedbackError: the store cannot be read, or has lost events; then nothing may be shown.
        """
        try:
            counter = self._transactions()
            if counter is None or counter != self._counter:
                self._read(counter)
        except FeedbackError:
            self._counter = None
            self.store.close()  # the next look opens the file anew
            raise
        return self.seq

    def marked(self, account: str) -> AccountFeedback | None:
        """What is marked for an account, opt-outs apart; None: nothing."""
        found = self._kinds.get(account)
        if not found:
            return None
        rejected = {name: Rejection("", None) for name, kinds in found.items() if "reject" in kinds}
        # Its own marks come before those of others, in the order of the alphabet: block, blocked.
        others = ((name, kinds - {"reject"}) for name, kinds in found.items())
        return AccountFeedback(rejected, {name: min(kinds) for name, kinds in others if kinds})

    def _read(self, counter: tuple[int, bytes] | None) -> None:
        with self._lock:
            if self._counter is None or counter is None or counter[0] != self._counter[0]:
                self._check_last_event()
            for event in self.store.events_after(self.seq):
                self._apply(event)
                self.seq = event.seq
            self._counter = counter

    def _transactions(self) -> tuple[int, bytes] | None:
        """The file and its transaction counter, or the last event; None: the store is asked."""
        if self._counter_of is None:
            return (self.store.quick_watermark(), b"") if self.seq else None
        try:
            return self._counter_of.read()
        except FileNotFoundError:
            if self.seq:
                raise FeedbackError(
                    f"{self._path}: the store is gone, which held event {self.seq}; restore it"
                ) from None
            return None
        except OSError as error:
            raise FeedbackError(f"{self._path}: cannot be read ({error.strerror})") from error

    def _check_last_event(self) -> None:
        last = self.store.watermark()
        if last < self.seq:
            raise FeedbackError(
                f"{self.store.where}: its last event is {last}, but event {self.seq} was there; "
                "restore the store"
            )

    def _apply(self, event: Event) -> None:
        if event.action in ("opt_out", "opt_in"):
            change = set.add if event.action == "opt_out" else set.discard
            change(self.opted_out, event.account)
            text = json.dumps(event.account, ensure_ascii=False).encode()[1:-1]
            change(self.opted_out_texts, text)
            return
        added, removed = _EFFECTS[event.action]
        self._set(event.account, event.candidate, added, removed)
        if event.action in ("block", "unblock"):
            sides = ("blocked", None) if added else (None, "blocked")
            self._set(event.candidate, event.account, *sides)

    def _set(self, account: str, candidate: str, added: str | None, removed: str | None) -> None:
        """Replaces what it changes, so that readers in other threads see whole sets."""
        of_account = dict(self._kinds.get(account, {}))
        kinds = of_account.pop(candidate, set()) - {removed}
        if added:
            kinds.add(added)
        if kinds:
            of_account[candidate] = kinds
        if of_account:
            self._kinds[account] = of_account
        else:
            self._kinds.pop(account, None)
