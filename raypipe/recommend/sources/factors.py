"""Phase 3, factors: the accounts that a trained factor model scores highest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raypipe.config import RunConfig, SourceConfig
from raypipe.config.sources import FactorsConfig
from raypipe.errors import RunError
from raypipe.graph.degree_table import Degrees
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.factor_scores import Cooccurrence, best_columns, block_bytes, longest_of
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.models.algorithms import cooccurrence, shape_of
from raypipe.recommend.sources import Candidates, SourceInputs, SourceSpec, may_be_retrieved


@dataclass(frozen=True)
class Factors:
    """Retrieves the ``wanted[i]`` best of account i that it does not follow, scored by the model.

    An account without follows gets none: the model has learned nothing about it.

    Attributes:
        account_factors: float32[n, d], of every account.
        followees: the accounts that they follow.
        column_factors: float32[c, d].
        columns: int32[c], the accounts that may be retrieved, ascending.
        walks: added to the product of the factors; None for nothing.
        longest: largest length of a row of ``column_factors``.

    Example:
        >>> import pandas as pd
        >>> from raypipe.config import load_config
        >>> from raypipe.recommend.models.algorithms import train
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabbbc"), "followingId": list("xyxyzx")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> config = load_config(None, {"sources.factors.algorithm": "TruncatedSVD"})
        >>> source = factors(graph, None, SourceInputs(model=train(graph, config, 1e9)))
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

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        walked = len(self.walks.followers.codes) if self.walks else 0
        columns, width = self.column_factors.shape
        return np.full(len(accounts), scoring_ns(columns, width, walked))

    def __call__(
        self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours | None = None
    ) -> Candidates:
        theirs = take(self.followees, accounts)
        wanted = np.where(theirs.degrees > 0, wanted, 0)
        some = np.flatnonzero(wanted)  # no block is spent on accounts that want none
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
        counts[some] = np.diff(found.indptr)
        return found._replace(indptr=np.concatenate([[0], np.cumsum(counts)]))


def factors(graph: FollowGraph, config: SourceConfig | None, inputs: SourceInputs) -> Factors:
    """The source, prepared from the model of the graph.

    Raises:
        RunError: there is no model, or it was trained on another graph.
    """
    model = inputs.model
    if model is None or model.fingerprint != graph.fingerprint:
        raise RunError("model: was trained on another graph; run the night again")
    retrieved = may_be_retrieved(
        graph.followers.degrees, max(1, inputs.min_followers), inputs.globally_excluded
    )
    columns = np.flatnonzero(retrieved).astype(np.int32)
    column_factors = model.factors.followee_factors[columns]
    return Factors(
        model.factors.account_factors,
        graph.followees,
        column_factors,
        columns,
        cooccurrence(model, graph),
        longest_of(column_factors),
    )


def scoring_ns(columns: int, width: int, walked: int = 0) -> float:
    """Nanoseconds to score all columns for one account, on a machine that may not be this one.

    Args:
        walked: follows of the graph, where there are walks.

    Example:
        >>> round(scoring_ns(1_000_000, 128) * 1e-9, 6)
        0.0084
    """
    return columns * (2 + width / 20) + walked / 3


def _estimate_from_degrees(degrees: Degrees, config: RunConfig) -> np.ndarray:
    least = max(1, config.candidates.min_followers)
    columns = int(degrees.of_followers.accounts[degrees.of_followers.numbers >= least].sum())
    width, walks = shape_of(config)
    ns = scoring_ns(columns, width, walks * degrees.follows)
    return np.full(len(degrees.of_follows.numbers), ns)


SPEC = SourceSpec(
    "factors",
    "scored highest by a trained model",
    factors,
    FactorsConfig,
    phase=3,
    needs_model=True,
    task_bytes=block_bytes,
    estimate_from_degrees=_estimate_from_degrees,
)
