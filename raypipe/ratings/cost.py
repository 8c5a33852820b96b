"""Estimated memory and seconds of a training, by algorithm.

scikit-surprise keeps every rating in two Python lists. Its neighbour methods and SlopeOne also keep
square matrices, which are the first to outgrow a machine.
"""

from typing import NamedTuple

import numpy as np

from raypipe.compute.units import size as in_words
from raypipe.config import Section
from raypipe.errors import TooLargeError
from raypipe.ratings.algorithms import NMF, SVD, CoClustering, KNNBasic, SlopeOne, SVDpp
from raypipe.ratings.data import Ratings

#: Bytes per rating in the two lists of a training, temporary objects included. Measured.
LIST_BYTES = 200
#: Bytes per rating in arrays: in each fold that trains on it, and in the one that holds it out.
_LEARNED_BYTES, _HELD_OUT_BYTES = 20, 16
#: Number of square matrices, of 8 bytes per entry, in memory for each similarity.
_MATRICES = {"msd": 3, "cosine": 5, "pearson": 7, "pearson_baseline": 5}


class Size(NamedTuple):
    """The size of a set of ratings.

    Attributes:
        ratings, users, items: their numbers.
        by_user, by_item: sum of the squared numbers of ratings of each user, and of each item.
    """

    ratings: int
    users: int
    items: int
    by_user: int
    by_item: int


def size_of(ratings: Ratings) -> Size:
    """The size of a training on all ratings; that of a fold is slightly smaller."""
    users, items = (
        np.bincount(codes, minlength=len(ids))
        for codes, ids in ((ratings.users, ratings.user_ids), (ratings.items, ratings.item_ids))
    )
    return Size(len(ratings.values), len(users), len(items), int(users @ users), int(items @ items))


def shared_bytes(size: Size, folds: int) -> int:
    """Bytes that all tasks of a machine share: the folds."""
    return size.ratings * (_LEARNED_BYTES * (folds - 1) + _HELD_OUT_BYTES)


def training_bytes(parameters: Section, size: Size) -> int:
    """Maximum bytes of one training, besides the folds.

    Example:
        >>> size = Size(10_000_000, 100_000, 20_000, 0, 0)
        >>> training_bytes(SVD(), size) // 10**6, training_bytes(CoClustering(), size) // 10**6
        (96, 2001)
        >>> training_bytes(KNNBasic(), size) // 10**9
        242
    """
    ratings, users, items, *_ = size
    if isinstance(parameters, SVD):
        return 8 * (users + items) * (parameters.n_factors + 1)
    held = LIST_BYTES * ratings + 16 * (users + items)
    if isinstance(parameters, SVDpp):
        return held + 8 * (users + 2 * items) * (parameters.n_factors + 1)
    if isinstance(parameters, NMF):
        return held + 8 * (users + items) * (3 * parameters.n_factors + 1)
    if isinstance(parameters, KNNBasic):
        return held + 8 * _MATRICES[parameters.sim_options.name] * _compared(parameters, size) ** 2
    if isinstance(parameters, SlopeOne):
        return held + 16 * items**2
    return held


def training_seconds(parameters: Section, size: Size, folds: int) -> float:
    """CPU seconds of one fold, on the machine that this was measured on."""
    ratings, _, items, by_user, by_item = size
    of_test = 1 / folds
    learned = 1 - of_test
    if isinstance(parameters, SVD):
        steps = parameters.n_epochs * (10 + parameters.n_factors)
        return 1e-9 * ratings * learned * steps
    if isinstance(parameters, SVDpp):
        # each update goes over all ratings of its user
        return 3e-9 * by_user * learned**2 * parameters.n_epochs * parameters.n_factors
    if isinstance(parameters, NMF):
        return 1e-9 * ratings * learned * parameters.n_epochs * (100 + 10 * parameters.n_factors)
    if isinstance(parameters, KNNBasic):
        pairs = by_item if parameters.sim_options.user_based else by_user
        asked = 150e-9 * pairs * learned * of_test
        return 15e-9 * pairs * learned**2 + asked + 10e-9 * _compared(parameters, size) ** 2
    if isinstance(parameters, SlopeOne):
        asked = 100e-9 * by_user * learned * of_test
        return 30e-9 * by_user * learned**2 + asked + 10e-9 * items**2
    if isinstance(parameters, CoClustering):
        clusters = parameters.n_cltr_u + parameters.n_cltr_i
        return 50e-9 * ratings * learned * parameters.n_epochs * clusters
    return 1e-6 * ratings


def check_memory(name: str, parameters: Section, size: Size, limit: float, limited_by: str) -> None:
    """Refuse a training that does not fit into memory.

    Raises:
        TooLargeError: with the text of :func:`refusal`.

    Example:
        >>> size = Size(10_000_000, 100_000, 20_000, 0, 0)
        >>> check_memory("KNNBasic", KNNBasic(), size, 8e9, "memory_per_task")
        Traceback (most recent call last):
        ...
        raypipe.errors.TooLargeError: KNNBasic: training on 10,000,000 ratings of 100,000 users \
and 20,000 items needs about 242.0GB, but memory_per_task leaves 8.0GB; use SVD, which needs \
97.0MB, or fewer ratings
    """
    reason = refusal(name, parameters, size, limit, limited_by)
    if reason is not None:
        raise TooLargeError(reason)


def refusal(
    name: str, parameters: Section, size: Size, limit: float, limited_by: str
) -> str | None:
    """Why a training does not fit, and what would fit; None if it does.

    Args:
        limit: maximum bytes of a task.
        limited_by: what sets the limit, for the message.
    """
    needed = training_bytes(parameters, size)
    if needed <= limit:
        return None
    svd, cure = training_bytes(SVD(), size), "use fewer ratings"
    if isinstance(parameters, SVD):
        cure = "lower n_factors, or use fewer ratings"
    elif svd <= limit:
        cure = f"use SVD, which needs {in_words(svd)}, or fewer ratings"
    return (
        f"{name}: training on {size.ratings:,} ratings of {size.users:,} users and "
        f"{size.items:,} items needs about {in_words(needed)}, but {limited_by} leaves "
        f"{in_words(int(max(0, limit)))}; {cure}"
    )


def _compared(parameters: KNNBasic, size: Size) -> int:
    """Number of users, or items, that are compared with each other."""
    return size.users if parameters.sim_options.user_based else size.items
