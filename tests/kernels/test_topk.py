"""The order of candidates, and filling lists up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.candidates import BestLists, Candidates
from raypipe.kernels.topk import (
    TieRule,
    best_of_groups,
    best_of_rows,
    fill_up,
    keep_best,
    sort_best,
)

#: Few followers and positions, so that every part of the tie rule decides something.
rules = st.tuples(
    st.lists(st.integers(0, 2), min_size=31, max_size=31),
    st.lists(st.sampled_from([0, 1, 7, 2**31, 2**32 - 1]), min_size=31, max_size=31),
).map(lambda drawn: TieRule(np.array(drawn[0], np.int32), np.array(drawn[1], np.uint32)))


def best(rule, account, scored, n):
    followers, positions = rule.follower_counts.tolist(), rule.positions.tolist()

    def key(entry):
        code, score = entry
        distance = (positions[code] - positions[account] - 1) % 2**32
        return -score, -followers[code], distance, code

    return sorted(scored, key=key)[:n]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.0, 0.5, 1.0]), st.booleans())),
        max_size=5,
    ),
    st.integers(1, 4),
    rules,
)
def test_best_of_rows_follows_the_tie_rule(rows, n, rule):
    rows = [list({code: (code, score, keep) for code, score, keep in row}.values()) for row in rows]
    flat = [entry for row in rows for entry in row]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    candidates = Candidates(
        indptr.astype(np.int64),
        np.array([code for code, _, _ in flat], dtype=np.int32),
        np.array([score for _, score, _ in flat], dtype=np.float64),
    )
    keep = np.array([keep for _, _, keep in flat], dtype=bool)
    accounts = np.arange(30, 30 - len(rows), -1)
    counts, codes, scores = best_of_rows(candidates, keep, n, accounts, rule)
    for place, row in enumerate(rows):
        scored = [(code, score) for code, score, keep in row if keep]
        expected = best(rule, accounts[place], scored, n)
        found = list(zip(codes[place].tolist(), scores[place].tolist(), strict=True))
        assert found[: counts[place]] == expected
        assert (codes[place, counts[place] :] == -1).all()


@given(
    st.lists(st.integers(0, 9), max_size=4, unique=True),
    st.lists(st.integers(0, 9), max_size=4, unique=True),
)
def test_fill_up_appends_codes_that_are_missing(first, second):
    def lists(values):
        padded = [values + [-1] * (4 - len(values))]
        return BestLists(np.array([len(values)]), np.array(padded, np.int32), np.zeros((1, 4)))

    counts, codes, _ = fill_up(lists(first), lists(second))
    expected = (first + [code for code in second if code not in first])[:4]
    assert codes[0, : counts[0]].tolist() == expected


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=30),
    st.integers(0, 35),
    st.integers(0, 30),
    rules,
    st.randoms(use_true_random=False),
)
def test_keep_best_and_sort_best_follow_the_tie_rule(scores, n, account, rule, random):
    codes = list(range(len(scores)))
    random.shuffle(codes)
    entries = list(zip(codes, scores, strict=True))
    spare = [99, 98], [2.0, 2.0]  # behind the entries that count
    expected = best(rule, account, entries, n)
    for choose, order in ((keep_best, sorted), (sort_best, list)):
        kept_codes, kept_scores = np.array(codes + spare[0], np.int32), np.array(scores + spare[1])
        count = choose(kept_codes, kept_scores, len(entries), n, account, rule)
        kept = zip(kept_codes[:count].tolist(), kept_scores[:count].tolist(), strict=True)
        assert order(kept) == order(expected)
        assert (kept_codes[len(entries) :].tolist(), kept_scores[len(entries) :].tolist()) == spare


@pytest.mark.parametrize("count", [128, 129, 300])
def test_sort_best_of_many_follows_the_tie_rule(count):
    """Few are sorted by comparing all pairs, many by a heap."""
    rng = np.random.default_rng(count)
    rule = TieRule(rng.integers(0, 3, count).astype(np.int32), rng.integers(0, 9, count, np.uint32))
    codes, scores = rng.permutation(count).astype(np.int32), rng.integers(0, 9, count) / 8
    expected = best(rule, 5, list(zip(codes.tolist(), scores.tolist(), strict=True)), count)
    assert sort_best(codes, scores, count, count, 5, rule) == count
    assert list(zip(codes.tolist(), scores.tolist(), strict=True)) == expected


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 2)), max_size=12),
    st.tuples(st.integers(1, 4), st.integers(0, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    rules,
    st.randoms(use_true_random=False),
)
def test_best_of_groups_continues_a_full_list_with_what_it_left(rows, n, limit, rule, random):
    """Two parts, each greedy within its limit on a group."""
    codes = random.sample(range(20), len(rows))
    scores, groups = [score for score, _ in rows], [group for _, group in rows]
    candidates = Candidates(np.array([0, len(rows)]), np.array(codes, np.int32), np.array(scores))
    chosen, found = best_of_groups(
        candidates, np.array(groups, np.int32), 3, n, limit, np.array([20]), rule
    )
    group_of, expected = dict(zip(codes, groups, strict=True)), []
    for length, share in zip(n, limit, strict=True):
        taken = []
        for entry in best(rule, 20, list(zip(codes, scores, strict=True)), len(rows)):
            group = [group_of[code] for code, _ in taken].count(group_of[entry[0]])
            if entry not in expected and len(taken) < length and group < share:
                taken.append(entry)
        expected += taken
        if len(taken) < length:
            break
    count = int(chosen.counts[0])
    assert list(zip(chosen.codes[0, :count], chosen.scores[0, :count], strict=True)) == expected
    assert found[0, :count].tolist() == [group_of[code] for code, _ in expected]
    assert (chosen.codes[0, count:] == -1).all()
