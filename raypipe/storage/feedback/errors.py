"""Errors of a database as errors of raypipe: one line with the cure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from raypipe.errors import FeedbackError, FeedbackLockedError

#: Version of the schema that this raypipe writes; ``schema.MIGRATIONS`` lead to it.
SCHEMA = 1


#: How long a writer or reader waits for another one, in seconds.
WAIT_SECONDS = 30.0


def newer_schema(where: str, found: int) -> str:
    """The message for a store that a newer raypipe has written."""
    return f"{where}: found a store of schema {found}, expected {SCHEMA} or older; update raypipe"


@contextmanager
def sqlite_errors(where: str) -> Iterator[None]:
    """Turn what SQLite raises in the block into one line with a cure.

    Raises:
        FeedbackLockedError: others have kept it locked all the time.
        FeedbackError: it cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise explained(where, error) from error


def explained(where: str, error: Exception) -> FeedbackError:
    """An error of a database as an error of raypipe: one line with the cure."""
    said = " ".join(str(error).split())
    if "locked" in said or "lock timeout" in said:
        return FeedbackLockedError(
            f"{where}: others have kept the store locked for {WAIT_SECONDS:.0f} s; nothing was "
            "changed, try again"
        )
    if "full" in said or "disk I/O" in said or "No space" in said:
        cure = "nothing was changed; free some space on its disk, then try again"
    elif "readonly" in said or "unable to open" in said:
        cure = "give this user the right to write there, or name another store"
    elif "malformed" in said or "not a database" in said:
        cure = "put a backup of it in its place, or name another store"
    else:
        cure = "check that it runs and that its URL is right, then try again"
    return FeedbackError(f"{where}: the store cannot be used ({said[:200]}); {cure}")
