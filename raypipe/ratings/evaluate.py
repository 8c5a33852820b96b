"""K-fold cross-validation: how well an algorithm estimates held-out ratings."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from raypipe.config import RunConfig, Section
from raypipe.ratings.algorithms import SVD, check_parameters
from raypipe.ratings.data import Fold, FoldedRatings
from raypipe.ratings.measures import MEASURES, measure_estimates
from raypipe.ratings.training import Estimate, clip, estimate_fold, svd_by_epoch

Measured = dict[str, float | None]


def evaluate_fold(parameters: Section, data: FoldedRatings, fold: int, seed: int) -> Measured:
    """The measures of one fold, with ``fit_seconds`` and ``test_seconds``.

    Args:
        parameters: parameters of an algorithm, which is given by their class.
        fold: from 0.
    """
    held_out = data.folds[fold].held_out
    found = estimate_fold(parameters, data.folds[fold], data.scale, seed)
    return {
        **measure_estimates(held_out.values, found.estimates, held_out.indptr),
        "fit_seconds": round(found.fit_seconds, 4),
        "test_seconds": round(found.test_seconds, 4),
    }


def measure(config: RunConfig, data: FoldedRatings) -> Measured:
    """RMSE, MAE and FCP of ``sources.factors``, averaged over the folds: a sweep's objective.

    Raises:
        ConfigError: an unknown algorithm for ratings, or invalid parameters.
    """
    return _measure(_parameters_of(config), data, config.seed)


def measure_by_epoch(
    config: RunConfig, data: FoldedRatings, epochs: Sequence[int]
) -> Iterator[tuple[int, Measured]]:
    """:func:`measure` after several numbers of epochs, for a scheduler that stops trials early.

    SVD continues its training. Other algorithms with ``n_epochs`` are trained again each time,
    because scikit-surprise cannot continue. An algorithm without epochs is measured once.

    Args:
        epochs: ascending; replaces ``n_epochs``.

    Yields:
        The number of epochs, and the measures.
    """
    parameters = _parameters_of(config)
    if isinstance(parameters, SVD):
        trainings = [
            svd_by_epoch(parameters, fold.training, config.seed, epochs) for fold in data.folds
        ]
        for done, *estimates in zip(epochs, *trainings, strict=True):
            pairs = zip(data.folds, estimates, strict=True)
            yield done, mean_of_folds([_measure_svd(*pair, data.scale) for pair in pairs])
    elif hasattr(parameters, "n_epochs"):
        for done in epochs:
            upto = parameters.model_copy(update={"n_epochs": done})
            yield done, _measure(upto, data, config.seed)
    else:
        yield epochs[-1], _measure(parameters, data, config.seed)


def mean_of_folds(measured: Sequence[dict[str, Any]]) -> Measured:
    """The mean of each measure over the folds that define it; None if no fold does."""
    means: Measured = {}
    for name in MEASURES:
        values = [fold[name] for fold in measured if fold[name] is not None]
        means[name] = float(np.mean(values)) if values else None
    return means


def _parameters_of(config: RunConfig) -> Section:
    return check_parameters(config.sources.factors.algorithm, config.sources.factors.parameters)


def _measure(parameters: Section, data: FoldedRatings, seed: int) -> Measured:
    folds = range(len(data.folds))
    return mean_of_folds([evaluate_fold(parameters, data, fold, seed) for fold in folds])


def _measure_svd(fold: Fold, estimate: Estimate, scale: tuple[float, float]) -> Measured:
    held_out = fold.held_out
    estimates = clip(estimate(held_out), scale, SVD.__name__)
    return measure_estimates(held_out.values, estimates, held_out.indptr)
