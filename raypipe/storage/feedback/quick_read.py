"""The rejections of one account, read quickly: SQLite without SQLAlchemy.

Raises FeedbackError where the store cannot be read.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from raypipe.config.feedback_url import sqlite_path
from raypipe.storage.feedback.account import AccountFeedback, read_feedback
from raypipe.storage.feedback.errors import (
    IDENTITY_SINCE,
    WAIT_SECONDS,
    check_version,
    sqlite_errors,
)

if TYPE_CHECKING:
    from raypipe.storage.feedback.store import FeedbackStore

_Found = TypeVar("_Found")


def state_of(url: str) -> tuple[str | None, int]:
    """Identity and last event of the store; (None, 0) if there is no store yet."""

    def quick(connection: sqlite3.Connection, version: int) -> tuple[str | None, int]:
        (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        if version < IDENTITY_SINCE:
            return None, last
        return connection.execute("SELECT store FROM identity").fetchone()[0], last

    none: tuple[str | None, int] = (None, 0)
    return _read(url, quick, lambda store: (store.identity(), store.watermark()), none)


def feedback_of(url: str, account: str) -> AccountFeedback:
    """What the store says about what an account may see; empty if there is no store yet."""

    def quick(connection: sqlite3.Connection, version: int) -> AccountFeedback:
        named = {"account": account}
        return read_feedback(lambda query: connection.execute(query, named), version)

    return _read(url, quick, lambda store: store.feedback_of(account), AccountFeedback({}))


def _read(
    url: str,
    quick: Callable[[sqlite3.Connection, int], _Found],
    slow: "Callable[[FeedbackStore], _Found]",
    without_store: _Found,
) -> _Found:
    """Read a store at one moment; ``quick`` gets its schema version."""
    path = sqlite_path(url)
    if path is None:
        from raypipe.storage.feedback.store import FeedbackStore

        with closing(FeedbackStore(url)) as store:
            return slow(store)
    if not os.path.lexists(path):
        return without_store
    with sqlite_errors(str(path)):
        # Not read-only: the first reader after a power failure rolls the journal back.
        uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)) as connection:
            connection.execute("BEGIN")
            # Without tables, its first writer has not committed yet.
            if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
                return without_store
            (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
            check_version(version, str(path))
            return quick(connection, int(version))
