"""What rejections teach phases 1 and 2, beside that nobody is shown again whom they rejected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.candidates.popular import Popular, lowered
from raypipe.candidates.similar import Similar
from raypipe.config import RejectionsConfig, load_config
from raypipe.kernels.csr import Pairs, adjacency
from raypipe.kernels.tanimoto import build_index, top_neighbours
from raypipe.recommend import prepare, recommend_shard
from raypipe.rejections import Rejections, rejections_of
from tests import naive
from tests.strategies import IDS, graph_of, pairs

rejected_pairs = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=30)
weights = st.sampled_from([0.0, 0.5, 1.0, 3.0])


def rows_of(graph, rejected):
    """Pairs of ids as rows of codes; those with an unknown id are left out."""
    codes = graph.codes([name for pair in rejected for name in pair]).reshape(-1, 2)
    known = codes[(codes >= 0).all(axis=1)].astype(np.int32)
    every = np.arange(graph.accounts, dtype=np.int32)
    return adjacency([Pairs(known[:, 0], known[:, 1], every)], graph.accounts)[0]


def taught_by(graph, rejected, shown=None):
    array = shown and np.array([shown.get(name, 0) for name in graph.ids.to_pylist()], np.int64)
    return rejections_of(rows_of(graph, rejected), graph, array)


def named(graph, found, place=0):
    entries = slice(found.indptr[place], found.indptr[place + 1])
    ids = [graph.ids[int(code)].as_py() for code in found.codes[entries]]
    return list(zip(ids, found.scores[entries].tolist(), strict=True))


@given(pairs.filter(len), rejected_pairs)
def test_what_is_followed_teaches_nothing(rows, rejected):
    graph = graph_of(rows)
    expected = naive.that_teach(naive.follow_sets(rows), rejected)
    found, ids = taught_by(graph, rejected).rows, graph.ids.to_pylist()
    assert {a: {ids[c] for c in found.row(code)} for code, a in enumerate(ids)} == expected


@given(
    pairs.filter(len),
    rejected_pairs,
    st.dictionaries(st.sampled_from(IDS), st.integers(0, 99)),
    weights,
)
def test_popularity_equals_the_oracle(rows, rejected, shown, weight):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    source = Popular.of(graph, None, taught_by(graph, rejected, shown or {"": 0}), weight)
    taught = naive.that_teach(follows, rejected)
    expected = naive.lowered_popularity(follows, taught, shown, weight)
    found = named(graph, source(np.array([0]), np.array([99])))
    assert found == naive.best(expected.items(), 99)


def test_popularity_by_hand():
    """x, with 5 followers, was shown to 30 and rejected by 10; y, with 4, by nobody."""
    rows = [(f"a{i}", "x") for i in range(5)] + [(f"b{i}", "y") for i in range(4)]
    rejecting = [(f"c{i}", "z") for i in range(10)]  # they are there, and follow somebody
    graph = graph_of(rows + rejecting)
    taught = taught_by(graph, [(name, "x") for name, _ in rejecting], {"x": 30})
    ask = np.array([0]), np.array([3])
    assert named(graph, Popular.of(graph)(*ask)) == [("z", 10.0), ("x", 5.0), ("y", 4.0)]
    found = Popular.of(graph, None, taught, 1.0)(*ask)
    assert named(graph, found) == [("z", 10.0), ("x", 5 * 40 / 50), ("y", 4.0)]  # 4.0, by id
    found = Popular.of(graph, None, taught, 4.0)(*ask)
    assert named(graph, found) == [("z", 10.0), ("y", 4.0), ("x", 5 * 40 / 80)]
    # Who rejects and follows nobody of this network is nobody here.
    strangers = taught_by(graph, [(f"fake{i}", "x") for i in range(10)], {"x": 30})
    assert named(graph, Popular.of(graph, None, strangers, 4.0)(*ask))[1] == ("x", 5.0)


@given(
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(0, 10**6),
    st.integers(1, 10**5),
    st.floats(0.01, 1000),
)
def test_a_brigade_moves_a_score_by_no_more_than_is_stated(
    followers, shown, before, brigade, weight
):
    """By less than its weight in followers, and by a share that shrinks with who has seen it."""
    counts = np.array([followers] * 2), np.array([shown] * 2)
    without, after = lowered(*counts, np.array([before, before + brigade]), weight).tolist()
    rounding = 1e-9 * followers
    assert 0 <= without - after <= weight * brigade + rounding
    seen = max(followers, shown) + 10
    share = weight * brigade / (seen + weight * brigade)
    assert without - after <= share * without + rounding
    assert followers == 0 or after > 0


@given(pairs.filter(len), rejected_pairs, weights, weights, st.sampled_from([2, 10]))
def test_similar_equals_the_oracle(rows, rejected, times, votes, k):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    taught = naive.that_teach(follows, rejected)
    everybody = np.arange(graph.accounts, dtype=np.int32)
    index = build_index(*graph.followees, *graph.followers)
    near = top_neighbours(index, everybody, k, (1, 10))
    how = RejectionsConfig(neighbours=times, votes=votes)
    source = Similar(graph.followees, near, taught_by(graph, rejected).rows, how)
    found = source(everybody, np.full(graph.accounts, 5))
    for code, account in enumerate(graph.ids.to_pylist()):
        expected = naive.similar_with_rejections(follows, taught, account, times, votes, k=k)
        mine = named(graph, found, code)
        assert dict(mine) == expected
        assert len(mine) == len(expected)


def test_similar_by_hand():
    """b shares x and y with a, and follows one whom a has rejected; c shares them too."""
    rows = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("b", "no"), ("b", "p")]
    graph = graph_of([*rows, ("c", "x"), ("c", "y"), ("c", "q"), ("c", "p")])
    index = build_index(*graph.followees, *graph.followers)
    me = np.array([graph.code("a")], np.int32)
    near = top_neighbours(index, me, 2, (1, 10))
    assert near.scores.tolist() == [[0.5, 0.5]]
    for rejected, times, votes, expected in (
        ([("a", "no")], 0, 1, {"x": 1.0, "y": 1.0, "p": 1.0, "no": 0.5, "q": 0.5}),
        # of three followees of b that a knows, a agrees with two
        ([("a", "no")], 1, 0, {"x": 5 / 6, "y": 5 / 6, "p": 5 / 6, "no": 1 / 3, "q": 0.5}),
        ([("a", "no")], 2, 0, {"x": 0.75, "y": 0.75, "p": 0.75, "no": 0.25, "q": 0.5}),
        # c has rejected whom b follows: one for, one against
        ([("c", "no")], 0, 0.5, {"x": 1.0, "y": 1.0, "p": 1.0, "no": 0.25, "q": 0.5}),
        ([("c", "no")], 0, 1, {"x": 1.0, "y": 1.0, "p": 1.0, "q": 0.5}),
        ([("x", "no")], 1, 1, {"x": 1.0, "y": 1.0, "p": 1.0, "no": 0.5, "q": 0.5}),
    ):
        how = RejectionsConfig(neighbours=times, votes=votes)
        source = Similar(graph.followees, near, taught_by(graph, rejected).rows, how)
        assert dict(named(graph, source(me, np.array([9])))) == pytest.approx(expected)


def lists(graph, rejections, **options):
    settings = {f"rejections.{name}": value for name, value in options.items()}
    config = load_config(None, {"recommendations.per_account": 5, **settings})
    everybody = np.arange(graph.accounts, dtype=np.int32)
    night = prepare(graph, everybody, config, rejections=rejections)
    return recommend_shard(night, (0, graph.accounts)).tables


OFF = {"popular": 0, "neighbours": 0, "votes": 0}


@given(pairs.filter(len), rejected_pairs)
def test_off_or_without_rejections_lists_are_as_before(rows, rejected):
    graph = graph_of(rows)
    before = lists(graph, None, **OFF)
    assert lists(graph, taught_by(graph, rejected), **OFF) == before
    everything = {"popular": 2, "neighbours": 2, "votes": 2}
    assert lists(graph, taught_by(graph, []), **everything) == before
    assert lists(graph, None, **everything) == before


def test_a_night_hands_each_phase_its_own_option():
    """me is like you and they; they reject what you follow, and so do others what is popular."""
    mine = ["x", "y", "z"]
    rows = [(who, a) for who in ("me", "you", "they") for a in mine]
    graph = graph_of([*rows, ("you", "no"), ("they", "so"), ("few", "hub"), ("some", "hub")])
    rejected = [("they", "no"), ("me", "so"), ("x", "hub"), ("few", "x")]
    taught = taught_by(graph, rejected)
    me = graph.code("me")

    def scores(**options):
        found = lists(graph, taught, **{**OFF, **options})["recommendations"].to_pylist()
        return {
            graph.ids[row["other"]].as_py(): row["score"] for row in found if row["account"] == me
        }

    assert scores() == {"no": 0.75, "so": 0.75, "hub": 2.0}
    assert scores(votes=0.5) == {"no": 0.375, "so": 0.75, "hub": 2.0}
    assert scores(neighbours=1) == {"no": 0.75, "so": 0.75 * (3 / 4), "hub": 2.0}
    assert scores(popular=1) == {"no": 0.75, "so": 0.75, "hub": 2 * (12 / 13)}


def test_shards_do_not_show():
    rng = np.random.default_rng(3)
    names = [f"{i:02}" for i in range(50)]
    graph = graph_of([(names[a], names[b]) for a, b in rng.integers(0, 50, (400, 2))])
    taught = taught_by(graph, [(names[a], names[b]) for a, b in rng.integers(0, 50, (200, 2))])
    assert isinstance(taught, Rejections)
    config = load_config(None, {"rejections.neighbours": 1, "rejections.popular": 1})
    night = prepare(graph, np.arange(50, dtype=np.int32), config, rejections=taught)
    whole = recommend_shard(night, (0, 50)).tables["recommendations"].to_pylist()
    parts = [recommend_shard(night, shard).tables for shard in ((0, 1), (1, 17), (17, 50))]
    assert [row for part in parts for row in part["recommendations"].to_pylist()] == whole
    assert whole != lists(graph, None, **OFF)["recommendations"].to_pylist()
