"""The application: the list route on ready bytes, everything else by FastAPI's routes."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import Match

from raypipe import __version__
from raypipe.errors import ConfigError, RaypipeError
from raypipe.serving.http import api, page
from raypipe.serving.http.access import Access
from raypipe.serving.http.lists import Asked, made_bytes, ready_bytes
from raypipe.serving.http.live import Live, Now
from raypipe.serving.http.metrics import Metrics
from raypipe.serving.http.names import Names
from raypipe.serving.http.problems import Headers, Problem, problem_answer, problem_of
from raypipe.serving.http.requests import caller_of, query_of, sent_of, unquoted
from raypipe.storage.runs.mapped_lists import FOLDER
from raypipe.storage.runs.store import RunStore

#: Environment variable with the settings of a worker process, as JSON.
VARIABLE = "RAYPIPE_SERVE"
#: Most bytes of a body.
MOST_BYTES = 1 << 20
_BEFORE, _AFTER = b"/v1/accounts/", b"/recommendations"

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Answer = tuple[int, Headers, bytes]


class ServeSettings(BaseModel):
    """What a server is started with.

    Attributes:
        runs_dir: the runs folder.
        feedback: URL of the feedback store; None: that of the published run.
        tokens: file of tokens; None: everybody may do everything.
        maps: folder of mapped lists; None: ``.serve`` in the runs folder.
        rate: requests a second of one subject, in each worker.
        mastodon: also answer clients of Mastodon.
        names: table with accountId, name and avatar for pages and clients.
        results: folder that holds evaluations, sweeps and attacks; None: that of the runs folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs_dir: Path
    feedback: str | None = None
    tokens: Path | None = None
    maps: Path | None = None
    rate: float = 20.0
    mastodon: bool = False
    names: Path | None = None
    results: Path | None = None


class Server:
    """The ASGI application. Runs unchanged under uvicorn, granian and Ray Serve."""

    def __init__(self, settings: ServeSettings) -> None:
        store = RunStore(settings.runs_dir)
        self.access = Access(settings.tokens, settings.rate)
        self.live = Live(store, settings.feedback, settings.maps or settings.runs_dir / FOLDER)
        self.metrics = Metrics()
        self.names = Names(settings.names)
        self.results = settings.results or settings.runs_dir.absolute().parent
        self.routes = _routes(self, settings)

    def begin(self) -> None:
        """Load what answers and refills lists, before the first request."""
        self.live.begin()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.routes(scope, receive, send)
            return
        path = scope.get("raw_path") or scope["path"].encode()
        if scope["method"] == "GET" and path.startswith(_BEFORE) and path.endswith(_AFTER):
            account = path[len(_BEFORE) : -len(_AFTER)]
            if b"/" not in account and account:
                await self._list(scope, send, account)
                return
        if path.startswith(b"/api/"):  # Mastodon does not mind a slash at the end
            path = path.rstrip(b"/")
        # Routes see the path as it was sent, so that %2F stays a part of an id.
        scope = {**scope, "path": path.decode("latin-1")}
        started = time.perf_counter()
        watched = self.metrics.watching(send, started)
        await self.routes(scope, _limited(receive), watched)

    def made_answer(self, scope: Mapping[str, Any], account: str) -> Answer:
        """The answer with a list by way of the lookup."""
        asked, now, headers, unchanged = self._asked(scope, account)
        if unchanged:
            return 304, headers, b""
        return 200, headers, made_bytes(self.live, now, asked)

    def _asked(
        self, scope: Mapping[str, Any], account: bytes | str
    ) -> tuple[Asked, Now, Headers, bool]:
        """Admit a request for a list, once, as it counts for the rate.

        Returns:
            What it asks for, what answers it, headers, and whether the client has this answer.
        """
        sent = sent_of(scope)
        name = unquoted(account)
        self.access.check(caller_of(scope, sent, self.access), "read", name)
        asked = api.asked_of(name, query_of(scope)) if scope["query_string"] else Asked(name)
        now = self.live.now()
        etag = now.etag
        headers = [
            (b"content-type", b"application/json"),
            (b"etag", etag.encode()),
            (b"cache-control", b"private, no-cache"),
        ]
        return asked, now, headers, sent.if_none_match == etag

    async def _list(self, scope: Mapping[str, Any], send: Send, account: bytes) -> None:
        started = time.perf_counter()
        try:
            asked, now, headers, unchanged = self._asked(scope, account)
            status, body = (304, b"") if unchanged else (200, ready_bytes(self.live, now, asked))
            if body is None:
                body = await run_in_threadpool(made_bytes, self.live, now, asked)
        except (Problem, RaypipeError) as error:
            status, headers, body = problem_answer(problem_of(error))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.metrics.observe("list", status, time.perf_counter() - started)


def from_environment() -> Server:
    """The application with the settings in ``RAYPIPE_SERVE``; what workers import.

    Raises:
        ConfigError: they are not there, or wrong.
    """
    try:
        server = Server(ServeSettings.model_validate_json(os.environ[VARIABLE]))
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{VARIABLE}: expected the settings of raypipe serve ({error})") from None
    server.begin()
    return server


def _routes(server: Server, settings: ServeSettings) -> FastAPI:
    app = FastAPI(
        title="raypipe",
        version=__version__,
        summary="Accounts to follow, and feedback on them.",
        redirect_slashes=False,
        docs_url=None,  # FastAPI's page loads its script from elsewhere
        redoc_url=None,
    )
    routers = [*api.routers_of(server), page.router_of(server)]
    if settings.mastodon:
        from raypipe.serving.http import mastodon

        routers.append(mastodon.router_of(server, server.names))
    for router in routers:
        app.include_router(router)

    async def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            problem = Problem(error.status_code, str(error.detail))
        else:
            problem = problem_of(error)
        if page.wants_page(request):
            return page.error_page(problem)
        answer = _response(*problem_answer(problem))
        if isinstance(error, HTTPException) and error.status_code == 405:
            answer.headers["allow"] = ", ".join(sorted(_methods(routers, request.scope)))
        return answer

    async def invalid(request: Request, error: Exception) -> Response:
        found = error.errors()[0] if isinstance(error, RequestValidationError) else {}
        where = ".".join(str(part) for part in found.get("loc", ()))
        return _response(*problem_answer(Problem(422, f"{where}: {found.get('msg', 'invalid')}")))

    for kind in (Problem, RaypipeError, HTTPException):
        app.add_exception_handler(kind, failed)
    app.add_exception_handler(RequestValidationError, invalid)
    return app


def _methods(routers: list[APIRouter], scope: MutableMapping[str, Any]) -> set[str]:
    """The methods of a path; each is a route of its own."""
    routes = (route for router in routers for route in router.routes)
    fitting = (route for route in routes if route.matches(scope)[0] is not Match.NONE)
    return {name for route in fitting for name in getattr(route, "methods", None) or ()}


def _response(status: int, headers: Headers, body: bytes) -> Response:
    response = Response(body, status)
    response.raw_headers = [*headers, (b"content-length", str(len(body)).encode())]
    return response


def _limited(receive: Receive) -> Receive:
    """Receives bodies of up to MOST_BYTES."""
    found = 0

    async def limited() -> MutableMapping[str, Any]:
        nonlocal found
        message = await receive()
        found += len(message.get("body", b""))
        if found > MOST_BYTES:
            raise HTTPException(413, f"the body has more than {MOST_BYTES:,} bytes")
        return message

    return limited
