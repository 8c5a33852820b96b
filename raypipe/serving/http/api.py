"""The routes under /v1, the probes and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.config import ConfigDict

from raypipe.errors import HeldError
from raypipe.serving.explanation import explain_to_account
from raypipe.serving.http.access import Scope
from raypipe.serving.http.lists import Asked
from raypipe.serving.http.problems import MEDIA_TYPE, Problem
from raypipe.serving.http.requests import check_request, unquoted
from raypipe.serving.reports.runs import run_row
from raypipe.storage.feedback.store import Answer
from raypipe.storage.runs.run import Run

if TYPE_CHECKING:
    from raypipe.serving.http.server import Server

#: Most rows of one answer, and most ids of one request.
MOST_ROWS, MOST_IDS = 200, 10_000

_ID_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})
Id = Annotated[str, Path(), AfterValidator(unquoted), _ID_SCHEMA]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=200, description="The same key counts once."),
]
Limit = Annotated[int | None, Query(ge=1, le=MOST_ROWS, description="Most rows.")]


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class ListRow(_Body):
    """A recommended account."""

    rank: int
    candidate_id: str
    score: float
    source: str
    reason: str


class ListAnswer(_Body):
    """An account's list; ``next`` is the cursor of the next page."""

    account_id: str
    run: str
    recommendations: list[ListRow]
    next: str | None = None


class SimilarRow(_Body):
    """An account with similar follows."""

    rank: int
    neighbour_id: str
    score: float


class SimilarAnswer(_Body):
    """The accounts with the most similar follows."""

    account_id: str
    run: str
    similar: list[SimilarRow]


class FeedbackAnswer(_Body):
    """What a request has changed."""

    request_id: str
    repeated: bool
    changed: bool


class RejectionNote(_Body):
    """An optional note."""

    reason: str | None = Field(None, max_length=1000)


class RejectionRow(_Body):
    """A rejection in force."""

    candidate_id: str
    at: str
    reason: str | None = None


class Newcomer(_Body):
    """An account that came after the night, with its follows."""

    account_id: str = Field(min_length=1, max_length=4096)
    follows: list[str] = Field([], max_length=MOST_IDS)
    followers: list[str] = Field([], max_length=MOST_IDS)
    limit: int | None = Field(None, ge=1, le=MOST_ROWS)


class NewcomerAnswer(_Body):
    """The list of a newcomer, and the ids that are not in the run."""

    account_id: str
    run: str
    recommendations: list[ListRow]
    unknown: list[str]


class RunRow(_Body):
    """A finished run."""

    run: str
    published: bool
    created: str | None
    accounts: int | None
    problem: str | None


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    for status, words in (
        (400, "The request cannot be read."),
        (401, "A token is needed."),
        (403, "The token does not allow it."),
        (404, "Not in the run."),
        (409, "The key was used for another request."),
        (413, "The body is too large."),
        (422, "A value is not valid."),
        (429, "Too many requests."),
        (503, "The run or the feedback cannot be read now."),
    )
}


def asked_of(account: str, query: dict[str, str]) -> Asked:
    """The parameters of the list route.

    Raises:
        Problem: 422, a value is not valid.
    """
    limit, count, fallback = query.get("limit"), None, query.get("fallback")
    if limit is not None:
        if not (limit.isascii() and limit.isdigit() and len(limit) < 4):
            raise Problem(422, f"limit: found {limit[:20]!r}; expected 1 to {MOST_ROWS}")
        count = int(limit)
        if not 1 <= count <= MOST_ROWS:
            raise Problem(422, f"limit: found {count}; expected 1 to {MOST_ROWS}")
    if fallback not in (None, "popular"):
        raise Problem(422, "fallback: expected popular")
    return Asked(account, count, query.get("cursor"), query.get("source"), fallback)


def routers_of(server: Server) -> list[APIRouter]:
    """All routes of the API."""
    return [_lists(server), _feedback(server), _runs(server), _probes(server)]


def _check(server: Server, request: Request, scope: Scope, account: str | None = None) -> None:
    check_request(request.scope, server.access, scope, account)


def _lists(server: Server) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["lists"], responses=_PROBLEMS)

    @router.get(
        "/accounts/{account}/recommendations",
        response_model=ListAnswer,
        responses={304: {"description": "Unchanged."}, 410: {"description": "The run is gone."}},
    )
    def recommendations(
        request: Request,
        account: Id,
        limit: Limit = None,
        cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        source: Annotated[str | None, Query(description="Only rows of this source.")] = None,
        fallback: Annotated[
            str | None, Query(pattern="^popular$", description="For accounts outside the run.")
        ] = None,
    ) -> Response:
        """The accounts that someone may want to follow, best first.

        Rejections, blocks, follows and opt-outs hold as soon as they are acknowledged.
        """
        status, headers, body = server.made_answer(request.scope, request.path_params["account"])
        return Response(body, status, {name.decode(): value.decode() for name, value in headers})

    @router.get("/accounts/{account}/similar", response_model=SimilarAnswer)
    def similar(request: Request, account: Id, limit: Limit = None) -> dict[str, Any]:
        """The accounts with the most similar follows."""
        _check(server, request, "read", account)
        served = server.live.now().served
        rows = [row.to_json() for row in server.live.lookup(served, account).neighbours(limit)]
        similar = [_without_account(row) for row in rows]
        return {"account_id": account, "run": served.run.id, "similar": similar}

    @router.get("/accounts/{account}/explain/{candidate}")
    def explain(request: Request, account: Id, candidate: Id) -> dict[str, Any]:
        """Why a candidate is or is not in the list.

        What others have done, such as a block, is never told.
        """
        _check(server, request, "read", account)
        served = server.live.now().served
        found = explain_to_account(server.live.lookup(served, account), candidate).to_json()
        names = ("account", "candidate", "run", "recommended", "because", "why_not", "rank")
        return {to_camel(name): found[name] for name in (*names, "source", "reason")}

    @router.post("/newcomers", response_model=NewcomerAnswer)
    def newcomers(request: Request, body: Newcomer) -> dict[str, Any]:
        """The list of an account that came after the night, made now from its follows."""
        from raypipe.serving.newcomer import recommend_newcomer

        _check(server, request, "read", body.account_id)
        served = server.live.now().served
        lookup = server.live.lookup(served, body.account_id)
        made = recommend_newcomer(lookup, body.follows, body.limit, body.followers)
        rows = [_without_account(row.to_json()) for row in made.rows]
        return {
            "account_id": body.account_id,
            "run": served.run.id,
            "recommendations": rows,
            "unknown": made.unknown,
        }

    return router


