"""The SVD made for follows: the largest singular vectors of the degree-normalised follow matrix.

With R the matrix of follows, A and F the diagonal matrices of follows and followers, and V the
right singular vectors of N = A^-p R F^-q that belong to the largest singular values,

    scores = R F^-q V V' F^q   +   w s R M' M,   M = A^-1/2 R F^-1/2

The first term is an ideal low-pass filter on what each account follows; the second, if w is not 0,
the linear one that co-occurrence is; s makes them equally large. Nothing is learned by gradient
descent, an account is nothing but its follows, and so one that came later can be scored.

It takes no rejections: as negative entries of R they made no list better (bitcoin-otc, 10 seeds,
entries of -1: recall@20 +.003, share of held-out rejections shown -.001).

Source: Shen et al. (2021), "How powerful is graph convolution for recommendation?", CIKM (GF-CF);
the solver: Halko, Martinsson, Tropp (2011), "Finding structure with randomness", SIAM Review.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from raypipe.config import Section
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.factor_scores import Cooccurrence, best_columns, block_bytes
from raypipe.recommend.models.model import FollowFactors
from raypipe.recommend.models.threads import one_blas_thread

#: Directions beyond those wanted, that the solver looks at.
_OVERSAMPLES = 20
#: Of the largest singular value; what is below is rounding.
_RANK = 1e-4
#: Accounts on which the two terms are compared.
_SAMPLE = 256


class TruncatedSvdParameters(Section):
    """Truncated SVD of the degree-normalised follow matrix."""

    n_factors: int = Field(
        128,
        ge=1,
        description="Singular vectors kept; at most a quarter of what there are, since all of them "
        "together only give back what is followed already.",
    )
    n_iter: int = Field(4, ge=0, description="Power iterations of the randomised solver.")
    follower_exponent: float = Field(
        0.35, ge=0, le=1, description="p: a follow weighs its follower's number of follows ** -p."
    )
    followee_exponent: float = Field(
        0.4, ge=0, le=1, description="q: a follow weighs its followee's number of followers ** -q."
    )
    cooccurrence: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="w: how much co-occurrence counts beside the factors. More than 0 costs a walk "
        "over the whole graph for each account, about as much as 100 factors.",
    )


def train_truncated_svd(
    graph: FollowGraph, parameters: TruncatedSvdParameters, seed: int
) -> FollowFactors:
    """The factors of a graph; account_factors = R F^-q V, followee_factors = F^q V.

    Args:
        seed: of the solver, which starts at random directions.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aabbc"), "followingId": list("xyxyx")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> found = train_truncated_svd(graph, TruncatedSvdParameters(n_factors=1), seed=0)
        >>> c, x, y = (graph.code(account) for account in "cxy")
        >>> scores = found.followee_factors[[x, y]] @ found.account_factors[c]
        >>> [round(float(score), 2) for score in scores]
        [0.59, 0.42]
    """
    from scipy.sparse import csr_matrix
    from sklearn.utils.extmath import randomized_svd

    follows, followers = graph.followees.degrees, graph.followers.degrees
    rows, columns = np.flatnonzero(follows), np.flatnonzero(followers)
    # Without empty rows and columns: the solver's memory goes by their number.
    place = np.zeros(graph.accounts, np.int32)
    place[columns] = np.arange(len(columns))
    some = take(graph.followees, rows)
    left = _power(follows, -parameters.follower_exponent)
    right = _power(followers, -parameters.followee_exponent)
    values = np.repeat(left[rows], follows[rows]) * right[some.codes]
    matrix = csr_matrix((values, place[some.codes], some.indptr), (len(rows), len(columns)))
    with one_blas_thread():
        _, singular, vectors = randomized_svd(
            matrix,
            min(parameters.n_factors, max(1, min(matrix.shape) // 4)),
            n_oversamples=_OVERSAMPLES,
            n_iter=parameters.n_iter,
            power_iteration_normalizer="LU",
            random_state=seed,
        )
    vectors = vectors[singular > _RANK * singular[0]].T
    followee_factors = np.zeros((graph.accounts, vectors.shape[1]), np.float32)
    followee_factors[columns] = vectors / right[columns, None]
    account_factors = fold_in(followee_factors, followers, parameters, graph.followees)
    factors = FollowFactors(account_factors, followee_factors)
    if parameters.cooccurrence:
        scale = _scale(graph, factors, seed)
        factors = factors._replace(cooccurrence=parameters.cooccurrence * scale)
    return factors


def fold_in(
    followee_factors: np.ndarray,
    followers: np.ndarray,
    parameters: TruncatedSvdParameters,
    followees: Adjacency,
) -> np.ndarray:
    """float32[m, d]: factors of m accounts from their follows alone: the rows of R F^-q V.

    Args:
        followee_factors: float32[n, d], that were learned.
        followers: int64[n], of every account, in the graph that was learned from.
        followees: a row of codes for each of the m accounts; one without follows gets zeros.
    """
    from scipy.sparse import csr_matrix

    weights = _power(followers, -2 * parameters.followee_exponent)[followees.codes]
    shape = len(followees.indptr) - 1, len(followee_factors)
    rows = csr_matrix((weights, followees.codes, followees.indptr), shape)
    return np.asarray(rows @ followee_factors)


def cooccurrence(graph: FollowGraph, weight: float) -> Cooccurrence:
    """The linear term, as weights of walks: from an account to whom it follows, back, and on.

    Args:
        weight: w s, as it stands in the factors.
    """
    followers = _power(graph.followers.degrees, -0.5)
    follows = _power(graph.followees.degrees, -1.0)
    last = np.float32(weight) * followers
    return Cooccurrence(graph.followees, graph.followers, followers, follows, last)


def training_bytes(accounts: int, follows: int, parameters: TruncatedSvdParameters) -> int:
    """What a training holds at most, besides the graph: matrix, solver's blocks, scores.

    Example:
        >>> training_bytes(1_000_000, 50_000_000, TruncatedSvdParameters())
        3880000000
    """
    width = min(parameters.n_factors, accounts // 4) + _OVERSAMPLES
    compared = block_bytes(accounts) if parameters.cooccurrence else 0
    return 16 * follows + 4 * accounts * (5 * width + 2) + compared


def _scale(graph: FollowGraph, factors: FollowFactors, seed: int) -> float:
    """s: how many times larger the best of the first term is; the median over some accounts."""
    rows = np.flatnonzero(graph.followees.degrees)
    some = np.sort(np.random.default_rng(seed).permutation(rows)[:_SAMPLE])
    columns = np.flatnonzero(graph.followers.degrees).astype(np.int32)
    of_accounts, of_columns = factors.account_factors[some], factors.followee_factors[columns]
    masked, one = take(graph.followees, some), np.ones(len(some), np.int64)
    low_pass = best_columns(of_accounts, of_columns, columns, masked, one)
    walks = cooccurrence(graph, 1.0)
    none = np.zeros((len(some), 1), np.float32), np.zeros((len(columns), 1), np.float32)
    linear = best_columns(*none, columns, masked, one, walks)
    best = low_pass[2], linear[2]
    medians = [float(np.median(scores)) if len(scores) else 0.0 for scores in best]
    return medians[0] / medians[1] if min(medians) > 0 else 1.0


def _power(degrees: np.ndarray, exponent: float) -> np.ndarray:
    """float32; 0 where the degree is."""
    with np.errstate(divide="ignore"):
        powers = degrees.astype(np.float64) ** exponent
    return np.where(degrees > 0, powers, 0).astype(np.float32)
