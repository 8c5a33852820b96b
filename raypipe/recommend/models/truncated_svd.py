"""The SVD made for follows: the largest singular vectors of the degree-normalised follow matrix.

With R the matrix of follows, A and F the diagonal matrices of follows and followers, and V the
right singular vectors of N = A^-p R F^-q that belong to the largest singular values,

    scores = R F^-q V V' F^q   +   w s R M' M,   M = A^-1/2 R F^-1/2

The first term is an ideal low-pass filter on the follows of each account. The second, if w is not
0, is the linear filter of co-occurrence; s gives both terms the same size. Nothing is trained by
gradient descent, and an account is represented by its follows only, so new accounts can be scored.

Rejections are ignored: as negative entries of R they improved no list (bitcoin-otc, 10 seeds,
entries of -1: recall@20 +.003, share of held-out rejections shown -.001).

Source: Shen et al. (2021), "How powerful is graph convolution for recommendation?", CIKM (GF-CF);
the solver: Halko, Martinsson, Tropp (2011), "Finding structure with randomness", SIAM Review.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from raypipe.config import Section
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Floats, Floats32, Integers
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.factor_scores import Cooccurrence, best_columns, block_bytes
from raypipe.kernels.weighted_rows import sum_rows
from raypipe.recommend.models.model import FollowFactors
from raypipe.recommend.models.threads import by_rows, one_blas_thread

#: Number of directions of the solver beyond those wanted.
_OVERSAMPLES = 20
#: Singular values below this share of the largest one are rounding errors.
_RANK = 1e-4
#: Number of accounts on which the two terms are compared.
_SAMPLE = 256
#: Rows of a block that are made at a time.
_ROWS = 65536


class TruncatedSvdParameters(Section):
    """Truncated SVD of the degree-normalised follow matrix."""

    n_factors: int = Field(
        128,
        ge=1,
        description="Number of singular vectors; at most a quarter of all, because all of them "
        "together only reproduce existing follows.",
    )
    n_iter: int = Field(4, ge=0, description="Power iterations of the randomised solver.")
    follower_exponent: float = Field(
        0.35, ge=0, le=1, description="p: weight of a follow by its follower, follows ** -p."
    )
    followee_exponent: float = Field(
        0.4, ge=0, le=1, description="q: weight of a follow by its followee, followers ** -q."
    )
    cooccurrence: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="w: weight of co-occurrence, added to the factors. Above 0 it costs about as "
        "much as 100 factors.",
    )


def train_truncated_svd(
    graph: FollowGraph, parameters: TruncatedSvdParameters, seed: int
) -> FollowFactors:
    """The factors of a graph; account_factors = R F^-q V, followee_factors = F^q V.

    Args:
        seed: seed of the solver, which starts at random directions.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ax ay bx by cx")
        >>> found = train_truncated_svd(graph, TruncatedSvdParameters(n_factors=1), seed=0)
        >>> c, x, y = (graph.code(account) for account in "cxy")
        >>> scores = found.followee_factors[[x, y]] @ found.account_factors[c]
        >>> [round(float(score), 2) for score in scores]
        [0.59, 0.42]
    """
    follows, followers = graph.followees.degrees, graph.followers.degrees
    rows, columns = np.flatnonzero(follows), np.flatnonzero(followers)
    # Without empty rows and columns, because the solver needs memory for each.
    column_of = np.zeros(graph.accounts, np.int32)
    column_of[columns] = np.arange(len(columns))
    followees = take(graph.followees, rows)
    left = _power(follows, -parameters.follower_exponent)
    right = _power(followers, -parameters.followee_exponent)
    # Both sides, so that products with the transposed matrix sum up rows as well.
    sides = _Matrix(
        Adjacency(followees.indptr, column_of[followees.codes]),
        np.repeat(left[rows], follows[rows]) * right[followees.codes],
    )
    row_of = np.zeros(graph.accounts, np.int32)
    row_of[rows] = np.arange(len(rows))
    by_column = take(graph.followers, columns)
    turned = _Matrix(
        Adjacency(by_column.indptr, row_of[by_column.codes]),
        left[by_column.codes] * np.repeat(right[columns], followers[columns]),
    )
    width = min(parameters.n_factors, max(1, min(len(rows), len(columns)) // 4))
    with one_blas_thread():
        vectors = _right_vectors(sides, turned, width, parameters.n_iter, seed)
    del sides, turned
    followee_factors = np.zeros((graph.accounts, vectors.shape[1]), np.float32)
    for start in range(0, len(columns), _ROWS):
        some = slice(start, start + _ROWS)
        followee_factors[columns[some]] = vectors[some] / right[columns[some], None]
    del vectors
    account_factors = fold_in(followee_factors, followers, parameters, graph.followees)
    factors = FollowFactors(account_factors, followee_factors)
    if parameters.cooccurrence:
        scale = _scale(graph, factors, seed)
        factors = factors._replace(cooccurrence=parameters.cooccurrence * scale)
    return factors


class _Matrix(NamedTuple):
    """A sparse matrix by rows.

    Attributes:
        rows: the columns of the entries of each row.
        weights: float32[entries], their values.
    """

    rows: Adjacency
    weights: Floats32

    def __matmul__(self, block: Floats32) -> Floats32:
        m = len(self.rows.indptr) - 1
        out = np.empty((m, block.shape[1]), np.float32)
        by_rows(m, lambda part: sum_rows(*self, block, out, part.start, part.stop))
        return out


def _right_vectors(
    matrix: _Matrix, transposed: _Matrix, width: int, n_iter: int, seed: int
) -> Floats32:
    """float32[columns, width]: the right singular vectors of the largest singular values.

    Subspace iteration from random directions. Each array is freed as soon as the next one is there,
    so at most two of them are in memory.
    """
    turns = len(matrix.rows.indptr) < len(transposed.rows.indptr)  # smaller blocks
    wide, turned = (transposed, matrix) if turns else (matrix, transposed)
    random = np.random.RandomState(seed)
    block = np.empty((len(turned.rows.indptr) - 1, width + _OVERSAMPLES), np.float32)
    for start in range(0, len(block), _ROWS):
        rows = block[start : start + _ROWS]
        rows[:] = random.normal(size=rows.shape)
    for _ in range(n_iter):
        for side in (wide, turned):
            block = side @ block
            block = _orthonormal(block)
    block = wide @ block
    block = _orthonormal(block)
    projected = turned @ block
    if not turns:
        del block
        return _orthonormal(projected)[:, :width]
    values, vectors = _gram(projected)
    return _product(block, vectors[:, values > _RANK**2 * values[0]][:, :width])


def _orthonormal(block: Floats32) -> Floats32:
    """float32[n, at most d]: the left singular vectors of n rows of d columns, largest first."""
    values, vectors = _gram(block)
    kept = values > _RANK**2 * values[0]
    return _product(block, (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32))


def _product(block: Floats32, vectors: NDArray[Any]) -> NDArray[Any]:
    """The product, in the type that NumPy's has."""
    out = np.empty((len(block), vectors.shape[1]), np.result_type(block, vectors))
    by_rows(len(block), lambda part: np.matmul(block[part], vectors, out=out[part]))
    return out


