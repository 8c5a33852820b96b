"""The tables of the rejection store, and the migrations of an older store.

Migrations are a list here, not Alembic: the first process that writes creates or upgrades the store
inside its own transaction, without files outside the package.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    inspect,
)

from raypipe.storage.feedback.errors import check_version

metadata = MetaData()

#: Every request, in commit order; rows are added, never changed.
events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("action", Text, CheckConstraint("action IN ('reject', 'unreject')"), nullable=False),
    Column("accountId", Text, nullable=False),
    Column("candidateId", Text, nullable=False),
    Column("reason", Text),
    UniqueConstraint("request_id"),
    sqlite_autoincrement=True,
)

#: The current rejections, which are derived from the events.
rejections = Table(
    "rejections",
    metadata,
    Column("accountId", Text, primary_key=True),
    Column("candidateId", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("reason", Text),
)

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))


#: Migration i upgrades a store from version i to version i + 1.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (metadata.create_all,)


def version_of(connection: Connection) -> int:
    """The schema version of the store; 0 if it has no tables."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(schema_version.select()).scalar_one_or_none() or 0


def migrate(connection: Connection, where: str) -> None:
    """Upgrade the store to the current schema, inside the transaction of a writer.

    Raises:
        FeedbackError: a newer raypipe wrote the store.
    """
    version = version_of(connection)
    check_version(version, where)
    if version == len(MIGRATIONS):
        return
    for migration in MIGRATIONS[version:]:
        migration(connection)
    connection.execute(schema_version.delete())
    connection.execute(schema_version.insert().values(version=len(MIGRATIONS)))
