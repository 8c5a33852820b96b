"""The tables of the rejection store, and the migrations of an older store.

Migrations are a list here, not Alembic: the first process that writes creates or upgrades the store
inside its own transaction, without files outside the package.
"""

import uuid
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
    sa.Column("action", sa.Text, nullable=False),
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

#: What else holds now: blocks, follows and unfollows since the input, and opt-outs, whose candidate
#: is the account itself. Derived from the events too.
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("accountId", sa.Text, primary_key=True),
    sa.Column("candidateId", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Index("marks_by_candidate", "kind", "candidateId"),
)

#: One row: which store this is, so that another one is not taken for it.
identity = sa.Table("identity", metadata, sa.Column("store", sa.Text, nullable=False))

schema_version = sa.Table(
    "schema_version", metadata, sa.Column("version", sa.Integer, nullable=False)
)


def _allow_marks(connection: sa.Connection) -> None:
    """Drop the constraint of version 1, which allows ``reject`` and ``unreject`` only."""
    checks = sa.inspect(connection).get_check_constraints(events.name)
    if not checks:  # a new store
        return
    marks.create(connection, checkfirst=True)
    if connection.dialect.name == "postgresql":
        for check in checks:
            connection.execute(sa.text(f'ALTER TABLE events DROP CONSTRAINT "{check["name"]}"'))
        return
    connection.execute(sa.text("ALTER TABLE events RENAME TO events_before"))
    events.create(connection)
    names = ", ".join(f'"{column.name}"' for column in events.columns)
    connection.execute(sa.text(f"INSERT INTO events ({names}) SELECT {names} FROM events_before"))
    connection.execute(sa.text("DROP TABLE events_before"))


def _give_identity(connection: sa.Connection) -> None:
    identity.create(connection, checkfirst=True)
    connection.execute(identity.insert().values(store=uuid.uuid4().hex))


#: Migration i upgrades a store from version i to version i + 1.
MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (
    metadata.create_all,
    _allow_marks,
    _give_identity,
)


def version_of(connection: sa.Connection) -> int:
    """The schema version of the store; 0 if it has no tables."""
    if not sa.inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(schema_version.select()).scalar_one_or_none() or 0


def migrate(connection: sa.Connection, where: str) -> None:
    """Upgrade the store to the current schema, inside the transaction of a writer."""
    version = version_of(connection)
    check_version(version, where)
    if version == len(MIGRATIONS):
        return
    for migration in MIGRATIONS[version:]:
        migration(connection)
    connection.execute(schema_version.delete())
    connection.execute(schema_version.insert().values(version=len(MIGRATIONS)))
