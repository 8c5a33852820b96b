"""The SVD of ratings on follows: scikit-surprise's SVD without biases, on ones and zeros.

A follow is a 1. Zeros are rejections, and non-follows that are sampled by popularity in each epoch.
On follows alone, which are all ones, SVD learns to predict 1 for everything: with biases it ranks
like chance, without them worse than popularity, while its RMSE is near 0 (NicolasHug/Surprise,
issues 392 and 157; on wiki-vote an RMSE of .05 and a recall@20 of .03, against .74 and .24 with
zeros). So training on ones alone is refused, and models are judged by ranking, not by RMSE.

Measured on held-out follows: it ranks better without biases; with new zeros in each epoch; and with
the root of the popularity than with popularity itself.
"""

from collections.abc import Iterator, Sequence
from math import nan

import numpy as np
from pydantic import Field

from raypipe.config import Section
from raypipe.errors import ConfigError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Floats, Floats32, Integers
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.follow_sgd import Lessons, by_popularity, follow_epoch
from raypipe.kernels.sgd import Steps, start_svd
from raypipe.recommend.models.model import FollowFactors

#: Number of follows whose scores are computed together.
_AT_A_TIME = 100_000


class SvdParameters(Section):
    """SVD on follows, with the names of scikit-surprise."""

    n_factors: int = Field(64, ge=1, description="Number of factors of each account.")
    n_epochs: int = Field(20, ge=1, description="Number of passes over the follows.")
    non_follows_per_follow: int = Field(
        8, ge=0, le=1000, description="Number of zeros sampled for each follow, again in each pass."
    )
    popularity_exponent: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Accounts are sampled in proportion to followers to this power: 1 is by "
        "popularity, 0 is uniform among accounts with followers.",
    )
    init_mean: float = Field(0.0, description="Mean of the factors before the first pass.")
    init_std_dev: float = Field(
        0.05, ge=0, description="Standard deviation of the factors before the first pass."
    )
    lr_all: float = Field(0.05, gt=0, description="Learning rate.")
    reg_all: float = Field(0.02, ge=0, description="Weight of the penalty on large factors.")
    lr_pu: float | None = Field(None, gt=0, description="Learning rate of followers; null: lr_all.")
    lr_qi: float | None = Field(None, gt=0, description="Learning rate of followees; null: lr_all.")
    reg_pu: float | None = Field(None, ge=0, description="Penalty of followers; null: reg_all.")
    reg_qi: float | None = Field(None, ge=0, description="Penalty of followees; null: reg_all.")

    @property
    def rates(self) -> Steps:
        """The learning rates in effect; biases are not trained."""
        return Steps(0.0, 0.0, _or(self.lr_pu, self.lr_all), _or(self.lr_qi, self.lr_all))

    @property
    def penalties(self) -> Steps:
        """The weights of the penalty in effect."""
        return Steps(0.0, 0.0, _or(self.reg_pu, self.reg_all), _or(self.reg_qi, self.reg_all))


def train_svd(
    graph: FollowGraph, parameters: SvdParameters, seed: int, rejections: Adjacency | None = None
) -> FollowFactors:
    """Train factors on the follows of a graph.

    Args:
        seed: seed of the initial factors and of the samples; below 2**32.
        rejections: accounts that every account has rejected.

    Raises:
        ConfigError: there are no zeros to train on, or training diverged.

    Source:
        Koren, Bell, Volinsky (2009), "Matrix factorization techniques for recommender systems";
        sampled zeros: Pan et al. (2008), "One-class collaborative filtering", ICDM.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ax ay bx by cx")
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
    """Train, and yield the factors after several numbers of epochs, for a scheduler.

    Args:
        epochs: ascending; replaces ``parameters.n_epochs``.

    Yields:
        The number of epochs, and the result of :func:`train_svd` for it.

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
    """Check that zeros are sampled; without rejections, training would see ones alone.

    Raises:
        ConfigError: none are.
    """
    if not parameters.non_follows_per_follow:
        raise ConfigError(
            "sources.factors.parameters.non_follows_per_follow: found 0, and there are no "
            "rejections; trained on ones alone, SVD predicts 1 for every account, and its lists "
            "are worthless; expected at least 1, or sources.factors.algorithm: TruncatedSVD"
        )


def fold_in(
    followee_factors: Floats32, followers: Integers, parameters: SvdParameters, followees: Adjacency
) -> Floats32:
    """float32[m, d]: factors of m accounts newer than the model, from their follows only.

    The factors p to which gradient descent would converge, with all else fixed:

        (sum of q q' over the follows + k f C + (1 + k) f penalty I) p = sum of q over the follows

    with f follows, k zeros sampled for each, and C the mean of q q' over the samples.
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
    """Maximum bytes of a training, besides the graph: factors in float64, then in float32.

    Example:
        >>> training_bytes(1_000_000, 50_000_000, SvdParameters())
        1632568536
    """
    drawn_from = int(accounts * max(1.0, follows / accounts) ** parameters.popularity_exponent)
    return 2 * accounts * parameters.n_factors * (8 + 4) + 4 * (2 * drawn_from + 10 * accounts)


def training_ns(accounts: int, follows: int, parameters: SvdParameters) -> float:
    """Nanoseconds of a training: its steps over follows and zeros.

    Example:
        >>> parameters = SvdParameters(n_epochs=10, n_factors=100, non_follows_per_follow=4)
        >>> training_ns(1_000_000, 17_000_000, parameters) * 1e-9
        85.0
    """
    steps = parameters.n_epochs * follows * (1 + parameters.non_follows_per_follow)
    return float(steps * parameters.n_factors)


def rmse(factors: FollowFactors, follows: Adjacency) -> float:
    """RMSE of estimates, clipped to [0, 1], against the 1 of each follow.

    For information only, not a criterion: a model that predicts 1 for everything has an RMSE of 0.

    Args:
        follows: held-out follows; a row for each account.
    """
    accounts = np.repeat(np.arange(len(follows.indptr) - 1), follows.degrees)
    total = 0.0
    for start in range(0, len(accounts), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        of_followees = factors.followee_factors[follows.codes[part]]
        scores = np.einsum("ij,ij->i", factors.account_factors[accounts[part]], of_followees)
        total += float(np.sum((1 - np.clip(scores, 0, 1)) ** 2, dtype=np.float64))
    return (total / len(accounts)) ** 0.5 if len(accounts) else nan


def _as_float32(account_factors: Floats, followee_factors: Floats) -> FollowFactors:
    with np.errstate(over="ignore"):  # values that are too large are refused below
        factors = FollowFactors(
            account_factors.astype(np.float32), followee_factors.astype(np.float32)
        )
    if not all(np.isfinite(array).all() for array in factors[:2]):
        raise ConfigError(
            "sources.factors.parameters: training SVD diverged (non-finite values); lower lr_all"
        )
    return factors


def _or(named: float | None, otherwise: float) -> float:
    return otherwise if named is None else named
