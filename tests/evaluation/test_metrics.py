"""Every metric by hand, against trec_eval, and against Python sets."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from raypipe.errors import ConfigError
from raypipe.evaluation.metric_choice import choose_metrics, metric_names, values_by_account
from raypipe.evaluation.metric_spec import Popularity
from raypipe.evaluation.metrics import METRICS, coverage
from raypipe.kernels.csr import Adjacency

NAMES = metric_names()
RANKING = tuple(spec.name for spec in METRICS if spec.decides)
LISTS = tuple(spec.name for spec in METRICS if spec.needs == "popularity")

#: Ours to trec_eval's; where there is no length, its value is that of the whole list.
OF_TREC = {
    "recall": "recall",
    "precision": "P",
    "ndcg": "ndcg_cut",
    "map": "map_cut",
    "mrr": "recip_rank",
    "hit_rate": "success",
}


def adjacency_of(rows: list[list[int]]) -> Adjacency:
    indptr = np.cumsum([0, *map(len, rows)])
    return Adjacency(indptr, np.array([c for row in rows for c in sorted(row)], np.int32))


def metrics(codes, test, popularity, names, lengths, rejections=None):
    chosen = choose_metrics(names, rejections=True)
    return values_by_account(codes, test, popularity, chosen, lengths, rejections)


def padded(lists: list[list[int]], n: int) -> np.ndarray:
    return np.array([row + [-1] * (n - len(row)) for row in lists], np.int32).reshape(-1, n)


#: Followers of the accounts 0 to 9, of 8 accounts that follow anybody.
KNOWN = Popularity(np.array([0, 8, 4, 2, 1, 1, 1, 1, 2, 4]), 8)


def test_by_hand():
    lists = [[1, 9, 2, 8], [7, 5], []]
    test = [[1, 2], [5], [3, 4, 6]]
    rejected = adjacency_of([[2, 3, 9], [], [3]])
    found = metrics(padded(lists, 4), adjacency_of(test), KNOWN, NAMES, [2, 4], rejected)
    second = 1 / log2(3)  # what a hit at the second place gives
    expected = {
        "recall@2": [1 / 2, 1, 0],
        "recall@4": [1, 1, 0],
        "precision@2": [1 / 2, 1 / 2, 0],
        "precision@4": [2 / 4, 1 / 4, 0],
        "ndcg@2": [1 / (1 + second), second, 0],
        "ndcg@4": [(1 + 1 / 2) / (1 + second), second, 0],
        "map@2": [1 / 2, 1 / 2, 0],
        "map@4": [(1 + 2 / 3) / 2, 1 / 2, 0],
        "mrr@2": [1, 1 / 2, 0],
        "mrr@4": [1, 1 / 2, 0],
        "hit_rate@2": [1, 1, 0],
        "hit_rate@4": [1, 1, 0],
        # followers 8, 4, 4, 2 of 8; then 1, 1
        "novelty@2": [(0 + 1) / 2, 3, np.nan],
        "novelty@4": [(0 + 1 + 1 + 2) / 4, 3, np.nan],
        # 24 follows, of accounts with (64 + 16 + 4 + 1 + 1 + 1 + 1 + 4 + 16) / 24 = 4.5 followers
        "popularity_bias@2": [6 / 4.5, 1 / 4.5, np.nan],
        "popularity_bias@4": [4.5 / 4.5, 1 / 4.5, np.nan],
        "rejected@2": [1 / 3, np.nan, 0],
        "rejected@4": [2 / 3, np.nan, 0],
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, err_msg=name)
        assert found[name].dtype == np.float64


def test_who_has_no_followers_is_as_novel_as_who_has_one():
    found = metrics(padded([[0]], 1), adjacency_of([[0]]), KNOWN, ["novelty"], [1])
    assert found["novelty@1"].tolist() == [3.0]


def test_coverage_is_of_the_catalogue():
    seen = np.array([True, True, False, False, False])
    assert coverage(seen, np.array([True, False, True, True, True])) == 1 / 4
    assert np.isnan(coverage(seen, np.zeros(5, bool)))


@st.composite
def lists_and_tests(draw):
    accounts = draw(st.integers(1, 8))
    codes = st.integers(0, 30)
    lists = [draw(st.lists(codes, unique=True, max_size=20)) for _ in range(accounts)]
    tests = [draw(st.lists(codes, unique=True, min_size=1, max_size=25)) for _ in range(accounts)]
    return lists, tests


@given(lists_and_tests(), st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True))
def test_equal_trec_eval(drawn, lengths):
    lists, tests = drawn
    found = metrics(padded(lists, 20), adjacency_of(tests), KNOWN, RANKING, lengths)
    assert list(found) == [f"{name}@{k}" for name in RANKING for k in lengths]
    for k in lengths:
        # cut by us, where trec_eval has a measure of the whole list only; scores fall by place
        runs = {
            str(i): {str(c): float(-place) for place, c in enumerate(row[:k])}
            for i, row in enumerate(lists)
        }
        relevant = {str(i): {str(c): 1 for c in row} for i, row in enumerate(tests)}
        measures = {f"{m}.{k}" for m in OF_TREC.values() if m != "recip_rank"} | {"recip_rank"}
        said = pytrec_eval.RelevanceEvaluator(relevant, measures).evaluate(runs)
        for name, theirs in OF_TREC.items():
            key = theirs if theirs == "recip_rank" else f"{theirs}_{k}"
            # trec_eval says nothing of an account with an empty list
            expected = [said[str(i)][key] if row else 0.0 for i, row in enumerate(lists)]
            np.testing.assert_allclose(found[f"{name}@{k}"], expected, rtol=1e-9, err_msg=name)


@given(
    lists_and_tests(),
    st.lists(st.integers(0, 40), min_size=31, max_size=31),
    st.integers(1, 20),
)
def test_lists_by_sets(drawn, followers, k):
    lists, tests = drawn
    followers[0] += 1
    following = max(followers)
    known = Popularity(np.array(followers, np.int32), following)
    found = metrics(padded(lists, 20), adjacency_of(tests), known, LISTS, [k])
    of_a_follow = sum(f * f for f in followers) / sum(followers)
    for i, row in enumerate(lists):
        shown = [followers[c] for c in row[:k]]
        bits = [log2(following / max(1, f)) for f in shown]
        expected = (
            {"novelty": sum(bits) / len(bits), "popularity_bias": np.mean(shown) / of_a_follow}
            if shown
            else {"novelty": np.nan, "popularity_bias": np.nan}
        )
        for name, value in expected.items():
            np.testing.assert_allclose(found[f"{name}@{k}"][i], value, rtol=1e-9, atol=1e-12)


def test_an_account_has_the_same_value_whoever_is_measured_with_it():
    rng = np.random.default_rng(0)
    lists = np.array([rng.permutation(40)[:20] for _ in range(200)], np.int32)
    tests = [sorted(rng.permutation(40)[: rng.integers(1, 20)]) for _ in range(200)]
    known = Popularity(rng.integers(1, 90, 40), 90)
    asked = known, NAMES, [7, 20]
    rejected = [row[:-1] for row in reversed(tests)]
    whole = metrics(lists, adjacency_of(tests), *asked, adjacency_of(rejected))
    for start, stop in ((0, 1), (1, 64), (64, 200)):
        rows = (adjacency_of(some[start:stop]) for some in (tests, rejected))
        part = metrics(lists[start:stop], next(rows), *asked, next(rows))
        for name, values in part.items():
            assert np.array_equal(values, whole[name][start:stop], equal_nan=True), name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ndgc", "no metric ndgc; did you mean ndcg?"),
        ("speed", f"no metric speed; known: {', '.join(NAMES)}"),
        ("rmse", f"rmse needs ratings, and a follow has none; follows can have {', '.join(NAMES)}"),
    ],
)
def test_metrics_that_follows_cannot_have(name, message):
    with pytest.raises(ConfigError) as error:
        choose_metrics(["recall", name])
    assert str(error.value) == f"evaluation.metrics: {message}"


def test_no_names_are_all_names():
    def names(**given):
        return tuple(spec.name for spec in choose_metrics(None, **given))

    assert names() == NAMES[:-1]
    assert names(rejections=True) == NAMES == (*NAMES[:-1], "rejected")
    with pytest.raises(ConfigError, match="rejected needs rejections to hold out; name a table"):
        choose_metrics(["rejected"])
