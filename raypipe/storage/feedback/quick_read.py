"""Where the store is, and what an account has rejected, read quickly: without SQLAlchemy."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from urllib.parse import quote

from raypipe.columns import CANDIDATE
from raypipe.config.feedback_url import sqlite_path
from raypipe.errors import FeedbackError
from raypipe.storage.feedback.errors import SCHEMA, WAIT_SECONDS, newer_schema, sqlite_errors


def rejected_by(url: str, account: str) -> frozenset[str]:
    """Whom an account has rejected, now. Where there is no store yet, nothing is opened.

    Raises:
        FeedbackError: the store cannot be read.
    """
    path = sqlite_path(url)
    if path is None:
        from raypipe.storage.feedback.store import FeedbackStore

        with closing(FeedbackStore(url)) as store:
            return frozenset(row[CANDIDATE] for row in store.rejections(account))
    if not os.path.lexists(path):
        return frozenset()
    with sqlite_errors(str(path)):
        # Not read-only: a reader that comes first after a power cut rolls the journal back.
        uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
                return frozenset()  # its first writer has not committed yet
            version = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
            if version > SCHEMA:
                raise FeedbackError(newer_schema(str(path), version))
            rows = connection.execute(
                'SELECT "candidateId" FROM rejections WHERE "accountId" = ?', (account,)
            ).fetchall()
    return frozenset(candidate for (candidate,) in rows)
