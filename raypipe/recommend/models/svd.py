"""The SVD of ratings on follows: scikit-surprise's SVD without biases, on ones and zeros.

A follow is a 1. Zeros are what was rejected, and accounts that are not followed, drawn by their
popularity anew in each epoch. On follows alone, which are all ones, an SVD learns to say 1 to
everything: with biases it ranks like chance, without worse than popularity, while its RMSE is near
0 (NicolasHug/Surprise, issues 392 and 157; on wiki-vote an RMSE of .05 and a recall@20 of .03,
against .74 and .24 with zeros). So that is refused, and what counts is how it ranks, not its RMSE.

Measured on held-out follows: without biases it ranks better than with them, zeros drawn anew better
than the same ones in each epoch, and the root of the popularity better than popularity itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan

import numpy as np
from pydantic import Field

from raypipe.config import Section
from raypipe.errors import ConfigError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.follow_sgd import Lessons, by_popularity, follow_epoch
from raypipe.kernels.sgd import Steps, start_svd
from raypipe.recommend.models.model import FollowFactors

#: Follows whose scores are computed at a time.
_AT_A_TIME = 100_000


class SvdParameters(Section):
    """SVD on follows; names are scikit-surprise's."""

    n_factors: int = Field(64, ge=1, description="Numbers that describe an account.")
    n_epochs: int = Field(20, ge=1, description="Passes over the follows.")
    non_follows_per_follow: int = Field(
        8,
        ge=0,
        le=1000,
        description="Zeros drawn for each follow of an account, anew in each pass.",
    )
    popularity_exponent: float = Field(
        0.5,
        ge=0,
        le=1,
        description="An account is drawn in proportion to its followers to this power: 1 by "
        "popularity, 0 evenly among those that are followed.",
    )
    init_mean: float = Field(0.0, description="Mean of the factors before the first pass.")
    init_std_dev: float = Field(
        0.05, ge=0, description="Standard deviation of the factors before the first pass."
    )
    lr_all: float = Field(0.05, gt=0, description="Learning rate.")
    reg_all: float = Field(0.02, ge=0, description="Weight of the penalty on large factors.")
    lr_pu: float | None = Field(None, gt=0, description="Of those who follow; null: lr_all.")
    lr_qi: float | None = Field(None, gt=0, description="Of those followed; null: lr_all.")
    reg_pu: float | None = Field(None, ge=0, description="Of those who follow; null: reg_all.")
    reg_qi: float | None = Field(None, ge=0, description="Of those followed; null: reg_all.")

    @property
    def rates(self) -> Steps:
        """The learning rates that hold; there are no biases."""
        return Steps(0.0, 0.0, _or(self.lr_pu, self.lr_all), _or(self.lr_qi, self.lr_all))

    @property
    def penalties(self) -> Steps:
        """The weights of the penalty that hold."""
        return Steps(0.0, 0.0, _or(self.reg_pu, self.reg_all), _or(self.reg_qi, self.reg_all))


def train_svd(
    graph: FollowGraph,
    parameters: SvdParameters,
    seed: int,
    rejections: Adjacency | None = None,
) -> FollowFactors:
    """Learn from the follows of a graph.

    Args:
        seed: of where the factors start, and of the draws; below 2**32.
        rejections: whom every account rejected.

    Raises:
        ConfigError: there are no zeros to learn from, or the factors left the finite numbers.

    Source:
        Koren, Bell, Volinsky (2009), "Matrix factorization techniques for recommender systems";
        drawn zeros: Pan et al. (2008), "One-class collaborative filtering", ICDM.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabbc"), "followingId": list("xyxyx")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> found = train_svd(graph, SvdParameters(n_factors=2, n_epochs=300), seed=0)
        >>> a, c, x, y = (graph.code(account) for account in "acxy")
        >>> bool(found.account_factors[a] @ found.followee_factors[y] > 0.5)
        True
    """
    *_, (_, factors) = svd_by_epoch(graph, parameters, seed, [parameters.n_epochs], rejections)
    return factors


