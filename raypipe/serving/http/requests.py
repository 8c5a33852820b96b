"""What every request passes: its path and query as sent, its caller, and where it comes from."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from raypipe.serving.http.access import Access, Caller, Denied
from raypipe.serving.http.access import Scope as Right
from raypipe.serving.http.problems import Problem

Scope = Mapping[str, Any]

#: Name of the cookie that holds the token of a browser.
COOKIE = "raypipe_token"
_LOCAL = {"localhost", "127.0.0.1", "::1", "[::1]"}
_SAFE = {"GET", "HEAD", "OPTIONS"}


def unquoted(segment: str | bytes) -> str:
    """A segment of the path as text; ``%2F`` in it is part of an id.

    Raises:
        Problem: 400, it is not UTF-8.
    """
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise Problem(400, "the path is not UTF-8; send ids percent-encoded") from None


def query_of(scope: Scope) -> dict[str, str]:
    """The parameters of a request.

    Raises:
        Problem: 400, they are not UTF-8.
    """
    text = scope["query_string"]
    try:
        return dict(parse_qsl(text.decode(), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise Problem(400, "the query is not percent-encoded UTF-8") from None


class Sent(NamedTuple):
    """The headers that the server reads."""

    token: str | None
    from_cookie: bool
    host: str
    origin: str | None
    site: str | None
    if_none_match: str | None


def sent_of(scope: Scope) -> Sent:
    """The headers of a request."""
    headers = {name: value for name, value in scope["headers"]}

    def text(name: bytes) -> str | None:
        value = headers.get(name)
        return None if value is None else value.decode("latin-1")

    token, from_cookie = None, False
    authorization = text(b"authorization")
    if authorization is not None:
        kind, _, token = authorization.partition(" ")
        token = token.strip() if kind.lower() == "bearer" else ""
    elif b"cookie" in headers:
        token = _cookie(text(b"cookie") or "")
        from_cookie = token is not None
    return Sent(
        token,
        from_cookie,
        text(b"host") or "",
        text(b"origin"),
        text(b"sec-fetch-site"),
        text(b"if-none-match"),
    )


def caller_of(scope: Scope, sent: Sent, access: Access) -> Caller:
    """Who sends a request.

    Raises:
        Denied: 401; or 403, another site's page sends it with the browser's rights.
    """
    if access.path is None and urlsplit(f"//{sent.host}").hostname not in _LOCAL:
        raise Denied(403, "without tokens, only requests to localhost are answered")
    by_browser = access.path is None or sent.from_cookie
    if by_browser and scope["method"] not in _SAFE and _from_elsewhere(sent):
        raise Denied(403, "the request comes from another site's page")
    return access.caller(sent.token)


def check_request(scope: Scope, access: Access, right: Right, account: str | None = None) -> None:
    """Check that the sender of a request may do something.

    Raises:
        Denied: as of :func:`caller_of` and :meth:`Access.check`.
    """
    access.check(caller_of(scope, sent_of(scope), access), right, account)


def _from_elsewhere(sent: Sent) -> bool:
    if sent.site is not None:  # browsers send it over HTTPS and to loopback addresses
        return sent.site not in ("same-origin", "none")
    return sent.origin is not None and urlsplit(sent.origin).netloc != sent.host


def _cookie(text: str) -> str | None:
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None
