"""The algorithms of scikit-surprise by name, with their parameters and its defaults.

They are listed here because importing scikit-surprise takes half a second; a test compares them
with its signatures. Its ``random_state`` is the config's seed, and its ``verbose`` is off.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from raypipe.config import Section, check_section
from raypipe.errors import ConfigError, did_you_mean
from raypipe.kernels.sgd import Steps

_RATE = "Learning rate of the {}; null: lr_all."
_PENALTY = "Weight of the penalty on the {}; null: reg_all."


def _rate(of: str) -> Any:
    return Field(None, gt=0, description=_RATE.format(of))


def _penalty(of: str) -> Any:
    return Field(None, ge=0, description=_PENALTY.format(of))


class _GradientDescent(Section):
    """Parameters that SVD and SVDpp share."""

    n_factors: int = Field(100, ge=1, description="Number of factors of each user and item.")
    n_epochs: int = Field(20, ge=1, description="Number of passes over the ratings.")
    init_mean: float = Field(0.0, description="Mean of the factors before the first pass.")
    init_std_dev: float = Field(
        0.1, ge=0, description="Standard deviation of the factors before the first pass."
    )
    lr_all: float = Field(0.005, gt=0, description="Learning rate.")
    reg_all: float = Field(0.02, ge=0, description="Weight of the penalty on large values.")
    lr_bu: float | None = _rate("users' biases")
    lr_bi: float | None = _rate("items' biases")
    lr_pu: float | None = _rate("users' factors")
    lr_qi: float | None = _rate("items' factors")
    reg_bu: float | None = _penalty("users' biases")
    reg_bi: float | None = _penalty("items' biases")
    reg_pu: float | None = _penalty("users' factors")
    reg_qi: float | None = _penalty("items' factors")

    @property
    def rates(self) -> Steps:
        """The learning rates in effect."""
        return self._steps("lr")

    @property
    def penalties(self) -> Steps:
        """The weights of the penalty in effect."""
        return self._steps("reg")

    def _steps(self, kind: str) -> Steps:
        named = (getattr(self, f"{kind}_{of}") for of in ("bu", "bi", "pu", "qi"))
        for_all = getattr(self, f"{kind}_all")
        return Steps(*(for_all if step is None else step for step in named))


class SVD(_GradientDescent):
    """Matrix factorisation by gradient descent: Koren, Bell, Volinsky (2009)."""

    biased: bool = Field(True, description="Whether to learn biases of users and items too.")


class SVDpp(_GradientDescent):
    """SVD that also learns which items a user has rated: Koren (2008). Slow."""

    n_factors: int = Field(20, ge=1, description="Number of factors of each user and item.")
    lr_all: float = Field(0.007, gt=0, description="Learning rate.")
    lr_yj: float | None = _rate("implicit factors")
    reg_yj: float | None = _penalty("implicit factors")
    cache_ratings: bool = Field(False, description="Slightly faster, but uses more memory.")


class NMF(Section):
    """Factors that are not negative: Luo et al. (2014)."""

    n_factors: int = Field(15, ge=1, description="Number of factors of each user and item.")
    n_epochs: int = Field(50, ge=1, description="Number of passes over the ratings.")
    biased: bool = Field(False, description="Whether to learn biases of users and items too.")
    reg_pu: float = Field(0.06, ge=0, description=_PENALTY.format("users' factors"))
    reg_qi: float = Field(0.06, ge=0, description=_PENALTY.format("items' factors"))
    reg_bu: float = Field(0.02, ge=0, description="Weight of the penalty on users' biases.")
    reg_bi: float = Field(0.02, ge=0, description="Weight of the penalty on items' biases.")
    lr_bu: float = Field(0.005, gt=0, description="Learning rate of the users' biases.")
    lr_bi: float = Field(0.005, gt=0, description="Learning rate of the items' biases.")
    init_low: float = Field(0.0, ge=0, description="Lowest factor before the first pass.")
    init_high: float = Field(1.0, gt=0, description="Highest factor before the first pass.")


class Similarity(Section):
    """Similarity of two users, or of two items."""

    name: Literal["msd", "cosine", "pearson", "pearson_baseline"] = Field(
        "msd", description="msd: mean squared difference of common ratings."
    )
    user_based: bool = Field(True, description="true: compare users; false: compare items.")
    min_support: int = Field(1, ge=1, description="Minimum number of common ratings; else 0.")
    shrinkage: float | None = Field(
        None, ge=0, description="pearson_baseline: shrinks similarities of few ratings; null: 100."
    )

    @model_validator(mode="after")
    def _shrinkage_is_of_one_kind(self) -> Similarity:
        if self.shrinkage is not None and self.name != "pearson_baseline":
            raise ValueError("shrinkage is for name: pearson_baseline")
        return self


class Baselines(Section):
    """Baselines: how the mean ratings of users and items are learned."""

    method: Literal["als", "sgd"] = Field(
        "als", description="Alternating least squares, or gradient descent."
    )
    n_epochs: int | None = Field(
        None, ge=1, description="Number of passes; null: 10 (als), 20 (sgd)."
    )
    reg_u: float | None = Field(None, ge=0, description="als: penalty on users; null: 15.")
    reg_i: float | None = Field(None, ge=0, description="als: penalty on items; null: 10.")
    reg: float | None = Field(None, ge=0, description="sgd: penalty; null: 0.02.")
    learning_rate: float | None = Field(None, gt=0, description="sgd: learning rate; null: 0.005.")

    @model_validator(mode="after")
    def _each_method_its_own(self) -> Baselines:
        for other in {"als": ("reg", "learning_rate"), "sgd": ("reg_u", "reg_i")}[self.method]:
            if getattr(self, other) is not None:
                raise ValueError(f"{other} is not for method: {self.method}")
        return self


class KNNBasic(Section):
    """The mean rating of the most similar users who rated the item, weighted by similarity."""

    k: int = Field(40, ge=1, description="Maximum number of neighbours.")
    min_k: int = Field(1, ge=1, description="With fewer neighbours: the mean of all ratings.")
    sim_options: Similarity = Field(Similarity(), description="Similarity of users or items.")
    bsl_options: Baselines = Field(
        Baselines(), description="Baselines for the similarity pearson_baseline."
    )


class KNNWithMeans(KNNBasic):
    """KNNBasic on differences from each user's mean rating."""

    min_k: int = Field(1, ge=1, description="With fewer neighbours: the user's mean.")


