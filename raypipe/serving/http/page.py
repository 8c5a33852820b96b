"""The pages: an account's list with its buttons, what it has hidden, and the runs for the team.

Every button is a form, so the pages work without JavaScript; the script sends the same forms and
puts the answer into the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup
from pydantic import AfterValidator

from raypipe.errors import UnknownAccountError
from raypipe.serving.explanation import explain_to_account
from raypipe.serving.http.access import ANYBODY, Denied, Scope
from raypipe.serving.http.problems import Problem
from raypipe.serving.http.requests import COOKIE, caller_of, check_request, sent_of, unquoted
from raypipe.serving.reports.html import report_html
from raypipe.serving.reports.runs import night_report
from raypipe.storage.files import read_bytes
from raypipe.storage.results import measured_in

if TYPE_CHECKING:
    from raypipe.serving.http.server import Server

Id = Annotated[str, InPath(), AfterValidator(unquoted)]

#: Nothing inline, nothing from elsewhere but pictures of accounts.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http: https:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer, forms send `Origin: null`
    "cache-control": "private, no-store",
}
_STATIC = {
    "raypipe.css": "text/css",
    "raypipe.js": "text/javascript",
    "account.svg": "image/svg+xml",
}
_COOKIE_SECONDS = 12 * 3600
#: Evaluations, sweeps and attacks that are shown, of each kind.
_RESULTS = 5
#: Each button: what it does to the feedback store, what was done in words, and its opposite.
_ACTIONS = {
    "reject": ("Hidden: {name} will not be shown again.", "unreject"),
    "unreject": ("{name} may be shown again.", None),
    "follow": ("You follow {name}.", "unfollow"),
    "unfollow": ("You do not follow {name}.", None),
    "block": ("Blocked: neither of you is shown to the other.", "unblock"),
    "unblock": ("{name} is not blocked.", None),
    "opt_out": ("You are not suggested to others.", "opt_in"),
    "opt_in": ("You may be suggested to others again.", None),
}


def in_path(text: str) -> str:
    """A text as one segment of a path; browsers would resolve dots."""
    return quote(text, safe="").replace(".", "%2E")


_TEMPLATES = Environment(
    loader=PackageLoader("raypipe.serving.http"), autoescape=select_autoescape(), trim_blocks=True
)
_TEMPLATES.filters["in_path"] = in_path


def router_of(server: Server) -> APIRouter:
    """All pages."""
    router = APIRouter(include_in_schema=False)
    _add_files(router)
    _add_docs(router)
    _add_login(router, server)
    _add_account(router, server)
    _add_runs(router, server)
    return router


def error_page(problem: Problem) -> Response:
    """What a browser sees instead of a problem body; without a token, the way to the login."""
    if problem.status == 401:
        return RedirectResponse("/login", 303, headers=_HEADERS)
    return _page("problem.html", problem.status, problem=problem)


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, not a program for JSON."""
    accepts: str = request.headers.get("accept", "")
    return "text/html" in accepts and not request.scope["path"].startswith(("/v1/", "/api/"))


def _page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    text = _TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(text, status, headers=_HEADERS)


def _add_files(router: APIRouter) -> None:
    folder = Path(__file__).parent / "static"
    content = {name: read_bytes(folder / name) for name in _STATIC}

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in content:
            raise Problem(404, "there is no such file")
        headers = {"cache-control": "public, max-age=3600", "x-content-type-options": "nosniff"}
        return Response(content[name], media_type=_STATIC[name], headers=headers)


class Route(NamedTuple):
    """A route, as people read it.

    Attributes:
        words: what it does.
        parameters: as in the document.
        body, answer: names of the fields of the JSON that is sent, and that is answered.
    """

    method: str
    path: str
    words: str
    parameters: list[dict[str, Any]]
    body: list[str]
    answer: list[str]


def routes_in(document: dict[str, Any]) -> list[Route]:
    """The routes of an OpenAPI document, in its order.

    Example:
        >>> routes_in({"paths": {"/livez": {"get": {"description": "It lives."}}}})[0][:3]
        ('GET', '/livez', 'It lives.')
    """
    schemas = document.get("components", {}).get("schemas", {})

    def fields(part: object) -> list[str]:
        named = re.search(r"#/components/schemas/(\w+)", json.dumps(part))
        return list(schemas[named[1]].get("properties", {})) if named else []

    return [
        Route(
            method.upper(),
            path,
            route.get("description", ""),
            route.get("parameters", []),
            fields(route.get("requestBody")),
            fields(route.get("responses", {}).get("200")),
        )
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    ]


def _add_docs(router: APIRouter) -> None:
    @router.get("/docs")
    def docs(request: Request) -> Response:
        return _page("docs.html", routes=routes_in(request.app.openapi()))


