"""Phase 3, factors: the accounts that a trained factor model scores highest.

Where all accounts can be scored for each list, they are; elsewhere, the candidates of the other
sources, so that the cost of a list does not grow with the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.config.sources import AUTO, NO_MODEL, FactorsConfig
from raypipe.errors import RunError
from raypipe.graph.degree_table import Degrees
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.candidate_scores import WALKS, products, sampled_walks
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.factor_scores import Cooccurrence, best_columns, block_bytes, longest_of
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.topk import TieRule
from raypipe.recommend.models.algorithms import (
    ALGORITHMS,
    cooccurrence,
    fold_in,
    shape_of,
    without_folded,
)
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.sources import Candidates, SourceInputs, SourceSpec

#: Maximum number of products, over all accounts, for which all accounts are scored for each list:
#: about 7 seconds of one CPU.
EXACT_PRODUCTS = 1e11
#: The co-occurrence term of all accounts takes as long as this number of factors.
_COOCCURRENCE = 100
#: Typical number of candidates that the other sources retrieve for an account.
_CANDIDATES = 200


class Retrieval(NamedTuple):
    """How the candidates of the model are found.

    Attributes:
        exact: True: all accounts are scored; False: the candidates of the other sources.
    """

    exact: bool
    why: str


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
        >>> from raypipe.config import load_config
        >>> from raypipe.recommend.models.algorithms import train
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ax ay bx by bz cx")
        >>> config = load_config(None, {"sources.factors.algorithm": "TruncatedSVD"})
        >>> source = exact_factors(graph, SourceInputs(model=train(graph, config, 1e9)))
        >>> found = source(np.array([graph.code("c")]), np.array([2]))
        >>> [graph.ids[code].as_py() for code in found.codes]
        ['y', 'z']
    """

    account_factors: np.ndarray
    followees: Adjacency
    column_factors: np.ndarray
    columns: np.ndarray
    tie_rule: TieRule
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
            accounts[some],
            self.tie_rule,
            self.walks,
            self.longest,
        )
        counts = np.zeros(len(accounts), np.int64)
        counts[some] = np.diff(found.indptr)
        return found._replace(indptr=np.concatenate([[0], np.cumsum(counts)]))


@dataclass(frozen=True)
class FactorScorer:
    """Scores candidates that other sources retrieve, by the model.

    The score is that of :class:`Factors`, but for the co-occurrence term of an account with more
    than :data:`~raypipe.kernels.candidate_scores.WALKS` walks, which is estimated from a sample.
    Like there, an account without follows gets none.

    Attributes:
        model: without the factors of accounts where their follows give the same.
        walks: added to the product of the factors; None for nothing.
    """

    model: FactorModel
    followees: Adjacency
    walks: Cooccurrence | None

    def score(self, accounts: np.ndarray, candidates: Adjacency) -> np.ndarray:
        of_accounts, of_followees, _ = self.model.factors
        mine = (
            of_accounts[accounts]
            if len(of_accounts)
            else fold_in(self.model, take(self.followees, accounts))
        )
        scores = products(mine, of_followees, candidates)
        if self.walks:
            scores += sampled_walks(self.walks, accounts, candidates)
        idle = self.followees.degrees_of(accounts) == 0
        scores[np.repeat(idle, candidates.degrees)] = -np.inf
        return scores

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        follows = len(self.followees.codes) / max(1, len(self.followees.degrees))
        width = self.model.factors.followee_factors.shape[1]
        return np.full(len(accounts), candidate_ns(width, follows if self.walks else 0.0))


def factors(
    graph: FollowGraph, config: FactorsConfig, inputs: SourceInputs
) -> Factors | FactorScorer:
    """The source, prepared from the model of the graph: exact, or a scorer of candidates.

    Raises:
        RunError: there is no model, or it was trained on another graph.
    """
    model = _model_of(graph, inputs)
    own = inputs.own_follows(graph)
    if retrieval_of(own, config).exact:
        return exact_factors(graph, inputs)
    return FactorScorer(without_folded(model), own, cooccurrence(model, graph))


def settle_model(
    config: RunConfig, following: int, accounts: int, say: Callable[[str], object] = len
) -> RunConfig:
    """The config with ``sources.factors.algorithm: auto`` decided.

    Args:
        following, accounts: numbers of accounts with follows, and of all.
        say: receives the reason if there will be no model.

    Example:
        >>> settle_model(RunConfig(), 7_000, 8_000).sources.factors.algorithm
        'TruncatedSVD'
        >>> settle_model(RunConfig(), 70_000, 80_000, print).sources.factors.algorithm
        factors: no model (70,000 accounts with follows x 80,000 accounts x 228 factors = 1.3e+12, \
above 1e+11)
        'none'
    """
    factors = config.sources.factors
    if factors.algorithm != AUTO:
        return config
    trained = factors.model_copy(update={"algorithm": "TruncatedSVD", "retrieval": AUTO})
    exact, why = choose_retrieval(following, accounts, trained)
    if config.ladder != "holdout":
        exact, why = False, f"ladder: {config.ladder}"
    if not exact:
        say(f"factors: no model ({why})")
    chosen = trained.algorithm if exact else NO_MODEL
    factors = factors.model_copy(update={"algorithm": chosen})
    sources = config.sources.model_copy(update={"factors": factors})
    return config.model_copy(update={"sources": sources})


