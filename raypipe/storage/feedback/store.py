"""The rejection store: an append-only log of events, and the current rejections."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from raypipe.columns import ACCOUNT, CANDIDATE
from raypipe.errors import ConfigError
from raypipe.storage.feedback.account import AccountFeedback, read_feedback
from raypipe.storage.feedback.changes import (
    BATCH,
    MARKS,
    apply_event,
    erase_account,
    import_rows,
)
from raypipe.storage.feedback.connections import Connections, last_event
from raypipe.storage.feedback.errors import IDENTITY_SINCE, MARKS_SINCE, sqlite_errors
from raypipe.storage.feedback.schema import events, identity, marks, rejections, version_of
from raypipe.storage.files import utc_now

#: The kinds of marks.
KINDS = tuple(kind for kind, _ in MARKS.values() if kind)


class Answer(NamedTuple):
    """The result of a request.

    Attributes:
        request_id: a second request with this id changes nothing.
        repeated: whether this request was processed before.
        changed: whether this request changed the current rejections.
    """

    request_id: str
    repeated: bool
    changed: bool


class Imported(NamedTuple):
    """The result of an import: number of new pairs and of pairs that were rejected before."""

    added: int
    already_rejected: int


class Snapshot(NamedTuple):
    """The current rejections at one moment.

    Attributes:
        watermark: number of the last event; 0 before the first.
        pairs: the rejections; columns accountId and candidateId, large_string, sorted.
        marks: the marks in the same form, by kind; see ``changes.MARKS``.
        identity: of the store; None: there is none, or it has none yet.
    """

    watermark: int
    pairs: pa.Table
    marks: Mapping[str, pa.Table] = MappingProxyType({})
    identity: str | None = None


class Event(NamedTuple):
    """An event of the log, which counts from 1."""

    seq: int
    action: str
    account: str
    candidate: str


class FeedbackStore(Connections):
    """Rejections in SQLite or PostgreSQL; several processes may use a store at the same time.

    After :meth:`reject` has returned, the rejection survives a kill and a power failure. Every
    method raises FeedbackError where the store cannot be read or written; nothing is changed then.

    Args:
        url: such as ``sqlite:///runs/feedback.sqlite`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        ConfigError: the URL has another form, or its driver is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = FeedbackStore(f"sqlite:///{folder}/feedback.sqlite")
        ...     first = store.reject("ann", "bob", request_id="r1")
        ...     again = store.reject("ann", "bob", request_id="r1")
        ...     pairs = store.snapshot().pairs.to_pylist()
        ...     store.close()
        >>> first.changed, again.repeated, pairs
        (True, True, [{'accountId': 'ann', 'candidateId': 'bob'}])
    """

    def reject(
        self, account: str, candidate: str, reason: str | None = None, request_id: str | None = None
    ) -> Answer:
        """Never show the candidate to the account again.

        Args:
            request_id: a unique id from the caller, so that a retry counts once; None: a new id.

        Raises:
            ConfigError: an id is empty, or another request used this request id.
        """
        return self._answer("reject", account, candidate, reason, request_id)

    def unreject(self, account: str, candidate: str, request_id: str | None = None) -> Answer:
        """Withdraw a rejection. Arguments and errors as for :meth:`reject`."""
        return self._answer("unreject", account, candidate, None, request_id)

    def mark(
        self, action: str, account: str, candidate: str, request_id: str | None = None
    ) -> Answer:
        """Record a block, a follow or an opt-out, or the opposite; it holds from now on.

        Args:
            action: a key of ``changes.MARKS``.
            candidate: of an opt-out, the account itself.

        Raises:
            ConfigError: as for :meth:`reject`.
        """
        return self._answer(action, account, candidate, None, request_id)

    def events_after(self, seq: int) -> list[Event]:
        """The events after the one with this number, in order."""
        columns = events.c.seq, events.c.action, events.c.accountId, events.c.candidateId
        query = sa.select(*columns).where(events.c.seq > seq).order_by(events.c.seq)
        return self._read(lambda reader: [Event(*row) for row in reader.execute(query)], [])

    def rejections(
        self, account: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Current rejections, sorted by account, then candidate: both, ``at`` and ``reason``."""
        chosen = sa.select(rejections).order_by(rejections.c.accountId, rejections.c.candidateId)
        if account is not None:
            chosen = chosen.where(rejections.c.accountId == account)

        def read(reader: sa.Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in reader.execute(chosen.limit(limit)).mappings()]

        return self._read(read, [])

    def feedback_of(self, account: str) -> AccountFeedback:
        """What the store says about what an account may see."""

        def read(reader: sa.Connection) -> AccountFeedback:
            named = {"account": account}
            return read_feedback(
                lambda query: reader.execute(sa.text(query), named), version_of(reader)
            )

        return self._read(read, AccountFeedback({}))

    def has_opted_out(self, account: str) -> bool:
        """Whether an account has opted out."""
        query = sa.select(marks.c.at).where(marks.c.kind == "opt_out", marks.c.accountId == account)

        def read(reader: sa.Connection) -> bool:
            return version_of(reader) >= MARKS_SINCE and bool(reader.execute(query).first())

        return self._read(read, False)

    def snapshot(self) -> Snapshot:
        """All rejections at one moment."""

        def read(reader: sa.Connection) -> Snapshot:
            kinds = KINDS if version_of(reader) >= MARKS_SINCE else ()
            return Snapshot(
                last_event(reader),
                self._pairs(reader, rejections, sa.true()),
                {kind: self._pairs(reader, marks, marks.c.kind == kind) for kind in kinds},
                _identity_of(reader),
            )

        return self._read(read, Snapshot(0, _pair_table([])))

    def identity(self) -> str | None:
        """Which store this is; None: there is none, or it has no identity yet."""
        return self._read(_identity_of, None)

    def erase(self, account: str) -> int:
        """Erase an account: rows of what holds now, and ids and notes in the log of events.

        Events keep their numbers. A SQLite file is rewritten, so that no free page holds the id. If
        an error ends it, run it again.

        Returns:
            Number of events that named it.
        """
        if not self._read(lambda _: True, False):
            return 0
        with self._writing() as connection:
            count = erase_account(connection, account)
        if self._path:
            with self._errors(), closing(self._engine.raw_connection()) as raw:
                raw.cursor().execute("VACUUM")
        return count

    def import_table(self, table: pa.Table) -> Imported:
        """Reject every pair of a table, in one transaction.

        Args:
            table: text columns accountId, candidateId and reason; a reason may be null.
        """
        with self._writing() as connection:
            added = import_rows(connection, table)
        return Imported(added, table.num_rows - added)

    def export_table(self) -> pa.Table:
        """All rejections at one moment: columns accountId, candidateId, at, reason; sorted."""
        names = [column.name for column in rejections.columns]
        schema = pa.schema([(name, pa.large_string()) for name in names])
        order = [(ACCOUNT, "ascending"), (CANDIDATE, "ascending")]
        return pa.Table.from_pylist(self.rejections(), schema).sort_by(order)

    def _answer(
        self,
        action: str,
        account: str,
        candidate: str,
        reason: str | None,
        request_id: str | None,
    ) -> Answer:
        event = {"action": action, ACCOUNT: account, CANDIDATE: candidate}
        _check_ids(account, candidate, of_itself=action in ("opt_out", "opt_in"))
        request_id = request_id or uuid.uuid4().hex
        with self._writing() as connection:
            same = sa.select(events).where(events.c.request_id == request_id)
            before = connection.execute(same).mappings().one_or_none()
            if before:
                if any(before[key] != value for key, value in event.items()):
                    raise ConfigError(
                        f"request id {request_id!r}: was used to {before['action']} "
                        f"{before[ACCOUNT]!r} {before[CANDIDATE]!r}; expected a unique id for "
                        "each request"
                    )
                return Answer(request_id, repeated=True, changed=False)
            now = utc_now()
            connection.execute(
                events.insert().values(request_id=request_id, at=now, reason=reason, **event)
            )
            changed = apply_event(connection, action, account, candidate, now, reason)
        return Answer(request_id, repeated=False, changed=changed)

    def _pairs(
        self, connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]
    ) -> pa.Table:
        """The pairs of ids in a table, in bytewise order as in Arrow."""
        pair = (table.c.accountId, table.c.candidateId)
        # SQLite uses this order by default, and has an index for it.
        order = pair if self._path else [column.collate("C") for column in pair]
        found = connection.execute(sa.select(*pair).where(which).order_by(*order))
        batches = []
        # Rows of the driver: SQLAlchemy needs seconds for a million rows.
        with sqlite_errors(self.where):
            while rows := found.cursor.fetchmany(BATCH):
                batches.append(rows)
        found.close()
        return _pair_table(batches)


def _pair_table(batches: list[Sequence[Any]]) -> pa.Table:
    """Columns accountId and candidateId, large_string, from batches of rows."""
    schema = pa.schema([(ACCOUNT, pa.large_string()), (CANDIDATE, pa.large_string())])
    tables = [pa.table(list(zip(*rows, strict=True)), schema=schema) for rows in batches]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _identity_of(connection: sa.Connection) -> str | None:
    if version_of(connection) < IDENTITY_SINCE:
        return None
    return connection.execute(sa.select(identity.c.store)).scalar()


def is_id(value: str) -> bool:
    """Whether a value is a valid account id: not empty, valid Unicode, no null character."""
    return bool(value) and "\0" not in value and value.encode(errors="replace").decode() == value


def _check_ids(account: str, candidate: str, of_itself: bool) -> None:
    for name, value in ((ACCOUNT, account), (CANDIDATE, candidate)):
        if not is_id(value):
            raise ConfigError(f"{name} {value!r}: expected an id, as written in the input")
    if of_itself and account != candidate:
        raise ConfigError(f"{candidate!r}: found as candidate; an opt-out is about {account!r}")
    if account == candidate and not of_itself:
        raise ConfigError(f"{account!r}: found as account and candidate; expected two accounts")
