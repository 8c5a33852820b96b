"""The two kinds of store."""

from __future__ import annotations

from contextlib import closing

import pytest
import sqlalchemy as sa

from raypipe.storage.feedback.store import FeedbackStore
from tests.storage.feedback import postgres


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL of these tests alone."""
    postgres.require()
    found = postgres.Postgres()
    yield found
    found.remove()


@pytest.fixture
def postgres_url(server):
    """A database without tables."""
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        tables = "events, rejections, marks, identity, schema_version"
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {tables}"))
    engine.dispose()
    return server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Of an empty store, one of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/feedback.sqlite"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(url):
    with closing(FeedbackStore(url)) as found:
        yield found
