"""The tie rule of ranked lists, and filling lists up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.candidates import BestLists, Candidates
from raypipe.kernels.topk import best_of_rows, fill_up, keep_best
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
