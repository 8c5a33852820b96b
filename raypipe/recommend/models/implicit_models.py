"""ALS and BPR of the package implicit, an extra: `pip install raypipe[implicit]`.

They learn from follows alone, and take no rejections.

Source: Hu, Koren, Volinsky (2008), "Collaborative filtering for implicit feedback datasets", ICDM;
Rendle et al. (2009), "BPR: Bayesian personalized ranking from implicit feedback", UAI;
https://github.com/benfred/implicit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from raypipe.config import Section
from raypipe.errors import ConfigError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.models.model import FollowFactors
from raypipe.recommend.models.threads import one_blas_thread


class AlsParameters(Section):
    """Alternating least squares; names are implicit's, and so are the defaults."""

    factors: int = Field(100, ge=1, description="Numbers that describe an account.")
    regularization: float = Field(0.01, ge=0, description="Weight of the penalty on large factors.")
    alpha: float = Field(1.0, gt=0, description="Weight of a follow; that of a non-follow is 1.")
    iterations: int = Field(15, ge=1, description="Passes over the follows.")


class BprParameters(Section):
    """Bayesian personalised ranking; names are implicit's, and so are the defaults."""

    factors: int = Field(100, ge=1, description="Numbers that describe an account.")
    learning_rate: float = Field(0.01, gt=0, description="Of gradient descent.")
    regularization: float = Field(0.01, ge=0, description="Weight of the penalty on large factors.")
    iterations: int = Field(100, ge=1, description="Passes over the follows.")


def train_als(graph: FollowGraph, parameters: AlsParameters, seed: int) -> FollowFactors:
    """Factors of the follows as implicit's ALS learns them.

    Raises:
        ConfigError: implicit is not installed.
    """
    *_, (_, factors) = als_by_epoch(graph, parameters, seed, [parameters.iterations])
    return factors


def als_by_epoch(
    graph: FollowGraph, parameters: AlsParameters, seed: int, epochs: Sequence[int]
) -> Iterator[tuple[int, FollowFactors]]:
    """One training, looked at after each of some numbers of passes: for a scheduler.

    Args:
        epochs: ascending; instead of ``parameters.iterations``.

    Yields:
        Passes done, and what :func:`train_als` returns for so many.

    Raises:
        ConfigError: implicit is not installed.
    """
    check_installed("ALS")
    from implicit.cpu.als import AlternatingLeastSquares

    with one_blas_thread():
        model = AlternatingLeastSquares(**parameters.model_dump(), random_state=seed)
    done = 0
    for upto in epochs:
        model.iterations = upto - done  # a model that was fitted goes on from where it stood
        yield upto, _fit(model, graph)
        done = upto


def train_bpr(graph: FollowGraph, parameters: BprParameters, seed: int) -> FollowFactors:
    """Factors of the follows as implicit's BPR learns them, in one thread: its threads race.

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
    followee_factors: np.ndarray,
    followers: np.ndarray,
    parameters: AlsParameters,
    followees: Adjacency,
) -> np.ndarray:
    """float32[m, d]: factors of m accounts from their follows alone, all else being learned.

    With Y the followees' factors and y those of an account's followees, one more least squares:

        (Y'Y + (alpha - 1) sum of y y' + regularization I) x = alpha sum of y

    Args:
        followee_factors: float32[n, d].
        followers: not needed.
        followees: a row of codes for each of the m accounts; one without follows gets zeros.
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
    """What a training holds at most, besides the graph: the matrix, both ways, and the factors."""
    return 32 * follows + 16 * accounts * (parameters.factors + 2)


def check_installed(algorithm: str, parameters: Section | None = None) -> None:
    """Whatever the parameters.

    Raises:
        ConfigError: the package is not there.
    """
    try:
        import implicit  # noqa: F401
    except ImportError:
        raise ConfigError(
            f"sources.factors.algorithm: {algorithm} needs the package implicit, which is not "
            "installed; "
            "pip install raypipe[implicit], or take TruncatedSVD"
        ) from None


def _fit(model: Any, graph: FollowGraph) -> FollowFactors:
    from implicit.recommender_base import ModelFitError
    from scipy.sparse import csr_matrix

    codes, indptr = graph.followees.codes, graph.followees.indptr
    ones = np.ones(len(codes), np.float32)
    # Copies: implicit takes only what it could write to, which a graph is not.
    follows = csr_matrix((ones, codes, indptr), (graph.accounts,) * 2, copy=True)
    try:
        with one_blas_thread():  # implicit's threads are its own; it warns of others
            model.fit(follows, show_progress=False)
    except ModelFitError:
        raise ConfigError(
            "sources.factors.parameters: training diverged (non-finite values); lower "
            "alpha of ALS or learning_rate of BPR, or raise regularization"
        ) from None
    # Copies: a model that goes on changes its own.
    return FollowFactors(
        np.array(model.user_factors, np.float32), np.array(model.item_factors, np.float32)
    )
