"""One algorithm on one fold: learn from the training, estimate what is held out.

SVD is our own kernel, which gives scikit-surprise's numbers; all others are scikit-surprise's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from raypipe.config import Section
from raypipe.errors import ConfigError, InputError
from raypipe.kernels.sgd import SvdState, estimate_ratings, start_svd, svd_epoch
from raypipe.ratings.algorithms import SVD, Baselines, CoClustering, Similarity, SlopeOne
from raypipe.ratings.data import Fold, HeldOut, Training

Estimate = Callable[[HeldOut], np.ndarray]


class Estimated(NamedTuple):
    """What came of one fold.

    Attributes:
        estimates: float64[m], within the scale.
        fit_seconds, test_seconds: how long learning and estimating took.
    """

    estimates: np.ndarray
    fit_seconds: float
    test_seconds: float


def estimate_fold(
    parameters: Section, fold: Fold, scale: tuple[float, float], seed: int
) -> Estimated:
    """Learn from a fold's training, and estimate its held-out ratings.

    Args:
        parameters: of one of :data:`raypipe.ratings.algorithms.ALGORITHMS`; its class says which.
        scale: estimates are cut to it.
        seed: where the training starts.

    Raises:
        InputError: the algorithm cannot learn from such ratings.
        ConfigError: the training left the finite numbers.
    """
    started = time.perf_counter()
    fit = _fit_svd if isinstance(parameters, SVD) else _fit_surprise
    estimate = fit(parameters, fold.training, scale, seed)
    fitted = time.perf_counter()
    estimates = clip(estimate(fold.held_out), scale, type(parameters).__name__)
    return Estimated(estimates, fitted - started, time.perf_counter() - fitted)


def clip(estimates: np.ndarray, scale: tuple[float, float], algorithm: str) -> np.ndarray:
    """The estimates cut to the scale.

    Raises:
        ConfigError: one of them is no number.
    """
    if not np.isfinite(estimates).all():
        raise ConfigError(
            f"sources.factors.parameters: the training of {algorithm} left the finite numbers; "
            "lower its learning rates, or the deviation that it starts from"
        )
    return np.clip(estimates, *scale)


def svd_by_epoch(
    parameters: SVD, training: Training, seed: int, epochs: Sequence[int]
) -> Iterator[Estimate]:
    """One training of SVD, looked at after each of some numbers of epochs.

    Args:
        epochs: ascending; ``parameters.n_epochs`` is not asked.

    Yields:
        A function that estimates ratings as the training stands; valid until the next one is asked
        for.
    """
    mean = float(np.mean(training.values))
    start = mean if parameters.biased else 0.0
    state = start_svd(
        training.user_count,
        training.item_count,
        parameters.n_factors,
        parameters.init_mean,
        parameters.init_std_dev,
        seed,
    )
    done = 0
    for upto in epochs:
        for _ in range(upto - done):
            svd_epoch(
                state,
                training.users,
                training.items,
                training.values,
                start,
                parameters.rates,
                parameters.penalties,
                parameters.biased,
            )
        done = upto
        yield _svd_estimate(state, start, None if parameters.biased else mean)


def _svd_estimate(state: SvdState, start: float, unknown: float | None) -> Estimate:
    """Args: unknown: the estimate where user or item is unknown; None: what is known adds up."""

    def estimate(held_out: HeldOut) -> np.ndarray:
        users, items = held_out.users, held_out.items
        found = estimate_ratings(users, items, start, *state)
        return found if unknown is None else np.where((users < 0) | (items < 0), unknown, found)

    return estimate


def _fit_svd(parameters: SVD, training: Training, scale: tuple, seed: int) -> Estimate:
    return next(svd_by_epoch(parameters, training, seed, [parameters.n_epochs]))


def _fit_surprise(
    parameters: Section, training: Training, scale: tuple[float, float], seed: int
) -> Estimate:
    import surprise  # half a second
    from surprise.prediction_algorithms.predictions import PredictionImpossible

    if isinstance(parameters, SlopeOne | CoClustering):
        _check_whole(training.values, type(parameters).__name__)
    algorithm = getattr(surprise, type(parameters).__name__)(**_arguments(parameters, seed))
    algorithm.fit(_trainset(training, scale))

    def estimate_pair(user: int, item: int) -> float:
        try:
            found = algorithm.estimate(user, item)
        except PredictionImpossible:
            return algorithm.default_prediction()
        return found[0] if isinstance(found, tuple) else found

    def estimate(held_out: HeldOut) -> np.ndarray:
        pairs = zip(held_out.users.tolist(), held_out.items.tolist(), strict=True)
        return np.array([estimate_pair(*pair) for pair in pairs], np.float64)

    return estimate


def _check_whole(values: np.ndarray, name: str) -> None:
    """scikit-surprise holds ratings as C integers there: it cuts 3.5 to 3, and says nothing."""
    fractions = values[values != np.floor(values)]
    if len(fractions):
        raise InputError(
            f"{name}: found the rating {fractions[0]:g}, expected whole numbers, which is all that "
            "scikit-surprise counts with there; multiply ratings and scale, or take another "
            "algorithm"
        )


def _arguments(parameters: Section, seed: int) -> dict[str, Any]:
    """The parameters as scikit-surprise takes them."""
    arguments = dict(parameters)
    for name, value in arguments.items():
        if isinstance(value, Similarity | Baselines):
            arguments[name] = value.model_dump(exclude_none=True)
    takes = _TAKES.get(type(parameters).__name__, ())
    further = {"random_state": seed, "verbose": False}
    return {**arguments, **{name: further[name] for name in takes}}


_TAKES = {
    "SVDpp": ("random_state",),
    "NMF": ("random_state",),
    "CoClustering": ("random_state",),
    "KNNBasic": ("verbose",),
    "KNNWithMeans": ("verbose",),
    "KNNBaseline": ("verbose",),
    "BaselineOnly": ("verbose",),
}


def _trainset(training: Training, scale: tuple[float, float]) -> Any:
    """The training as scikit-surprise holds it: dicts of lists of pairs, of Python numbers.

    Equal numbers are one object, which saves a third of its memory.
    """
    from surprise import Trainset

    numbers = np.empty(max(training.user_count, training.item_count), object)
    numbers[:] = range(len(numbers))
    distinct, place = np.unique(training.values, return_inverse=True)
    values = distinct.astype(object)[place]

    def rows(count: int, order: np.ndarray, of: np.ndarray, others: np.ndarray) -> dict:
        ends = np.searchsorted(of[order], np.arange(1, count + 1)).tolist()
        return {
            row: list(zip(numbers[others[at]].tolist(), values[at].tolist(), strict=True))
            for row, at in enumerate(np.split(order, ends[:-1]))
        }

    by_user = np.arange(len(training.users))
    return Trainset(
        ur=rows(training.user_count, by_user, training.users, training.items),
        ir=rows(training.item_count, training.by_item, training.items, training.users),
        n_users=training.user_count,
        n_items=training.item_count,
        n_ratings=len(training.values),
        rating_scale=scale,
        raw2inner_id_users={},
        raw2inner_id_items={},
    )