def settle_model_of(
    graph: FollowGraph, config: RunConfig, say: Callable[[str], object]
) -> RunConfig:
    """:func:`settle_model` for the lists of this graph."""
    following = int(np.count_nonzero(graph.followees.degrees))
    return settle_model(config, following, graph.accounts, say)


def retrieval_of(followees: Adjacency, config: FactorsConfig) -> Retrieval:
    """Whether all accounts are scored for each list.

    Decided from numbers that holding out follows does not change, so that a ranker is trained on
    the scores that its night uses.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ax ay bx")
        >>> retrieval_of(graph.followees, FactorsConfig(algorithm="TruncatedSVD"))[0]
        True
    """
    follows = followees.degrees
    return choose_retrieval(int(np.count_nonzero(follows)), len(follows), config)


def choose_retrieval(following: int, accounts: int, config: FactorsConfig) -> Retrieval:
    """:func:`retrieval_of` a network with these numbers of accounts with follows and of accounts.

    Example:
        >>> choose_retrieval(900_000, 1_000_000, FactorsConfig(algorithm="SVD"))
        Retrieval(exact=False, why='900,000 accounts with follows x 1,000,000 accounts x 64 \
factors = 5.8e+13, above 1e+11')
    """
    if config.retrieval != "auto":
        return Retrieval(config.retrieval == "exact", "config")
    width, walks = shape_of(config)
    width += _COOCCURRENCE * walks
    work = float(following) * accounts * width
    exact = work <= EXACT_PRODUCTS
    why = f"{following:,} accounts with follows x {accounts:,} accounts x {width} factors"
    compared = "at most" if exact else "above"
    return Retrieval(exact, f"{why} = {work:.2g}, {compared} {EXACT_PRODUCTS:.0e}")


def retrieval_from(degrees: Degrees, config: RunConfig) -> Retrieval:
    """:func:`retrieval_of`, where only the degrees of the network are known."""
    following = following_in(degrees)
    return choose_retrieval(following, degrees.accounts, config.sources.factors)


def following_in(degrees: Degrees) -> int:
    """Number of accounts that follow others, where only the degrees are known."""
    numbers, accounts = degrees.of_follows
    return int(accounts[numbers > 0].sum())


def exact_factors(graph: FollowGraph, inputs: SourceInputs) -> Factors:
    """The source that scores all accounts, prepared from the model of the graph.

    Raises:
        RunError: there is no model, or it was trained on another graph.
    """
    model = _model_of(graph, inputs)
    columns = np.flatnonzero(inputs.retrieved_from(graph, least=1)).astype(np.int32)
    column_factors = model.factors.followee_factors[columns]
    own = inputs.own_follows(graph)
    return Factors(
        _factors_of(model, graph, own),
        own,
        column_factors,
        columns,
        graph.tie_rule,
        cooccurrence(model, graph),
        longest_of(column_factors),
    )


def _factors_of(model: FactorModel, graph: FollowGraph, own: Adjacency) -> np.ndarray:
    """float32[n, d]: of every account, from all its follows, where some count for nobody else."""
    factors = model.factors.account_factors
    differ = np.flatnonzero(graph.followees.degrees != own.degrees)
    if not len(differ) or ALGORITHMS[model.algorithm].fold_in is None:
        return factors
    factors = factors.copy()
    factors[differ] = fold_in(model, take(own, differ))
    return factors


def _model_of(graph: FollowGraph, inputs: SourceInputs) -> FactorModel:
    model = inputs.model
    if model is None or model.fingerprint != graph.fingerprint:
        raise RunError("model: was trained on another graph; run the night again")
    return model


def scoring_ns(columns: int, width: int, walked: int = 0) -> float:
    """Nanoseconds to score all columns for one account, on a machine that may not be this one.

    Args:
        walked: follows of the graph, where there are walks.

    Example:
        >>> round(scoring_ns(1_000_000, 128) * 1e-9, 6)
        0.0084
    """
    return columns * (2 + width / 20) + walked / 3


def candidate_ns(width: int, follows: float = 0.0) -> float:
    """Nanoseconds to score the candidates of one account, on a machine that may not be this one.

    Args:
        follows: mean number of follows, where there are walks.

    Example:
        >>> candidate_ns(128, 17)
        72608.0
    """
    walks = WALKS * (50.0 + 2 * follows) if follows else 0.0
    return _CANDIDATES * (20 + width) + walks


def _estimate_from_degrees(degrees: Degrees, config: RunConfig) -> np.ndarray:
    width, walks = shape_of(config.sources.factors)
    if retrieval_from(degrees, config).exact:
        least = max(1, config.candidates.min_followers)
        columns = int(degrees.of_followers.accounts[degrees.of_followers.numbers >= least].sum())
        ns = scoring_ns(columns, width, walks * degrees.follows)
    else:
        ns = candidate_ns(width, walks * degrees.follows / degrees.accounts)
    return np.full(len(degrees.of_follows.numbers), ns)


SPEC = SourceSpec(
    "factors",
    "scored highest by a trained model",
    factors,
    FactorsConfig,
    phase=3,
    needs_model=True,
    task_bytes=lambda followed, _: block_bytes(followed),
    estimate_from_degrees=_estimate_from_degrees,
)
