"""The store of rejections, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pyarrow as pa
import pytest
import sqlalchemy as sa

from raypipe.config.feedback_url import store_url
from raypipe.errors import ConfigError, FeedbackError, FeedbackLockedError
from raypipe.storage.feedback import errors, quick_read, schema
from raypipe.storage.feedback.quick_read import feedback_of
from raypipe.storage.feedback.store import FeedbackStore, Imported
from tests.storage.feedback.postgres import LosesReplies
from tests.storage.feedback.writers import write_from_eight_processes


def rejected_by(url, account):
    return feedback_of(url, account).rejected


def pairs(store):
    return [tuple(row.values()) for row in store.snapshot().pairs.to_pylist()]


def events_in(url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(schema.events).order_by(schema.events.c.seq)).all()
    engine.dispose()
    return [(row.action, row.accountId, row.candidateId, row.reason) for row in rows]


def test_reject_and_unreject(store, url):
    assert pairs(store) == []
    assert store.reject("ann", "bob", "spam").changed
    assert not store.reject("ann", "bob").changed
    assert store.reject("bob", "ann").changed
    assert store.unreject("bob", "ann").changed
    assert not store.unreject("bob", "ann").changed
    assert pairs(store) == [("ann", "bob")]
    assert [row["reason"] for row in store.rejections()] == ["spam"]
    assert events_in(url) == [
        ("reject", "ann", "bob", "spam"),
        ("reject", "ann", "bob", None),
        ("reject", "bob", "ann", None),
        ("unreject", "bob", "ann", None),
        ("unreject", "bob", "ann", None),
    ]
    assert store.snapshot().watermark == 5


def test_a_retry_counts_once(store, url):
    assert not store.reject("ann", "bob", request_id="r1").repeated
    store.unreject("ann", "bob")
    retried = store.reject("ann", "bob", request_id="r1")
    assert (retried.repeated, retried.changed) == (True, False)
    assert pairs(store) == []
    assert len(events_in(url)) == 2
    with pytest.raises(ConfigError, match=r"request id 'r1': was used to reject 'ann' 'bob'"):
        store.reject("ann", "cid", request_id="r1")


@pytest.mark.parametrize("wrong", ["", "a\0b", "\udc80"])
def test_what_is_no_id_is_refused(store, wrong):
    with pytest.raises(ConfigError, match="expected an id"):
        store.reject("ann", wrong)
    with pytest.raises(ConfigError, match="expected an id"):
        store.unreject(wrong, "ann")


def test_nobody_rejects_itself(store):
    with pytest.raises(ConfigError, match="expected two accounts"):
        store.reject("ann", "ann")


def test_ids_are_matched_to_the_byte(store, url):
    ids = ["a", "A", "a ", "é", "e\u0301", "0", "00", "漢", "'; DROP TABLE events; --"]
    for candidate in ids:
        store.reject("me", candidate)
    assert {candidate for _, candidate in pairs(store)} == set(ids)
    assert rejected_by(url, "me").keys() == set(ids)
    assert rejected_by(url, "Me") == {}


def test_the_quick_reader_sees_what_holds(store, url):
    assert rejected_by(url, "ann") == {}
    store.reject("ann", "bob")
    store.reject("ann", "cid")
    store.reject("dan", "eve")
    store.unreject("ann", "cid")
    assert rejected_by(url, "ann").keys() == {"bob"}


def test_where_there_is_no_store_none_is_made(tmp_path):
    url = store_url(None, tmp_path)
    with closing(FeedbackStore(url)) as store:
        assert store.rejections() == []
        assert store.snapshot().watermark == 0
    assert rejected_by(url, "ann") == {}
    assert list(tmp_path.iterdir()) == []


def test_import_skips_what_is_rejected(store, url):
    store.reject("ann", "bob", "first")
    table = pa.table(
        {
            "accountId": ["ann", "ann", "ann", "dan"],
            "candidateId": ["bob", "cid", "cid", "eve"],
            "reason": ["again", "dull", "twice", None],
        }
    )
    assert store.import_table(table) == Imported(2, 2)
    assert store.import_table(table) == Imported(0, 4)
    found = {(row["accountId"], row["candidateId"]): row["reason"] for row in store.rejections()}
    assert found == {("ann", "bob"): "first", ("ann", "cid"): "dull", ("dan", "eve"): None}
    assert len(events_in(url)) == 3
    assert store.export_table().column_names == ["accountId", "candidateId", "at", "reason"]
    assert store.export_table().num_rows == 3


@pytest.mark.long
def test_eight_writers_lose_nothing_and_double_nothing(store, url):
    count = 2_000
    written = write_from_eight_processes(url, count)
    assert sorted(pairs(store)) == sorted(written)
    assert len(events_in(url)) == count
    assert store.snapshot().watermark == count


def test_the_quick_reader_knows_the_schema():
    assert len(schema.MIGRATIONS) == errors.SCHEMA


def test_a_store_of_a_newer_raypipe_is_refused(store, url):
    store.reject("ann", "bob")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(schema.schema_version.update().values(version=errors.SCHEMA + 1))
    newer = rf"found a store of schema {errors.SCHEMA + 1}, expected {errors.SCHEMA} or older"
    with closing(FeedbackStore(url)) as older:
        for use in (
            lambda: older.reject("ann", "cid"),
            older.snapshot,
            lambda: rejected_by(url, "ann"),
        ):
            with pytest.raises(FeedbackError, match=newer):
                use()
    with engine.begin() as connection:
        connection.execute(schema.schema_version.update().values(version=errors.SCHEMA))
    engine.dispose()
    assert pairs(store) == [("ann", "bob")]


def test_a_locked_store_says_so(store, url, monkeypatch):
    store.reject("ann", "bob")
    monkeypatch.setattr("raypipe.storage.feedback.connections.WAIT_SECONDS", 0.1)
    path = quick_read.sqlite_path(url)
    if path:
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")
    else:
        from raypipe.storage.feedback.connections import WRITER as lock

        engine = sa.create_engine(url)
        other = engine.connect()
        other.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
    with (
        closing(FeedbackStore(url)) as second,
        pytest.raises(FeedbackLockedError, match="nothing was changed, try again"),
    ):
        second.reject("ann", "cid")
    other.rollback()
    other.close()
    if not path:
        engine.dispose()
    assert pairs(store) == [("ann", "bob")]


def test_a_database_without_an_encoding_holds_the_same_ids(server):
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        made = "CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        connection.execute(sa.text(made))
    engine.dispose()
    with closing(FeedbackStore(server.url.replace("/postgres?", "/plain?"))) as store:
        store.reject("zo\u00eb", "\u6f22", reason="\u00e9")
        assert store.snapshot().pairs.to_pylist() == [
            {"accountId": "zo\u00eb", "candidateId": "\u6f22"}
        ]
        assert store.feedback_of("zo\u00eb").rejected["\u6f22"].reason == "\u00e9"


def test_postgresql_killed_between_commit_and_reply(server, postgres_url):
    """The client cannot know; it asks again, and there is one row."""
    with closing(FeedbackStore(postgres_url)) as store:
        store.reject("ann", "first")
    proxy = LosesReplies(server)
    with closing(FeedbackStore(proxy.url)) as store:
        with pytest.raises(FeedbackError, match="the store cannot be used"):
            store.reject("ann", "bob", request_id="r1")
        proxy.close()
        server.start()
    with closing(FeedbackStore(postgres_url)) as store:
        again = store.reject("ann", "bob", request_id="r1")
        assert (again.repeated, again.changed) == (True, False)
        assert pairs(store) == [("ann", "bob"), ("ann", "first")]
    assert len(events_in(postgres_url)) == 2


_FULL = """
import resource, sys
from raypipe.errors import FeedbackError
from raypipe.storage.feedback.store import FeedbackStore
store = FeedbackStore(sys.argv[1])
store.reject("ann", "bob")
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
kept = 0
try:
    while kept < 100_000:
        store.reject("ann", "x" * 200 + str(kept))
        kept += 1
