"""A door for clients of Mastodon: suggestions and the actions on them, under Mastodon's names.

https://docs.joinmastodon.org/methods/suggestions/ and its neighbours; only what clients need to
show suggestions, dismiss one, and follow or block an account. The token's subject is the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from raypipe import __version__
from raypipe.errors import UnknownAccountError
from raypipe.serving.http.access import Denied, Scope
from raypipe.serving.http.names import Names
from raypipe.serving.http.requests import caller_of, sent_of, unquoted

if TYPE_CHECKING:
    from raypipe.serving.http.server import Server

#: Mastodon's words for why an account is suggested, old and new, by source; else the first.
_SOURCES = {
    "popular": ("global", "most_followed"),
    "two_hop": ("past_interactions", "friends_of_friends"),
    "follow_back": ("past_interactions", "friends_of_friends"),
    "pagerank": ("past_interactions", "friends_of_friends"),
}
_SIMILAR = "past_interactions", "similar_to_recently_followed"
#: The version of Mastodon whose API this is.
_API_VERSION = "4.3.0"


def router_of(server: Server, names: Names) -> APIRouter:
    """The routes of Mastodon's API."""
    router = APIRouter(tags=["mastodon"], include_in_schema=False)
    _add_instance(router)
    live = server.live

    def subject(request: Request, scope: Scope) -> str:
        caller = caller_of(request.scope, sent_of(request.scope), server.access)
        if caller.subject is None:
            raise Denied(403, "this needs a token with a subject: the account that asks")
        server.access.check(caller, scope, caller.subject)
        return caller.subject

    @router.get("/api/v2/suggestions")
    def suggestions(request: Request, limit: int = 40) -> list[dict[str, Any]]:
        account = subject(request, "read")
        rows = live.lookup(live.now().served, account).recommendations(max(1, min(limit, 80)))
        found = []
        for row in rows:
            old, new = _SOURCES.get(row.source, _SIMILAR)
            shown = account_entity(row.candidate, names, str(request.base_url))
            found.append({"source": old, "sources": [new], "account": shown})
        return found

    @router.delete("/api/v1/suggestions/{candidate}")
    def dismiss(request: Request, candidate: str) -> dict[str, Any]:
        account, name = subject(request, "write"), unquoted(candidate)
        live.check_known(name)
        live.writer().reject(account, name)
        return {}

    def add_action(path: str, action: str, **after: bool) -> None:
        def act(request: Request, candidate: str) -> dict[str, Any]:
            name = unquoted(candidate)
            live.writer().mark(action, subject(request, "write"), name)
            return {**_RELATIONSHIP, "id": name, **after}

        router.add_api_route(f"/api/v1/accounts/{{candidate}}/{path}", act, methods=["POST"])

    add_action("follow", "follow", following=True, showing_reblogs=True)
    add_action("unfollow", "unfollow")
    add_action("block", "block", blocking=True)
    add_action("unblock", "unblock")

    @router.get("/api/v2/search")
    def search(request: Request, q: str) -> dict[str, list[dict[str, Any]]]:
        """The account of an id; clients look one up before they follow it."""
        subject(request, "read")
        try:
            live.check_known(q.removeprefix("@"))
        except UnknownAccountError:
            found = []
        else:
            found = [account_entity(q.removeprefix("@"), names, str(request.base_url))]
        return {"accounts": found, "statuses": [], "hashtags": []}

    @router.get("/api/v1/accounts/verify_credentials")
    def verify_credentials(request: Request) -> dict[str, Any]:
        shown = account_entity(subject(request, "read"), names, str(request.base_url))
        source = {"privacy": "public", "sensitive": False, "note": "", "fields": []}
        return {**shown, "source": source}

    return router


def _add_instance(router: APIRouter) -> None:
    @router.get("/api/v2/instance")
    def instance(request: Request) -> dict[str, Any]:
        return {
            "domain": request.url.netloc,
            "title": "raypipe",
            "version": f"{_API_VERSION} (compatible; raypipe {__version__})",
            "description": "Suggestions of accounts to follow.",
            "api_versions": {"mastodon": 2},
            "languages": [],
            "configuration": {"urls": {}, "accounts": {}, "statuses": {}},
            "registrations": {"enabled": False},
            "rules": [],
        }

    @router.get("/api/v1/instance")
    def instance_before(request: Request) -> dict[str, Any]:
        return {**instance(request), "uri": request.url.netloc, "short_description": "raypipe"}


_RELATIONSHIP = dict.fromkeys(
    ("following", "showing_reblogs", "notifying", "followed_by", "blocking", "blocked_by", "muting",
     "muting_notifications", "requested", "domain_blocking", "endorsed"), False,
)  # fmt: skip


def account_entity(account: str, names: Names, base: str) -> dict[str, Any]:
    """An account as Mastodon describes one."""
    shown = names.of(account)
    avatar = shown.avatar or f"{base}static/account.svg"
    return {
        "id": account,
        "username": account,
        "acct": account,
        "display_name": shown.name,
        "url": f"{base}accounts/{account}",
        "uri": f"{base}accounts/{account}",
        "avatar": avatar,
        "avatar_static": avatar,
        "header": "",
        "header_static": "",
        "note": "",
        "created_at": "1970-01-01T00:00:00.000Z",
        "last_status_at": None,
        "locked": False,
        "bot": False,
        "discoverable": True,
        "group": False,
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": 0,
        "emojis": [],
        "fields": [],
    }
