"""Connections to a feedback store: one writer at a time, and readers who see one moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from raypipe.config.feedback_url import sqlite_path, without_password
from raypipe.errors import ConfigError, FeedbackError
from raypipe.storage.feedback.errors import WAIT_SECONDS, check_version, explained
from raypipe.storage.feedback.schema import migrate, version_of
from raypipe.storage.files import exists, make_folder

#: Key of PostgreSQL's advisory lock: it allows one writer at a time, as SQLite does, so that event
#: numbers are in commit order and a snapshot contains all events up to its watermark.
WRITER = 7_297_471
_LAST_EVENT = "SELECT max(seq) FROM events"

_Found = TypeVar("_Found")


class Connections:
    """The connections to a store in SQLite or PostgreSQL; several processes may have some."""

    def __init__(self, url: str) -> None:
        self.where = without_password(url)
        self._path = sqlite_path(url)
        self._engine = _engine(url, self.where)
        self._migrated = False
        self._watching: sa.Connection | None = None
        self._watch_lock = Lock()

    def close(self) -> None:
        """Close the connections."""
        with self._watch_lock:
            if self._watching is not None:
                self._watching.invalidate()
            self._watching = None
        self._engine.dispose()

    def watermark(self) -> int:
        """The number of the last event; 0 before the first."""
        return self._read(last_event, 0)

    def quick_watermark(self) -> int:
        """The same of a store that was read before, by one statement over an open connection."""
        with self._watch_lock, self._errors():
            if self._watching is None:
                connection = self._engine.connect()
                self._watching = connection.execution_options(isolation_level="AUTOCOMMIT")
            return last_event(self._watching)

    def _read(self, read: Callable[[sa.Connection], _Found], without_store: _Found) -> _Found:
        """What a transaction reads that sees one moment."""
        if self._path and not exists(self._path):
            return without_store
        one_moment = {} if self._path else {"isolation_level": "REPEATABLE READ"}
        reads = self._engine.execution_options(**one_moment)
        with self._errors(), reads.connect() as connection:
            version = version_of(connection)
            check_version(version, self.where)
            return read(connection) if version else without_store

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction of the only writer; it upgrades the store if necessary."""
        with self._errors():
            if self._path:
                make_folder(self._path.parent)
            with self._engine.execution_options(writes=True).begin() as connection:
                if connection.dialect.name == "postgresql":
                    wait = f"SET LOCAL lock_timeout = {WAIT_SECONDS * 1000:.0f}"
                    connection.execute(sa.text(wait))
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER)))
                if not self._migrated:
                    migrate(connection, self.where)
                yield connection
            self._migrated = True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise explained(self.where, error.orig or error) from error
        except OSError as error:
            raise FeedbackError(
                f"{self.where}: the store cannot be used ({error.strerror}); check its folder"
            ) from error


def last_event(connection: sa.Connection) -> int:
    """The number of the last event; 0 before the first."""
    return connection.exec_driver_sql(_LAST_EVENT).scalar() or 0


def _engine(url: str, where: str) -> sa.Engine:
    cure = "expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
    try:
        known = sa.make_url(url).drivername in ("sqlite", "postgresql+psycopg")
        if not known:
            raise ConfigError(f"feedback.url {where}: {cure}")
        if not url.startswith("sqlite"):
            # In a database without an encoding, ids would be bytes.
            return sa.create_engine(url, pool_size=4, connect_args={"client_encoding": "utf8"})
    except sa.exc.ArgumentError:
        raise ConfigError(f"feedback.url {where}: {cure}") from None
    except ModuleNotFoundError:
        raise ConfigError(
            f"feedback.url {where}: its driver is not installed; pip install raypipe[postgres]"
        ) from None
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_SECONDS})
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # _begin_sqlite starts the transactions
    # WAL is not safe below SQLite 3.51.3. Without WAL, EXTRA makes commits durable.
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA secure_delete = ON")  # what is withdrawn stays in no free page


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
