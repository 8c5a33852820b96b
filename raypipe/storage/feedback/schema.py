"""The tables of the rejection store, and the migrations of an older store.

Migrations are a list here, not Alembic: the first process that writes creates or upgrades the store
inside its own transaction, without files outside the package.
"""

from collections.abc import Callable

import sqlalchemy as sa

from raypipe.storage.feedback.errors import check_version

metadata = sa.MetaData()

#: Every request, in commit order; rows are added, never changed.
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column(
        "action", sa.Text, sa.CheckConstraint("action IN ('reject', 'unreject')"), nullable=False
    ),
    sa.Column("accountId", sa.Text, nullable=False),
    sa.Column("candidateId", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.UniqueConstraint("request_id"),
    sqlite_autoincrement=True,
)

#: The current rejections, which are derived from the events.
rejections = sa.Table(
    "rejections",
    metadata,
    sa.Column("accountId", sa.Text, primary_key=True),
    sa.Column("candidateId", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
)

schema_version = sa.Table(
    "schema_version", metadata, sa.Column("version", sa.Integer, nullable=False)
)


#: Migration i upgrades a store from version i to version i + 1.
MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (metadata.create_all,)


def version_of(connection: sa.Connection) -> int:
    """The schema version of the store; 0 if it has no tables."""
    if not sa.inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(schema_version.select()).scalar_one_or_none() or 0


def migrate(connection: sa.Connection, where: str) -> None:
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