def svd_by_epoch(
    graph: FollowGraph,
    parameters: SvdParameters,
    seed: int,
    epochs: Sequence[int],
    rejections: Adjacency | None = None,
) -> Iterator[tuple[int, FollowFactors]]:
    """One training, looked at after each of some numbers of epochs: for a scheduler.

    Args:
        epochs: ascending; instead of ``parameters.n_epochs``.

    Yields:
        Epochs done, and what :func:`train_svd` returns for so many.

    Raises:
        ConfigError: as :func:`train_svd`.
    """
    n = graph.accounts
    rejections = rejections or Adjacency(np.zeros(n + 1, np.int64), np.empty(0, np.int32))
    if not len(rejections.codes):
        refuse_ones_alone(parameters)
    lessons = Lessons(
        graph.followees,
        rejections,
        by_popularity(graph.followers.degrees, parameters.popularity_exponent),
        parameters.non_follows_per_follow,
        seed,
    )
    state = start_svd(
        n, n, parameters.n_factors, parameters.init_mean, parameters.init_std_dev, seed
    )
    done = 0
    for upto in epochs:
        for epoch in range(done, upto):
            follow_epoch(state, lessons, epoch, parameters.rates, parameters.penalties)
        done = upto
        yield done, _as_float32(state.user_factors, state.item_factors)


def refuse_ones_alone(parameters: SvdParameters) -> None:
    """Where there are no rejections, there must be drawn zeros.

    Raises:
        ConfigError: there are none.
    """
    if not parameters.non_follows_per_follow:
        raise ConfigError(
            "sources.factors.parameters.non_follows_per_follow: found 0, and there are no "
            "rejections; from "
            "ones alone SVD learns to say 1 to everybody: a fine RMSE, and worthless lists; "
            "expected at least 1, or sources.factors.algorithm: TruncatedSVD"
        )


def fold_in(
    followee_factors: np.ndarray,
    followers: np.ndarray,
    parameters: SvdParameters,
    followees: Adjacency,
) -> np.ndarray:
    """float32[m, d]: factors of m accounts that came after the training, from their follows alone.

    The factors p at which gradient descent would come to rest, all else being learned:

        (sum of q q' over the follows + k f C + (1 + k) f penalty I) p = sum of q over the follows

    with f follows, k zeros drawn for each, and C the mean of q q' over the draws.

    Args:
        followee_factors: float32[n, d], that were learned.
        followers: int64[n], of every account, in the graph that was learned from.
        followees: a row of codes for each of the m accounts; one without follows gets zeros.
    """
    learned = followee_factors.astype(np.float64)
    weights = np.bincount(
        by_popularity(followers, parameters.popularity_exponent), minlength=len(learned)
    )
    zeros, penalty = parameters.non_follows_per_follow, parameters.penalties.user_factors
    drawn = (learned * (weights / max(weights.sum(), 1))[:, None]).T @ learned
    by_follow = zeros * drawn + (1 + zeros) * penalty * np.eye(learned.shape[1])
    found = np.zeros((len(followees.indptr) - 1, learned.shape[1]), np.float32)
    for row in np.flatnonzero(followees.degrees).tolist():
        q = learned[followees.row(row)]
        found[row] = np.linalg.lstsq(q.T @ q + len(q) * by_follow, q.sum(axis=0), rcond=None)[0]
    return found


def training_bytes(accounts: int, follows: int, parameters: SvdParameters) -> int:
    """What a training holds at most, besides the graph: factors in float64, and then in float32.

    Example:
        >>> training_bytes(1_000_000, 50_000_000, SvdParameters())
        1632568536
    """
    drawn_from = int(accounts * max(1.0, follows / accounts) ** parameters.popularity_exponent)
    return 2 * accounts * parameters.n_factors * (8 + 4) + 4 * (2 * drawn_from + 10 * accounts)


def rmse(factors: FollowFactors, follows: Adjacency) -> float:
    """Root of the mean squared difference of estimates, cut to 0 and 1, from the 1 of each follow.

    To be shown, never to choose by: a model that says 1 to everybody has none.

    Args:
        follows: those held out; a row for each account.
    """
    accounts = np.repeat(np.arange(len(follows.indptr) - 1), follows.degrees)
    total = 0.0
    for start in range(0, len(accounts), _AT_A_TIME):
        some = slice(start, start + _AT_A_TIME)
        of_followees = factors.followee_factors[follows.codes[some]]
        scores = np.einsum("ij,ij->i", factors.account_factors[accounts[some]], of_followees)
        total += float(np.sum((1 - np.clip(scores, 0, 1)) ** 2, dtype=np.float64))
    return (total / len(accounts)) ** 0.5 if len(accounts) else nan


def _as_float32(account_factors: np.ndarray, followee_factors: np.ndarray) -> FollowFactors:
    with np.errstate(over="ignore"):  # what is too large is told below
        factors = FollowFactors(
            account_factors.astype(np.float32),
            followee_factors.astype(np.float32),
        )
    if not all(np.isfinite(array).all() for array in factors[:2]):
        raise ConfigError(
            "sources.factors.parameters: the training of SVD left the finite numbers; lower lr_all"
        )
    return factors


def _or(named: float | None, otherwise: float) -> float:
    return otherwise if named is None else named
