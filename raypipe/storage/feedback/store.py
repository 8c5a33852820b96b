"""The rejection store: an append-only log of events, and the current rejections."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from raypipe.columns import ACCOUNT, CANDIDATE, REASON
from raypipe.config.feedback_url import sqlite_path, without_password
from raypipe.errors import ConfigError, FeedbackError
from raypipe.storage.feedback.account import MARKED_QUERY, AccountFeedback, Rejection
from raypipe.storage.feedback.errors import (
    IDENTITY_SINCE,
    MARKS_SINCE,
    WAIT_SECONDS,
    check_version,
    explained,
    sqlite_errors,
)
from raypipe.storage.feedback.schema import (
    events,
    identity,
    marks,
    migrate,
    rejections,
    version_of,
)
from raypipe.storage.files import exists, make_folder, utc_now
from raypipe.storage.ids import names_id

#: Sort order of a table of rejections.
_ORDER = [(ACCOUNT, "ascending"), (CANDIDATE, "ascending")]

#: Rows sent to the database at a time.
_BATCH = 20_000
#: Key of PostgreSQL's advisory lock: it allows one writer at a time, as SQLite does, so that event
#: numbers are in commit order and a snapshot contains all events up to its watermark.
_WRITER = 7_297_471


#: Each action on a mark: the kind that it sets, and the kind that it removes.
MARKS: dict[str, tuple[str | None, str | None]] = {
    "block": ("block", None),
    "unblock": (None, "block"),
    "follow": ("follow", "unfollow"),
    "unfollow": ("unfollow", "follow"),
    "opt_out": ("opt_out", None),
    "opt_in": (None, "opt_out"),
}
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
        marks: the marks in the same form, by kind; see :data:`MARKS`.
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


class FeedbackStore:
    """Rejections in SQLite or PostgreSQL; several processes may use a store at the same time.

    After :meth:`reject` has returned, the rejection survives a kill and a power failure.

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

    def reject(
        self, account: str, candidate: str, reason: str | None = None, request_id: str | None = None
    ) -> Answer:
        """Never show the candidate to the account again.

        Args:
            request_id: a unique id from the caller, so that a retry counts once; None: a new id.

        Raises:
            ConfigError: an id is empty, or another request used this request id.
            FeedbackError: the store cannot be written; then nothing was changed.
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
            action: a key of :data:`MARKS`.
            candidate: of an opt-out, the account itself.

        Raises:
            ConfigError, FeedbackError: as for :meth:`reject`.
        """
        return self._answer(action, account, candidate, None, request_id)

    def events_after(self, seq: int) -> list[Event]:
        """The events after the one with this number, in order.

        Raises:
            FeedbackError: the store cannot be read.
        """
        columns = events.c.seq, events.c.action, events.c.accountId, events.c.candidateId
        query = sa.select(*columns).where(events.c.seq > seq).order_by(events.c.seq)
        with self._reading() as connection:
            return [] if connection is None else [Event(*row) for row in connection.execute(query)]

    def rejections(
        self, account: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Current rejections, sorted by account and candidate: accountId, candidateId, at, reason.

        Raises:
            FeedbackError: the store cannot be read.
        """
        chosen = sa.select(rejections).order_by(rejections.c.accountId, rejections.c.candidateId)
        if account is not None:
            chosen = chosen.where(rejections.c.accountId == account)
        with self._reading() as connection:
            if connection is None:
                return []
            return [dict(row) for row in connection.execute(chosen.limit(limit)).mappings()]

    def feedback_of(self, account: str) -> AccountFeedback:
        """What the store says about what an account may see.

        Raises:
            FeedbackError: the store cannot be read.
        """
        of_account = sa.select(rejections).where(rejections.c.accountId == account)
        query = sa.text(MARKED_QUERY.replace("?", ":account"))
        with self._reading() as connection:
            if connection is None:
                return AccountFeedback({})
            rejected = {
                row.candidateId: Rejection(row.at, row.reason)
                for row in connection.execute(of_account)
            }
            if version_of(connection) < MARKS_SINCE:
                return AccountFeedback(rejected)
            found = connection.execute(query, {"account": account})
            return AccountFeedback(rejected, {name: why for name, why, _ in found})

    def has_opted_out(self, account: str) -> bool:
        """Whether an account has opted out.

        Raises:
            FeedbackError: the store cannot be read.
        """
        query = sa.select(marks.c.at).where(marks.c.kind == "opt_out", marks.c.accountId == account)
        with self._reading() as connection:
            if connection is None or version_of(connection) < MARKS_SINCE:
                return False
            return connection.execute(query).first() is not None

    def snapshot(self) -> Snapshot:
        """All rejections at one moment.

        Raises:
            FeedbackError: the store cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return Snapshot(0, _pair_table([]))
            kinds = KINDS if version_of(connection) >= MARKS_SINCE else ()
            return Snapshot(
                _last_event(connection),
                self._pairs(connection, rejections, sa.true()),
                {kind: self._pairs(connection, marks, marks.c.kind == kind) for kind in kinds},
                _identity_of(connection),
            )

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
            while rows := found.cursor.fetchmany(_BATCH):
                batches.append(rows)
        found.close()
        return _pair_table(batches)

    def watermark(self) -> int:
        """The number of the last event; 0 before the first.

        Raises:
            FeedbackError: the store cannot be read.
        """
        with self._reading() as connection:
            return _last_event(connection) if connection is not None else 0

    def quick_watermark(self) -> int:
        """The same of a store that was read before, by one statement over an open connection.

        Raises:
            FeedbackError: the store cannot be read.
        """
        with self._watch_lock, self._errors():
            if self._watching is None:
                connection = self._engine.connect()
                self._watching = connection.execution_options(isolation_level="AUTOCOMMIT")
            return self._watching.exec_driver_sql(_LAST_EVENT).scalar() or 0

    def erase(self, account: str) -> int:
        """Erase an account: rows of what holds now, and ids and notes in the log of events.

        Events keep their numbers. A SQLite file is rewritten, so that no free page holds the id.

        Returns:
            Number of events that named it.

        Raises:
            FeedbackError: the store cannot be written; run it again.
        """
        with self._reading() as connection:
            if connection is None:
                return 0
        either = [
            sa.or_(table.c.accountId == account, table.c.candidateId == account)
            for table in (rejections, marks, events)
        ]
        with self._writing() as connection:
            connection.execute(rejections.delete().where(either[0]))
            connection.execute(marks.delete().where(either[1]))
            for table in (rejections, events):
                notes = sa.select(table.c.reason).distinct()
                notes = notes.where(table.c.reason.contains(account, autoescape=True))
                for note in connection.execute(notes).scalars().all():
                    if names_id(note, account):
                        same = table.update().where(table.c.reason == note)
                        connection.execute(same.values(reason=None))
            request = sa.literal("erased-") + sa.cast(events.c.seq, sa.Text)
            gone = events.update().where(either[2]).values(reason=None, request_id=request)
            count = connection.execute(gone).rowcount
            for column in (events.c.accountId, events.c.candidateId):  # no account has an empty id
                named = events.update().where(column == account)
                connection.execute(named.values({column.name: ""}))
        if self._path:
            with self._errors(), closing(self._engine.raw_connection()) as raw:
                raw.cursor().execute("VACUUM")
        return count

    def identity(self) -> str | None:
        """Which store this is; None: there is none, or it has no identity yet."""
        with self._reading() as connection:
            return None if connection is None else _identity_of(connection)

    def import_table(self, table: pa.Table) -> Imported:
        """Reject every pair of a table, in one transaction.

        Args:
            table: text columns accountId, candidateId and reason; a reason may be null.

        Raises:
            FeedbackError: the store cannot be written; then nothing was changed.
        """
        batch, now = uuid.uuid4().hex, utc_now()
        with self._writing() as connection:
            _INCOMING.create(connection)
            start = 0
            for rows in table.to_batches(_BATCH):
                values = [
                    {"row_index": start + index, **row}
                    for index, row in enumerate(rows.to_pylist())
                ]
                if values:
                    connection.execute(_INCOMING.insert(), values)
                start += len(values)
            first = sa.select(sa.func.min(_INCOMING.c.row_index)).group_by(
                _INCOMING.c.accountId, _INCOMING.c.candidateId
            )
            known = sa.exists().where(
                rejections.c.accountId == _INCOMING.c.accountId,
                rejections.c.candidateId == _INCOMING.c.candidateId,
            )
            of_row = (_INCOMING.c.accountId, _INCOMING.c.candidateId, _INCOMING.c.reason)
            new = sa.and_(_INCOMING.c.row_index.in_(first), ~known)
            request = sa.literal(f"import-{batch}-") + sa.cast(_INCOMING.c.row_index, sa.Text)
            connection.execute(
                events.insert().from_select(
                    ["request_id", "at", "action", ACCOUNT, CANDIDATE, REASON],
                    sa.select(request, sa.literal(now), sa.literal("reject"), *of_row)
                    .where(new)
                    .order_by(_INCOMING.c.row_index),
                )
            )
            added = connection.execute(
                rejections.insert().from_select(
                    ["at", ACCOUNT, CANDIDATE, REASON],
                    sa.select(sa.literal(now), *of_row).where(new),
                ),
                execution_options={"preserve_rowcount": True},
            ).rowcount
            _INCOMING.drop(connection)
        return Imported(added, table.num_rows - added)

    def export_table(self) -> pa.Table:
        """All rejections at one moment: columns accountId, candidateId, at, reason; sorted.

        Raises:
            FeedbackError: the store cannot be read.
        """
        names = [column.name for column in rejections.columns]
        schema = pa.schema([(name, pa.large_string()) for name in names])
        return pa.Table.from_pylist(self.rejections(), schema).sort_by(_ORDER)

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
        pair = sa.and_(rejections.c.accountId == account, rejections.c.candidateId == candidate)
        with self._writing() as connection:
            before = (
                connection.execute(sa.select(events).where(events.c.request_id == request_id))
                .mappings()
                .one_or_none()
            )
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
            if action in MARKS:
                changed = _set_mark(connection, action, account, candidate, now)
                return Answer(request_id, repeated=False, changed=changed)
            query = sa.select(rejections.c.at).where(pair)
            rejected = connection.execute(query).first() is not None
            if action == "reject" and not rejected:
                connection.execute(
                    rejections.insert().values(
                        accountId=account, candidateId=candidate, at=now, reason=reason
                    )
                )
            elif action == "unreject" and rejected:
                connection.execute(rejections.delete().where(pair))
                of_pair = events.c.accountId == account, events.c.candidateId == candidate
                connection.execute(events.update().where(*of_pair).values(reason=None))
        return Answer(request_id, repeated=False, changed=rejected != (action == "reject"))

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
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER)))
                if not self._migrated:
                    migrate(connection, self.where)
                yield connection
            self._migrated = True

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection | None]:
        """A transaction that sees one moment; None if there is no store yet."""
        if self._path and not exists(self._path):
            yield None
            return
        one_moment = {} if self._path else {"isolation_level": "REPEATABLE READ"}
        reads = self._engine.execution_options(**one_moment)
        with self._errors(), reads.connect() as connection:
            version = version_of(connection)
            check_version(version, self.where)
            yield connection if version else None

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