def _feedback(server: Server) -> APIRouter:
    router = APIRouter(prefix="/v1/accounts/{account}", tags=["feedback"], responses=_PROBLEMS)
    writer = server.live.writer

    @router.get("/rejections", response_model=list[RejectionRow])
    def rejections(request: Request, account: Id) -> list[dict[str, Any]]:
        """What the account has rejected, for ever or until it takes it back."""
        _check(server, request, "read", account)
        return [_without_account(row) for row in writer().rejections(account)]

    @router.put("/rejections/{candidate}", response_model=FeedbackAnswer)
    def reject(
        request: Request,
        account: Id,
        candidate: Id,
        note: Annotated[RejectionNote | None, Body()] = None,
        unknown: Annotated[bool, Query(description="Also where the run has no such id.")] = False,
        key: Key = None,
    ) -> Answer:
        """Never show a candidate to the account again."""
        _check(server, request, "write", account)
        if not unknown:
            server.live.check_known(candidate)
        return writer().reject(account, candidate, note.reason if note else None, key)

    @router.delete("/rejections/{candidate}", response_model=FeedbackAnswer)
    def unreject(request: Request, account: Id, candidate: Id, key: Key = None) -> Answer:
        """Take a rejection back."""
        _check(server, request, "write", account)
        return writer().unreject(account, candidate, key)

    def add_pair(method: str, path: str, action: str, words: str) -> None:
        def mark(request: Request, account: Id, candidate: Id, key: Key = None) -> Answer:
            _check(server, request, "write", account)
            return writer().mark(action, account, candidate, key)

        about: dict[str, Any] = {"name": action, "description": words}
        path = f"/{path}/{{candidate}}"
        router.add_api_route(path, mark, methods=[method], response_model=FeedbackAnswer, **about)

    words = "Neither account is shown to the other from now on."
    add_pair("PUT", "blocks", "block", words)
    add_pair("DELETE", "blocks", "unblock", "Take a block back.")
    words = "The account follows the candidate since the night, so it is not shown again."
    add_pair("PUT", "follows", "follow", words)
    words = "The account has unfollowed the candidate, so it is not shown again."
    add_pair("DELETE", "follows", "unfollow", words)

    @router.put("/opt-out", response_model=FeedbackAnswer)
    def opt_out(request: Request, account: Id, key: Key = None) -> Answer:
        """Show the account to nobody."""
        _check(server, request, "write", account)
        return writer().mark("opt_out", account, account, key)

    @router.delete("/opt-out", response_model=FeedbackAnswer)
    def opt_in(request: Request, account: Id, key: Key = None) -> Answer:
        """Show the account again, from the next night on at the latest."""
        _check(server, request, "write", account)
        return writer().mark("opt_in", account, account, key)

    return router


def _runs(server: Server) -> APIRouter:
    router = APIRouter(prefix="/v1/runs", tags=["runs"], responses=_PROBLEMS)

    def finished(run_id: str) -> Run:
        for run in server.live.store.runs():
            if run.id == run_id and run.problem is None:
                return run
        raise Problem(404, f"run {run_id[:80]!r} is not among the finished runs")

    @router.get("", response_model=list[RunRow])
    def runs(request: Request) -> list[dict[str, Any]]:
        """The finished runs, newest first."""
        _check(server, request, "read")
        published = server.live.store.current_id()
        return [run_row(run, published) for run in server.live.store.runs()]

    @router.get("/current")
    def current(request: Request) -> dict[str, Any]:
        """The manifest of the run that is served."""
        _check(server, request, "read")
        return server.live.now().served.run.manifest.model_dump(mode="json")

    @router.get("/{run}")
    def manifest(request: Request, run: Id) -> dict[str, Any]:
        """The manifest of a finished run."""
        _check(server, request, "read")
        return finished(run).manifest.model_dump(mode="json")

    @router.post("/{run}/publish")
    def publish(request: Request, run: Id) -> dict[str, str]:
        """Publish a finished run; one that the guard holds back is refused with 409."""
        _check(server, request, "admin")
        found, store = finished(run), server.live.store
        if store.was_published(found):
            return {"run": store.rollback(run).id}
        try:
            return {"run": store.release(found, force=False).id}
        except HeldError as error:
            raise Problem(409, str(error)) from None

    return router


def _probes(server: Server) -> APIRouter:
    router = APIRouter(tags=["operations"], responses=_PROBLEMS)

    @router.get("/livez")
    def livez() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    def readyz() -> dict[str, Any]:
        """Lists can be answered and refilled."""
        now = server.live.check_ready()
        return {"run": now.served.run.id, "problem": server.live.problem}

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Numbers for Prometheus."""
        served = server.live.served
        text = server.metrics.text(served.run.id if served else None)
        return Response(text, media_type="text/plain; version=0.0.4")

    return router


def _without_account(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "accountId"}
