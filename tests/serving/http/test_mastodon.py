"""Published clients of Mastodon, unchanged, against the routes of ``--mastodon``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv

import httpx2 as httpx
import pytest
from mastodon import Mastodon

from raypipe.serving.http.access import add_token
from tests.conftest import needed
from tests.serving.http.builders import listening, make_night, plain_accounts, write_follows

_SOURCES = {"similar_to_recently_followed", "friends_of_friends", "most_followed"}
_MASTO = """
import { createRestAPIClient } from "masto";
const masto = createRestAPIClient({ url: process.argv[2], accessToken: process.argv[3] });
const me = await masto.v1.accounts.verifyCredentials();
const instance = await masto.v2.instance.fetch();
const plain = (row) => /^[a-z0-9-]+$/.test(row.account.id);  // masto quotes nothing
const shown = (await masto.v2.suggestions.list()).filter(plain);
const [first, second, third] = shown.map((row) => row.account.id);
await masto.v1.suggestions.$select(first).remove();
const followed = await masto.v1.accounts.$select(second).follow();
const blocked = await masto.v1.accounts.$select(third).block();
const left = (await masto.v2.suggestions.list()).map((row) => row.account.id);
console.log(JSON.stringify({
  me: me.id, title: instance.title, sources: shown.flatMap((row) => row.sources),
  gone: [first, second, third], followed: followed.following, blocked: blocked.blocking, left,
}));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mastodon")
    write_follows(folder)
    make_night(folder)
    return folder


@pytest.fixture(scope="module")
def people(folder):
    """Each test takes an account of its own."""
    return iter(plain_accounts(folder))


@pytest.fixture
def account(people):
    return next(people)


@pytest.fixture
def token(folder, account):
    return add_token(folder / "tokens", ["read", "write"], account, "person")


@pytest.fixture
def url(folder, token):
    with listening(folder, tokens=folder / "tokens", mastodon=True) as (url, _):
        yield url


def test_mastodon_py(url, account, token):
    client = Mastodon(access_token=token, api_base_url=url)
    assert client.account_verify_credentials().id == account
    assert client.instance_v2().title == client.instance_v1().title == "raypipe"
    shown = client.suggestions_v2()
    assert {source for row in shown for source in row.sources} <= _SOURCES
    first, second, third, fourth, *_ = (row.account.id for row in shown)
    client.suggestion_delete(first)
    assert client.account_follow(second).following
    assert client.account_block(third).blocking
    assert [found.id for found in client.search_v2(fourth).accounts] == [fourth]
    left = [found.id for found in client.suggestions()]
    assert fourth in left
    assert not {first, second, third} & {*left}
    assert not client.account_unfollow(second).following
    with httpx.Client(base_url=url) as stranger:
        assert stranger.get("/api/v2/suggestions").status_code == 401


@pytest.mark.long
def test_toot(folder, url, account, token, tmp_path):
    """In an environment of its own: it needs an older dateutil than matplotlib."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", "toot==0.52.1"], check=True)
    host = url.removeprefix("http://")
    config = {
        "apps": {host: {"base_url": url, "client_id": "", "client_secret": "", "instance": host}},
        "users": {f"{account}@{host}": {
            "access_token": token, "instance": host, "username": account,
        }},
        "active_user": f"{account}@{host}",
    }  # fmt: skip
    (tmp_path / "toot").mkdir()
    (tmp_path / "toot" / "config.json").write_text(json.dumps(config))

    def toot(*arguments):
        environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
        done = subprocess.run(
            [programs / "toot", *arguments], env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert account in toot("whoami")
    assert "raypipe" in toot("instance")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers) as client:
        shown = [row["account"]["id"] for row in client.get("/api/v2/suggestions").json()]
        shown = [name for name in shown if name in plain_accounts(folder)]  # toot quotes nothing
        toot("follow", shown[0])
        toot("block", shown[1])
        left = [row["account"]["id"] for row in client.get("/api/v2/suggestions").json()]
    assert not {*shown[:2]} & {*left}


@pytest.mark.long
def test_masto_of_npm(url, account, token, tmp_path):
    needed(shutil.which("npm") is not None, "no npm here")
    quiet = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(tmp_path)]
    subprocess.run([*quiet, "masto@7.12.0"], check=True)
    (tmp_path / "ask.mjs").write_text(_MASTO)
    done = subprocess.run(
        ["node", "ask.mjs", url, token], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["me"], found["title"]) == (account, "raypipe")
    assert (found["followed"], found["blocked"]) == (True, True)
    assert {*found["sources"]} <= _SOURCES
    assert not {*found["gone"]} & {*found["left"]}
