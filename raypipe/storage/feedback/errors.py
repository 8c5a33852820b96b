"""Conversion of database errors to errors of raypipe: one line with the cure."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from raypipe.errors import FeedbackError, FeedbackLockedError

#: Schema version that this raypipe writes: the number of ``schema.MIGRATIONS``.
SCHEMA = 3
#: First schema version with marks.
MARKS_SINCE = 2
#: First schema version with an identity.
IDENTITY_SINCE = 3
#: Maximum seconds that a writer or reader waits for another one.
WAIT_SECONDS = 30.0


def check_version(found: int, where: str) -> None:
    """Refuse the schema of a newer raypipe."""
    if found > SCHEMA:
        raise FeedbackError(
            f"{where}: found a store of schema {found}, expected {SCHEMA} or older; update raypipe"
        )


@contextmanager
def sqlite_errors(where: str) -> Iterator[None]:
    """Convert errors of SQLite in the block.

    Raises:
        FeedbackLockedError: other processes kept the store locked for ``WAIT_SECONDS``.
        FeedbackError: the store cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise explained(where, error) from error


def explained(where: str, error: Exception) -> FeedbackError:
    """Convert a database error to an error of raypipe: one line with the cure."""
    message = " ".join(str(error).split())
    if "locked" in message or "lock timeout" in message:
        return FeedbackLockedError(
            f"{where}: other processes kept the store locked for {WAIT_SECONDS:.0f} s; nothing "
            "was changed, try again"
        )
    if "full" in message or "disk I/O" in message or "No space" in message:
        cure = "nothing was changed; free space on its disk, then try again"
    elif "readonly" in message or "unable to open" in message:
        cure = "allow this user to write there, or use another store"
    elif "malformed" in message or "not a database" in message:
        cure = "restore a backup, or use another store"
    else:
        cure = "check that the database runs and that the URL is right, then try again"
    return FeedbackError(f"{where}: the store cannot be used ({message[:200]}); {cure}")
