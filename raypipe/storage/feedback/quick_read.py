"""The rejections of one account, read quickly: SQLite without SQLAlchemy."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from raypipe.config.feedback_url import sqlite_path
from raypipe.storage.feedback.account import MARKED_QUERY, AccountFeedback, Rejection
from raypipe.storage.feedback.errors import (
    IDENTITY_SINCE,
    MARKS_SINCE,
    WAIT_SECONDS,
    check_version,
    sqlite_errors,
)


def state_of(url: str) -> tuple[str | None, int]:
    """Identity and last event of the store; (None, 0) if there is no store yet.

    Raises:
        FeedbackError: the store cannot be read.
    """
    path = sqlite_path(url)
    if path is None:
        from raypipe.storage.feedback.store import FeedbackStore

        with closing(FeedbackStore(url)) as store:
            return store.identity(), store.watermark()
    with _opened(path) as connection:
        if connection is None:
            return None, 0
        version = _version(connection, path)
        (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        if version < IDENTITY_SINCE:
            return None, last
        return connection.execute("SELECT store FROM identity").fetchone()[0], last


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    """The store at one moment; None if there is none yet."""
    if not os.path.lexists(path):
        yield None
        return
    with sqlite_errors(str(path)):
        # Not read-only: the first reader after a power failure rolls the journal back.
        uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)) as connection:
            connection.execute("BEGIN")
            # Without tables, its first writer has not committed yet.
            any_table = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
            yield connection if any_table else None


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    check_version(version, str(path))
    return int(version)


def feedback_of(url: str, account: str) -> AccountFeedback:
    """What the store says about what an account may see; empty if there is no store yet.

    Raises:
        FeedbackError: the store cannot be read.
    """
    path = sqlite_path(url)
    if path is None:
        from raypipe.storage.feedback.store import FeedbackStore

        with closing(FeedbackStore(url)) as store:
            return store.feedback_of(account)
    with _opened(path) as connection:
        if connection is None:
            return AccountFeedback({})
        version = _version(connection, path)
        rows = connection.execute(
            'SELECT "candidateId", at, reason FROM rejections WHERE "accountId" = ?', (account,)
        ).fetchall()
        marked = []
        if version >= MARKS_SINCE:
            marked = connection.execute(MARKED_QUERY, (account,) * 3).fetchall()
    return AccountFeedback(
        {candidate: Rejection(at, reason) for candidate, at, reason in rows},
        {name: why for name, why, _ in marked},
    )
