"""Short ways to come by ratings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from raypipe.ratings.data import build_ratings

SCALE = (1.0, 5.0)


def frame_of(rows):
    """A frame of (user, item, rating) or (user, item, rating, timestamp)."""
    names = ["userId", "itemId", "rating", "timestamp"]
    return pd.DataFrame(rows, columns=names[: len(rows[0])])


def ratings_of(rows, scale=SCALE):
    return build_ratings(frame_of(rows), scale)[0]


def random_ratings(users=40, items=30, count=500, seed=0):
    """Whole stars that depend on user and item; a user, an item and a pair that come once."""
    rng = np.random.default_rng(seed)
    pairs = {
        (int(users * rng.random() ** 2), int(items * rng.random() ** 2)) for _ in range(2 * count)
    }
    pairs = sorted(pairs)[:: max(1, len(pairs) // count)][:count]
    return ratings_of(
        [
            (f"u{user}", f"i{item}", float(1 + (user * item + rng.integers(0, 3)) % 5))
            for user, item in pairs
        ]
        + [("once", "i0", 4.0), ("u0", "rare", 2.0), ("lone", "lonely", 5.0)]
    )


def rows_of(ratings):
    """(user, item, rating), in the order in which the ratings stand."""
    users, items = ratings.user_ids.to_pylist(), ratings.item_ids.to_pylist()
    return [
        (users[user], items[item], value)
        for user, item, value in zip(
            ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist(), strict=True
        )
    ]


def surprise_dataset(ratings):
    """The same ratings, in the same order, as scikit-surprise reads them."""
    from surprise import Dataset, Reader

    frame = pd.DataFrame(rows_of(ratings), columns=["user", "item", "rating"])
    return Dataset.load_from_df(frame, Reader(rating_scale=ratings.scale))


def surprise_trainset(n, epochs):
    """A trainset of n users and n items that hands out other ratings in each epoch.

    Args:
        epochs: arrays of users, items and values for each epoch.
    """
    from surprise import Trainset

    left = iter(epochs)

    class Changing(Trainset):
        def all_ratings(self):
            return zip(*(array.tolist() for array in next(left)), strict=True)

    changing = Changing({}, {}, n, n, 0, (0, 1), {}, {})
    changing._global_mean = 0.0
    return changing
