"""Lookup: what one account sees now: its published rows without current exclusions, refilled.

Everything that shows account ids to an account goes through :class:`Lookup`. It reads a few pages
of the run and the rejections of the account; it loads neither numba, Ray nor a graph, unless a list
is refilled from the run's reserve.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from raypipe.columns import ACCOUNT, CANDIDATE, NEIGHBOUR, RANK, REASON, SCORE, SOURCE
from raypipe.config.feedback_url import store_url, url_in_environment, without_password
from raypipe.recommend.reason_words import NAMELESS, NAMING, is_named
from raypipe.storage.feedback.account import Rejection
from raypipe.storage.feedback.quick_read import feedback_of, state_of
from raypipe.storage.files import is_folder
from raypipe.storage.runs.feedback_used import StoreState, check_used
from raypipe.storage.runs.filter_arrays import Exclusion, exclusions_in, followees_in
from raypipe.storage.runs.reserve import FOLDER as RESERVE
from raypipe.storage.runs.run import Run
from raypipe.storage.runs.store import RunStore


class Recommendation(NamedTuple):
    """A row of an account's list, with its rank in what the account sees."""

    account: str
    rank: int
    candidate: str
    score: float
    source: str
    reason: str

    def to_json(self) -> dict[str, str | int | float]:
        """The row by column names."""
        names = (ACCOUNT, RANK, CANDIDATE, SCORE, SOURCE, REASON)
        return dict(zip(names, self, strict=True))


class Neighbour(NamedTuple):
    """An account with a similar set of follows, with its rank in the published list."""

    account: str
    rank: int
    neighbour: str
    score: float

    def to_json(self) -> dict[str, str | int | float]:
        """The row by column names."""
        return dict(zip((ACCOUNT, RANK, NEIGHBOUR, SCORE), self, strict=True))


@dataclass(frozen=True)
class Lookup:
    """What one account sees.

    Attributes:
        account: id of the account.
        run: the published run.
        newest: the newest run that was ever published, if a rollback replaced it by an earlier
            run; its exclusions still apply.
        rejected: the current rejections of the account, by candidate.
        marked: the other accounts that the store keeps from it, with why; see
            :class:`raypipe.storage.feedback.account.AccountFeedback`.
        search: whether reasons in a refill may search neighbours again, which takes seconds on a
            large network.
        published: the published list, where the caller has read it; None: it is read from the run.
    """

    account: str
    run: Run
    newest: Run | None = None
    rejected: Mapping[str, Rejection] = field(default_factory=dict)
    marked: Mapping[str, str] = field(default_factory=dict)
    search: bool = True
    published: tuple[Recommendation, ...] | None = None

    def recommendations(self, limit: int | None = None) -> list[Recommendation]:
        """The account's list, best first; the reserve takes the place of what is excluded now.

        Args:
            limit: maximum number of rows.

        Raises:
            UnknownAccountError: the account is not in the run.
            RunError: files of the run are missing or damaged.
        """
        published = self.published
        if published is None:
            table = self.run.recommendations(self.account)
            published = tuple(Recommendation(*row.values()) for row in table.to_pylist())
        rows = self.visible(published, limit)
        length = len(published) if limit is None else min(limit, len(published))
        if len(rows) < length and is_folder(self.run.path / RESERVE):
            rows += self._refill(rows, length)
        return [row._replace(rank=rank) for rank, row in enumerate(rows, 1)]

    def _refill(self, rows: list[Recommendation], length: int) -> list[Recommendation]:
        """Rows from the reserve that follow these; in a blend, within the limit on each source."""
        from raypipe.serving.refill import further_rows  # needs the graph

        found, limit = further_rows(self.run, self.account, self.search)
        by_source, more = Counter(row.source for row in rows), list[Recommendation]()
        for row in self.visible([Recommendation(self.account, 0, *values) for values in found]):
            if len(rows) + len(more) < length and by_source[row.source] < limit:
                by_source[row.source] += 1
                more.append(row)
        return more

    def neighbours(self, limit: int | None = None) -> list[Neighbour]:
        """The accounts with the most similar follows, most similar first.

        Arguments and errors as for :meth:`recommendations`.
        """
        published = self.run.neighbours(self.account).to_pylist()
        rows = [Neighbour(*row.values()) for row in published]
        hidden = self.hidden([row.neighbour for row in rows])
        return [row for row in rows if row.neighbour not in hidden][:limit]

    def visible(
        self,
        rows: Iterable[Recommendation],
        limit: int | None = None,
        followees: Collection[str] | None = None,
    ) -> list[Recommendation]:
        """The rows that the account may see, with reasons that name no excluded account.

        Args:
            limit: maximum number of rows.
            followees: the accounts that the reasons may name; None: the followees in the run.
        """
        rows = list(rows)
        hidden = self.hidden([row.candidate for row in rows])
        kept = [row for row in rows if row.candidate not in hidden][:limit]
        reasons = self.safe_reasons([row.reason for row in kept], followees)
        return [row._replace(reason=reason) for row, reason in zip(kept, reasons, strict=True)]

    def safe_reasons(
        self, reasons: list[str], followees: Collection[str] | None = None
    ) -> list[str]:
        """The reasons; a reason that names an excluded account is replaced by a general one.

        Args:
            followees: the accounts that the reasons may name; None: the followees in the run.
        """
        changed = (
            self.rejected or self.marked or self.newest
        )  # a run never names the accounts that it excludes
        if not changed or not any(reason.startswith(NAMING) for reason in reasons):
            return reasons
        if followees is None:
            followees = followees_in(self.run, self.account)
        hidden = self.hidden(followees)
        return [
            NAMELESS if any(is_named(reason, name) for name in hidden) else reason
            for reason in reasons
        ]

    def hidden(self, ids: Collection[str]) -> set[str]:
        """The subset of ``ids`` that must not be shown to the account."""
        excluded = {name for name in ids if name in self.rejected or name in self.marked}
        for run in self._runs:
            excluded |= exclusions_in(run, self.account, ids).keys()
        return excluded

    def exclusions(self, candidate: str) -> list[Exclusion]:
        """The exclusions of a candidate: first the published run's, then the newest run's."""
        found = (exclusions_in(run, self.account, [candidate]) for run in self._runs)
        return [exclusion[candidate] for exclusion in found if exclusion]

    @property
    def _runs(self) -> list[Run]:
        return [self.run] if self.newest is None else [self.run, self.newest]


