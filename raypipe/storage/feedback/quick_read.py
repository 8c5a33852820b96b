"""The rejections of one account, read quickly: SQLite without SQLAlchemy."""

import os
import sqlite3
from contextlib import closing
from typing import NamedTuple
from urllib.parse import quote

from raypipe.columns import CANDIDATE, REASON
from raypipe.config.feedback_url import sqlite_path
from raypipe.storage.feedback.errors import WAIT_SECONDS, check_version, sqlite_errors


class Rejection(NamedTuple):
    """A current rejection.

    Attributes:
        at: time of the rejection, in ISO 8601.
        reason: the note that was stored with the rejection, if any.
    """

    at: str
    reason: str | None


def rejections_by(url: str, account: str) -> dict[str, Rejection]:
    """The current rejections of an account, by candidate; empty if there is no store yet.

    Raises:
        FeedbackError: the store cannot be read.
    """
    path = sqlite_path(url)
    if path is None:
        from raypipe.storage.feedback.store import FeedbackStore

        with closing(FeedbackStore(url)) as store:
            rejections = store.rejections(account)
        return {row[CANDIDATE]: Rejection(row["at"], row[REASON]) for row in rejections}
    if not os.path.lexists(path):
        return {}
    with sqlite_errors(str(path)):
        # Not read-only: the first reader after a power failure rolls the journal back.
        uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
                return {}  # its first writer has not committed yet
            version = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
            check_version(version, str(path))
            rows = connection.execute(
                'SELECT "candidateId", at, reason FROM rejections WHERE "accountId" = ?', (account,)
            ).fetchall()
    return {candidate: Rejection(at, reason) for candidate, at, reason in rows}
