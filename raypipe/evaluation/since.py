"""Evidence in real time: the follows that are new since an earlier run of the same network.

earlier run --> past (exactly its graph) --> lists; present follows, less those of the past --> test

A random hold-out also hides old follows and keeps newer ones, which no list of that time could be
made from. Here nothing that came later is known: follows that are gone now are still in the past.
New follows of or to accounts that the past does not know could not be recommended then; they are
counted and left out. Rejections are the present ones; a new follow is never among them.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np

from raypipe.config import EvaluationConfig
from raypipe.errors import RunError
from raypipe.evaluation import leading
from raypipe.evaluation.splits import (
    SEGMENTS,
    have_enough,
    hold_out_counts,
    hold_out_newest,
    segments_of,
)
from raypipe.graph.follow_graph import (
    FollowGraph,
    absent_follows,
    graph_of_rows,
    load_graph,
    with_follows,
)
from raypipe.kernels.csr import Adjacency, Pairs, adjacency, subset
from raypipe.recommend.negative_feedback import Rejections
from raypipe.storage.records import SinceRecord
from raypipe.storage.runs.run import Run

#: Minimum number of accounts with new follows; with fewer, a random hold-out decides.
MIN_ACCOUNTS = 300
#: Maximum number of earlier runs that are tried, newest first: a week of nights.
MAX_RUNS = 7


class Past(NamedTuple):
    """An earlier graph, and what came later.

    Attributes:
        graph: the earlier follows, n accounts.
        new: later follows between its accounts, one row per account.
        audience: int32, the accounts of the audience that it knows, ascending.
        code_of: int64, the code in ``graph`` of each account of the present; -1: it has none.
    """

    graph: FollowGraph
    new: Adjacency
    audience: np.ndarray
    code_of: np.ndarray

    def measurable(self, config: EvaluationConfig) -> list[np.ndarray]:
        """int32: for each of SEGMENTS, the accounts with new follows, by their earlier follows."""
        kept, new = (rows.degrees_of(self.audience) for rows in (self.graph.followees, self.new))
        enough = (new > 0) & have_enough(kept, kept + new, config)
        segments = segments_of(kept, config)
        return [self.audience[enough & (segments == index)] for index in range(len(SEGMENTS))]

    def at_random(self, seed: int) -> tuple[FollowGraph, Adjacency]:
        """Train and test as a random hold-out makes them, which does not know what is new.

        Of all follows of an account, old and new, as many are held out as are new. So both
        hold-outs measure the same accounts, with as many follows left and as many to recover.
        """
        every = np.arange(self.graph.accounts, dtype=np.int32)
        sides = (self.graph.followees, self.new)
        pairs = [Pairs(np.repeat(every, rows.degrees), rows.codes, every) for rows in sides]
        rows = adjacency(pairs, self.graph.accounts)[0]
        held = hold_out_counts(rows, self.new.degrees, seed)
        return graph_of_rows(self.graph.ids, subset(rows, ~held)), subset(rows, held)

    def carry(self, rejections: Rejections | None) -> Rejections | None:
        """Rejections of the present, by the codes of the past; unknown accounts are left out."""
        if rejections is None:
            return None
        rows, codes = rejections.rows, self.code_of
        accounts = np.repeat(np.arange(len(codes)), rows.degrees)
        known = (codes[accounts] >= 0) & (codes[rows.codes] >= 0)
        pairs = Pairs(accounts[known], rows.codes[known], codes)
        shown = np.zeros(self.graph.accounts, np.int64)
        shown[codes[codes >= 0]] = rejections.shown[codes >= 0]
        return Rejections(adjacency([pairs], self.graph.accounts)[0], shown)


class Since(NamedTuple):
    """The earlier run with the most useful new follows.

    Attributes:
        past: None: no earlier run can be used, or has fewer follows than the present.
        record: which run, how many follows and accounts, and whether they decide.
    """

    past: Past | None
    record: SinceRecord


def since_earlier_run(
    runs: Iterable[Run], present: FollowGraph, audience: np.ndarray, config: EvaluationConfig
) -> Since | None:
    """The newest earlier run since which enough accounts have new follows.

    Runs of another network, which share less than half of their accounts with the present, and runs
    whose graph cannot be read are passed over. If no run has enough, that with the most accounts.

    Args:
        runs: published earlier, newest first; MAX_RUNS of them are tried.
        audience: int32, accounts of the present graph that may be measured, ascending.

    Returns:
        None where there is no run.
    """
    found: list[Since] = []
    for run in islice(runs, MAX_RUNS):
        since = _since(run, present, audience, config)
        if since.record.decides:
            return since
        found.append(since)
    return max(found, key=lambda since: since.record.accounts, default=None)


def since_newest(
    graph: FollowGraph, times: np.ndarray, audience: np.ndarray, config: EvaluationConfig
) -> Since:
    """The newest share of the follows of a graph, in place of those since an earlier run.

    Args:
        times: float64[follows], at least one.
        audience: int32, accounts that may be measured, ascending.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> given = np.array([7.0, 3.0]), np.arange(3, dtype=np.int32), EvaluationConfig(share=0.5)
        >>> found = since_newest(graph_of("ab ac"), *given)
        >>> found.past.graph.followees.row(0).tolist(), found.past.new.row(0).tolist()
        ([2], [1])
    """
    held, _ = hold_out_newest(times, config.share_fraction)
    train, new = with_follows(graph, ~held), subset(graph.followees, held)
    past = Past(train, new, audience, np.arange(graph.accounts))
    return _judged(past, None, "after all others by their time", 0, config)


def _since(run: Run, present: FollowGraph, audience: np.ndarray, config: EvaluationConfig) -> Since:
    """The new follows since one run."""

    def unused(why: str) -> Since:
        return Since(None, SinceRecord(run=run.id, why=f"run {run.id} {why}"))

    if run.manifest.fingerprint == present.fingerprint:
        return unused("has the same follows")
    try:
        graph = load_graph(run.path / "graph")
    except RunError as error:
        return unused(f"cannot be read: {error}")
    code_of = graph.codes(present.ids)
    common = int(np.count_nonzero(code_of >= 0))
    if 2 * common < graph.accounts:
        return unused(f"is of another network: {common:,} of its {graph.accounts:,} accounts exist")
    new, left_out = absent_follows([present.followees], code_of, graph)
    members = code_of[audience]
    past = Past(graph, new, np.sort(members[members >= 0]).astype(np.int32), code_of)
    return _judged(past, run.id, f"that are new since run {run.id}", left_out, config)


def _judged(
    past: Past, run: str | None, new: str, left_out: int, config: EvaluationConfig
) -> Since:
    """Whether new follows are enough to decide; ``new`` says in words which they are."""
    groups = past.measurable(config)
    counts = list(map(len, groups))
    decides = sum(counts) >= MIN_ACCOUNTS and max(counts) >= leading.MIN_ACCOUNTS
    why = f"{sum(counts):,} accounts have {len(past.new.codes):,} follows {new}"
    if not decides:
        why += f"; {MIN_ACCOUNTS} accounts are needed, {leading.MIN_ACCOUNTS} of them in a segment"
    record = SinceRecord(
        run=run,
        follows=len(past.new.codes),
        left_out=left_out,
        accounts=sum(counts),
        decides=decides,
        why=why,
    )
    return Since(past, record)
