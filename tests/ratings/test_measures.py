from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.ratings.measures import measure_estimates

#: Ratings of each user with their estimates, then rmse, mae, fcp as worked out by hand.
BY_HAND = [
    # errors 1, 1, 0, 1; no pair of different ratings
    ([[(1, 2)], [(2, 1)], [(3, 3)], [(4, 5)]], (3 / 4) ** 0.5, 0.75, None),
    # one user: 5 > 1 and 5 > 3 and 3 > 1 all in order
    ([[(5, 5), (1, 1), (3, 3)]], 0.0, 0.0, 1.0),
    # one user: 5 > 1 right, 3 > 1 tied in the estimates, which is wrong, 5 > 3 right
    ([[(5, 4), (1, 2), (3, 2)]], 1.0, 1.0, 2 / 3),
    # two users: 1 right of 1, and 3 wrong of 3; means over users with any: 1 / (1 + 3)
    ([[(2, 2), (1, 1)], [(1, 3), (2, 2), (3, 1)]], (8 / 5) ** 0.5, 4 / 5, 1 / 4),
    # two equal ratings are no pair
    ([[(4, 1), (4, 5)]], 5**0.5, 2.0, None),
]


def measured(users):
    pairs = [pair for user in users for pair in user]
    ratings, estimates = np.array(pairs, np.float64).T
    indptr = np.concatenate([[0], np.cumsum([len(user) for user in users])])
    return measure_estimates(np.ascontiguousarray(ratings), estimates.copy(), indptr)


@pytest.mark.parametrize(("users", "rmse", "mae", "fcp"), BY_HAND)
def test_by_hand(users, rmse, mae, fcp):
    assert measured(users) == pytest.approx({"rmse": rmse, "mae": mae, "fcp": fcp})


STARS = st.integers(1, 5).map(float)
ESTIMATES = st.sampled_from([1.0, 1.5, 2.0, 3.25, 4.0, 5.0])
USERS = st.lists(st.lists(st.tuples(STARS, ESTIMATES), min_size=1), min_size=1, max_size=6)


@given(USERS)
def test_as_scikit_surprise_measures(users):
    from surprise import Prediction, accuracy

    ours = measured(users)
    theirs = [
        Prediction(number, 0, rating, estimate, {})
        for number, user in enumerate(users)
        for rating, estimate in user
    ]
    assert ours["rmse"] == pytest.approx(accuracy.rmse(theirs, verbose=False), rel=1e-12)
    assert ours["mae"] == pytest.approx(accuracy.mae(theirs, verbose=False), rel=1e-12)
    if ours["fcp"] is None:
        with pytest.raises(ValueError, match="cannot compute fcp"):
            accuracy.fcp(theirs, verbose=False)
    else:
        assert ours["fcp"] == pytest.approx(accuracy.fcp(theirs, verbose=False), rel=1e-12)
