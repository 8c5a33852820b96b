"""Sources of candidates. This file defines what a source is; registry.py lists them.

A source works in two steps. Once a night it is prepared from the graph: it then holds plain arrays
and travels to the tasks. For each shard it is called, and retrieves the candidates of some
accounts. What it retrieves for an account does not depend on the other accounts of the call:
sums over an account run in a fixed order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from raypipe.config import NegativeFeedbackConfig, RunConfig, SourceConfig
from raypipe.graph.degree_table import Degrees
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.candidates import Candidates as Candidates
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.negative_feedback import Rejections


class Source(Protocol):
    """A source that is prepared: one way to retrieve candidates."""

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours) -> Candidates:
        """All candidates of some accounts, or at least the ``wanted[i]`` best of account i.

        Filters are applied later, by :mod:`raypipe.recommend.filters.eligibility`.

        Args:
            accounts: int32[m].
            wanted: int64[m]; 0 for an account that needs none.
            near: the neighbours of these accounts; none at all unless the source needs them.
        """

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        """float64[m]: nanoseconds per account, on a machine that may not be this one.

        The cost of the neighbour search and of making a list is estimated elsewhere.
        """


@runtime_checkable
class Scorer(Protocol):
    """A source that is prepared and retrieves nothing itself: it scores candidates of others."""

    def score(self, accounts: np.ndarray, candidates: Adjacency) -> np.ndarray:
        """float64[c]: a score for each candidate; -inf for all of an account that has none."""

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        """float64[m]: nanoseconds per account, without those of the sources that retrieve."""


@dataclass(frozen=True)
class SourceInputs:
    """What a source may be prepared from, besides the graph and its own config.

    Attributes:
        min_followers: a candidate has at least this number of followers.
        globally_excluded: [n], other than 0 for accounts that are shown to nobody; None: no such
            account.
        own: all follows of each account, for its own list; those of the graph may be fewer, as
            some do not count for others. None: those of the graph.
    """

    min_followers: int = 0
    globally_excluded: np.ndarray | None = None
    rejections: Rejections | None = None
    feedback: NegativeFeedbackConfig = field(default_factory=NegativeFeedbackConfig)
    model: FactorModel | None = None
    own: Adjacency | None = None

    def own_follows(self, graph: FollowGraph) -> Adjacency:
        """All follows of each account, for its own list."""
        return graph.followees if self.own is None else self.own

    def retrieved_from(self, graph: FollowGraph, least: int = 0) -> np.ndarray:
        """bool[n]: accounts with enough followers that are not globally excluded.

        Example:
            >>> from raypipe.graph.follow_graph import graph_of
            >>> excluded = np.array([0, 0, 4])
            >>> inputs = SourceInputs(min_followers=1, globally_excluded=excluded)
            >>> inputs.retrieved_from(graph_of("ab ac")).tolist()
            [False, True, False]
        """
        enough = graph.followers.degrees >= max(least, self.min_followers)
        excluded = self.globally_excluded
        return enough if excluded is None else enough & (excluded == 0)


#: Nothing besides the graph and the config.
NO_INPUTS = SourceInputs()


@dataclass(frozen=True)
class SourceSpec:
    """A row of the registry: all that raypipe knows of a source.

    Attributes:
        name: as published beside each recommendation.
        summary: what its candidates are, in words for help and reports.
        prepare: makes the source, or a scorer, from the graph, its config and the other inputs,
            once a night.
        section: its config; a field of ``SourcesConfig`` with the name of the source, or else the
            defaults of this class.
        phase: 1, 2 or 3 for the phases of the ladder; None for a source beside them.
        needs_neighbours: it is called with the neighbours of the accounts.
        needs_model: it can be prepared only where a factor model was trained.
        walks_through: for a source of two steps, the side of the graph on which the intermediaries
            of an account are; its section has ``max_intermediary_follows``.
        task_bytes: bytes that a task needs for it, from the number of accounts with followers and
            its section.
        estimate_from_degrees: float64, nanoseconds of an account with each number of follows, where
            only the degrees of a network are known; None: nothing worth counting.
    """

    name: str
    summary: str
    prepare: Callable[[FollowGraph, Any, SourceInputs], Source | Scorer]
    section: type[SourceConfig] = SourceConfig
    phase: int | None = None
    needs_neighbours: bool = False
    needs_model: bool = False
    walks_through: Literal["followees", "followers"] | None = None
    task_bytes: Callable[[int, Any], int] | None = None
    estimate_from_degrees: Callable[[Degrees, RunConfig], np.ndarray] | None = None
