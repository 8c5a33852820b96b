from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.sparse import random as random_matrix
from sklearn.utils.extmath import randomized_svd

from raypipe.config.sources import FactorsConfig
from raypipe.kernels.candidate_scores import sampled_walks
from raypipe.kernels.csr import Adjacency, take
from raypipe.kernels.factor_scores import walk
from raypipe.recommend.models import threads, truncated_svd
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.models.threads import one_blas_thread
from raypipe.recommend.models.truncated_svd import (
    TruncatedSvdParameters,
    cooccurrence,
    fold_in,
    train_truncated_svd,
)
from raypipe.recommend.sources import SourceInputs
from raypipe.recommend.sources.factors import exact_factors, factors
from tests.strategies import graph_of, pairs


def dense(graph):
    matrix = np.zeros((graph.accounts, graph.accounts))
    for account in range(graph.accounts):
        matrix[account, graph.followees.row(account)] = 1
    return matrix


def power(degrees, exponent):
    return np.array([float(degree) ** exponent if degree else 0.0 for degree in degrees])


@pytest.fixture(scope="module")
def graph():
    """Three communities of 20, of whom one follows half of the others, and hubs."""
    rng = np.random.default_rng(3)
    rows = [
        (f"{i:02}", f"{j:02}")
        for i in range(60)
        for j in range(60)
        if (i // 20 == j // 20 and rng.random() < 0.4) or rng.random() < 0.03
    ]
    return graph_of(rows + [(f"{i:02}", "hub") for i in range(0, 60, 2)] + [("hub", "00")])


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.3, 0.4), (0.0, 0.0)])
def test_the_formula_on_dense_matrices(graph, p, q):
    """R F^-q V V' F^q, the singular vectors being numpy's."""
    follows, followers = graph.followees.degrees, graph.followers.degrees
    matrix = dense(graph)
    normalised = power(follows, -p)[:, None] * matrix * power(followers, -q)
    kept = np.linalg.svd(normalised)[2][:5].T
    expected = matrix @ (power(followers, -q)[:, None] * (kept @ kept.T)) * power(followers, q)
    parameters = TruncatedSvdParameters(
        n_factors=5, n_iter=12, follower_exponent=p, followee_exponent=q
    )
    found = train_truncated_svd(graph, parameters, seed=0)
    assert found.account_factors.shape == (graph.accounts, 5)
    assert found.account_factors.dtype == found.followee_factors.dtype == np.float32
    scores = found.account_factors @ found.followee_factors.T
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@given(pairs.filter(len))
@settings(max_examples=30)
def test_any_graph_gives_finite_factors_and_zeros_where_nothing_is_known(rows):
    graph = graph_of(rows)
    if not graph.follows:
        return
    found = train_truncated_svd(graph, TruncatedSvdParameters(cooccurrence=1.0), seed=0)
    assert np.isfinite(found.account_factors).all()
    assert np.isfinite(found.followee_factors).all()
    assert np.isfinite(found.cooccurrence)
    assert not found.account_factors[graph.followees.degrees == 0].any()
    assert not found.followee_factors[graph.followers.degrees == 0].any()
    of_each_side = min(
        np.count_nonzero(side.degrees) for side in (graph.followees, graph.followers)
    )
    assert found.account_factors.shape[1] <= max(1, of_each_side // 4)


def test_equal_seeds_give_equal_bytes(graph):
    parameters = TruncatedSvdParameters(n_factors=8, n_iter=1)
    first, again, other = (train_truncated_svd(graph, parameters, seed) for seed in (1, 1, 2))
    assert first.followee_factors.tobytes() == again.followee_factors.tobytes()
    assert first.followee_factors.tobytes() != other.followee_factors.tobytes()


def test_walks_are_the_normalised_cooccurrence(graph):
    matrix = dense(graph)
    follows, followers = (side.degrees for side in (graph.followees, graph.followers))
    normalised = power(follows, -0.5)[:, None] * matrix * power(followers, -0.5)
    columns = np.flatnonzero(followers).astype(np.int32)
    found = walk(cooccurrence(graph, 2.0), graph.followees, columns)
    expected = 2.0 * matrix @ normalised.T @ normalised
    np.testing.assert_allclose(found, expected[:, columns], rtol=1e-5, atol=1e-6)


def test_both_terms_are_made_equally_large(graph):
    """Of whom an account does not follow, the best: the median of it over the accounts."""
    found = train_truncated_svd(
        graph, TruncatedSvdParameters(n_factors=5, cooccurrence=3.0), seed=0
    )
    walked = walk(
        cooccurrence(graph, 1.0), graph.followees, np.arange(graph.accounts, dtype=np.int32)
    )
    terms = found.account_factors @ found.followee_factors.T, walked
    can_be = (dense(graph) == 0) & (graph.followers.degrees > 0)
    best = [np.where(can_be, term, -np.inf).max(axis=1) for term in terms]
    low_pass, linear = (np.median(values[graph.followees.degrees > 0]) for values in best)
    assert found.cooccurrence == pytest.approx(3.0 * low_pass / linear, rel=1e-5)
    none = TruncatedSvdParameters(cooccurrence=0)
    assert train_truncated_svd(graph, none, seed=0).cooccurrence == 0


def test_an_account_is_nothing_but_its_follows(graph):
    parameters = TruncatedSvdParameters(n_factors=6, followee_exponent=0.3)
    found = train_truncated_svd(graph, parameters, seed=0)
    some = np.array([5, 60, 0])
    new = fold_in(
        found.followee_factors, graph.followers.degrees, parameters, take(graph.followees, some)
    )
    assert new.tobytes() == found.account_factors[some].tobytes()


def test_a_scorer_computes_the_factors_of_accounts_from_their_follows(graph):
    """All accounts as candidates of all: the formula, without the factors of accounts."""
    parameters = TruncatedSvdParameters(n_factors=6)
    learned = train_truncated_svd(graph, parameters, seed=0)
    followers = graph.followers.degrees.astype(np.int32)
    told = parameters.model_dump()
    model = FactorModel(learned, followers, "TruncatedSVD", told, 0, graph.fingerprint)
    config = FactorsConfig(algorithm="TruncatedSVD", retrieval="candidates")
    scorer = factors(graph, config, SourceInputs(model=model))
    assert scorer.model.factors.account_factors.size == 0
    n = graph.accounts
    everybody = np.arange(n, dtype=np.int32)
    found = scorer.score(everybody, Adjacency(np.arange(n + 1) * n, np.tile(everybody, n)))
    walks = cooccurrence(graph, learned.cooccurrence)
    pairs_of_all = Adjacency(np.arange(n + 1) * n, np.tile(everybody, n))
    expected = (learned.account_factors @ learned.followee_factors.T).ravel()
    expected = expected + sampled_walks(walks, everybody, pairs_of_all)
    idle = np.repeat(graph.followees.degrees == 0, n)
    np.testing.assert_allclose(found[~idle], expected[~idle], atol=1e-5)
    assert (found[idle] == -np.inf).all()


def test_who_is_brought(graph):
    """The best by the formula, of those with enough followers that are not followed."""
    parameters = TruncatedSvdParameters(n_factors=5, cooccurrence=1.0)
    learned = train_truncated_svd(graph, parameters, seed=0)
    followers = graph.followers.degrees
    model = FactorModel(
        learned,
        followers.astype(np.int32),
        "TruncatedSVD",
        parameters.model_dump(),
        0,
        graph.fingerprint,
    )
    source = exact_factors(graph, SourceInputs(9, model=model))
    everybody = np.arange(graph.accounts, dtype=np.int32)
    found = source(everybody, np.full(graph.accounts, 4))
    scores = learned.account_factors @ learned.followee_factors.T + walk(
        cooccurrence(graph, learned.cooccurrence), graph.followees, everybody
    )
    scores[:, followers < 9] = -np.inf
    scores[dense(graph) > 0] = -np.inf
    for account in range(graph.accounts):
        mine = found.codes[found.indptr[account] : found.indptr[account + 1]]
        assert len(mine) == 4
        best = np.sort(scores[account])[-4:]
        np.testing.assert_allclose(np.sort(scores[account, mine]), best, atol=1e-5)


@pytest.mark.parametrize("shape", [(90, 40), (40, 90)])
def test_vectors_are_those_of_scikit_learn_but_for_signs(shape, monkeypatch):
    """Whatever number of rows is drawn at a time."""
    monkeypatch.setattr(truncated_svd, "_ROWS", 7)
    monkeypatch.setattr(threads, "_ROWS", 7)
    matrix = random_matrix(*shape, density=0.2, format="csr", dtype=np.float32, random_state=1)
    told = {"n_oversamples": 20, "n_iter": 4, "power_iteration_normalizer": "LU"}
    with one_blas_thread():
        expected = randomized_svd(matrix, 9, random_state=3, **told)[2].T
        sides = [
            truncated_svd._Matrix(Adjacency(some.indptr.astype(np.int64), some.indices), some.data)
            for some in (matrix, matrix.T.tocsr())
        ]
        found = truncated_svd._right_vectors(*sides, 9, 4, 3)
    found = found.astype(np.float32)
    np.testing.assert_array_equal(sides[0] @ found, matrix @ found)
    signs = np.sign(found[0] * expected[0])
    np.testing.assert_allclose(found, expected * signs, atol=2e-5)
