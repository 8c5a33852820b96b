"""What a server answers from: the published run, mapped, and the feedback since it.

A newly published run is checked and mapped in a thread of its own; then one pointer moves. Answers
that have begun finish with the run that they began with.
"""

import logging
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from raypipe.errors import RaypipeError, RunError
from raypipe.serving.http.feedback_view import FeedbackView
from raypipe.serving.lookup import Lookup, Recommendation, newest_beside, rejections_url
from raypipe.storage.feedback.account import AccountFeedback
from raypipe.storage.feedback.store import FeedbackStore
from raypipe.storage.files import is_folder, version
from raypipe.storage.runs.mapped_lists import MappedLists, make_lists, map_lists
from raypipe.storage.runs.parts import ids_at
from raypipe.storage.runs.reserve import FOLDER as RESERVE
from raypipe.storage.runs.run import MANIFEST, Run, verify_run
from raypipe.storage.runs.store import RunStore

#: Versions of CURRENT.json and of the served run's manifest.
Seen = tuple[tuple[int, int], tuple[int, int]]
_SWITCH_SECONDS = 0.0005

logger = logging.getLogger("raypipe.serve")


class Served(NamedTuple):
    """A run that is answered from.

    Attributes:
        run: the run.
        newest: the newest run that was ever published, if it is another; its exclusions hold too.
        lists: its lists; None: not mapped yet, so they are read from Parquet.
    """

    run: Run
    newest: Run | None
    lists: MappedLists | None


class Now(NamedTuple):
    """One moment: a run, and the number of the last event of the feedback that holds."""

    served: Served
    seq: int

    @property
    def etag(self) -> str:
        """Changes with the run and with every event."""
        return f'"{self.served.run.id}.{self.seq}"'