except FeedbackError as error:
    print(kept, error)
"""


def test_a_full_disk_loses_nothing(tmp_path):
    url = f"sqlite:///{tmp_path}/feedback.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", _FULL, url], capture_output=True, text=True, check=True
    )
    kept, _, message = done.stdout.partition(" ")
    assert "free space on its disk" in message
    assert message.count("\n") == 1
    with closing(FeedbackStore(url)) as store:
        assert len(store.rejections()) == int(kept) + 1
        assert store.reject("ann", "cid").changed
    assert int(kept) > 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://a:secret@b/c", r"feedback.url mysql://a:\*\*\*@b/c: expected sqlite:///FILE"),
        ("nonsense", "expected sqlite:///FILE"),
    ],
)
def test_other_stores_are_refused(url, message):
    with pytest.raises(ConfigError, match=message):
        FeedbackStore(url)


def test_a_file_that_is_no_store(tmp_path):
    path = tmp_path / "feedback.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    url = store_url(None, tmp_path)
    for use in (lambda: FeedbackStore(url).snapshot(), lambda: rejected_by(url, "ann")):
        with pytest.raises(FeedbackError, match="restore a backup"):
            use()


def test_a_server_that_is_not_there():
    store = FeedbackStore("postgresql+psycopg://me:secret@127.0.0.1:1/none")
    with pytest.raises(FeedbackError, match="check that the database runs") as caught:
        store.snapshot()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_marks_hold_and_are_undone(store, url):
    """Each action by hand: what it changes, what the next night reads, what an account sees."""
    steps = [
        ("block", "ann", "bob", True),
        ("block", "ann", "bob", False),
        ("block", "dan", "ann", True),
        ("follow", "ann", "eve", True),
        ("unfollow", "ann", "eve", True),
        ("unfollow", "ann", "eve", False),
        ("opt_out", "zoe", "zoe", True),
        ("opt_out", "yan", "yan", True),
        ("opt_in", "yan", "yan", True),
        ("unblock", "ann", "bob", True),
        ("unblock", "ann", "bob", False),
        ("follow", "ann", "gus", True),
    ]
    for action, account, candidate, changed in steps:
        assert store.mark(action, account, candidate).changed is changed, (action, account)
    store.reject("ann", "hal")
    found = store.snapshot()
    marks = {kind: [tuple(row.values()) for row in table.to_pylist()]
             for kind, table in found.marks.items()}  # fmt: skip
    assert marks == {
        "block": [("dan", "ann")],
        "follow": [("ann", "gus")],
        "unfollow": [("ann", "eve")],
        "opt_out": [("zoe", "zoe")],
    }
    assert pairs(store) == [("ann", "hal")]
    assert feedback_of(url, "ann").marked == {
        "dan": "blocked", "eve": "unfollow", "gus": "follow", "zoe": "opt_out",
    }  # fmt: skip
    assert feedback_of(url, "dan").marked == {"ann": "block", "zoe": "opt_out"}
    assert store.feedback_of("ann") == feedback_of(url, "ann")
    assert [event[1:] for event in store.events_after(found.watermark - 2)] == [
        ("follow", "ann", "gus"), ("reject", "ann", "hal"),
    ]  # fmt: skip


@pytest.mark.parametrize(("action", "account", "candidate"), [
    ("block", "ann", "ann"), ("opt_out", "ann", "bob"), ("follow", "", "bob"),
])  # fmt: skip
def test_marks_of_no_pair_are_refused(store, action, account, candidate):
    with pytest.raises(ConfigError):
        store.mark(action, account, candidate)
    assert store.watermark() == 0


def test_a_store_of_the_first_version_is_upgraded(store, url):
    """Its events keep their numbers; marks come with the first write."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        schema.marks.drop(connection)
        schema.events.drop(connection)
        old = sa.MetaData()
        events = sa.Table("events", old, *(
            sa.Column(c.name, c.type, primary_key=c.primary_key, nullable=c.nullable)
            for c in schema.events.columns
        ), sa.CheckConstraint("action IN ('reject', 'unreject')"),
            sa.UniqueConstraint("request_id"), sqlite_autoincrement=True)  # fmt: skip
        events.create(connection)
        connection.execute(events.insert().values(
            request_id="r", at="now", action="reject", accountId="ann", candidateId="bob"
        ))  # fmt: skip
        connection.execute(schema.rejections.insert().values(
            accountId="ann", candidateId="bob", at="now"
        ))  # fmt: skip
        connection.execute(schema.schema_version.insert().values(version=1))
    engine.dispose()
    assert pairs(store) == [("ann", "bob")]
    assert store.feedback_of("ann").marked == feedback_of(url, "ann").marked == {}
    assert store.snapshot().marks == {}
    assert store.mark("block", "bob", "ann").changed
    assert feedback_of(url, "ann") == ({"bob": ("now", None)}, {"bob": "blocked"})
    assert [event.seq for event in store.events_after(0)] == [1, 2]


def test_an_erased_account_is_nowhere_in_the_store(store):
    store.reject("ann", "bob", "told by cid")
    store.reject("bob", "cid", "private")
    store.reject("dan", "bob", "cider")
    store.mark("opt_out", "cid", "cid")
    assert store.erase("cid") == 2
    assert store.erase("cid") == 0
    assert [(event.account, event.candidate) for event in store.events_after(0)] == [
        ("ann", "bob"), ("bob", ""), ("dan", "bob"), ("", ""),
    ]  # fmt: skip
    notes = {row["accountId"]: row["reason"] for row in store.rejections()}
    assert notes == {"ann": None, "dan": "cider"}
    assert store.snapshot().marks["opt_out"].num_rows == 0
    assert store.watermark() == 4
