"""What `make bench-similarity` rests on: its graphs, its plain kernel, its scores, its watch."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from raypipe.kernels.similarity_index import build_index
from raypipe.kernels.tanimoto import top_neighbours
from tests import naive
from tests.benchmarks.similarity import __main__ as face
from tests.benchmarks.similarity import graphs, rows, scores, trial
from tests.benchmarks.similarity.peers import PEERS, ours
from tests.benchmarks.similarity.peers.peer import APPROXIMATE, EXACT, OVERLAP, Question
from tests.benchmarks.similarity.plain import plain_neighbours, roof, walked
from tests.kernels.test_tanimoto import SHAPES, assert_equals_oracle, follows_of

LIMITS = trial.Limits(60, 10**9)


def graph_of(pairs):
    pairs = np.asarray(pairs)
    return graphs.graph_of(*pairs.T, int(pairs.max(initial=1)) + 1)


def index_of(graph):
    return build_index(graph.followees, graph.followers)


def sets_of(graph):
    return {
        account: set(graph.followees.row(account).tolist()) for account in range(graph.accounts)
    }


def test_rmat_is_drawn_by_its_quadrants():
    """The account that every first bit points to follows, and is followed, as often as .57 .19."""
    scale, drawn = 11, 16 << 11
    graph = graphs.rmat(scale)
    expected = 0.0
    for ones in range(scale + 1):
        chance = 0.57 ** (scale - ones) * 0.19**ones
        expected += math.comb(scale, ones) * (1 - (1 - chance) ** drawn)
    assert graph.accounts == 2**scale
    assert graph.followees.degrees.max() == pytest.approx(expected, rel=0.05)
    assert graph.followers.degrees.max() == pytest.approx(expected, rel=0.05)


def test_rmat_is_seeded():
    one, again, other = graphs.rmat(8), graphs.rmat(8), graphs.rmat(8, seed=2)
    assert np.array_equal(one.followees.codes, again.followees.codes)
    assert not np.array_equal(one.followees.codes, other.followees.codes)


def test_the_community_graph_has_hubs_and_four_billion_co_follow_pairs():
    graph = graphs.community()
    assert graph.accounts == 100_000
    assert 3.5e9 < graph.co_follow_pairs.sum() < 4.5e9
    assert graph.followers.degrees.max() > graph.accounts / 4
    followers = np.repeat(np.arange(graph.accounts), graph.followees.degrees)
    at_home = followers // 200 == graph.followees.codes // 200
    assert 0.3 < at_home.mean() < 0.5


def test_a_graph_is_made_once_and_comes_back_read_only(tmp_path, monkeypatch):
    made = graphs.rmat(7)
    path = graphs.cached("rmat7", tmp_path)
    monkeypatch.setattr(graphs, "make", None)
    assert graphs.cached("rmat7", tmp_path) == path
    loaded = graphs.load(path)
    for ours_, theirs in zip((*made[0], *made[1]), (*loaded[0], *loaded[1]), strict=True):
        assert np.array_equal(ours_, theirs)
        assert not theirs.flags.writeable


def test_an_unknown_graph_is_refused():
    with pytest.raises(SystemExit, match="no graph 'rmat'; there are: wiki-vote"):
        graphs.make("rmat")


def overlaps_beyond_a_byte():
    return [(1000 + a, b) for a in range(40) for b in range(7 * a, 300 + 9 * a)]


@pytest.mark.parametrize("threshold", [(0, 1), (1, 10), (1, 2)])
@pytest.mark.parametrize(
    "shape", ["dense with hubs", "long ties", "sparse", "nested sets", "beyond a byte"]
)
def test_the_plain_kernel_equals_the_oracle(shape, threshold):
    pairs = overlaps_beyond_a_byte() if shape == "beyond a byte" else SHAPES[shape]
    graph = graph_of(pairs)
    follows = np.flatnonzero(graph.followees.degrees)
    asked = follows[:: max(1, len(follows) // 20)]
    near = plain_neighbours(index_of(graph), asked, 10, threshold)
    assert_equals_oracle(near, follows_of(pairs, graph.accounts), asked.tolist(), 10, threshold)


def test_threads_do_not_change_the_answer():
    graph = graphs.rmat(9)
    index = index_of(graph)
    for kernel in (top_neighbours, plain_neighbours):
        one, two = (ours.by(kernel)(index, Question(5, (1, 10), threads)) for threads in (1, 2))
        for whole, parts in zip(one, two, strict=True):
            assert np.array_equal(whole, parts)


def test_the_roof_adds_one_for_each_entry():
    index = index_of(graph_of([(1, 0), (2, 0), (2, 5), (3, 5), (4, 5), (4, 0), (6, 0)]))
    assert index.sizes.tolist() == [1, 1, 2]  # {0}, {5}, {0, 5}
    assert ours.entries(index).tolist() == [2, 2, 4]
    assert roof(index, (0, 3)).tolist() == [2, 2, 4]
    assert roof(index, (1, 3)).tolist() == [1, 2, 3]


def test_walked_counts_whole_short_lists_and_walks_them_again():
    """500 sets of two followees, in pairs that share one of them: 4 lists of 1 and 2 a pair."""
    pairs = [(a, 5000 + a) for a in range(500)] + [(a, 6000 + a // 2) for a in range(500)]
    assert walked(index_of(graph_of(pairs)), 10, (0, 1)) == (1500, 1500, 0)


def test_walked_counts_planes_apart():
    """Every pair of eight followees is a set: one plane says it all."""
    sets = [(a, b) for a in range(8) for b in range(a)]
    pairs = [(100 + place, followee) for place, both in enumerate(sets) for followee in both]
    assert walked(index_of(graph_of(pairs)), 10, (0, 1)) == (0, 0, 28 * 28)


def test_walked_leaves_out_what_the_length_filter_does():
    """Followee 0 is followed by 100 sets of 2 and 80 sets of 30; all other follows are unique.

    The plane of followee 0 spans 100 and 80 groups; of the unique followees, seven stand in it.
    """
    pairs = [(1 + a, followee) for a in range(100) for followee in (0, 1000 + a)]
    unique = np.arange(80 * 29).reshape(80, 29) + 2000
    pairs += [(200 + a, followee) for a in range(80) for followee in (0, *unique[a])]
    found = walked(index_of(graph_of(pairs)), 10, (1, 10))
    assert found == (100 + 80 * 29 - 7, 0, 100 * 100 + 80 * 80)


def test_walked_skips_groups_with_enough_members():
    pairs = [(a, 100) for a in range(12)]
    assert walked(index_of(graph_of(pairs)), 11, (0, 1)) == (0, 0, 0)
    assert walked(index_of(graph_of(pairs)), 12, (0, 1)) == (0, 0, 1)


def random_graph():
    rng = np.random.default_rng(4)
    return graph_of((60 * rng.random((900, 2)) ** 2).astype(int))


def as_neighbours(lists, k=3):
    """From [(other, overlap, score), ...] of each account."""
    found = scores.no_neighbours(len(lists), k)
    for account, entries in enumerate(lists):
        found.counts[account] = len(entries)
        for place, (other, overlap, score) in enumerate(entries):
            found.codes[account, place] = other
            found.overlaps[account, place] = overlap
            found.scores[account, place] = score
    return found


@pytest.mark.parametrize("threshold", [(0, 1), (1, 5)])
def test_the_best_of_a_product_made_in_blocks_are_the_oracles(threshold):
    graph = random_graph()
    follows = sets_of(graph)
    product = np.array([[len(a & b) for b in follows.values()] for a in follows.values()])
    found = scores.no_neighbours(graph.accounts, 4)
    ranges = scores.blocks(graph, 2000)
    for start, stop in ranges:
        block = product[start:stop]
        indptr = np.concatenate([[0], np.cumsum((block > 0).sum(axis=1))])
        codes, overlaps = np.nonzero(block)[1], block[block > 0]
        sizes = graph.followees.degrees
        scores.keep_best(found, start, indptr, codes, overlaps, sizes, threshold)
    assert_equals_oracle(found, follows, list(follows), 4, threshold)
    assert len(ranges) > 3
    assert [stop for _, stop in ranges[:-1]] == [start for start, _ in ranges[1:]]
    assert (ranges[0][0], ranges[-1][1]) == (0, graph.accounts)
    for start, stop in ranges:
        assert stop == start + 1 or graph.co_follow_pairs[start:stop].sum() <= 2000


@pytest.mark.parametrize("given_overlaps", [True, False])
def test_the_best_of_pairs_are_the_oracles(given_overlaps):
    graph = random_graph()
    follows = sets_of(graph)
    rng = np.random.default_rng(0)
    accounts, others = rng.permutation(
        [(a, b) for a in follows for b in follows if follows[a] & follows[b]]
    ).T
    overlaps = np.array(
        [len(follows[a] & follows[b]) for a, b in zip(accounts, others, strict=True)]
    )
    found = scores.best_of_pairs(
        graph, accounts, others, 4, (1, 10), overlaps if given_overlaps else None
    )
    assert_equals_oracle(found, follows, list(follows), 4, (1, 10))


def test_the_largest_overlaps_are_told_from_others():
    graph = random_graph()
    follows = sets_of(graph)
    lists = [
        [
            (other, int(overlap), float(overlap))
            for other, overlap in naive.best(
                [
                    (b, len(follows[a] & follows[b]))
                    for b in follows
                    if b != a and follows[a] & follows[b]
                ],
                3,
            )
        ]
        for a in follows
    ]
    found = as_neighbours(lists)
    assert scores.overlaps_that_differ(found, graph) == 0
    assert rows.judge(OVERLAP, found, None, graph) == ("overlaps", True, None)
    best = int(found.overlaps[:, 0].argmax())
    found.overlaps[best, 0] += 1
    assert rows.judge(OVERLAP, found, None, graph) == ("WRONG: 1", False, None)


def test_exact_answers_may_differ_in_ties_alone():
    exact = as_neighbours([[(1, 2, 0.5), (2, 1, 0.25)], []])
    tie = as_neighbours([[(1, 2, 0.5), (9, 1, 0.25)], []])
    lower = as_neighbours([[(1, 2, 0.5), (9, 1, 0.2)], []])
    shorter = as_neighbours([[(1, 2, 0.5)], []])
    assert rows.judge(EXACT, tie, exact, None) == ("exact", True, None)
    assert rows.judge(EXACT, lower, exact, None) == ("DIFFERS: 1", False, None)
    assert rows.judge(EXACT, shorter, exact, None) == ("DIFFERS: 1", False, None)
    assert rows.judge(EXACT, shorter, None, None) == ("not compared", True, None)


def test_recall_is_the_part_found_and_ties_with_the_last_count():
    exact = as_neighbours(
        [
            [(1, 1, 0.5), (2, 1, 0.4), (3, 1, 0.3)],
            [(4, 1, 0.5), (5, 1, 0.4)],
            [],
        ]
    )
    found = as_neighbours(
        [
            [(2, 1, 0.4), (9, 1, 0.3), (8, 1, 0.2)],  # 2 of 3
            [(4, 1, 0.5), (6, 1, 0.4), (7, 1, 0.4)],  # 2 of 2, though 3 are as good
            [(3, 1, 0.9)],  # none are there
        ]
    )
    assert scores.recall(found, exact) == float(Fraction(4, 5))
    assert rows.judge(APPROXIMATE, found, exact, None) == ("recall 0.800", True, 0.8)


def test_trials_are_run_in_processes_of_their_own_and_compared(tmp_path):
    plan = rows.Plan("rmat8", ["raypipe", "raypipe-plain"], [1])
    found = list(rows.run([plan], 10, (1, 10), LIMITS, tmp_path))
    assert [(row.way, row.answer) for row in found] == [
        ("raypipe", "exact"),
        ("raypipe-plain", "exact"),
    ]
    for row in found:
        assert row.seconds > 0
        assert row.calls >= 3
        assert 0 < row.looked_at["entries"] <= row.co_follow_pairs
    assert not list(tmp_path.glob("answer*"))


def test_a_trial_over_its_limit_or_broken_says_so(tmp_path):
    small = graphs.cached("rmat6", tmp_path)

    def run(name, limits):
        question = Question(10, (1, 10), 1)
        return trial.run(name, small, small, tmp_path / "answer.npz", question, limits)

    assert run("raypipe", trial.Limits(0, 10**9)).problem == "over 0 min"
    assert run("raypipe", trial.Limits(60, 10**6)).problem == "over 0.001 GB"
    broken = run("nobody", LIMITS)
    assert (broken.problem, broken.note) == ("failed", "KeyError: 'nobody'")


def test_what_is_over_a_limit_is_not_tried_on_a_larger_graph(tmp_path, monkeypatch):
    tried = []

    def run(name, graph, warm_up, answer, question, limits):
        tried.append((graph.name, question.threads))
        return trial.Outcome("over 1 min" if question.threads == 1 else None)

    monkeypatch.setattr(trial, "run", run)
    monkeypatch.setattr(graphs, "community", lambda: graphs.rmat(5))
    plans = [rows.Plan(name, ["roof"], (1, 2)) for name in ("rmat4", "rmat5", "community")]
    found = list(rows.run(plans, 10, (1, 10), LIMITS, tmp_path))
    assert tried == [("rmat4", 1), ("rmat4", 2), ("rmat5", 2), ("community", 1), ("community", 2)]
    assert (found[2].answer, found[2].note) == ("not tried", "over 1 min on rmat4")


def test_a_peer_that_is_not_there_or_too_slow_is_not_tried(tmp_path, monkeypatch):
    absent = ours.Peer("absent", "no-such-package", EXACT, ours.index_and_search)
    slow = ours.Peer("slow", "numpy", EXACT, ours.index_and_search, most_co_follow_pairs=10)
    monkeypatch.setattr(rows, "PEERS", {"absent": absent, "slow": slow})
    found = list(
        rows.run([rows.Plan("rmat4", ["absent", "slow"], [1])], 10, (1, 10), LIMITS, tmp_path)
    )
    assert [row.answer for row in found] == ["not there", "not tried"]


def test_the_plan_has_everything_on_the_chosen_graphs_and_the_growth_between_them():
    planned = face.plans(face._parse([]))
    assert [graphs.scale_of(plan.graph) for plan in planned] == [
        *(None, None, None),
        *range(12, 21),
    ]
    by_name = {plan.graph: plan for plan in planned}
    assert by_name["rmat17"] == rows.Plan("rmat17", tuple(PEERS), (1, 2))
    assert by_name["rmat18"] == rows.Plan("rmat18", face.tables.GROWTH_WAYS, (1,))
    (named,) = face.plans(face._parse(["--graphs", "rmat18", "--peers", "scipy", "--threads", "2"]))
    assert named == rows.Plan("rmat18", ("raypipe", "scipy"), (2,))


def test_an_unknown_way_is_refused(capsys):
    with pytest.raises(SystemExit):
        face._parse(["--peers", "nothing"])
    assert "no way 'nothing'; there are: raypipe" in capsys.readouterr().err


def test_the_tables_fit_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = [
        rows.Row(
            graph=name,
            accounts=10**6,
            follows=10**7,
            co_follow_pairs=10**10,
            way=way,
            title=peer.title,
            kind=peer.kind,
            threads=1,
            load=1.0,
            answer="over 10 min",
            seconds=1234.5,
            peak_mb=12345.0,
            looked_at={"entries": 10**10, "again": 0, "plane_bytes": 0},
        )
        for name in ("rmat19", "rmat20")
        for way, peer in PEERS.items()
    ]
    face.tables.print_graph(found[: len(PEERS)])
    face.tables.print_times(found)
    face.tables.print_growth(found)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for peer in PEERS.values():
        assert f"│ {peer.title}" in out  # in one line, not folded
