"""Measures of rating estimates: RMSE, MAE and FCP, equal to scikit-surprise's."""

from collections.abc import Sequence

import numpy as np

from raypipe.errors import ConfigError, did_you_mean
from raypipe.kernels.arrays import Floats, Offsets
from raypipe.kernels.concordance import count_pairs

#: Name of each measure, and whether larger is better.
MEASURES = {"rmse": False, "mae": False, "fcp": True}


def check_measures(names: Sequence[str] | None) -> tuple[str, ...]:
    """The named measures, in the order of MEASURES; None: all of them.

    Raises:
        ConfigError: an unknown measure of ratings.

    Example:
        >>> check_measures(["mae", "rmse"])
        ('rmse', 'mae')
    """
    for name in names or ():
        if name not in MEASURES:
            cure = did_you_mean(name, MEASURES)
            raise ConfigError(f"evaluation.metrics: ratings have no {name!r}; {cure}")
    return tuple(name for name in MEASURES if names is None or name in names)


def measure_estimates(
    ratings: Floats, estimates: Floats, indptr: Offsets
) -> dict[str, float | None]:
    """All measures of estimates.

        rmse = sqrt(mean((rating - estimate)^2))        mae = mean(|rating - estimate|)
        fcp  = c / (c + d), where c is the mean number of concordant pairs of the users with such
               pairs, and d that of discordant ones; a pair is two different ratings of one user

    Args:
        ratings, estimates: float64[m].
        indptr: int64[users + 1]; the ratings of user u are at ``indptr[u]:indptr[u + 1]``.

    Returns:
        Value of each measure; ``fcp`` is None if no user has two different ratings.

    Source:
        Koren, Sill (2013), "Collaborative filtering on ordinal user feedback", section 5.2.

    Example:
        >>> found = measure_estimates(np.array([1.0, 3]), np.array([2.0, 3]), np.array([0, 2]))
        >>> round(found["rmse"], 3), found["mae"], found["fcp"]
        (0.707, 0.5, 1.0)
    """
    errors = ratings - estimates
    concordant, discordant = (
        float(pairs[pairs > 0].mean()) if pairs.any() else 0.0
        for pairs in count_pairs(indptr, ratings, estimates)
    )
    pairs = concordant + discordant
    return {
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "mae": float(np.mean(np.abs(errors))),
        "fcp": concordant / pairs if pairs else None,
    }
