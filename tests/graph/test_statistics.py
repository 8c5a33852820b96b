"""What a graph looks like in numbers: counted by hand, in sets, and by others."""

from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given

from raypipe.follows import follows_dataframe
from raypipe.graph.statistics import graph_statistics, triangle_statistics
from raypipe.kernels.triangles import count_triangles
from tests import naive
from tests.strategies import graph_of, pairs


def test_mutual_follows_and_triangles_by_hand():
    # a and b follow each other, and both are tied to c; d hangs on a; x follows nobody but itself.
    rows = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "a"), ("d", "a"), ("x", "x")]
    statistics = graph_statistics(graph_of(rows))
    assert statistics.mutual_follows == 1
    assert statistics.reciprocity == 0.4
    # Of the five pairs of edges at one account three are closed: one each at a, b and c.
    assert triangle_statistics(graph_of(rows)) == {
        "triangles": 1,
        "transitivity": 0.6,
        "mean_clustering": round((1 / 3 + 1 + 1 + 0 + 0) / 5, 4),
    }


@pytest.mark.parametrize("rows", [[], [("a", "a")], [("a", "b")]])
def test_graphs_without_a_pair_of_edges(rows):
    assert graph_statistics(graph_of(rows)).reciprocity == 0
    assert set(triangle_statistics(graph_of(rows)).values()) == {0}


@given(pairs)
def test_equal_the_sets(rows):
    graph, follows = graph_of(rows), naive.follow_sets(rows)
    ids = graph.ids.to_pylist()
    returned = sum(a in follows[b] for a in follows for b in follows[a])
    statistics = graph_statistics(graph)
    assert statistics.mutual_follows == returned / 2
    assert statistics.reciprocity == round(returned / max(graph.follows, 1), 4)

    found, triangles = count_triangles(graph.followees, graph.followers), naive.triangles(follows)
    known = {a: (follows[a] | naive.followers_of(follows, a)) for a in follows}
    corners = {a: sum(a in three for three in triangles) for a in follows}
    assert dict(zip(ids, found.degrees.tolist(), strict=True)) == {
        a: len(some) for a, some in known.items()
    }
    assert dict(zip(ids, found.triangles.tolist(), strict=True)) == corners
    if rows:
        pairs_of = {a: len(some) * (len(some) - 1) / 2 for a, some in known.items()}
        shares = [corners[a] / pairs_of[a] if pairs_of[a] else 0 for a in follows]
        said = triangle_statistics(graph)
        assert said["triangles"] == len(triangles)
        assert said["mean_clustering"] == pytest.approx(mean(shares), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "triangles", "clustering", "closed"),
    [("wiki-vote/follows.csv", 608_389, 0.1409, 0.04564),
     ("slashdot/follows.csv.gz", 602_592, 0.0603, 0.008184)],
)  # fmt: skip
def test_real_graphs_have_the_triangles_that_snap_counts(data, name, triangles, clustering, closed):
    """As on https://snap.stanford.edu/data/wiki-Vote.html and .../soc-Slashdot0902.html.

    SNAP's fraction of closed triangles is t / (t + open triads), where a triangle counts once.
    """
    rows = follows_dataframe(data / name).itertuples(index=False, name=None)
    said = triangle_statistics(graph_of(list(rows)))
    assert said["triangles"] == triangles
    assert said["mean_clustering"] == pytest.approx(clustering, abs=1e-4)
    share = said["transitivity"]
    assert share / 3 / (share / 3 + 1 - share) == pytest.approx(closed, rel=3e-3)
