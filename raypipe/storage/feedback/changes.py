"""What a writer changes in a feedback store, inside one transaction."""

import uuid

import pyarrow as pa
import sqlalchemy as sa

from raypipe.columns import ACCOUNT, CANDIDATE, REASON
from raypipe.storage.feedback.schema import events, marks, rejections
from raypipe.storage.files import utc_now
from raypipe.storage.ids import names_id

#: Each action on a mark: the kind that it sets, and the kind that it removes.
MARKS: dict[str, tuple[str | None, str | None]] = {
    "block": ("block", None),
    "unblock": (None, "block"),
    "follow": ("follow", "unfollow"),
    "unfollow": ("unfollow", "follow"),
    "opt_out": ("opt_out", None),
    "opt_in": (None, "opt_out"),
}

#: Rows sent to the database at a time.
BATCH = 20_000
#: The rows of an import: a temporary table, which only its connection sees.
_INCOMING = sa.Table(
    "incoming",
    sa.MetaData(),
    sa.Column("row_index", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column(ACCOUNT, sa.Text, nullable=False),
    sa.Column(CANDIDATE, sa.Text, nullable=False),
    sa.Column(REASON, sa.Text),
    prefixes=["TEMPORARY"],
)


def apply_event(
    connection: sa.Connection, action: str, account: str, candidate: str, at: str, note: str | None
) -> bool:
    """Derive what holds now from a new event.

    Args:
        action: ``reject``, ``unreject`` or a key of :data:`MARKS`.

    Returns:
        Whether anything changed.
    """
    pair = {ACCOUNT: account, CANDIDATE: candidate}
    if action == "reject":
        return _add(connection, rejections, pair, at=at, reason=note)
    if action == "unreject":
        changed = _remove(connection, rejections, pair)
        if changed:
            connection.execute(events.update().where(_equal(events, pair)).values(reason=None))
        return changed
    add, remove = MARKS[action]
    removed = remove is not None and _remove(connection, marks, {**pair, "kind": remove})
    added = add is not None and _add(connection, marks, {**pair, "kind": add}, at=at)
    return removed or added


def import_rows(connection: sa.Connection, table: pa.Table) -> int:
    """Reject every pair of a table; returns the number of those that were not rejected before."""
    batch, now = uuid.uuid4().hex, sa.literal(utc_now())
    _INCOMING.create(connection)
    numbered = table.append_column("row_index", pa.array(range(table.num_rows), pa.int64()))
    for rows in numbered.to_batches(BATCH):
        if rows.num_rows:
            connection.execute(_INCOMING.insert(), rows.to_pylist())
    row = _INCOMING.c
    first = sa.select(sa.func.min(row.row_index)).group_by(row.accountId, row.candidateId)
    known = sa.exists().where(
        rejections.c.accountId == row.accountId, rejections.c.candidateId == row.candidateId
    )
    new = sa.and_(row.row_index.in_(first), ~known)
    names, of_row = [ACCOUNT, CANDIDATE, REASON], (row.accountId, row.candidateId, row.reason)
    request = sa.literal(f"import-{batch}-") + sa.cast(row.row_index, sa.Text)
    logged = sa.select(request, now, sa.literal("reject"), *of_row).where(new)
    connection.execute(
        events.insert().from_select(
            ["request_id", "at", "action", *names], logged.order_by(row.row_index)
        )
    )
    added = connection.execute(
        rejections.insert().from_select(["at", *names], sa.select(now, *of_row).where(new)),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    _INCOMING.drop(connection)
    return added


def erase_account(connection: sa.Connection, account: str) -> int:
    """Erase the rows, ids and notes that name an account; returns the number of its events."""
    for table in (rejections, marks):
        connection.execute(table.delete().where(_names(table, account)))
    for table in (rejections, events):
        notes = sa.select(table.c.reason).distinct()
        notes = notes.where(table.c.reason.contains(account, autoescape=True))
        for note in connection.execute(notes).scalars().all():
            if names_id(note, account):
                same = table.update().where(table.c.reason == note)
                connection.execute(same.values(reason=None))
    request = sa.literal("erased-") + sa.cast(events.c.seq, sa.Text)
    gone = events.update().where(_names(events, account)).values(reason=None, request_id=request)
    count = connection.execute(gone).rowcount
    for column in (events.c.accountId, events.c.candidateId):  # no account has an empty id
        named = events.update().where(column == account)
        connection.execute(named.values({column.name: ""}))
    return count


def _add(
    connection: sa.Connection, table: sa.Table, key: dict[str, str], **more: str | None
) -> bool:
    """Whether the row with this key was not there yet."""
    if connection.execute(sa.select(table.c.at).where(_equal(table, key))).first():
        return False
    connection.execute(table.insert().values(**key, **more))
    return True


def _remove(connection: sa.Connection, table: sa.Table, key: dict[str, str]) -> bool:
    """Whether there was a row with this key."""
    return connection.execute(table.delete().where(_equal(table, key))).rowcount > 0


def _equal(table: sa.Table, key: dict[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in key.items()))


def _names(table: sa.Table, account: str) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.accountId == account, table.c.candidateId == account)
