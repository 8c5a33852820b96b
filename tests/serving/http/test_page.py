"""The pages: without a script, every button is a form; nothing inline, nothing unescaped."""

from __future__ import annotations

import re
from base64 import b64decode
from html import unescape

import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.serving.http.access import add_token
from raypipe.serving.http.page import in_path
from raypipe.storage.runs.store import RunStore
from tests.paths import ROOT
from tests.serving.http.builders import ODD, client_of, make_night, write_follows

PAGE = {"accept": "text/html,*/*;q=0.8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write_follows(folder)
    make_night(folder)
    make_night(folder, "2026-03-02")
    return folder


@pytest.fixture
def client(folder):
    with client_of(folder, PAGE) as client:
        yield client


def forms(text):
    """Each form as (action, candidate)."""
    found = re.findall(
        r'action="([^"]*)">(?:<input type="hidden" name="candidate" value="([^"]*)">)?', text
    )
    return [(unescape(action), unescape(candidate)) for action, candidate in found]


def candidates(text):
    return [candidate for action, candidate in forms(text) if action.endswith("/reject")]


@pytest.mark.parametrize("account", [ODD[0], ODD[2], ODD[8], "nobody"])
def test_a_row_is_dismissed_and_comes_back_without_a_script(client, account):
    home = f"/accounts/{in_path(account)}"
    first = client.get(home)
    shown = candidates(first.text)
    assert len(shown) == 5
    reject = next(action for action, candidate in forms(first.text) if action.endswith("/reject"))
    assert reject == f"{home}/reject"
    done = client.post(reject, data={"candidate": shown[0]})
    assert (done.status_code, done.history[0].status_code) == (200, 303)
    assert shown[0] not in candidates(done.text)
    assert "will not be shown again" in done.text
    assert shown[0] in [candidate for _, candidate in forms(client.get(f"{home}/hidden").text)]
    undo = next(action for action, _ in forms(done.text) if action.endswith("/unreject"))
    again = client.post(undo, data={"candidate": shown[0]})
    assert candidates(again.text) == shown
    assert "You have hidden nobody" in client.get(f"{home}/hidden").text


def test_other_buttons(client):
    home = f"/accounts/{in_path(ODD[3])}"
    shown = candidates(client.get(home).text)
    followed = client.post(f"{home}/follow", data={"candidate": shown[0]})
    assert shown[0] not in candidates(followed.text)
    assert "You are not suggested to others" in client.post(f"{home}/opt_out").text
    assert "Do not suggest me to others" in client.post(f"{home}/opt_in").text
    asked = client.get(f"{home}/why", params={"candidate": shown[1]}).text
    assert "It is suggested to you, at rank 1" in asked
    assert (
        "you have followed or unfollowed it"
        in client.get(f"{home}/why", params={"candidate": shown[0]}).text
    )
    assert client.post(f"{home}/explode").status_code == 404


def test_pages_hold_nothing_inline_and_escape_ids(client):
    for path in ("/", "/login", f"/accounts/{in_path(ODD[8])}", "/runs", "/docs", "/nothing"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.content) < 100_000
        assert "<style" not in answer.text
        assert not re.search(r" (style|on[a-z]+)=", answer.text)
        assert not re.search(r"<script(?! src)", answer.text)
    evil = client.get("/accounts/%3Cscript%3Ealert(1)%3C%2Fscript%3E").text
    assert "<script>alert" not in evil
    assert "&lt;script&gt;alert(1)" in evil
    for name in ("raypipe.css", "raypipe.js", "account.svg"):
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/static/server.py").status_code == 404


@pytest.mark.parametrize(("path", "status"), [
    ("/accounts/a%00b", 200),  # as of an account that is not in the run
    (f"/accounts/{'x' * 4096}", 200),
    ("/accounts/%ff", 400),
    ("/accounts/%E2%80%8Fright/why?candidate=%00", 200),
    ("/runs?run=../..", 404),
    ("/static/%2e%2e%2fserver.py", 404),
])  # fmt: skip
def test_nasty_ids_have_pages(client, path, status):
    assert client.get(path).status_code == status


def test_large_bodies_are_refused(client):
    for path in ("/login", f"/accounts/{in_path(ODD[0])}/follow"):
        assert client.post(path, content=b"x" * (1 << 21)).status_code == 413


def test_a_cookie_stands_for_a_token(folder):
    tokens = folder / "tokens.jsonl"
    token = add_token(tokens, ["read", "write"], ODD[0], "person")
    home = f"/accounts/{in_path(ODD[0])}"
    with client_of(folder, PAGE, tokens=tokens) as client:
        assert client.get(home).url.path == "/login"
        assert "not known" in client.post("/login", data={"token": "guess"}).text
        inside = client.post("/login", data={"token": token})
        assert inside.url.path == home.replace("%2F", "%2f") or inside.status_code == 200
        cookie = inside.history[0].headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert len(candidates(client.get(home).text)) == 5
        other = {"Origin": "https://evil.example"}
        assert client.post(f"{home}/opt_out", headers=other).status_code == 403
        assert client.get(f"/accounts/{in_path(ODD[3])}").status_code == 403
        assert client.get("/runs").status_code == 403
        client.post("/logout")
        assert client.get(home).url.path == "/login"


def test_the_team_sees_a_night_beside_the_one_before(folder, client, tmp_path):
    newest, before = (run.id for run in RunStore(folder / "runs").runs())
    text = client.get("/runs").text
    assert newest in text
    assert before in text
    assert "ndcg" in text or "ladder" in text
    assert client.get("/runs", params={"run": "x"}).status_code == 404
    assert client.get(f"/v1/runs/{in_path(before)}").json()["run"] == before
    out = tmp_path / "night.html"
    done = CliRunner().invoke(
        app, ["report", before, "--out", str(out), "--runs-dir", str(folder / "runs")]
    )
    assert done.exit_code == 0, done.output
    written = out.read_text()
    assert "<style>" in written
    assert "src=" not in written
    assert "href=" not in written


def test_the_team_sees_evaluations_and_sweeps_with_their_pictures(folder, client, tmp_path):
    picture = (ROOT / "docs/images/evaluation.png").read_bytes()
    names = [f"2026-03-0{day}-1a2b3c4d" for day in range(1, 8)]
    for kind, numbers in (("evaluations", "evaluation.json"), ("sweeps", "sweep.json")):
        for name in names:
            path = folder / kind / name
            path.mkdir(parents=True)
            (path / numbers).write_text("{}")
            (path / "acc uracy.png").write_bytes(picture)
    (folder / "sweeps" / "2026-04-01-unfinished").mkdir()
    text = client.get("/runs").text
    assert [name for name in names if f"sweep {name}" in text] == names[2:]  # the newest five
    assert "unfinished" not in text
    pictures = re.findall(r'<img class="wide" alt="([^"]+)" src="([^"]+)"', text)
    assert len(pictures) == 10
    assert pictures[0][0] == f"evaluation {names[-1]}: acc uracy"
    answer = client.get(pictures[0][1])
    assert (answer.content, answer.headers["content-type"]) == (picture, "image/png")
    numbers = re.findall(r'<a href="([^"]+)">Its numbers', text)
    assert client.get(numbers[0]).json() == {}
    place = f"/runs/sweeps/{in_path(names[-1])}"
    for odd in ("x.png", "..%2F..%2Fruns%2FCURRENT.json", "sweep.yaml"):
        assert client.get(f"{place}/{odd}").status_code == 404
    out = tmp_path / "night.html"
    runs = str(folder / "runs")
    done = CliRunner().invoke(app, ["report", "--out", str(out), "--runs-dir", runs])
    assert done.exit_code == 0, done.output
    inside = re.findall(r'src="data:image/png;base64,([^"]+)"', out.read_text())
    assert [b64decode(data) for data in inside] == [picture, picture]


def test_the_api_is_described_without_a_script_from_elsewhere(client):
    text = unescape(client.get("/docs").text)
    assert "https://" not in text
    for path in client.get("/openapi.json").json()["paths"]:
        assert f" {path}</code>" in text
    assert "Body, JSON: accountId, follows, followers, limit." in text
    assert "Answer, JSON: accountId, run, recommendations, next." in text
