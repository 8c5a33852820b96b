"""The HTTP API: what each route answers, and that nothing leaks."""

from __future__ import annotations

import json
import shutil

import pytest

from raypipe.errors import ConfigError, FeedbackError
from raypipe.serving.http.access import add_token
from raypipe.serving.http.lists import Cursor, ready_bytes
from raypipe.serving.lookup import look_up
from raypipe.storage.runs.store import RunStore
from tests.serving.http.builders import (
    ODD,
    ROWS,
    client_of,
    in_path,
    list_of,
    make_night,
    write_follows,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two nights; the second one is published."""
    folder = tmp_path_factory.mktemp("serve")
    write_follows(folder)
    make_night(folder)
    make_night(folder, "2026-03-02", **{"recommendations.per_account": ROWS + 1})
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made / "runs", tmp_path / "runs")
    shutil.copy(made / "follows.csv", tmp_path)
    return tmp_path


@pytest.fixture
def client(folder):
    with client_of(folder) as client:
        yield client


def mapped(client):
    """Waits until the lists are mapped, so that ready bytes are answered."""
    live = client.server.live
    live.now()
    for thread in live.threads:
        thread.join()
    assert live.now().served.lists is not None


def someone(folder, least=ROWS + 1):
    table = RunStore(folder / "runs").current().table("recommendations")
    counts = table.group_by("accountId").aggregate([("rank", "count")]).to_pylist()
    return next(row["accountId"] for row in counts if row["rank_count"] >= least)


def test_lists_are_those_of_the_lookup_mapped_or_not(folder, client):
    run = RunStore(folder / "runs").current()
    accounts = [*run.table("recommendations")["accountId"].unique().to_pylist()[::7], *ODD]
    before = [list_of(client, account) for account in accounts]
    mapped(client)
    for account, first in zip(accounts, before, strict=True):
        rows = [
            row.to_json() for row in look_up(RunStore(folder / "runs"), account).recommendations()
        ]
        answer = client.get(f"/v1/accounts/{in_path(account)}/recommendations").json()
        shown = [{"accountId": account, **row} for row in answer["recommendations"]]
        assert shown == rows
        assert [row["candidateId"] for row in shown] == first
        assert (answer["accountId"], answer["run"], answer["next"]) == (account, run.id, None)


PAIRS = [("rejections", "PUT"), ("blocks", "PUT"), ("follows", "PUT"), ("follows", "DELETE")]


@pytest.mark.parametrize(("what", "method"), PAIRS)
def test_feedback_holds_from_the_next_answer_on_and_the_list_refills(folder, client, what, method):
    mapped(client)
    account = someone(folder)
    with client_of(folder) as other:  # another process sees it too
        mapped(other)
        shown = list_of(client, account)
        gone, path = shown[1], f"/v1/accounts/{in_path(account)}"
        done = client.request(method, f"{path}/{what}/{in_path(gone)}")
        assert done.json()["changed"] is True
        for each in (client, other):
            left = list_of(each, account)
            assert gone not in left
            assert left[: len(shown) - 1] == [name for name in shown if name != gone]
            answer = each.get(f"{path}/recommendations").json()["recommendations"]
            assert [row["rank"] for row in answer] == list(range(1, len(answer) + 1))
            similar = each.get(f"{path}/similar").json()["similar"]
            assert gone not in [row["neighbourId"] for row in similar]
    assert gone not in [
        row.candidate for row in look_up(RunStore(folder / "runs"), account).recommendations()
    ]
    if what == "rejections":
        client.delete(f"{path}/rejections/{in_path(gone)}")
        assert list_of(client, account) == shown


def test_a_block_hides_both_ways_and_an_opt_out_from_everybody(folder, client):
    mapped(client)
    run = RunStore(folder / "runs").current()
    rows = run.table("recommendations").to_pylist()
    account, candidate = rows[0]["accountId"], rows[0]["candidateId"]
    client.put(f"/v1/accounts/{in_path(candidate)}/blocks/{in_path(account)}")
    assert candidate not in list_of(client, account)
    about = f"/v1/accounts/{in_path(account)}/explain/{in_path(candidate)}"
    assert client.get(about).json()["whyNot"] == "NOT_AVAILABLE"  # not who has blocked whom
    out = rows[0]["candidateId"]
    client.put(f"/v1/accounts/{in_path(out)}/opt-out")
    for name in sorted({row["accountId"] for row in rows})[::5]:
        answer = client.get(f"/v1/accounts/{in_path(name)}/recommendations").text
        named = json.dumps(out, ensure_ascii=False)[1:-1]
        assert f'"candidateId":"{named}"' not in answer
        for row in json.loads(answer)["recommendations"]:
            assert f"followed by {out}," not in row["reason"]
    client.delete(f"/v1/accounts/{in_path(out)}/opt-out")


def test_the_next_night_has_read_what_was_sent(folder, client):
    account = someone(folder)
    path = f"/v1/accounts/{in_path(account)}"
    rejected, blocked, followed, unfollowed, out = list_of(client, account)[:5]
    client.put(f"{path}/rejections/{in_path(rejected)}")
    client.put(f"{path}/blocks/{in_path(blocked)}")
    client.put(f"{path}/follows/{in_path(followed)}")
    client.delete(f"{path}/follows/{in_path(unfollowed)}")
    client.put(f"/v1/accounts/{in_path(out)}/opt-out")
    run = make_night(folder, "2026-03-03")
    shown = run.recommendations(account)["candidateId"].to_pylist()
    assert not {rejected, blocked, followed, unfollowed, out} & {*shown}
    assert account not in run.recommendations(blocked)["candidateId"].to_pylist()
    counts = run.manifest.counts.filters
    assert (counts["blocks_both_ways"], counts["follow_changes"], counts["opted_out"]) == (2, 2, 1)


def test_pages_follow_each_other_and_stay_in_their_run(folder, client):
    mapped(client)
    account = someone(folder)
    whole, first = list_of(client, account), RunStore(folder / "runs").current().id
    path, found, cursor = f"/v1/accounts/{in_path(account)}/recommendations", [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(path, params=params).json()
        assert page["run"] == first
        assert [row["rank"] for row in page["recommendations"]] == [
            *range(len(found) + 1, len(found) + 1 + len(page["recommendations"]))
        ]
        found += [row["candidateId"] for row in page["recommendations"]]
        cursor = page["next"]
        if len(found) == 2:
            make_night(folder, "2026-03-04")  # is published between two pages
            other = cursor
        if not cursor:
            break
    assert found == whole
    mapped(client)  # the newer run is served now
    shutil.rmtree(folder / "runs" / first)
    assert client.get(path, params={"cursor": other}).status_code == 410
    assert client.get(path, params={"cursor": "x"}).status_code == 400


def test_a_published_run_is_served_once_it_is_mapped_and_a_rollback_keeps_its_exclusions(
    folder, client
):
    mapped(client)
    account = someone(folder)
    gone = list_of(client, account)[0]
    (folder / "blocks.csv").write_text(f'accountId,candidateId\n"{account}","{gone}"\n')
    run = make_night(folder, "2026-03-05", **{"filters.blocks": str(folder / "blocks.csv")})
    mapped(client)
    assert client.get("/readyz").json()["run"] == run.id
    assert gone not in list_of(client, account)
    old = RunStore(folder / "runs").runs()[-1].id
    assert client.post(f"/v1/runs/{old}/publish").json() == {"run": old}
    mapped(client)
    assert client.get("/readyz").json()["run"] == old
    assert gone not in list_of(client, account)
    assert client.post("/v1/runs/2020-01-01-aaaa/publish").status_code == 404


def test_a_damaged_run_is_not_served(folder, client):
    mapped(client)
    before = client.get("/readyz").json()["run"]
    store = RunStore(folder / "runs")
    other = next(run for run in store.runs() if run.id != before)
    part = other.path / "recommendations" / "part-00000.parquet"
    part.write_bytes(bytes(reversed(part.read_bytes())))
    store.publish(other)
    client.server.live.now()
    for thread in client.server.live.threads:
        thread.join()
    ready = client.get("/readyz").json()
    assert ready["run"] == before
    assert "damaged" in ready["problem"]


def test_etag_changes_with_every_event(folder, client):
    path = f"/v1/accounts/{in_path(someone(folder))}/recommendations"
    first = client.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    same = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    client.put("/v1/accounts/zoe/blocks/yan")
    changed = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_a_request_key_counts_once(client):
    key = {"Idempotency-Key": "k1"}
    first = client.put("/v1/accounts/zoe/blocks/yan", headers=key).json()
    again = client.put("/v1/accounts/zoe/blocks/yan", headers=key).json()
    assert (first["repeated"], again["repeated"]) == (False, True)
    other = client.put("/v1/accounts/zoe/blocks/xan", headers=key)
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")


@pytest.mark.parametrize(("path", "status"), [
    ("/v1/accounts/nobody/recommendations", 404),
    ("/v1/accounts/nobody/recommendations?fallback=popular", 200),
    ("/v1/accounts/nobody/recommendations?fallback=best", 422),
    ("/v1/accounts/%ff/recommendations", 400),
    ("/v1/accounts/a%00b/recommendations", 404),
    ("/v1/accounts/%2e%2e/recommendations", 200),
    ("/v1/accounts/a%2fb/recommendations", 200),
    ("/v1/accounts/%E2%80%8Fright/recommendations", 200),
    ("/v1/accounts/%F0%9F%91%8D/recommendations", 200),
    (f"/v1/accounts/{'x' * 4096}/recommendations", 404),
    ("/v1/accounts/nobody/recommendations?limit=0", 422),
    ("/v1/accounts/nobody/recommendations?limit=201", 422),
    ("/v1/accounts/nobody/recommendations?limit=x", 422),
    ("/v1/accounts/nobody/recommendations?limit=", 422),
    ("/v1/accounts/nobody/similar", 404),
    ("/v1/accounts/nobody/explain/star-01", 404),
    ("/v1/nothing", 404),
    ("/livez", 200),
    ("/metrics", 200),
    ("/openapi.json", 200),
    ("/v1/runs/current", 200),
])  # fmt: skip
def test_get_by_hand(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


@pytest.mark.parametrize(("method", "path", "sent", "status"), [
    ("PUT", "/v1/accounts/zoe/rejections/typo", {}, 404),
    ("PUT", "/v1/accounts/zoe/rejections/typo?unknown=true", {}, 200),
    ("PUT", "/v1/accounts/zoe/rejections/zoe?unknown=true", {}, 422),
    ("PUT", "/v1/accounts/zoe/blocks/a%00b", {}, 422),
    ("PUT", "/v1/accounts/zoe/rejections/star-01", {"json": {"reason": 5}}, 422),
    ("PUT", "/v1/accounts/zoe/rejections/star-01", {"json": {"other": "x"}}, 422),
    ("PUT", f"/v1/accounts/zoe/blocks/{'x' * 4096}", {}, 200),
    ("POST", "/v1/accounts/zoe/rejections/star-01", {}, 405),
    ("POST", "/v1/newcomers", {"json": {"accountId": "new"}}, 200),
    ("POST", "/v1/newcomers", {"json": {"accountId": "new", "follows": ["star-01", "?"]}}, 200),
    ("POST", "/v1/newcomers", {"json": {"follows": []}}, 422),
    ("POST", "/v1/newcomers", {"content": b"{" + b" " * (1 << 20) + b"}"}, 413),
])  # fmt: skip
def test_requests_by_hand(client, method, path, sent, status):
    answer = client.request(method, path, **sent)
    assert answer.status_code == status, answer.text
    if "?" in str(sent):
        assert answer.json()["unknown"] == ["?"]
        assert len(answer.json()["recommendations"]) == ROWS + 1


def test_a_wrong_method_is_told_the_right_ones(client):
    answer = client.post("/v1/accounts/zoe/rejections/star-01")
    assert answer.headers["allow"] == "DELETE, PUT"


def test_tokens_say_who_may_do_what(folder):
    tokens = folder / "tokens.jsonl"
    reads = add_token(tokens, ["read"], None, "web")
    ann = add_token(tokens, ["read", "write"], "ann", "ann")
    account = someone(folder)
    own = f"/v1/accounts/{in_path(account)}/recommendations"
    with client_of(folder, tokens=tokens, rate=2) as client:

        def asked(method, path, token):
            return client.request(method, path, headers={"Authorization": f"Bearer {token}"})

        assert client.get(own).status_code == 401
        assert client.get(own).headers["www-authenticate"].startswith("Bearer")
        assert asked("GET", own, "guess").status_code == 401
        assert asked("GET", own, reads).status_code == 200
        assert asked("PUT", "/v1/accounts/ann/blocks/bob", reads).status_code == 403
        assert asked("GET", "/v1/runs", reads).status_code == 200
        assert asked("POST", "/v1/runs/x/publish", reads).status_code == 403
        assert asked("GET", "/v1/accounts/bob/recommendations", ann).status_code == 403
        assert asked("GET", "/v1/runs", ann).status_code == 403
        assert asked("PUT", "/v1/accounts/ann/blocks/bob", ann).status_code == 200
        limited = [asked("GET", "/v1/accounts/ann/similar", ann) for _ in range(6)]
        assert limited[-1].status_code == 429
        assert limited[-1].headers["retry-after"] == "1"
        new = add_token(tokens, ["read"], None, "new")  # is read again
        assert asked("GET", own, new).status_code == 200
        tokens.write_text("")
        assert asked("GET", own, reads).status_code == 401
    tokens.write_text('{"sha256": "xyz"}\n')
    with (
        pytest.raises(ConfigError, match="line 1: expected a JSON object"),
        client_of(folder, tokens=tokens),
    ):
        pass


@pytest.mark.parametrize(("headers", "status"), [
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "http://localhost"}, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
    ({"Origin": "null"}, 403),
    ({"Host": "evil.example"}, 403),
    ({}, 200),
])  # fmt: skip
def test_other_sites_pages_do_nothing(client, headers, status):
    assert client.put("/v1/accounts/zoe/blocks/yan", headers=headers).status_code == status


def test_a_store_that_cannot_be_read_shows_nothing(folder, client):
    mapped(client)
    account = someone(folder)
    path = f"/v1/accounts/{in_path(account)}"
    client.put(f"{path}/blocks/yan")
    assert list_of(client, account)
    store = folder / "runs" / "feedback.sqlite"
    whole = store.read_bytes()
    store.write_bytes(b"no database" * 100)
    for url in (f"{path}/recommendations", f"{path}/similar", "/readyz"):
        answer = client.get(url)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    store.unlink()
    assert client.get(f"{path}/recommendations").status_code == 503
    store.write_bytes(whole)
    assert list_of(client, account)


def test_a_config_of_another_version_is_no_fault_of_the_client(folder, client):
    config = RunStore(folder / "runs").current().path / "config.yaml"
    config.write_text("sources: 5\n".ljust(config.stat().st_size, "#"))
    answer = client.post("/v1/newcomers", json={"accountId": "new"})
    assert (answer.status_code, "config.yaml" in answer.text) == (503, False)


def test_a_store_older_than_the_run_is_refused(folder):
    with client_of(folder) as client:
        client.put("/v1/accounts/zoe/blocks/yan")
    make_night(folder, "2026-03-06")
    (folder / "runs" / "feedback.sqlite").unlink()
    with client_of(folder) as client, pytest.raises(FeedbackError):
        client.server.live.now()


def test_ready_bytes_are_used(folder, client):
    """The fast way is taken where nothing was marked, and only there."""
    from raypipe.serving.http.lists import Asked

    mapped(client)
    live, account = client.server.live, someone(folder)
    assert ready_bytes(live, live.now(), Asked(account)) is not None
    client.put(f"/v1/accounts/{in_path(account)}/blocks/yan")
    assert ready_bytes(live, live.now(), Asked(account)) is None


def test_cursor_survives_any_id():
    from raypipe.serving.http.lists import read_cursor

    for name in ODD:
        cursor = Cursor("2026-03-01-aa", 3, name)
        assert read_cursor(cursor.text()) == cursor
