"""The tie rule of ranked lists, and filling lists up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.candidates import BestLists, Candidates
from raypipe.kernels.topk import best_of_groups, best_of_rows, fill_up, keep_best
from tests import naive


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.0, 0.5, 1.0]), st.booleans())),
        max_size=5,
    ),
    st.integers(1, 4),
)
def test_best_of_rows_follows_the_tie_rule(rows, n):
    rows = [list({code: (code, score, keep) for code, score, keep in row}.values()) for row in rows]
    flat = [entry for row in rows for entry in row]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    candidates = Candidates(
        indptr.astype(np.int64),
        np.array([code for code, _, _ in flat], dtype=np.int32),
        np.array([score for _, score, _ in flat], dtype=np.float64),
    )
    keep = np.array([keep for _, _, keep in flat], dtype=bool)
    counts, codes, scores = best_of_rows(candidates, keep, n)
    for place, row in enumerate(rows):
        expected = naive.best([(code, score) for code, score, keep in row if keep], n)
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
    st.randoms(use_true_random=False),
)
def test_keep_best_follows_the_tie_rule(scores, n, random):
    codes = list(range(len(scores)))
    random.shuffle(codes)
    entries = list(zip(codes, scores, strict=True))
    spare = [99, 98], [2.0, 2.0]  # behind the entries that count
    kept_codes, kept_scores = np.array(codes + spare[0], np.int32), np.array(scores + spare[1])
    count = keep_best(kept_codes, kept_scores, len(entries), n)
    kept = zip(kept_codes[:count].tolist(), kept_scores[:count].tolist(), strict=True)
    assert sorted(kept) == sorted(naive.best(entries, n))


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 2)), max_size=12),
    st.tuples(st.integers(1, 4), st.integers(0, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.randoms(use_true_random=False),
)
def test_best_of_groups_continues_a_full_list_with_what_it_left(rows, n, limit, random):
    """Two parts, each greedy within its limit on a group."""
    codes = random.sample(range(20), len(rows))
    scores, groups = [score for score, _ in rows], [group for _, group in rows]
    candidates = Candidates(np.array([0, len(rows)]), np.array(codes, np.int32), np.array(scores))
    best, found = best_of_groups(candidates, np.array(groups, np.int32), 3, n, limit)
    group_of, expected = dict(zip(codes, groups, strict=True)), []
    for length, share in zip(n, limit, strict=True):
        taken = []
        for entry in naive.best(list(zip(codes, scores, strict=True)), len(rows)):
            group = [group_of[code] for code, _ in taken].count(group_of[entry[0]])
            if entry not in expected and len(taken) < length and group < share:
                taken.append(entry)
        expected += taken
        if len(taken) < length:
            break
    count = int(best.counts[0])
    assert list(zip(best.codes[0, :count], best.scores[0, :count], strict=True)) == expected
    assert found[0, :count].tolist() == [group_of[code] for code, _ in expected]
    assert (best.codes[0, count:] == -1).all()
