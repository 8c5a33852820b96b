"""The rejections of one account, read quickly: SQLite without SQLAlchemy."""

import os
import sqlite3
from contextlib import closing
from urllib.parse import quote

from raypipe.config.feedback_url import sqlite_path
from raypipe.storage.feedback.account import HIDDEN_QUERY, AccountFeedback, Rejection
from raypipe.storage.feedback.errors import (
    MARKS_SINCE,
    WAIT_SECONDS,
    check_version,
    sqlite_errors,
)


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
    if not os.path.lexists(path):
        return AccountFeedback({})
    with sqlite_errors(str(path)):
        # Not read-only: the first reader after a power failure rolls the journal back.
        uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)) as connection:
            connection.execute("BEGIN")  # one moment
            if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
                return AccountFeedback({})  # its first writer has not committed yet
            version = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
            check_version(version, str(path))
            rows = connection.execute(
                'SELECT "candidateId", at, reason FROM rejections WHERE "accountId" = ?', (account,)
            ).fetchall()
            marked = []
            if version >= MARKS_SINCE:
                marked = connection.execute(HIDDEN_QUERY, (account, account)).fetchall()
    return AccountFeedback(
        {candidate: Rejection(at, reason) for candidate, at, reason in rows},
        frozenset(name for (name,) in marked),
    )
