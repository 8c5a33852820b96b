"""Phase 3, factors: whom a trained model scores highest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from raypipe.errors import RunError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.factor_scores import Cooccurrence, best_columns, longest_of
from raypipe.recommend.models.algorithms import cooccurrence
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.sources import Candidates, may_be_retrieved

NAME = "factors"


@dataclass(frozen=True)
class Factors:
    """Brings the ``wanted[i]`` best of account i that it does not follow, scored by the model.

    An account without follows, of which nothing was learned, gets none.

    Attributes:
        account_factors: float32[n, d], of the accounts that may be asked for.
        followees: whom they follow.
        column_factors: float32[c, d].
        columns: int32[c], who can be recommended, ascending.
        walks: add to the product of the factors; None where they do not.
        longest: largest length of a row of ``column_factors``.

    Example:
        >>> import pandas as pd
        >>> from raypipe.config import load_config
        >>> from raypipe.recommend.models.algorithms import train
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabbbc"), "followingId": list("xyxyzx")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> config = load_config(None, {"sources.factors.algorithm": "TruncatedSVD"})
        >>> source = Factors.of(train(graph, config, 1e9), graph)
        >>> found = source(np.array([graph.code("c")]), np.array([2]))
        >>> [graph.ids[code].as_py() for code in found.codes]
        ['y', 'z']
    """

    account_factors: np.ndarray
    followees: Adjacency
    column_factors: np.ndarray
    columns: np.ndarray
    walks: Cooccurrence | None
    longest: float
    name: ClassVar[str] = NAME

    @classmethod
    def of(
        cls,
        model: FactorModel,
        graph: FollowGraph,
        min_followers: int = 0,
        globally_excluded: np.ndarray | None = None,
    ) -> Factors:
        """The source, made from a model and the graph that it was trained on.

        Args:
            min_followers: nobody with fewer is retrieved.
            globally_excluded: [n], other than 0 for who is shown to nobody; None: there is nobody.

        Raises:
            RunError: it was trained on another graph.
        """
        if model.fingerprint != graph.fingerprint:
            raise RunError("model: was trained on another graph; run the night again")
        retrieved = may_be_retrieved(
            graph.followers.degrees, max(1, min_followers), globally_excluded
        )
        columns = np.flatnonzero(retrieved).astype(np.int32)
        column_factors = model.factors.followee_factors[columns]
        return cls(
            model.factors.account_factors,
            graph.followees,
            column_factors,
            columns,
            cooccurrence(model, graph),
            longest_of(column_factors),
        )

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        walked = len(self.walks.followers.codes) if self.walks else 0
        return np.full(len(accounts), estimated_ns(*self.column_factors.shape, walked))

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        theirs = take(self.followees, accounts)
        wanted = np.where(theirs.degrees > 0, wanted, 0)
        some = np.flatnonzero(wanted)  # a block is not spent on who wants none
        found = best_columns(
            self.account_factors[accounts[some]],
            self.column_factors,
            self.columns,
            take(theirs, some),
            wanted[some],
            self.walks,
            self.longest,
        )
        counts = np.zeros(len(accounts), np.int64)
        counts[some] = np.diff(found[0])
        return Candidates(np.concatenate([[0], np.cumsum(counts)]), *found[1:])


def estimated_ns(columns: int, width: int, walked: int = 0) -> float:
    """Nanoseconds to score all columns for one account, on a machine that may not be this one.

    Args:
        walked: follows of the graph, where there are walks.

    Example:
        >>> round(estimated_ns(1_000_000, 128) * 1e-9, 6)
        0.0084
    """
    return columns * (2 + width / 20) + walked / 3