def rejections_url(store: RunStore, given: str | None = None) -> str:
    """The URL of the rejection store.

    It is ``given``, else ``RAYPIPE_FEEDBACK_URL``, else the store that the published run used, else
    a file in the runs folder.

    Raises:
        FeedbackError: the store cannot be read, or is not the one that the newest run has used.
        RunError: the published run cannot be read.
    """
    url = place_of_rejections(store, given)
    check_used(store, StoreState(*state_of(url)), without_password(url))
    return url


def place_of_rejections(store: RunStore, given: str | None = None) -> str:
    """The same URL, of whatever store is there."""
    given = given or url_in_environment()
    if given is None and store.current_id() is not None:
        given = store.current().manifest.feedback.url
    return store_url(given, store.root)


def check_known(store: RunStore, *accounts: str) -> None:
    """Refuse accounts that the published run does not know; without a run, all are accepted.

    Raises:
        UnknownAccountError: an account is not in the run; the nearest ids are named.
        RunError: the published run cannot be read.
    """
    if store.current_id() is None:
        return
    run = store.current()
    for account in accounts:
        if not run.holds(account):
            raise run.unknown(account, "nothing was stored; for a new account: --unknown")


def look_up(store: RunStore, account: str, feedback: str | None = None) -> Lookup:
    """Look up what an account sees now.

    Args:
        feedback: URL of the rejection store, such as ``sqlite:///runs/feedback.sqlite``; None: as
            :func:`rejections_url` finds it.

    Raises:
        FeedbackError: the rejections cannot be read; then nothing may be shown.
        RunError: nothing is published, or the published run cannot be read.
    """
    run = store.current()
    newest = newest_beside(store, run)
    found = feedback_of(rejections_url(store, feedback), account)
    return Lookup(account, run, newest, *found)


def newest_beside(store: RunStore, run: Run) -> Run | None:
    """The newest run that was ever published; None where it is this one."""
    newest = store.newest()
    return newest if newest is not None and newest.id != run.id else None
