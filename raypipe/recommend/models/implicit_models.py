"""ALS and BPR of the package implicit, an extra: `pip install raypipe[implicit]`.

They are trained on follows only, and ignore rejections.

Source: Hu, Koren, Volinsky (2008), "Collaborative filtering for implicit feedback datasets", ICDM;
Rendle et al. (2009), "BPR: Bayesian personalized ranking from implicit feedback", UAI;
https://github.com/benfred/implicit.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from raypipe.config import Section
from raypipe.errors import ConfigError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Floats32, Integers
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.models.model import FollowFactors
from raypipe.recommend.models.threads import one_blas_thread


class AlsParameters(Section):
    """Alternating least squares, with the names and defaults of implicit."""

    factors: int = Field(100, ge=1, description="Number of factors of each account.")
    regularization: float = Field(0.01, ge=0, description="Weight of the penalty on large factors.")
    alpha: float = Field(1.0, gt=0, description="Weight of a follow; that of a non-follow is 1.")
    iterations: int = Field(15, ge=1, description="Number of passes over the follows.")


class BprParameters(Section):
    """Bayesian personalised ranking, with the names and defaults of implicit."""

    factors: int = Field(100, ge=1, description="Number of factors of each account.")
    learning_rate: float = Field(0.01, gt=0, description="Learning rate.")
    regularization: float = Field(0.01, ge=0, description="Weight of the penalty on large factors.")
    iterations: int = Field(100, ge=1, description="Number of passes over the follows.")


def train_als(graph: FollowGraph, parameters: AlsParameters, seed: int) -> FollowFactors:
    """Train factors by implicit's ALS.

    Raises:
        ConfigError: implicit is not installed.
    """
    *_, (_, factors) = als_by_epoch(graph, parameters, seed, [parameters.iterations])
    return factors


def als_by_epoch(
    graph: FollowGraph, parameters: AlsParameters, seed: int, epochs: Sequence[int]
) -> Iterator[tuple[int, FollowFactors]]:
    """Train by ALS, and yield the factors after several numbers of passes, for a scheduler.

    Args:
        epochs: ascending; replaces ``parameters.iterations``.

    Yields:
        The number of passes, and the result of :func:`train_als` for it.

    Raises:
        ConfigError: implicit is not installed.
    """
    check_installed("ALS")
    from implicit.cpu.als import AlternatingLeastSquares

    with one_blas_thread():
        model = AlternatingLeastSquares(**parameters.model_dump(), random_state=seed)
    done = 0
    for upto in epochs:
        model.iterations = upto - done  # a fitted model continues its training
        yield upto, _fit(model, graph)
        done = upto


def train_bpr(graph: FollowGraph, parameters: BprParameters, seed: int) -> FollowFactors:
    """Train factors by implicit's BPR, in one thread, because its threads race.

    Raises:
        ConfigError: implicit is not installed.
    """
    check_installed("BPR")
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    settings = {**parameters.model_dump(), "random_state": seed, "num_threads": 1}
    with one_blas_thread():
        model = BayesianPersonalizedRanking(**settings)
    return _fit(model, graph)


def fold_in_als(
    followee_factors: Floats32, followers: Integers, parameters: AlsParameters, followees: Adjacency
) -> Floats32:
    """float32[m, d]: factors of m accounts from their follows only, with all else fixed.

    One more least-squares step, with Y the factors of all followees, and y those of the account's:

        (Y'Y + (alpha - 1) sum of y y' + regularization I) x = alpha sum of y
    """
    learned = followee_factors.astype(np.float64)
    everybody = learned.T @ learned + parameters.regularization * np.eye(learned.shape[1])
    found = np.zeros((len(followees.indptr) - 1, learned.shape[1]), np.float32)
    for row in np.flatnonzero(followees.degrees).tolist():
        y = learned[followees.row(row)]
        of_follows = (parameters.alpha - 1) * (y.T @ y)
        found[row] = np.linalg.solve(everybody + of_follows, parameters.alpha * y.sum(axis=0))
    return found


def training_bytes(accounts: int, follows: int, parameters: AlsParameters | BprParameters) -> int:
    """Maximum bytes of a training, besides the graph: the matrix, both ways, and the factors."""
    return 32 * follows + 16 * accounts * (parameters.factors + 2)


def als_ns(accounts: int, follows: int, parameters: AlsParameters) -> float:
    """Nanoseconds of a training by ALS: three conjugate gradient steps for every account."""
    of_accounts = 2 * accounts * parameters.factors**2
    return parameters.iterations * 0.5 * (of_accounts + 8 * follows * parameters.factors)


def bpr_ns(accounts: int, follows: int, parameters: BprParameters) -> float:
    """Nanoseconds of a training by BPR: a step for every follow."""
    return float(parameters.iterations * follows * (50 + 3 * parameters.factors))


def check_installed(algorithm: str, parameters: Section | None = None) -> None:
    """Check that the package implicit is installed.

    Raises:
        ConfigError: it is not.
    """
    try:
        import implicit  # noqa: F401
    except ImportError:
        raise ConfigError(
            f"sources.factors.algorithm: {algorithm} needs the package implicit, which is not "
            "installed; pip install raypipe[implicit], or use TruncatedSVD"
        ) from None


def _fit(model: Any, graph: FollowGraph) -> FollowFactors:
    from implicit.recommender_base import ModelFitError
    from scipy.sparse import csr_matrix

    codes, indptr = graph.followees.codes, graph.followees.indptr
    ones = np.ones(len(codes), np.float32)
    # Copies: implicit takes only writable arrays, and those of a graph are read-only.
    follows = csr_matrix((ones, codes, indptr), (graph.accounts,) * 2, copy=True)
    try:
        with one_blas_thread():  # implicit has threads of its own, and warns about others
            model.fit(follows, show_progress=False)
    except ModelFitError:
        raise ConfigError(
            "sources.factors.parameters: training diverged (non-finite values); lower alpha of "
            "ALS or learning_rate of BPR, or raise regularization"
        ) from None
    # Copies: further training changes the arrays of the model.
    return FollowFactors(
        np.array(model.user_factors, np.float32), np.array(model.item_factors, np.float32)
    )
