"""The answer with an account's list: the route that is asked most, as plain functions.

Where nothing has been marked for the account since the night, the answer is made of the bytes of
the mapped lists. Else it passes :class:`raypipe.serving.lookup.Lookup`.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from raypipe.columns import ACCOUNT, RANK
from raypipe.errors import RunError, UnknownAccountError
from raypipe.serving.http.live import Live, Now, Served
from raypipe.serving.http.problems import Problem
from raypipe.serving.lookup import Recommendation

_RANK = b'{"%s":%%d,' % RANK.encode()


class Asked(NamedTuple):
    """What a client asks for.

    Attributes:
        account: id of the account.
        limit: most rows; None: the length of the published list.
        cursor: of the page before; None: the first page.
        source: only rows of this source; None: of all.
        fallback: ``popular``: an account that is not in the run gets the popular list.
    """

    account: str
    limit: int | None = None
    cursor: str | None = None
    source: str | None = None
    fallback: str | None = None


class Cursor(NamedTuple):
    """Where a page ended: the run, and the last candidate with its rank."""

    run: str
    rank: int
    candidate: str

    def text(self) -> str:
        """As it stands in URLs."""
        return urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Read what :meth:`Cursor.text` wrote.

    Raises:
        Problem: 400, it is another text.
    """
    try:
        data = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        run, rank, candidate = json.loads(data)
        if isinstance(run, str) and isinstance(rank, int) and isinstance(candidate, str):
            return Cursor(run, rank, candidate)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        pass
    raise Problem(400, "cursor: found another text than `next` of an answer")


def ready_bytes(live: Live, now: Now, asked: Asked) -> bytes | None:
    """The answer from the mapped lists; None: it needs :func:`made_bytes`."""
    served = now.served
    if served.lists is None or served.newest is not None or asked.cursor or asked.source:
        return None
    view = live.feedback(served.run)
    if view.marked(asked.account):
        return None
    index = served.lists.find(asked.account)
    if index is None:
        return None
    rows = served.lists.rows_of(index)
    if view.opted_out_texts and _names_one(b"\n".join(rows), view.opted_out_texts):
        return None
    limit = asked.limit or len(rows)
    if limit < len(rows):
        last = json.loads(b"{%s}" % rows[limit - 1])["candidateId"]
        following = Cursor(served.run.id, limit, last).text()
    else:
        following = None
    return _answer(asked.account, served.run.id, rows[:limit], following)


def made_bytes(live: Live, now: Now, asked: Asked) -> bytes:
    """The answer by way of the lookup.

    Raises:
        Problem: 400, 404 or 410.
        RunError, FeedbackError: as of the lookup.
    """
    served, after = now.served, None
    if asked.cursor:
        after = read_cursor(asked.cursor)
        served = _run_of(live, after)
    lookup = live.lookup(served, asked.account)
    try:
        rows = lookup.recommendations()
    except UnknownAccountError:
        if asked.fallback != "popular":
            raise Problem(404, f"account {asked.account!r} is not in the run") from None
        from raypipe.serving.newcomer import recommend_newcomer

        rows = recommend_newcomer(lookup, ()).rows
    if asked.source is not None:
        rows = [row for row in rows if row.source == asked.source]
    start = 0 if after is None else _start(rows, after)
    page = rows[start : start + (asked.limit or len(rows))]
    following = None
    if page and start + len(page) < len(rows):
        following = Cursor(served.run.id, start + len(page), page[-1].candidate).text()
    texts = [_inside(row) for row in page]
    return _answer(asked.account, served.run.id, texts, following, start)


def _run_of(live: Live, cursor: Cursor) -> Served:
    try:
        return live.run(cursor.run)
    except RunError:
        raise Problem(410, f"run {cursor.run[:80]} is gone; ask without a cursor") from None


def _start(rows: list[Recommendation], after: Cursor) -> int:
    """The first row of a page: after the last one that was shown, which may be hidden now."""
    for index, row in enumerate(rows):
        if row.candidate == after.candidate:
            return index + 1
    return max(0, after.rank - 1)


def _inside(row: Recommendation) -> bytes:
    values = {name: value for name, value in row.to_json().items() if name not in (ACCOUNT, RANK)}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()[1:-1]


def _answer(
    account: str, run: str, rows: list[bytes], following: str | None, start: int = 0
) -> bytes:
    # Ranks are those of what is shown.
    listed = b"},".join([_RANK % rank + row for rank, row in enumerate(rows, start + 1)])
    return b'{"%s":%s,"run":"%s","recommendations":[%s%s],"next":%s}' % (
        ACCOUNT.encode(),
        json.dumps(account, ensure_ascii=False).encode(),
        run.encode(),
        listed,
        b"}" if rows else b"",
        b"null" if following is None else b'"%s"' % following.encode(),
    )


def _names_one(block: bytes, texts: set[bytes]) -> bool:
    """Whether one of some accounts may stand in the rows: as a candidate or in a reason."""
    return len(texts) > 1000 or any(text in block for text in texts)