def _add_login(router: APIRouter, server: Server) -> None:
    @router.get("/")
    def start(request: Request) -> Response:
        caller = caller_of(request.scope, sent_of(request.scope), server.access)
        if caller.subject is not None:
            return RedirectResponse(f"/accounts/{in_path(caller.subject)}", 303, headers=_HEADERS)
        account = request.query_params.get("account", "").strip()
        if account:
            return RedirectResponse(f"/accounts/{in_path(account)}", 303, headers=_HEADERS)
        return _page("start.html", logged_in=caller is not ANYBODY)

    @router.get("/login")
    def login() -> Response:
        return _page("login.html", wrong=False)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = parse_qs((await request.body()).decode(errors="replace"))
        token = form.get("token", [""])[0].strip()
        try:
            server.access.caller(token)
        except Denied:
            return _page("login.html", 401, wrong=True)
        answer = RedirectResponse("/", 303, headers=_HEADERS)
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        answer.set_cookie(
            COOKIE, token, _COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure
        )
        return answer

    @router.post("/logout")
    def log_out() -> Response:
        answer = RedirectResponse("/login", 303, headers=_HEADERS)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


def _add_account(router: APIRouter, server: Server) -> None:
    live, names = server.live, server.names

    def check(request: Request, scope: Scope, account: str) -> None:
        check_request(request.scope, server.access, scope, account)

    def of_account(account: str, here: str, query: Mapping[str, str]) -> dict[str, Any]:
        rejections = live.writer().rejections(account)
        candidate = query.get("candidate", "").strip()
        words, undo = _ACTIONS.get(query.get("done", ""), ("", None))
        return {
            "account": account,
            "here": here,
            "candidate": candidate,
            "done": words.format(name=names.of(candidate).name),
            "undo": undo,
            "rejections": rejections,
            "me": names.of(account),
            "names": names,
            "opted_out": live.writer().has_opted_out(account),
            "tokens": server.access.path is not None,
        }

    @router.get("/accounts/{account}")
    def account_page(request: Request, account: Id) -> Response:
        check(request, "read", account)
        lookup, cold = live.lookup(live.now().served, account), False
        try:
            rows = lookup.recommendations()
        except UnknownAccountError:
            from raypipe.serving.newcomer import recommend_newcomer

            rows, cold = recommend_newcomer(lookup, ()).rows, True
        values = of_account(account, "", request.query_params)
        return _page("account.html", rows=rows, cold=cold, **values)

    @router.post("/accounts/{account}/{action}")
    async def act(request: Request, account: Id, action: str) -> Response:
        check(request, "write", account)
        if action not in _ACTIONS:
            raise Problem(404, f"there is no button {action[:40]!r}")
        form = parse_qs((await request.body()).decode(errors="replace"))
        candidate = form.get("candidate", [account])[0]
        back = form.get("back", [""])[0]
        _act(server, action, account, candidate)
        where = "/hidden" if back == "hidden" else ""
        query = urlencode({"done": action, "candidate": candidate})
        return RedirectResponse(f"/accounts/{in_path(account)}{where}?{query}", 303, _HEADERS)

    @router.get("/accounts/{account}/hidden")
    def hidden(request: Request, account: Id) -> Response:
        check(request, "read", account)
        return _page("hidden.html", **of_account(account, "/hidden", request.query_params))

    @router.get("/accounts/{account}/why")
    def why(request: Request, account: Id) -> Response:
        check(request, "read", account)
        values, found = of_account(account, "/why", request.query_params), None
        if candidate := values["candidate"]:
            found = explain_to_account(live.lookup(live.now().served, account), candidate)
        return _page("why.html", found=found, **values)


def _act(server: Server, action: str, account: str, candidate: str) -> None:
    store = server.live.writer()
    if action == "reject":
        server.live.check_known(candidate)
        store.reject(account, candidate)
    elif action == "unreject":
        store.unreject(account, candidate)
    else:
        store.mark(action, account, candidate)


def _add_runs(router: APIRouter, server: Server) -> None:
    store = server.live.store

    @router.get("/runs")
    def runs(request: Request) -> Response:
        check_request(request.scope, server.access, "read")
        whole = [run for run in store.runs() if run.problem is None]
        chosen = request.query_params.get("run") or store.current_id()
        run = next((run for run in whole if run.id == chosen), None)
        if run is None:
            raise Problem(404, "there is no such run; /runs lists those that are kept")
        before = store.before(run)
        return _page(
            "runs.html", runs=whole, run=run, before=before, published=store.current_id(),
            report=Markup(report_html(night_report(run, before))),
            results=measured_in(server.results, _RESULTS),
        )  # fmt: skip

    @router.get("/runs/{kind}/{result}/{file}")
    def result_file(request: Request, kind: Id, result: Id, file: Id) -> Response:
        check_request(request.scope, server.access, "read")
        for found in measured_in(server.results, _RESULTS):
            known = file == found.numbers or file in found.pictures
            if known and (found.kind, found.path.name) == (kind, result):
                media = "application/json" if file == found.numbers else "image/png"
                return Response(read_bytes(found.path / file), media_type=media, headers=_HEADERS)
        raise Problem(404, "there is no such file")