def _gram(block: Floats32) -> tuple[Floats, Floats]:
    """The eigenvalues and eigenvectors of block' block, largest first; summed in float64."""
    from scipy.linalg import eigh

    def gram(part: slice) -> Floats:
        rows = block[part].astype(np.float64)
        return np.asarray(rows.T @ rows)

    values, vectors = eigh(sum(by_rows(len(block), gram), np.zeros((block.shape[1],) * 2)))
    return values[::-1], vectors[:, ::-1]


def fold_in(
    followee_factors: Floats32,
    followers: Integers,
    parameters: TruncatedSvdParameters,
    followees: Adjacency,
) -> Floats32:
    """float32[m, d]: factors of m accounts from their follows only: the rows of R F^-q V.

    Args:
        followee_factors: float32[n, d], of the model.
        followers: int64[n], number of followers of every account in the training graph.
        followees: a row of codes for each of the m accounts; one without follows gets zeros.
    """
    of_codes = np.asarray(followers)[followees.codes]  # not of the whole graph, for a few accounts
    weights = _power(of_codes, -2 * parameters.followee_exponent)
    return _Matrix(followees, weights) @ followee_factors


def cooccurrence(graph: FollowGraph, weight: float) -> Cooccurrence:
    """The linear term as weights of walks: to followees, to their followers, to these' followees.

    Args:
        weight: w s, as stored with the factors.
    """
    followers = _power(graph.followers.degrees, -0.5)
    follows = _power(graph.followees.degrees, -1.0)
    last = np.float32(weight) * followers
    return Cooccurrence(graph.followees, graph.followers, followers, follows, last)


def training_bytes(accounts: int, follows: int, parameters: TruncatedSvdParameters) -> int:
    """Maximum bytes of a training, besides the graph: matrix, blocks of the solver, scores.

    Example:
        >>> training_bytes(1_000_000, 50_000_000, TruncatedSvdParameters())
        2992000000
    """
    width = min(parameters.n_factors, accounts // 4) + _OVERSAMPLES
    compared = block_bytes(accounts) if parameters.cooccurrence else 0
    return 16 * follows + 4 * accounts * (7 * width // 2 + 2) + compared


def training_ns(accounts: int, follows: int, parameters: TruncatedSvdParameters) -> float:
    """Nanoseconds of a training: products with the matrix, their orthogonal bases, the comparison.

    Example:
        >>> round(training_ns(1_000_000, 17_000_000, TruncatedSvdParameters()) * 1e-9)
        51
    """
    width = min(parameters.n_factors, accounts // 4) + _OVERSAMPLES
    passes = 2 * (parameters.n_iter + 1)
    compared = _SAMPLE * (accounts * (2 + width / 20) + follows / 3 * (parameters.cooccurrence > 0))
    return passes * width * (follows + accounts * width / 10) + compared


def _scale(graph: FollowGraph, factors: FollowFactors, seed: int) -> float:
    """s: ratio of the best scores of the first and second term, as medians over a sample."""
    rows = np.flatnonzero(graph.followees.degrees)
    sample = np.sort(np.random.default_rng(seed).permutation(rows)[:_SAMPLE])
    columns = np.flatnonzero(graph.followers.degrees).astype(np.int32)
    of_accounts, of_columns = factors.account_factors[sample], factors.followee_factors[columns]
    walks = cooccurrence(graph, 1.0)

    def best(part: slice) -> tuple[Floats, Floats]:
        some, mine = sample[part], of_accounts[part]
        one = np.ones(len(some), np.int64)
        asked = columns, take(graph.followees, some), one, some, graph.tie_rule
        low_pass = best_columns(mine, of_columns, *asked)
        linear = best_columns(mine[:, :0], of_columns[:, :0], *asked, walks)
        return low_pass.scores, linear.scores

    both = (np.concatenate(scores) for scores in zip(*by_rows(len(sample), best, 64), strict=True))
    medians = [float(np.median(scores)) if len(scores) else 0.0 for scores in both]
    return medians[0] / medians[1] if min(medians) > 0 else 1.0


def _power(degrees: Integers, exponent: float) -> Floats32:
    """float32: degrees ** exponent; 0 where the degree is 0."""
    with np.errstate(divide="ignore"):
        powers = degrees.astype(np.float64) ** exponent
    return np.where(degrees > 0, powers, 0).astype(np.float32)
