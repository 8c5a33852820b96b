from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.errors import RunError, UnknownAccountError
from raypipe.graph.follow_graph import build_graph, encode, load_graph, save_graph
from raypipe.graph.statistics import co_follow_pairs, graph_statistics
from tests import naive
from tests.strategies import frame_of, graph_of, pairs


@given(pairs)
def test_holds_what_the_sets_hold(rows):
    graph, dropped = build_graph([encode(frame_of(rows))])
    follows = naive.follow_sets(rows)
    ids = graph.ids.to_pylist()
    assert ids == sorted(follows)
    assert graph.follows + dropped.duplicates + dropped.self_follows == len(rows)
    assert dropped.self_follows == sum(a == b for a, b in rows)
    for code, account in enumerate(ids):
        assert {ids[other] for other in graph.followees.row(code)} == follows[account]
        followers = {other for other in follows if account in follows[other]}
        assert {ids[other] for other in graph.followers.row(code)} == followers
        assert graph.code(account) == code


@given(st.data())
def test_fingerprint_is_of_the_content_not_of_the_cut(data):
    rows = data.draw(pairs)
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [frame_of(shuffled[:cut]), frame_of(shuffled[cut:])]
    again, _ = build_graph([encode(part) for part in parts])
    graph = graph_of(rows)
    assert again.fingerprint == graph.fingerprint
    assert again.ids.equals(graph.ids)
    assert np.array_equal(again.followees.codes, graph.followees.codes)
    assert np.array_equal(again.followers.codes, graph.followers.codes)


@given(pairs, pairs)
def test_fingerprint_tells_graphs_apart(one, other):
    def content(rows):
        follows = naive.follow_sets(rows)
        return {account: frozenset(followees) for account, followees in follows.items()}

    same = graph_of(one).fingerprint == graph_of(other).fingerprint
    assert same == (content(one) == content(other))


def test_fingerprint_does_not_run_ids_together():
    assert graph_of([("a", "bc")]).fingerprint != graph_of([("ab", "c")]).fingerprint


def test_fingerprint_is_the_same_in_every_release():
    assert graph_of([("a", "b"), ("b", "c")]).fingerprint[:16] == "c4232db96600fa88"


def test_no_rows_at_all():
    graph, dropped = build_graph([encode(frame_of([]))])
    assert (graph.accounts, graph.follows, tuple(dropped)) == (0, 0, (0, 0))
    assert graph_statistics(graph).follows_per_follower["count"] == 0


def test_further_accounts_have_no_follows():
    graph, _ = build_graph([encode(frame_of([("b", "c")]))], further_accounts=["a", "c"])
    assert graph.ids.to_pylist() == ["a", "b", "c"]
    assert graph.followees.degrees.tolist() == [0, 1, 0]


def test_encode_takes_columns_of_several_chunks():
    chunked = pa.chunked_array([["a"], ["b", "a"]]), pa.chunked_array([["b", "c"], ["a"]])
    table = pa.table({"followerId": chunked[0], "followingId": chunked[1]})
    graph, _ = build_graph([encode(table.to_pandas(types_mapper=lambda _: None))])
    assert graph.followees.degrees.tolist() == [1, 1, 0]


def test_saved_and_mapped_back(tmp_path):
    graph = graph_of([("a", "b"), ("b", "é"), ("é", "a")])
    save_graph(graph, tmp_path)
    mapped = load_graph(tmp_path)
    assert isinstance(mapped.followees.codes, np.memmap)
    assert mapped.fingerprint == graph.fingerprint
    assert mapped.ids.equals(graph.ids)
    for mine, theirs in zip(
        (*mapped.followees, *mapped.followers), (*graph.followees, *graph.followers), strict=True
    ):
        assert np.array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


def test_a_damaged_graph_is_named(tmp_path):
    save_graph(graph_of([("a", "b")]), tmp_path)
    (tmp_path / "followers_codes.npy").write_bytes(b"no array")
    with pytest.raises(RunError, match="is not a whole graph"):
        load_graph(tmp_path)


def test_unknown_account_is_named():
    graph = graph_of([("a", "b")])
    with pytest.raises(UnknownAccountError, match="account 'x' is not among the 2"):
        graph.code("x")
    assert graph.codes(["b", "x", "a"]).tolist() == [1, -1, 0]


@given(pairs)
def test_co_follow_pairs_are_the_pairs_that_share_a_followee(rows):
    follows = naive.follow_sets(rows)
    expected = sum(len(a & b) for a in follows.values() for b in follows.values())
    assert co_follow_pairs(graph_of(rows)) == expected


@pytest.mark.parametrize(
    ("folder", "accounts", "follows", "self_follows"),
    [
        ("wiki-vote/follows.csv", 7_115, 103_689, 0),
        # Its ids run to 6541, but two of them are in no row.
        ("advogato/follows.csv", 6_541 - 2, 51_127 - 3_992, 3_992),
        ("slashdot/follows.csv.gz", 82_168, 948_464 - 78_303, 78_303),
    ],
)
def test_real_graphs_have_their_published_sizes(data, folder, accounts, follows, self_follows):
    from raypipe.follows import follows_dataframe

    frame = follows_dataframe(data / folder)
    graph, dropped = build_graph([encode(frame)])
    assert (graph.accounts, graph.follows) == (accounts, follows)
    assert dropped == (0, self_follows)
    halves = [encode(frame[len(frame) // 2 :]), encode(frame[: len(frame) // 2])]
    assert build_graph(halves)[0].fingerprint == graph.fingerprint


def as_csv(rows):
    return "\n".join(["followerId,followingId", *map(",".join, rows)]) + "\n"


def test_one_file_and_twenty_of_any_order_are_one_graph(tmp_path, local_ray):
    """Through both engines: what is read is the content, not its cut."""
    from raypipe.compute.frames import PandasEngine
    from raypipe.compute.ray_cluster import ModinEngine
    from raypipe.config import InputConfig
    from raypipe.graph.demo import demo_follows
    from raypipe.storage.intake.inputs import open_inputs
    from raypipe.storage.intake.read import read_follows

    rows = [row for row in demo_follows(accounts=200) if all(row)]
    (tmp_path / "twenty").mkdir()
    (tmp_path / "one.csv").write_text(as_csv(rows))
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    for number in range(20):
        (tmp_path / "twenty" / f"{number}.csv").write_text(as_csv(shuffled[number::20]))
    for engine in (PandasEngine(), ModinEngine()):
        for name in ("one.csv", "twenty"):
            intake = read_follows(open_inputs(InputConfig(follows=str(tmp_path / name))), engine)
            graph, _ = build_graph(engine.map_partitions(encode, intake.frame))
            assert graph.fingerprint == graph_of(rows).fingerprint, (engine.name, name)
