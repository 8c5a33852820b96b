"""A server whose feedback is in PostgreSQL, as of several pods."""

from __future__ import annotations

import pytest

from raypipe.storage.runs.store import RunStore
from tests.serving.http.builders import client_of, in_path, list_of, make_night, write_follows
from tests.storage.feedback import postgres


@pytest.fixture
def server():
    postgres.require()
    found = postgres.Postgres()
    yield found
    found.remove()


def test_feedback_holds_in_every_server_and_none_is_shown_without_the_database(server, tmp_path):
    write_follows(tmp_path)
    make_night(tmp_path)
    rows = RunStore(tmp_path / "runs").current().table("recommendations").to_pylist()
    account, path = rows[0]["accountId"], f"/v1/accounts/{in_path(rows[0]['accountId'])}"
    with (
        client_of(tmp_path, feedback=server.url) as first,
        client_of(tmp_path, feedback=server.url) as second,
    ):
        for what in ("rejections", "blocks", "follows"):
            shown = list_of(first, account)
            assert shown == list_of(second, account)
            etag = second.get(f"{path}/recommendations").headers["etag"]
            first.put(f"{path}/{what}/{in_path(shown[0])}").raise_for_status()
            for client in (first, second):
                assert shown[0] not in list_of(client, account)
            assert second.get(f"{path}/recommendations").headers["etag"] != etag
        shown = list_of(first, account)
        server.kill()
        for client in (first, second):
            answer = client.get(f"{path}/recommendations")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        server.start()
        for client in (first, second):
            assert list_of(client, account) == shown