_LAST_EVENT = "SELECT max(seq) FROM events"
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


def _set_mark(
    connection: sa.Connection, action: str, account: str, candidate: str, now: str
) -> bool:
    """Whether an action has changed a mark."""
    add, remove = MARKS[action]
    changed = False
    row = {ACCOUNT: account, CANDIDATE: candidate}
    of_pair = sa.and_(marks.c.accountId == account, marks.c.candidateId == candidate)
    if remove:
        gone = connection.execute(marks.delete().where(of_pair, marks.c.kind == remove))
        changed = gone.rowcount > 0
    if (
        add
        and not connection.execute(
            sa.select(marks.c.at).where(of_pair, marks.c.kind == add)
        ).first()
    ):
        connection.execute(marks.insert().values(kind=add, at=now, **row))
        changed = True
    return changed


def _pair_table(batches: list[Sequence[Any]]) -> pa.Table:
    """Columns accountId and candidateId, large_string, from batches of rows."""
    schema = pa.schema([(ACCOUNT, pa.large_string()), (CANDIDATE, pa.large_string())])
    tables = [pa.table(list(zip(*rows, strict=True)), schema=schema) for rows in batches]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _last_event(connection: sa.Connection) -> int:
    return connection.exec_driver_sql(_LAST_EVENT).scalar() or 0


def _identity_of(connection: sa.Connection) -> str | None:
    if version_of(connection) < IDENTITY_SINCE:
        return None
    return connection.execute(sa.select(identity.c.store)).scalar()


def is_id(value: str) -> bool:
    """Whether a value is a valid account id: not empty, valid Unicode, no null character.

    Example:
        >>> is_id("ann"), is_id(""), is_id(chr(0)), is_id(chr(0xDC80))
        (True, False, False, False)
    """
    return bool(value) and "\0" not in value and value.encode(errors="replace").decode() == value


def _check_ids(account: str, candidate: str, of_itself: bool) -> None:
    for name, value in ((ACCOUNT, account), (CANDIDATE, candidate)):
        if not is_id(value):
            raise ConfigError(f"{name} {value!r}: expected an id, as written in the input")
    if of_itself and account != candidate:
        raise ConfigError(f"{candidate!r}: found as candidate; an opt-out is about {account!r}")
    if account == candidate and not of_itself:
        raise ConfigError(f"{account!r}: found as account and candidate; expected two accounts")


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
