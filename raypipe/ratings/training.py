"""Train one algorithm on one fold, and estimate the held-out ratings.

SVD is a kernel of raypipe, with scikit-surprise's results; all others are scikit-surprise's own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from raypipe.config import Section
from raypipe.errors import ConfigError, InputError
from raypipe.kernels.arrays import Floats, Integers
from raypipe.kernels.sgd import SvdState, estimate_ratings, start_svd, svd_epoch
from raypipe.ratings.algorithms import SVD, Baselines, CoClustering, Similarity, SlopeOne
from raypipe.ratings.data import Fold, HeldOut, Training

Estimate = Callable[[HeldOut], Floats]


class Estimated(NamedTuple):
    """Estimates of one fold.

    Attributes:
        estimates: float64[m], within the scale.
        fit_seconds, test_seconds: seconds of training and of estimating.
    """

    estimates: Floats
    fit_seconds: float
    test_seconds: float


def estimate_fold(
    parameters: Section, fold: Fold, scale: tuple[float, float], seed: int
) -> Estimated:
    """Train on a fold, and estimate its held-out ratings.

    Args:
        parameters: their class is one of :data:`raypipe.ratings.algorithms.ALGORITHMS`.
        scale: estimates are clipped to it.
        seed: seed of the initial values.

    Raises:
        InputError: the algorithm cannot be trained on these ratings.
        ConfigError: training diverged (non-finite values).
    """
    started = time.perf_counter()
    if isinstance(parameters, SVD):
        estimate = next(svd_by_epoch(parameters, fold.training, seed, [parameters.n_epochs]))
    else:
        estimate = _fit_surprise(parameters, fold.training, scale, seed)
    fitted = time.perf_counter()
    estimates = clip(estimate(fold.held_out), scale, type(parameters).__name__)
    return Estimated(estimates, fitted - started, time.perf_counter() - fitted)


def clip(estimates: Floats, scale: tuple[float, float], algorithm: str) -> Floats:
    """Clip estimates to the scale.

    Raises:
        ConfigError: training diverged (non-finite values).
    """
    if not np.isfinite(estimates).all():
        raise ConfigError(
            f"sources.factors.parameters: training {algorithm} diverged (non-finite values); "
            "lower its learning rates, or the deviation of its initial values"
        )
    clipped: Floats = np.clip(estimates, *scale)
    return clipped


def svd_by_epoch(
    parameters: SVD, training: Training, seed: int, epochs: Sequence[int]
) -> Iterator[Estimate]:
    """Train SVD, and yield estimates after several numbers of epochs.

    Args:
        epochs: ascending; replaces ``parameters.n_epochs``.

    Yields:
        A function that estimates ratings with the current state; valid until the next one.
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
    """Args: unknown: the estimate if user or item is unknown; None: add up the known parts."""

    def estimate(held_out: HeldOut) -> Floats:
        users, items = held_out.users, held_out.items
        found = estimate_ratings(users, items, start, state)
        return found if unknown is None else np.where((users < 0) | (items < 0), unknown, found)

    return estimate


def _fit_surprise(
    parameters: Section, training: Training, scale: tuple[float, float], seed: int
) -> Estimate:
    import surprise  # half a second
    from surprise.prediction_algorithms.predictions import PredictionImpossible

    if isinstance(parameters, SlopeOne | CoClustering):
        _check_whole(training.values, type(parameters).__name__)
    kind = getattr(surprise, type(parameters).__name__)
    takes, further = signature(kind).parameters, {"random_state": seed, "verbose": False}
    own = {name: value for name, value in further.items() if name in takes}
    algorithm = kind(**_arguments(parameters), **own)
    algorithm.fit(_trainset(training, scale))

    def estimate_pair(user: int, item: int) -> float:
        try:
            found = algorithm.estimate(user, item)
        except PredictionImpossible:
            found = algorithm.default_prediction()
        return float(found[0] if isinstance(found, tuple) else found)

    def estimate(held_out: HeldOut) -> Floats:
        pairs = zip(held_out.users.tolist(), held_out.items.tolist(), strict=True)
        return np.array([estimate_pair(*pair) for pair in pairs], np.float64)

    return estimate


def _check_whole(values: Floats, name: str) -> None:
    """Some algorithms of scikit-surprise use C integers: they truncate 3.5 to 3 silently."""
    fractions = values[values != np.floor(values)]
    if len(fractions):
        raise InputError(
            f"{name}: found the rating {fractions[0]:g}, expected whole numbers: scikit-surprise "
            "truncates them; multiply ratings and scale, or use another algorithm"
        )


def _arguments(parameters: Section) -> dict[str, Any]:
    """The parameters in the form that scikit-surprise takes."""
    arguments = dict(parameters)
    for name, value in arguments.items():
        if isinstance(value, Similarity | Baselines):
            arguments[name] = value.model_dump(exclude_none=True)
    return arguments


def _trainset(training: Training, scale: tuple[float, float]) -> Any:
    """The training in scikit-surprise's form: dicts of lists of pairs of Python numbers.

    Equal numbers are one object, which saves a third of the memory.
    """
    from surprise import Trainset

    numbers = np.empty(max(training.user_count, training.item_count), object)
    numbers[:] = range(len(numbers))
    distinct, position = np.unique(training.values, return_inverse=True)
    values = distinct.astype(object)[position]

    def rows(
        count: int, order: Integers, of: Integers, others: Integers
    ) -> dict[int, list[tuple[int, float]]]:
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
