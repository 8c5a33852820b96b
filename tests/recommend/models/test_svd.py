from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raypipe.config import check_section
from raypipe.errors import ConfigError
from raypipe.graph.follow_graph import FollowGraph, build_graph, encode, with_follows
from raypipe.kernels.csr import Adjacency, Pairs, adjacency
from raypipe.kernels.follow_sgd import Lessons, account_ratings, by_popularity
from raypipe.recommend.models.svd import (
    SvdParameters,
    fold_in,
    rmse,
    svd_by_epoch,
    train_svd,
)
from tests.ratings.small_ratings import surprise_trainset

SMALL = SvdParameters(n_factors=5, n_epochs=3, non_follows_per_follow=2)


def graph_of(pairs) -> FollowGraph:
    frame = pd.DataFrame(pairs, columns=["followerId", "followingId"])
    return build_graph([encode(frame)])[0]


def rows_of(pairs, n) -> Adjacency:
    rows, columns = np.array(pairs, np.int32).reshape(-1, 2).T.copy()
    return adjacency([Pairs(rows, columns, np.arange(n, dtype=np.int32))], n)[0]


@pytest.fixture(scope="module")
def communities() -> FollowGraph:
    """Two communities of 30 that follow half of their own; a hub that nearly all follow."""
    rng = np.random.default_rng(0)
    pairs = [
        (f"a{i:02}", f"a{j:02}")
        for i in range(60)
        for j in range(60)
        if i // 30 == j // 30 and rng.random() < 0.5
    ]
    return graph_of(pairs + [(f"a{i:02}", "hub") for i in range(58)])


def lessons_of(graph, parameters, seed=0, rejected=()):
    return Lessons(
        graph.followees,
        rows_of(rejected, graph.accounts),
        by_popularity(graph.followers.degrees, parameters.popularity_exponent),
        parameters.non_follows_per_follow,
        seed,
    )


def epoch_ratings(lessons: Lessons, epoch: int):
    """Account, followee and rating of each rating of one epoch, in its order."""
    counts = range(len(lessons.followees.indptr) - 1)
    parts = [account_ratings(account, lessons, epoch) for account in counts]
    accounts = np.repeat(np.array(counts, np.int32), [len(items) for items, _ in parts])
    return accounts, *map(np.concatenate, zip(*parts, strict=True))


def by_account(accounts, followees, ratings):
    found = {}
    for account, followee, rating in zip(accounts, followees, ratings, strict=True):
        found.setdefault(int(account), []).append((int(followee), float(rating)))
    return found


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_holds_every_follow_once_and_zeros_that_are_no_follows(communities, epoch):
    rejected = [(0, 40), (0, 41), (59, 1)]
    lessons = lessons_of(communities, SMALL, rejected=rejected)
    found = by_account(*epoch_ratings(lessons, epoch))
    followers = communities.followers.degrees
    for account in range(communities.accounts):
        followed = set(communities.followees.row(account).tolist())
        mine = found.get(account, [])
        assert sorted(other for other, rating in mine if rating == 1) == sorted(followed)
        zeros = [other for other, rating in mine if rating == 0]
        of_rejections = [other for who, other in rejected if who == account]
        assert len(zeros) == 2 * len(followed) + len(of_rejections)
        assert set(of_rejections) <= set(zeros)
        assert not followed & set(zeros)
        assert account not in zeros
        assert (followers[zeros] > 0).all()


def test_zeros_are_drawn_by_popularity():
    """x has 400 followers, y and z 100 each; who follows none of them draws them 2 : 1 : 1."""
    pairs = [(f"f{i}", "x") for i in range(400)]
    pairs += [(f"f{i}", name) for name in "yz" for i in range(400, 500)]
    graph = graph_of([*pairs, *(("asks", f"g{i}") for i in range(100))])
    table = by_popularity(graph.followers.degrees, 0.5)
    counts = dict(zip(*np.unique(table, return_counts=True), strict=True))
    assert [counts[graph.code(name)] for name in ("x", "y", "z", "g0")] == [20, 10, 10, 1]
    none = rows_of([], graph.accounts)
    found = by_account(*epoch_ratings(Lessons(graph.followees, none, table, 100, 0), 0))
    drawn = [other for other, rating in found[graph.code("asks")] if rating == 0]
    share = np.bincount(drawn, minlength=graph.accounts) / len(drawn)
    expected = {"x": 20 / 40, "y": 10 / 40, "z": 10 / 40}
    for name, probability in expected.items():
        assert share[graph.code(name)] == pytest.approx(probability, abs=0.02)


