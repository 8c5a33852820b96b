"""The rejections of one account, read quickly: SQLite without SQLAlchemy."""

import os
import sqlite3
from contextlib import closing
from typing import NamedTuple
from urllib.parse import quote

from raypipe.config.feedback_url import sqlite_path
from raypipe.storage.feedback.errors import (
    MARKS_SINCE,
    WAIT_SECONDS,
    check_version,
    sqlite_errors,
)


class Rejection(NamedTuple):
    """A current rejection.

    Attributes:
        at: time of the rejection, in ISO 8601.
        reason: the note that was stored with the rejection, if any.
    """

    at: str
    reason: str | None


class AccountFeedback(NamedTuple):
    """What the store says about what one account may see.

    Attributes:
        rejected: the current rejections of the account, by candidate.
        hidden: the other accounts that it must not see: it has blocked, followed or unfollowed
            them, they have blocked it, or they have opted out.
    """

    rejected: dict[str, Rejection]
    hidden: frozenset[str] = frozenset()


#: Two parameters, both the account.
HIDDEN_QUERY = """
SELECT "candidateId" FROM marks
WHERE kind = 'opt_out' OR (kind IN ('block', 'follow', 'unfollow') AND "accountId" = ?)
UNION SELECT "accountId" FROM marks WHERE kind = 'block' AND "candidateId" = ?
"""


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
