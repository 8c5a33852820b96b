"""Where the store is, and what an account has rejected, read quickly: without SQLAlchemy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from raypipe.errors import FeedbackError, FeedbackLockedError

#: Of the schema that this raypipe writes; ``schema.MIGRATIONS`` lead there.
SCHEMA = 1
#: How long a writer, or a reader, waits for another one.
WAIT_SECONDS = 30.0

_SQLITE = "sqlite:///"


def store_url(url: str | None, runs: Path) -> str:
    """The URL of the store; by default a file beside the runs.

    Example:
        >>> store_url(None, Path("runs"))
        'sqlite:///runs/feedback.sqlite'
    """
    return url or f"{_SQLITE}{runs / 'feedback.sqlite'}"


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite store; None for another kind of store.

    Example:
        >>> sqlite_path("sqlite:////srv/a.sqlite"), sqlite_path("postgresql+psycopg://db/a")
        (PosixPath('/srv/a.sqlite'), None)
    """
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def without_password(url: str) -> str:
    """The URL as it may be shown.

    Example:
        >>> without_password("postgresql+psycopg://ann:secret@db/a")
        'postgresql+psycopg://ann:***@db/a'
    """
    scheme, found, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}{found}{name}{colon and ':***'}{at}{place}"


def rejected_by(url: str, account: str) -> frozenset[str]:
    """Whom an account has rejected, now. Where there is no store yet, nothing is opened.

    Raises:
        FeedbackError: the store cannot be read.
    """
    path = sqlite_path(url)
    if path is None:
        from raypipe.feedback.store import FeedbackStore

        with closing(FeedbackStore(url)) as store:
            return frozenset(row["candidate"] for row in store.rejections(account))
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
                "SELECT candidate FROM rejections WHERE account = ?", (account,)
            ).fetchall()
    return frozenset(candidate for (candidate,) in rows)


def newer_schema(where: str, found: int) -> str:
    """The message about a store that a newer raypipe has made."""
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
    """What a database said, as an error of raypipe: one line, with the cure."""
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
