"""What rejections teach phases 1 and 2, beside that nobody is shown again whom they rejected."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raypipe.config import NegativeFeedbackConfig, load_config
from raypipe.config.feedback_url import store_url
from raypipe.errors import RunError
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.kernels.csr import Pairs, adjacency
from raypipe.kernels.similarity_index import build_index
from raypipe.kernels.tanimoto import top_neighbours
from raypipe.pipeline.run import run_night
from raypipe.recommend.filters.inputs import filters_of, read_filters
from raypipe.recommend.negative_feedback import Rejections, rejections_of
from raypipe.recommend.shard import recommend_shard
from raypipe.recommend.sources import SourceInputs
from raypipe.recommend.sources.popular import lowered, popular
from raypipe.recommend.sources.similar import Similar, similar
from raypipe.storage.feedback.store import FeedbackStore
from raypipe.storage.runs.store import RunStore
from tests import naive
from tests.recommend._builders import prepare
from tests.strategies import IDS, PLAIN, graph_of, pairs

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


def popular_of(graph, rejections, weight):
    feedback = NegativeFeedbackConfig(popular=weight)
    return popular(graph, None, SourceInputs(rejections=rejections, feedback=feedback))


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
    source = popular_of(graph, taught_by(graph, rejected, shown or {"": 0}), weight)
    taught = naive.that_teach(follows, rejected)
    expected = naive.lowered_popularity(follows, taught, shown, weight)
    found = named(graph, source(np.array([0]), np.array([99])))
    assert dict(found) == expected


def test_popularity_by_hand():
    """y, with 5 followers, was shown to 30 and rejected by 10; x, with 4, by nobody."""
    rows = [(f"a{i}", "y") for i in range(5)] + [(f"b{i}", "x") for i in range(4)]
    rejecting = [(f"c{i}", "z") for i in range(10)]  # they are there, and follow somebody
    graph = graph_of(rows + rejecting)
    taught = taught_by(graph, [(name, "y") for name, _ in rejecting], {"y": 30})
    ask = np.array([0]), np.array([3])
    assert named(graph, popular(graph)(*ask)) == [("z", 10.0), ("y", 5.0), ("x", 4.0)]
    found = popular_of(graph, taught, 1.0)(*ask)
    assert named(graph, found) == [("z", 10.0), ("y", 5 * 40 / 50), ("x", 4.0)]  # 4.0, too
    found = popular_of(graph, taught, 4.0)(*ask)
    assert named(graph, found) == [("z", 10.0), ("x", 4.0), ("y", 5 * 40 / 80)]
    # Who rejects and follows nobody of this network is nobody here.
    strangers = taught_by(graph, [(f"fake{i}", "y") for i in range(10)], {"y": 30})
    assert named(graph, popular_of(graph, strangers, 4.0)(*ask))[1] == ("y", 5.0)


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


def dense(seed, rows):
    """Pairs of 30 accounts, so many that neighbours have followees and rejections in common."""
    drawn = np.random.default_rng(seed).integers(0, 30, (rows, 2))
    return [(f"{a:02}", f"{b:02}") for a, b in drawn]


@given(pairs.filter(len), rejected_pairs, st.sets(st.integers(0, 14)))
@example(dense(0, 300), dense(1, 200), {*range(0, 30, 2)})
def test_rejections_of_accounts_that_are_not_heard_change_no_list(rows, rejected, silent):
    graph = graph_of(rows)
    everybody = np.arange(graph.accounts, dtype=np.int32)
    index = build_index(graph.followees, graph.followers)
    near = top_neighbours(index, everybody, 5, (1, 10))
    heard = ~np.isin(everybody, list(silent))
    ids, how = graph.ids.to_pylist(), NegativeFeedbackConfig(popular=1)
    without = [pair for pair in rejected if pair[0] in ids and heard[ids.index(pair[0])]]
    taught = taught_by(graph, rejected).heard_from(heard), taught_by(graph, without)
    inputs = [SourceInputs(rejections=some, feedback=how) for some in taught]
    wanted = np.full(graph.accounts, 5)
    for source in (similar, popular):
        some, less = (source(graph, None, one)(everybody, wanted, near) for one in inputs)
        assert all(np.array_equal(*arrays) for arrays in zip(some, less, strict=True))


@given(pairs.filter(len), rejected_pairs, weights, weights, st.sampled_from([2, 10]))
@example(dense(0, 300), dense(1, 200), 0.5, 3.0, 10)
@example(dense(2, 200), dense(3, 90), 3.0, 0.5, 10)
def test_similar_equals_the_oracle(rows, rejected, times, votes, k):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    taught = naive.that_teach(follows, rejected)
    everybody = np.arange(graph.accounts, dtype=np.int32)
    index = build_index(graph.followees, graph.followers)
    near = top_neighbours(index, everybody, k, (1, 10))
    how = NegativeFeedbackConfig(neighbours=times, votes=votes)
    source = Similar(graph.followees, taught_by(graph, rejected), how)
    found = source(everybody, np.full(graph.accounts, 5), near)
    for code, account in enumerate(graph.ids.to_pylist()):
        expected = naive.similar_with_rejections(follows, taught, account, times, votes, k=k)
        mine = named(graph, found, code)
        assert dict(mine) == expected
        assert len(mine) == len(expected)


def test_similar_by_hand():
    """b shares x and y with a, and follows one whom a has rejected; c shares them too."""
    rows = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("b", "no"), ("b", "p")]
    graph = graph_of([*rows, ("c", "x"), ("c", "y"), ("c", "q"), ("c", "p")])
    index = build_index(graph.followees, graph.followers)
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
        how = NegativeFeedbackConfig(neighbours=times, votes=votes)
        source = Similar(graph.followees, taught_by(graph, rejected), how)
        assert dict(named(graph, source(me, np.array([9]), near))) == pytest.approx(expected)


def lists(graph, rejections, **options):
    settings = {f"feedback.negative.{name}": value for name, value in options.items()}
    config = load_config(None, {**PLAIN, "recommendations.per_account": 5, **settings})
    everybody = np.arange(graph.accounts, dtype=np.int32)
    context = prepare(graph, everybody, config, rejections=rejections)
    return recommend_shard(context, (0, graph.accounts)).tables


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
    config = load_config(
        None, {**PLAIN, "feedback.negative.neighbours": 1, "feedback.negative.popular": 1}
    )
    context = prepare(graph, np.arange(50, dtype=np.int32), config, rejections=taught)
    whole = recommend_shard(context, (0, 50)).tables["recommendations"].to_pylist()
    parts = [recommend_shard(context, shard).tables for shard in ((0, 1), (1, 17), (17, 50))]
    assert [row for part in parts for row in part["recommendations"].to_pylist()] == whole
    assert whole != lists(graph, None, **OFF)["recommendations"].to_pylist()


def some_follows():
    """Of 40 accounts, the lower the more followed."""
    rng = np.random.default_rng(8)
    drawn = rng.random((40, 40)) < 0.4 / (1 + np.arange(40) / 12)
    return [(f"{a:02}", f"{b:02}") for a, b in np.argwhere(drawn).tolist() if a != b]


FOLLOWS = some_follows()
REJECTED = [
    (f"{a:02}", f"{b:02}")
    for a in range(40)
    for b in range(a % 6, 12, 6)
    if a != b and (f"{a:02}", f"{b:02}") not in FOLLOWS
]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYPIPE_RUNS_DIR", raising=False)
    lines = ["followerId,followingId", *map(",".join, FOLLOWS)]
    Path("follows.csv").write_text("\n".join(lines) + "\n")


def reject(*rejected, runs="runs"):
    with closing(FeedbackStore(store_url(None, Path(runs)))) as store:
        for account, candidate in rejected:
            store.reject(account, candidate)


def config_for(**settings):
    fixed = {"input.follows": "follows.csv", "cluster": "none", "frames": "pandas"}
    fixed |= {"ladder": "fixed", "recommendations.per_account": 4}
    return load_config(None, PLAIN | fixed | {k.replace("__", "."): v for k, v in settings.items()})


def night(runs, date="2026-03-01", **settings):
    return run_night(config_for(**settings), RunStore(Path(runs)), date).run


def bytes_of(run, *kinds):
    files = run.manifest.files.items()
    return {name: file.sha256 for name, file in files if name.startswith(kinds)}


EVERYTHING = {f"feedback__negative__{name}": 3 for name in OFF}
NOTHING = {f"feedback__negative__{name}": 0 for name in OFF} | {
    "feedback__negative__factors": False
}
TRAINED = {
    "sources__factors__algorithm": "SVD",
    "sources__factors__parameters": {"n_factors": 4, "n_epochs": 3},
    "sources__factors__min_follows": 5,
}


def test_a_night_learns_what_its_config_says(elsewhere):
    """Where nobody has rejected anybody, any option gives the same bytes; else all phases learn."""
    published = "neighbours/", "recommendations/", "model/"
    runs = {}
    for name, rejected in (("none", []), ("some", REJECTED)):
        for options in (EVERYTHING, NOTHING):
            folder = f"{name}{len(runs)}"
            Path(folder).mkdir()
            reject(*rejected, runs=folder)
            runs[folder] = night(folder, **TRAINED, **options)
    none, none_off, some, some_off = (bytes_of(run, *published) for run in runs.values())
    assert none == none_off
    changed = {name.split("/")[0] for name in some if some[name] != some_off[name]}
    assert changed == {"recommendations", "model"}
    assert {name: some_off[name] for name in none if name.startswith("model")} == {
        name: none[name] for name in none if name.startswith("model")
    }


def test_the_evidence_learns_as_the_night_does(elsewhere, monkeypatch):
    monkeypatch.setattr("raypipe.evaluation.leading.MIN_ACCOUNTS", 5)
    asked = {"ladder": "holdout", "evaluation__min_follows": 2}
    seen = []
    monkeypatch.setattr(
        "raypipe.pipeline.steps.choose_ladder",
        lambda *told: seen.append(told[5]) or choose_ladder(*told),
    )
    night("a", **asked, **EVERYTHING)
    reject(*REJECTED)
    off = night("runs", **asked, **NOTHING).manifest.ladder
    on = night("runs", **asked, **EVERYTHING).manifest.ladder
    assert seen[:2] == [None, None]
    assert len(seen[2].rows.codes) == len(REJECTED)
    assert on.table != off.table


def test_popularity_goes_by_what_was_shown_the_night_before(elsewhere):
    asked = {"sources__similar__min_follows": 99, "feedback__negative__popular": 1.5}
    first = night("runs", **asked)
    assert first.manifest.feedback.shown_in is None
    reject(*REJECTED)
    again = night("runs", **asked)  # of the same date: the run before is none of its business
    assert again.manifest.feedback.shown_in is None
    second = night("runs", "2026-03-02", **asked)
    assert second.manifest.feedback.shown_in == again.id
    assert night("runs", "2026-03-02", **asked).id == second.id
    shown = Counter(pq.read_table(again.path / "recommendations")["candidateId"].to_pylist())
    follows = naive.follow_sets(FOLLOWS)
    taught = naive.that_teach(follows, REJECTED)
    followers = dict(naive.popularity(follows))
    for run, seen in ((again, {}), (second, shown)):
        scores = naive.lowered_popularity(follows, taught, seen, 1.5)
        rows = pq.read_table(run.path / "recommendations").to_pylist()
        for account, mine in follows.items():
            never = mine | taught[account] | {account}
            may = [(other, score) for other, score in scores.items() if other not in never]
            found = [(r["candidateId"], r["score"]) for r in rows if r["accountId"] == account]
            assert found == naive.best_candidates(followers, account, may, 4)
    assert bytes_of(again, "recommendations/") != bytes_of(second, "recommendations/")


def test_what_was_shown_is_read_only_where_it_counts_and_is_in_the_digest(elsewhere):
    store = RunStore(Path("runs"))
    first = night("runs")
    on, off = (config_for(feedback__negative__popular=weight) for weight in (1, 0))
    graph = graph_of(FOLLOWS)
    assert read_filters(on, store, "2026-03-02").shown_in is None  # nobody has rejected anybody
    reject(*REJECTED)
    assert read_filters(off, store, "2026-03-02").shown_in is None
    assert filters_of(read_filters(off, store, "2026-03-02"), graph).shown is None
    inputs = read_filters(on, store, "2026-03-02")
    assert inputs.shown_in.id == first.id
    assert inputs.digest() != replace(inputs, shown_in=None).digest()
    shown = filters_of(inputs, graph).shown
    assert shown.sum() == first.manifest.parts["recommendations"][0].rows
    without_most_shown = [
        row for row in FOLLOWS if graph.ids[int(shown.argmax())].as_py() not in row
    ]
    less = graph_of([*without_most_shown, ("zz", "00")])
    known = dict(zip(graph.ids.to_pylist(), shown.tolist(), strict=True))
    found = filters_of(inputs, less).shown.tolist()
    assert found == [known.get(name, 0) for name in less.ids.to_pylist()]
    part = first.path / first.manifest.parts["recommendations"][0].file
    part.chmod(0o644)
    part.write_bytes(b"torn")
    with pytest.raises(RunError, match=r"cannot be read .* or set feedback\.negative\.popular: 0"):
        filters_of(inputs, graph)
