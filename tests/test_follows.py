"""The Pandas-style follows code: on pandas and on Modin frames, against the oracle."""

from __future__ import annotations

import doctest
import warnings

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raypipe import follows
from raypipe.errors import InputError, UnknownAccountError
from tests import naive
from tests.strategies import IDS, frame_of, pairs

#: Worked out by hand: who follows whom, ann twice the same.
ROWS = [
    ("0123", "bob"),
    ("0123", "cid"),
    ("1e5", "cid"),
    ("dan", "bob"),
    ("dan", "cid"),
    ("dan", "NA"),
]


@pytest.fixture(params=["pandas", "modin"])
def frame_class(request):
    """pandas.DataFrame, or Modin's on a Ray of two CPUs."""
    if request.param == "pandas":
        return pd.DataFrame
    request.getfixturevalue("local_ray")
    from raypipe.compute.ray_cluster import import_modin

    warnings.filterwarnings("ignore", category=UserWarning, module="modin")
    warnings.filterwarnings("ignore", category=FutureWarning)
    return import_modin().DataFrame


@pytest.fixture
def df(frame_class):
    return frame_class(frame_of(ROWS))


def rows_of(frame) -> list:
    return [list(row) for row in frame.itertuples(index=False)]


LISTS = st.lists(st.sampled_from(IDS), max_size=12)


@given(LISTS, LISTS)
def test_tanimoto_is_that_of_the_sets(list1, list2):
    score = follows.tanimoto(list1, list2)
    assert score == float(naive.tanimoto(list1, list2))
    assert score == follows.tanimoto(list2, list1)
    assert score == follows.tanimoto(list1 + list1, list2)
    assert 0 <= score <= 1


@pytest.mark.parametrize(
    ("list1", "list2", "expected"),
    [
        (
            ["39229", "31995", "32015"],
            ["31936", "35989", "27489", "39229", "15468", "31993", "26478"],
            1 / 9,
        ),
        ([], [], 0.0),
        (["a"], [], 0.0),
        (["a", "a", "b"], ["b", "b"], 0.5),
        (["0123"], ["123"], 0.0),
    ],
)
def test_tanimoto_by_hand(list1, list2, expected):
    assert follows.tanimoto(list1, list2) == expected


def test_follower_statistics(df):
    statistics = follows.follower_statistics(df)
    assert list(statistics.index) == ["dan", "0123", "1e5"]
    assert list(statistics) == [3, 2, 1]
    assert statistics.name == "follows"
    assert statistics.dtype == "int64"


def test_follow_metadata_statistics(df):
    described = follows.follow_metadata_statistics(df)
    assert dict(described) == {
        "count": 3, "mean": 2, "std": 1, "min": 1, "25%": 1.5, "50%": 2, "75%": 2.5, "max": 3,
    }  # fmt: skip


def test_follow_relations(df):
    dfr = follows.follow_relations_df(df)
    assert list(dfr.columns) == ["followerId", "follow_relations"]
    assert rows_of(dfr) == [
        ["0123", ["bob", "cid"]],
        ["1e5", ["cid"]],
        ["dan", ["bob", "cid", "NA"]],
    ]
    assert follows.get_followers_by_id(dfr, "1e5") == ["cid"]
    with pytest.raises(UnknownAccountError, match="'100000' follows nobody in this frame"):
        follows.get_followers_by_id(dfr, "100000")


def test_similarity_scores(df):
    dfr = follows.follow_relations_df(df)
    scores = follows.generate_similarity_scores(dfr, "0123")
    assert dict(scores) == {1: 1 / 2, 2: 2 / 3, 0: 1.0}
    assert list(scores) == sorted(scores)
    assert dict(follows.generate_similarity_scores(dfr, "0123", limit=2)) == {2: 2 / 3, 0: 1.0}
    assert dict(follows.generate_similarity_scores(dfr, "0123", threshold=0.5)) == {
        2: 2 / 3,
        0: 1.0,
    }
    with pytest.raises(UnknownAccountError, match="'x' follows nobody"):
        follows.generate_similarity_scores(dfr, "x")

    rows = follows.return_similarity_scores_with_ids(dfr, scores)
    assert list(rows.columns) == ["followerId", "follow_relations", "scores", "following_count"]
    assert rows_of(rows) == [
        ["1e5", ["cid"], 1 / 2, 1],
        ["dan", ["bob", "cid", "NA"], 2 / 3, 3],
        ["0123", ["bob", "cid"], 1.0, 2],
    ]


def test_of_equal_scores_the_earlier_row_is_kept(frame_class):
    dfr = follows.follow_relations_df(frame_class(frame_of([(name, "hub") for name in "dbca"])))
    assert list(follows.generate_similarity_scores(dfr, "c", limit=3).index) == [1, 0, 2]
    assert list(follows.generate_similarity_scores(dfr, "d", limit=2).index) == [0, 3]


def test_missing_columns_are_named(frame_class):
    frame = frame_class({"follower": ["a"], "followingId": ["b"]})
    with pytest.raises(InputError, match="no column followerId; found follower, followingId"):
        follows.follower_statistics(frame)


def test_the_example_runs_as_written_on_modin_too(local_ray):
    """On pandas, pytest runs it as the doctest that it is."""
    text = follows.__doc__.replace("import pandas as pd", "import modin.pandas as pd")
    test = doctest.DocTestParser().get_doctest(text, dict(vars(follows)), "modin", None, 0)
    report: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = doctest.DocTestRunner().run(test, out=report.append)
    assert result.attempted >= 9
    assert not result.failed, "".join(report)


@settings(max_examples=60)
@given(pairs, st.sampled_from(IDS), st.integers(1, 5), st.sampled_from([0.0, 0.1, 0.5]))
def test_scores_are_those_of_the_sets(rows, account, limit, threshold):
    followees: dict[str, list[str]] = {}
    for follower, followee in rows:
        followees.setdefault(follower, []).append(followee)
    dfr = follows.follow_relations_df(frame_of(rows))
    assert rows_of(dfr) == [[name, followees[name]] for name in sorted(followees)]
    if account not in followees:
        return
    scored = [
        (row, float(naive.tanimoto(followees[account], followees[name])))
        for row, name in enumerate(sorted(followees))
    ]
    own = sorted(followees).index(account)
    others = [(row, score) for row, score in scored if score > threshold and row != own]
    expected = [(own, 1.0), *naive.best(others, limit - 1)]
    found = follows.generate_similarity_scores(dfr, account, limit, threshold)
    assert list(found.items()) == expected[::-1]


@pytest.mark.parametrize("name", ["wiki-vote/follows.csv", "advogato/follows.csv"])
def test_real_follows(data, name):
    frame = follows.follows_dataframe(data / name)
    lines = (data / name).read_text().splitlines()[1:]
    assert len(frame) == len(lines)
    assert rows_of(frame[:3]) == [line.split(",")[:2] for line in lines[:3]]
    assert follows.follower_statistics(frame).sum() == len(lines)


def test_a_missing_id_is_no_followee_that_two_share():
    rows = {"followerId": ["ann", "bob", "ann", None], "followingId": [None, None, "cid", "dan"]}
    found = follows.follow_relations_df(pd.DataFrame(rows))
    assert found.to_dict("list") == {"followerId": ["ann"], "follow_relations": [["cid"]]}
    assert follows.tanimoto([None, "a"], [None, "b"]) == 0
