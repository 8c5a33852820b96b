"""The store of rejections: an append-only log of events, and the rejections in force."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from raypipe.columns import ACCOUNT, CANDIDATE, REASON
from raypipe.config.feedback_url import sqlite_path, without_password
from raypipe.errors import ConfigError, FeedbackError
from raypipe.storage.feedback.errors import WAIT_SECONDS, explained, sqlite_errors
from raypipe.storage.feedback.schema import check_version, events, migrate, rejections, version_of
from raypipe.storage.files import utc_now

#: Columns of a table of rejections.
_ORDER = [(ACCOUNT, "ascending"), (CANDIDATE, "ascending")]

#: Rows sent to the database at a time.
_BATCH = 20_000
#: Key of PostgreSQL's advisory lock: there is one writer at a time, as in SQLite, so that events
#: are numbered in the order of their commits and a snapshot has all events up to its watermark.
_WRITER = 7_297_471


class Answer(NamedTuple):
    """The result of a request.

    Attributes:
        request_id: a second request with this id changes nothing.
        repeated: was this request answered before?
        changed: did the rejections change?
    """

    request_id: str
    repeated: bool
    changed: bool


class Imported(NamedTuple):
    """The result of an import: number of new pairs, and of pairs that were rejected before."""

    added: int
    already_rejected: int


class Snapshot(NamedTuple):
    """The rejections in force at one moment.

    Attributes:
        watermark: number of the last event; 0 before the first.
        pairs: columns accountId and candidateId, large_string, sorted.
    """

    watermark: int
    pairs: pa.Table


class FeedbackStore:
    """Rejections in SQLite or PostgreSQL; many processes may write at a time.

    A rejection survives a kill and a power cut as soon as :meth:`reject` has returned.

    Args:
        url: as ``sqlite:///runs/feedback.sqlite`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        ConfigError: the URL is not one of these, or its driver is not installed.

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

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def reject(
        self, account: str, candidate: str, reason: str | None = None, request_id: str | None = None
    ) -> Answer:
        """Never show the candidate to the account again.

        Args:
            request_id: chosen by the caller, so that a retry counts once; None: a new one.

        Raises:
            ConfigError: an id is empty, or the request id was used for something else.
            FeedbackError: the store cannot be written; nothing was changed then.
        """
        return self._answer("reject", account, candidate, reason, request_id)

    def unreject(self, account: str, candidate: str, request_id: str | None = None) -> Answer:
        """Take back a rejection. Arguments and errors as of :meth:`reject`."""
        return self._answer("unreject", account, candidate, None, request_id)

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

    def snapshot(self) -> Snapshot:
        """All rejections at one moment.

        Raises:
            FeedbackError: the store cannot be read.
        """
        watermark = 0
        columns: tuple[list[pa.Array], list[pa.Array]] = ([], [])
        with self._reading() as connection:
            if connection is not None:
                watermark = _last_event(connection)
                pair = (rejections.c.accountId, rejections.c.candidateId)
                # By bytes, as Arrow sorts; SQLite does so by itself, and has an index for it.
                order = pair if self._path else [column.collate("C") for column in pair]
                pairs = connection.execute(sa.select(*pair).order_by(*order))
                # The driver's rows: a million of SQLAlchemy's take some seconds.
                with sqlite_errors(self.where):
                    while rows := pairs.cursor.fetchmany(_BATCH):
                        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                            column.append(pa.array(values, pa.large_string()))
                pairs.close()
        arrays = [pa.chunked_array(column, pa.large_string()) for column in columns]
        return Snapshot(watermark, pa.table(arrays, [ACCOUNT, CANDIDATE]))

    def watermark(self) -> int:
        """Number of the last event; 0 before the first.

        Raises:
            FeedbackError: the store cannot be read.
        """
        with self._reading() as connection:
            return _last_event(connection) if connection is not None else 0

    def import_table(self, table: pa.Table) -> Imported:
        """Reject every pair of a table: all of them, or none if it fails.

        Args:
            table: columns accountId, candidateId, and reason, which may be null; all text.

        Raises:
            FeedbackError: the store cannot be written; nothing was changed then.
        """
        batch, now = uuid.uuid4().hex, utc_now()
        with self._writing() as connection:
            _INCOMING.create(connection)
            at = 0
            for rows in table.to_batches(_BATCH):
                values = [
                    {"place": at + place, **row} for place, row in enumerate(rows.to_pylist())
                ]
                if values:
                    connection.execute(_INCOMING.insert(), values)
                at += len(values)
            first = sa.select(sa.func.min(_INCOMING.c.place)).group_by(
                _INCOMING.c.accountId, _INCOMING.c.candidateId
            )
            known = sa.exists().where(
                rejections.c.accountId == _INCOMING.c.accountId,
                rejections.c.candidateId == _INCOMING.c.candidateId,
            )
            of_row = (_INCOMING.c.accountId, _INCOMING.c.candidateId, _INCOMING.c.reason)
            new = sa.and_(_INCOMING.c.place.in_(first), ~known)
            request = sa.literal(f"import-{batch}-") + sa.cast(_INCOMING.c.place, sa.Text)
            connection.execute(
                events.insert().from_select(
                    ["request_id", "at", "action", ACCOUNT, CANDIDATE, REASON],
                    sa.select(request, sa.literal(now), sa.literal("reject"), *of_row)
                    .where(new)
                    .order_by(_INCOMING.c.place),
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
        _check_ids(account, candidate)
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
                        f"{before[ACCOUNT]!r} {before[CANDIDATE]!r}; expected one of its own for "
                        "each request"
                    )
                return Answer(request_id, repeated=True, changed=False)
            now = utc_now()
            connection.execute(
                events.insert().values(request_id=request_id, at=now, reason=reason, **event)
            )
            held = connection.execute(sa.select(rejections.c.at).where(pair)).first() is not None
            if action == "reject" and not held:
                connection.execute(
                    rejections.insert().values(
                        accountId=account, candidateId=candidate, at=now, reason=reason
                    )
                )
            elif action == "unreject" and held:
                connection.execute(rejections.delete().where(pair))
        return Answer(request_id, repeated=False, changed=held != (action == "reject"))

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction of the only writer, in a store that is up to date."""
        with self._errors():
            if self._path:
                self._path.parent.mkdir(parents=True, exist_ok=True)
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
        """A transaction that sees one moment; None where there is no store yet."""
        if self._path and not self._path.exists():
            yield None
            return
        one_moment = {} if self._path else {"isolation_level": "REPEATABLE READ"}
        reads = self._engine.execution_options(**one_moment)
        with self._errors(), reads.connect() as connection:
            found = version_of(connection)
            check_version(found, self.where)
            yield connection if found else None

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


#: The rows of an import; visible to one connection, and dropped with it.
_INCOMING = sa.Table(
    "incoming",
    sa.MetaData(),
    sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column(ACCOUNT, sa.Text, nullable=False),
    sa.Column(CANDIDATE, sa.Text, nullable=False),
    sa.Column(REASON, sa.Text),
    prefixes=["TEMPORARY"],
)


def _last_event(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.max(events.c.seq))).scalar() or 0


def is_id(value: str) -> bool:
    """Can this be an account's id: text, not empty, without a null character?

    Example:
        >>> is_id("ann"), is_id(""), is_id(chr(0)), is_id(chr(0xDC80))
        (True, False, False, False)
    """
    return bool(value) and "\0" not in value and value.encode(errors="replace").decode() == value


def _check_ids(account: str, candidate: str) -> None:
    for name, value in ((ACCOUNT, account), (CANDIDATE, candidate)):
        if not is_id(value):
            raise ConfigError(f"{name} {value!r}: expected an id, as it stands in the input")
    if account == candidate:
        raise ConfigError(f"{account!r}: expected two accounts; nobody is shown to itself")


def _engine(url: str, where: str) -> sa.Engine:
    cure = "expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
    try:
        known = sa.make_url(url).drivername in ("sqlite", "postgresql+psycopg")
        if not known:
            raise ConfigError(f"feedback.url {where}: {cure}")
        if not url.startswith("sqlite"):
            return sa.create_engine(url, pool_size=1)
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
    connection.isolation_level = None  # transactions begin where _begin_sqlite says
    # WAL is not safe below SQLite 3.51.3; of the others, EXTRA keeps what was acknowledged.
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