def test_what_an_account_draws_is_its_own(communities):
    first = by_account(*epoch_ratings(lessons_of(communities, SMALL), 0))
    again = by_account(*epoch_ratings(lessons_of(communities, SMALL), 0))
    assert first == again
    assert first[7] != by_account(*epoch_ratings(lessons_of(communities, SMALL), 1))[7]
    assert first[7] != by_account(*epoch_ratings(lessons_of(communities, SMALL, seed=1), 0))[7]
    # another account's follows change nothing, where popularity does not count them
    evenly = SMALL.model_copy(update={"popularity_exponent": 0.0})
    keep = np.ones(communities.follows, bool)
    keep[communities.followees.indptr[0]] = False
    less = with_follows(communities, keep)
    one = by_account(*epoch_ratings(lessons_of(communities, evenly), 0))
    other = by_account(*epoch_ratings(lessons_of(less, evenly), 0))
    assert one[7] == other[7]
    assert one[0] != other[0]


def test_who_follows_nearly_everybody_gets_fewer_zeros():
    graph = graph_of([("a", name) for name in "bcd"] + [("b", "a")])
    found = by_account(*epoch_ratings(lessons_of(graph, SMALL), 0))
    assert [rating for _, rating in found[graph.code("a")]] == [1.0, 1.0, 1.0]


def test_the_same_numbers_as_scikit_surprise_on_such_ratings(communities):
    """Its SVD, on a trainset that hands out other zeros in each epoch."""
    import surprise

    parameters = SMALL.model_copy(update={"lr_qi": 0.1, "reg_pu": 0.2, "init_mean": 0.1})
    lessons = lessons_of(communities, parameters, seed=3, rejected=[(0, 40)])
    epochs = [epoch_ratings(lessons, epoch) for epoch in range(3)]
    trainset = surprise_trainset(communities.accounts, epochs)
    given = parameters.model_dump(exclude={"non_follows_per_follow", "popularity_exponent"})
    theirs = surprise.SVD(**given, biased=False, random_state=3).fit(trainset)
    ours = train_svd(communities, parameters, 3, rows_of([(0, 40)], communities.accounts))
    np.testing.assert_allclose(ours.account_factors, theirs.pu, rtol=1e-6)
    np.testing.assert_allclose(ours.followee_factors, theirs.qi, rtol=1e-6)
    assert ours.account_factors.dtype == ours.followee_factors.dtype == np.float32