class KNNBaseline(KNNBasic):
    """KNNBasic on differences from the baseline of user and item: Koren (2010)."""

    min_k: int = Field(1, ge=1, description="With fewer neighbours: the baseline.")
    bsl_options: Baselines = Field(Baselines(), description="How the baselines are learned.")


class SlopeOne(Section):
    """Mean differences between items: Lemire, Maclachlan (2007). No parameters."""


class CoClustering(Section):
    """Clusters of users and of items: George, Merugu (2005)."""

    n_cltr_u: int = Field(3, ge=1, description="Number of user clusters.")
    n_cltr_i: int = Field(3, ge=1, description="Number of item clusters.")
    n_epochs: int = Field(20, ge=1, description="Number of passes over the ratings.")


class BaselineOnly(Section):
    """Mean rating, plus the deviations of user and item: Koren (2010)."""

    bsl_options: Baselines = Field(Baselines(), description="How the baselines are learned.")


_NEIGHBOURS = (KNNBasic, KNNWithMeans, KNNBaseline)
ALGORITHMS: dict[str, type[Section]] = {
    model.__name__: model
    for model in (SVD, SVDpp, NMF, SlopeOne, *_NEIGHBOURS, CoClustering, BaselineOnly)
}


def check_parameters(
    algorithm: str, parameters: dict[str, Any], key: str = "sources.factors.algorithm"
) -> Section:
    """The parameters of an algorithm for ratings, with defaults for those that are not given.

    Args:
        key: config key that names the algorithm, for messages.

    Raises:
        ConfigError: an unknown algorithm or parameter, or an invalid value.

    Example:
        >>> check_parameters("SVD", {"n_factors": 50}).n_epochs
        20
    """
    if algorithm not in ALGORITHMS:
        cure = did_you_mean(algorithm.replace("+", "p"), ALGORITHMS)
        raise ConfigError(f"{key}: unknown algorithm {algorithm!r} for ratings; {cure}")
    if "random_state" in parameters:
        raise ConfigError(
            "sources.factors.parameters.random_state: is the config's seed; set seed instead"
        )
    return check_section(ALGORITHMS[algorithm], parameters, "sources.factors.parameters")
