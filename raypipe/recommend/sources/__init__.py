"""Sources of candidates, one file a source; none imports another.

A source is made from the graph, holds plain arrays, and travels to the tasks. What it brings does
not depend on which accounts are asked together: sums over an account run in a fixed order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np

from raypipe.config import TwoStepConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.walks import NS_PER_WALK, best_of_walks, count_walks, weights_of


class Candidates(NamedTuple):
    """Candidates of m accounts: those of account i stand at ``indptr[i]:indptr[i + 1]``.

    Attributes:
        indptr: int64[m + 1].
        codes: int32[...], whom to recommend.
        scores: float64[...], larger is better; comparable within one source only.
    """

    indptr: np.ndarray
    codes: np.ndarray
    scores: np.ndarray


class Source(Protocol):
    """One way to find candidates.

    Attributes:
        name: as it is published beside each recommendation.
    """

    name: str

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        """All candidates of some accounts, or at least the ``wanted[i]`` best of account i.

        Filters are applied later, by :mod:`raypipe.recommend.filters.eligibility`.

        Args:
            accounts: int32[m].
            wanted: int64[m]; 0 for an account that needs none.
        """

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        """float64[m]: nanoseconds that each account takes, on a machine that may not be this one.

        Beside those that a list takes from whatever source, which are counted elsewhere.
        """


def may_be_retrieved(
    followers: np.ndarray, min_followers: int, globally_excluded: np.ndarray | None = None
) -> np.ndarray:
    """bool[n]: who has enough followers, and is not hidden from everybody.

    Args:
        followers: int64[n], number of followers of every account.
        globally_excluded: [n], other than 0 for who is shown to nobody; None: there is nobody.

    Example:
        >>> may_be_retrieved(np.array([3, 1, 5]), 2, np.array([0, 0, 4])).tolist()
        [True, False, False]
    """
    enough = followers >= min_followers
    return enough if globally_excluded is None else enough & (globally_excluded == 0)


W = TypeVar("W", bound="Walks")


@dataclass(frozen=True)
class Walks:
    """A source of two steps: to the accounts in the middle, and on to whom these follow.

        score(a, c) = sum of weights[b] over the b in the middle of a that follow c

    Attributes:
        intermediaries: who is in the middle, of every account.
        followees: whom every account follows.
        weights: float64[n], of every account in the middle; 0 for one that is not walked through.
        retrieved: bool[n], who is retrieved.
    """

    intermediaries: Adjacency
    followees: Adjacency
    weights: np.ndarray
    retrieved: np.ndarray
    name: ClassVar[str]

    @classmethod
    def of(
        cls: type[W],
        graph: FollowGraph,
        config: TwoStepConfig,
        min_followers: int = 0,
        globally_excluded: np.ndarray | None = None,
    ) -> W:
        """The source, made from a graph; holds its arrays, not copies.

        Args:
            min_followers: nobody with fewer is retrieved.
            globally_excluded: [n], other than 0 for who is shown to nobody; None: there is nobody.
        """
        weights = weights_of(
            graph.followees.degrees, config.weight, config.max_intermediary_follows
        )
        retrieved = may_be_retrieved(graph.followers.degrees, min_followers, globally_excluded)
        return cls(cls.intermediaries_of(graph), graph.followees, weights, retrieved)

    @staticmethod
    def intermediaries_of(graph: FollowGraph) -> Adjacency:
        """The side of the graph on which those in the middle are."""
        raise NotImplementedError

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return NS_PER_WALK * count_walks(
            self.intermediaries, self.followees, self.weights, accounts
        )

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        return Candidates(
            *best_of_walks(
                self.intermediaries, self.followees, self.weights, self.retrieved, accounts, wanted
            )
        )