class Live:
    """The published run and the feedback since it.

    Args:
        store: the runs folder.
        url: of the feedback store; None: that of the published run.
        maps: folder of mapped lists.
    """

    def __init__(self, store: RunStore, url: str | None, maps: Path) -> None:
        self.store, self.url, self.maps = store, url, maps
        self._pointer = str(self.store.root / "CURRENT.json")
        self._manifest = ""  # of the served run, which is written again when an account is erased
        self.served: Served | None = None  # what was answered from last
        self._seen: Seen | None = None
        self._preparing = threading.Lock()
        self._view: FeedbackView | None = None
        self._writer: FeedbackStore | None = None
        self.problem: str | None = None
        self.warm = False
        self.threads: list[threading.Thread] = []

    def check(self) -> None:
        """Check that something is published, and that its feedback can be read.

        Raises:
            RunError, FeedbackError: as of :meth:`now`.
        """
        self.feedback(self.store.current())

    def begin(self) -> None:
        """Load what answers and refills lists, before the first request; then map the lists."""
        # A thread that stores a rejection waits for the thread that answers lists, and the other
        # way round, until this time is over: 5 ms by default.
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            self._warm_up(self._current().run)
        except RaypipeError as error:
            logger.error("nothing can be served yet: %s", error)

    def now(self) -> Now:
        """The run that is published and the feedback that holds at this moment.

        Raises:
            RunError: nothing is published, or it cannot be read.
            FeedbackError: the feedback cannot be read.
        """
        served = self._current()
        return Now(served, self.feedback(served.run).refresh())

    def feedback(self, run: Run) -> FeedbackView:
        """The feedback since a run; since the earliest of those that were asked for."""
        watermark = run.manifest.feedback.watermark
        view = self._view
        if view is None or watermark < view.base:
            view = FeedbackView(rejections_url(self.store, self.url), watermark)
            view.refresh()
            self._view = view
        return view

    def run(self, run_id: str) -> Served:
        """A run that is kept, for the further pages of its lists.

        Raises:
            RunError: it is gone.
        """
        current = self._current()
        if current.run.id == run_id:
            return current
        run = self.store.get(run_id)
        return Served(run, newest_beside(self.store, run), map_lists(run, self.maps))

    def writer(self) -> FeedbackStore:
        """The store that takes feedback; also where nothing is published yet."""
        if self._writer is None:
            self._writer = FeedbackStore(rejections_url(self.store, self.url))
        return self._writer

    def check_ready(self) -> Now:
        """The run and the feedback, once lists are answered and refilled without delay.

        Raises:
            RunError, FeedbackError: they cannot be read, or are still being loaded.
        """
        now = self.now()
        if not self.warm:
            raise RunError(f"run {now.served.run.id} is being loaded")
        return now

    def check_known(self, candidate: str) -> None:
        """Check that a candidate is in the served run.

        Raises:
            UnknownAccountError: it is not.
        """
        served = self._current()
        if served.lists is not None and served.lists.find(candidate) is not None:
            return
        served.run.recommendations(candidate, 0)

    def lookup(self, served: Served, account: str) -> Lookup:
        """What an account sees of a run now."""
        view = self.feedback(served.run)
        rejected, marked = view.marked(account) or AccountFeedback({})
        opted_out = dict.fromkeys(view.opted_out - {account}, "opt_out")
        return Lookup(
            account,
            served.run,
            served.newest,
            rejected,
            {**opted_out, **marked},
            search=False,
            published=_published(served, account),
        )

    def _current(self) -> Served:
        """The newest run that is ready; a newer one is prepared in the background."""
        try:
            seen = version(self._pointer), version(self._manifest or self._pointer)
        except OSError:
            seen = None
        if self.served is None or seen != self._seen:
            self._notice(seen)
        served = self.served
        if served is None:
            raise RunError(f"nothing is published in {self.store.root}")
        return served

    def _serve(self, served: Served) -> None:
        self._manifest = str(served.run.path / MANIFEST)
        self.served = served

    def _notice(self, seen: Seen | None) -> None:
        """Take the published run, at once if nothing is served yet."""
        if not self._preparing.acquire(blocking=self.served is None):
            return
        try:
            if self.served is not None and seen == self._seen:
                return
            run = self.store.current()
            newest, before = newest_beside(self.store, run), self.served
            if before is None or before.run.id == run.id:
                self._serve(Served(run, newest, map_lists(run, self.maps)))
            self._seen = seen
            served = self.served
            if served is None or served.run.id != run.id or not served.lists or not self.warm:
                thread = threading.Thread(target=self._prepare, args=(run, newest), daemon=True)
                self.threads = [*(one for one in self.threads if one.is_alive()), thread]
                thread.start()
        except RaypipeError as error:
            self.problem = str(error)
            if self.served is None:
                raise
            logger.error("the served run stays: %s", error)
            self._seen = seen
        finally:
            self._preparing.release()

    def _prepare(self, run: Run, newest: Run | None) -> None:
        """Check and map a run, then serve it, unless another one was published meanwhile."""
        try:
            if problems := verify_run(run):
                raise RunError(f"run {run.id} is damaged: {problems[0]}")
            self._warm_up(run)
            make_lists(run, self.maps)
            lists = map_lists(run, self.maps)
        except RaypipeError as error:
            self.problem = str(error)
            logger.error("the served run stays: %s", error)
            return
        with self._preparing:
            if self.store.current_id() == run.id:
                self._serve(Served(run, newest, lists))
                self.problem = None
                logger.info("serving run %s", run.id)

    def _warm_up(self, run: Run) -> None:
        """Load what refills a list, which takes seconds the first time."""
        if not self.warm and is_folder(run.path / RESERVE):
            from raypipe.serving.refill import further_rows

            (account,) = ids_at(run.path / "graph" / "ids.arrow", np.zeros(1, np.int64))
            further_rows(run, account, search=False)
        self.warm = True


def _published(served: Served, account: str) -> tuple[Recommendation, ...] | None:
    """The published list of an account, from the map; None: there is none."""
    index = None if served.lists is None else served.lists.find(account)
    if served.lists is None or index is None:
        return None
    rows = served.lists.recommendations(index)
    return tuple(Recommendation(account, rank, *row) for rank, row in enumerate(rows, 1))