def test_stopped_and_gone_on_is_as_trained_at_once(communities):
    found = dict(svd_by_epoch(communities, SMALL, 0, [1, 3]))
    for epochs, factors in found.items():
        whole = train_svd(communities, SMALL.model_copy(update={"n_epochs": epochs}), 0)
        for mine, theirs in zip(factors[:2], whole[:2], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert not np.array_equal(found[1].account_factors, found[3].account_factors)


LEARNED = SvdParameters(n_factors=8, n_epochs=60)


@pytest.fixture(scope="module")
def learned(communities):
    return train_svd(communities, LEARNED, 0)


def own_community_share(factors, graph):
    """Of the ten best non-followees of each account, how many are of its community."""
    scores = factors.account_factors[:60] @ factors.followee_factors.T
    scores[:, 60:] = -np.inf  # the hub is of none
    for account in range(60):
        scores[account, [account, *graph.followees.row(account)]] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :10]
    return float(np.mean(best // 30 == np.arange(60)[:, None] // 30))


def test_communities_are_found(communities, learned):
    assert own_community_share(learned, communities) > 0.95


def recall_at_20(score, train, test):
    """Mean over the accounts of the test, each code of which is a row of scores."""
    found = []
    for account in np.flatnonzero(test.degrees)[:500]:
        scores = score(account)
        scores[[account, *train.row(account)]] = -np.inf
        hits = np.isin(np.argsort(-scores)[:20], test.row(account))
        found.append(hits.sum() / test.degrees[account])
    return float(np.mean(found))


def test_on_real_follows_it_beats_popular_and_the_best_rmse_does_not(data):
    """Every fifth follow of who follows 5 or more is held out."""
    pairs = pd.read_csv(data / "wiki-vote" / "follows.csv", dtype=str).iloc[:, :2]
    whole = graph_of(pairs.to_numpy())
    place = np.arange(whole.follows) - np.repeat(
        whole.followees.indptr[:-1], whole.followees.degrees
    )
    train = with_follows(whole, place % 5 != 4)
    test = with_follows(whole, place % 5 == 4).followees
    followers = train.followers.degrees.astype(np.float64)
    popular = recall_at_20(lambda _: followers.copy(), train.followees, test)

    def recall_and_rmse(rejections=None, **settings):
        factors = train_svd(train, SvdParameters(n_epochs=8, **settings), 0, rejections)
        found = recall_at_20(
            lambda account: factors.followee_factors @ factors.account_factors[account],
            train.followees,
            test,
        )
        return found, rmse(factors, test)

    recall, error = recall_and_rmse()
    assert recall > 1.5 * popular
    barely = rows_of([(0, 1)], train.accounts)  # so that a training on ones is not refused
    recall_of_ones, error_of_ones = recall_and_rmse(barely, non_follows_per_follow=0)
    assert error_of_ones < 0.2 * error
    assert recall_of_ones < min(0.5 * recall, popular)


def test_ones_alone_are_refused_with_the_reason(communities):
    ones = SMALL.model_copy(update={"non_follows_per_follow": 0})
    with pytest.raises(ConfigError) as caught:
        train_svd(communities, ones, 0)
    for words in (
        "non_follows_per_follow: found 0, and there are no rejections; trained on ones alone, SVD",
        "its lists are worthless; expected at least 1, or sources.factors.algorithm: Truncated",
    ):
        assert words in str(caught.value)


def test_rejected_candidates_fall(communities, learned):
    """Account 0 rejects all of its community that it does not follow."""
    own = [c for c in range(1, 30) if c not in communities.followees.row(0)]
    rejections = rows_of([(0, c) for c in own], communities.accounts)
    rejecting = train_svd(communities, LEARNED, 0, rejections)

    def mean_score(factors, account):
        return float(np.mean(factors.followee_factors[own] @ factors.account_factors[account]))

    assert mean_score(rejecting, 0) < 0.85 * mean_score(learned, 0)
    assert mean_score(rejecting, 1) == pytest.approx(mean_score(learned, 1), rel=0.05)


def test_a_new_account_is_placed_by_its_follows_alone(communities, learned):
    followers = communities.followers.degrees
    folded = fold_in(learned.followee_factors, followers, LEARNED, communities.followees)
    assert own_community_share(learned._replace(account_factors=folded), communities) > 0.95
    new = rows_of([(1, 2), (1, 5), (1, 7), (2, 31)], communities.accounts)
    some = fold_in(learned.followee_factors, followers, LEARNED, new)
    scores = some @ learned.followee_factors.T
    assert not some[0].any()
    assert scores[1, :30].mean() > scores[1, 30:60].mean()
    assert scores[2, :30].mean() < scores[2, 30:60].mean()


def test_folding_in_rests_where_gradient_descent_does(communities, learned):
    """The formula, summed by hand over one account's follows and the whole table of draws."""
    followers = communities.followers.degrees
    table = by_popularity(followers, LEARNED.popularity_exponent)
    q, followed = learned.followee_factors.astype(np.float64), communities.followees.row(0)
    p = fold_in(learned.followee_factors, followers, LEARNED, communities.followees)[0]
    pull = sum((1 - q[c] @ p) * q[c] for c in followed)
    push = (
        len(followed)
        * LEARNED.non_follows_per_follow
        * np.mean([(0 - q[c] @ p) * q[c] for c in table], axis=0)
    )
    penalty = len(followed) * (1 + LEARNED.non_follows_per_follow) * LEARNED.reg_all * p
    np.testing.assert_allclose(pull + push, penalty, rtol=1e-4, atol=1e-4)


def test_a_training_that_diverges_is_told(communities):
    with pytest.raises(ConfigError, match=r"training SVD diverged .*; lower lr"):
        train_svd(communities, SMALL.model_copy(update={"lr_all": 1e6}), 0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"biased": True}, "sources.factors.parameters.biased: unknown key; known: n_factors"),
        (
            {"popularity_exponent": 2},
            "sources.factors.parameters.popularity_exponent: found 2; input sh",
        ),
        ({"non_follow_per_follow": 2}, "did you mean non_follows_per_follow?"),
    ],
)
def test_unknown_parameters_are_refused(parameters, message):
    with pytest.raises(ConfigError) as caught:
        check_section(SvdParameters, parameters, "sources.factors.parameters")
    assert message in str(caught.value)
