"""The algorithms of scikit-surprise by name, with their parameters and its defaults.

Written down here, because importing scikit-surprise takes half a second; a test compares them with
its signatures. Its ``random_state`` is the config's seed, its ``verbose`` is off.
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
    """What SVD and SVDpp have in common."""

    n_factors: int = Field(100, ge=1, description="Numbers that describe a user, and an item.")
    n_epochs: int = Field(20, ge=1, description="Passes over the ratings.")
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
        """The learning rates that hold."""
        return self._steps("lr")

    @property
    def penalties(self) -> Steps:
        """The weights of the penalty that hold."""
        return self._steps("reg")

    def _steps(self, kind: str) -> Steps:
        named = (getattr(self, f"{kind}_{of}") for of in ("bu", "bi", "pu", "qi"))
        for_all = getattr(self, f"{kind}_all")
        return Steps(*(for_all if step is None else step for step in named))


class SVD(_GradientDescent):
    """Matrix factorisation by gradient descent: Koren, Bell, Volinsky (2009)."""

    biased: bool = Field(True, description="Learn the mean rating of users and items too?")


class SVDpp(_GradientDescent):
    """SVD that also learns from which items a user rated: Koren (2008). Slow."""

    n_factors: int = Field(20, ge=1, description="Numbers that describe a user, and an item.")
    lr_all: float = Field(0.007, gt=0, description="Learning rate.")
    lr_yj: float | None = _rate("implicit factors")
    reg_yj: float | None = _penalty("implicit factors")
    cache_ratings: bool = Field(False, description="A little sooner, for more memory.")


class NMF(Section):
    """Factors that are not negative: Luo et al. (2014)."""

    n_factors: int = Field(15, ge=1, description="Numbers that describe a user, and an item.")
    n_epochs: int = Field(50, ge=1, description="Passes over the ratings.")
    biased: bool = Field(False, description="Learn the mean rating of users and items too?")
    reg_pu: float = Field(0.06, ge=0, description=_PENALTY.format("users' factors"))
    reg_qi: float = Field(0.06, ge=0, description=_PENALTY.format("items' factors"))
    reg_bu: float = Field(0.02, ge=0, description="Weight of the penalty on users' biases.")
    reg_bi: float = Field(0.02, ge=0, description="Weight of the penalty on items' biases.")
    lr_bu: float = Field(0.005, gt=0, description="Learning rate of the users' biases.")
    lr_bi: float = Field(0.005, gt=0, description="Learning rate of the items' biases.")
    init_low: float = Field(0.0, ge=0, description="Lowest factor before the first pass.")
    init_high: float = Field(1.0, gt=0, description="Highest factor before the first pass.")


class Similarity(Section):
    """How alike two users, or two items, are."""

    name: Literal["msd", "cosine", "pearson", "pearson_baseline"] = Field(
        "msd", description="msd: mean squared difference of the ratings that both have."
    )
    user_based: bool = Field(True, description="Similar users; false: similar items.")
    min_support: int = Field(1, ge=1, description="Fewer ratings in common make a similarity of 0.")
    shrinkage: float | None = Field(
        None, ge=0, description="Of pearson_baseline: draws to 0 what few ratings say; null: 100."
    )

    @model_validator(mode="after")
    def _shrinkage_is_of_one_kind(self) -> Similarity:
        if self.shrinkage is not None and self.name != "pearson_baseline":
            raise ValueError("shrinkage is for name: pearson_baseline")
        return self


class Baselines(Section):
    """How the mean ratings of users and items are learned."""

    method: Literal["als", "sgd"] = Field(
        "als", description="Alternating least squares, or gradient descent."
    )
    n_epochs: int | None = Field(None, ge=1, description="Passes; null: 10 of als, 20 of sgd.")
    reg_u: float | None = Field(None, ge=0, description="als: penalty on users; null: 15.")
    reg_i: float | None = Field(None, ge=0, description="als: penalty on items; null: 10.")
    reg: float | None = Field(None, ge=0, description="sgd: penalty; null: 0.02.")
    learning_rate: float | None = Field(None, gt=0, description="sgd: null: 0.005.")

    @model_validator(mode="after")
    def _each_method_its_own(self) -> Baselines:
        for other in {"als": ("reg", "learning_rate"), "sgd": ("reg_u", "reg_i")}[self.method]:
            if getattr(self, other) is not None:
                raise ValueError(f"{other} is not for method: {self.method}")
        return self


class KNNBasic(Section):
    """The mean rating of the most similar users who rated the item, weighted by similarity."""

    k: int = Field(40, ge=1, description="At most so many neighbours.")
    min_k: int = Field(1, ge=1, description="Fewer neighbours: the mean of all ratings.")
    sim_options: Similarity = Field(Similarity(), description="How alike two users are.")
    bsl_options: Baselines = Field(
        Baselines(), description="Mean ratings; used by the similarity pearson_baseline."
    )


class KNNWithMeans(KNNBasic):
    """KNNBasic on differences from each user's mean rating."""

    min_k: int = Field(1, ge=1, description="Fewer neighbours: the user's mean rating.")


class KNNBaseline(KNNBasic):
    """KNNBasic on differences from the baseline of user and item: Koren (2010)."""

    min_k: int = Field(1, ge=1, description="Fewer neighbours: the baseline.")
    bsl_options: Baselines = Field(Baselines(), description="How the baselines are learned.")


class SlopeOne(Section):
    """Mean differences between items: Lemire, Maclachlan (2007). Has no parameters."""


class CoClustering(Section):
    """Users and items in clusters: George, Merugu (2005)."""

    n_cltr_u: int = Field(3, ge=1, description="Clusters of users.")
    n_cltr_i: int = Field(3, ge=1, description="Clusters of items.")
    n_epochs: int = Field(20, ge=1, description="Passes over the ratings.")


class BaselineOnly(Section):
    """Mean rating, plus what user and item differ from it: Koren (2010)."""

    bsl_options: Baselines = Field(Baselines(), description="How the baselines are learned.")


ALGORITHMS: dict[str, type[Section]] = {
    model.__name__: model
    for model in (
        SVD,
        SVDpp,
        NMF,
        SlopeOne,
        KNNBasic,
        KNNWithMeans,
        KNNBaseline,
        CoClustering,
        BaselineOnly,
    )
}


def check_parameters(
    algorithm: str, parameters: dict[str, Any], key: str = "sources.factors.algorithm"
) -> Section:
    """The parameters of an algorithm for ratings, its defaults where none is given.

    Args:
        key: of the config that names the algorithm, for messages.

    Raises:
        ConfigError: no such algorithm or parameter, or no such value.

    Example:
        >>> check_parameters("SVD", {"n_factors": 50}).n_epochs
        20
        >>> check_parameters("svd++", {})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: ...: unknown algorithm 'svd++' for ratings; did you mean SVDpp?
        >>> check_parameters("SVD", {"n_factor": 50})
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: sources.factors.parameters.n_factor: unknown key; did you mean \
n_factors?
    """
    if algorithm not in ALGORITHMS:
        cure = did_you_mean(algorithm.replace("+", "p"), ALGORITHMS)
        raise ConfigError(f"{key}: unknown algorithm {algorithm!r} for ratings; {cure}")
    if "random_state" in parameters:
        raise ConfigError(
            "sources.factors.parameters.random_state: is the config's seed; set seed instead"
        )
    return check_section(ALGORITHMS[algorithm], parameters, "sources.factors.parameters")
