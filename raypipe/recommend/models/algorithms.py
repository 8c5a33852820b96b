"""The algorithms for follows, by name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from raypipe.compute.units import size
from raypipe.config import NO_MODEL, RunConfig, Section, check_section
from raypipe.config.sources import FactorsConfig
from raypipe.errors import ConfigError, TooLargeError, did_you_mean
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Floats32, Integers
from raypipe.kernels.csr import Adjacency, subset
from raypipe.kernels.factor_scores import Cooccurrence
from raypipe.recommend.models import implicit_models, svd, truncated_svd
from raypipe.recommend.models.model import FactorModel, FollowFactors
from raypipe.recommend.negative_feedback import Rejections


def _accept(parameters: Section) -> None:
    """All parameters are valid."""


class Algorithm(NamedTuple):
    """An algorithm that is trained on follows.

    Attributes:
        parameters: model of ``sources.factors.parameters``.
        train: (graph, parameters, seed[, rejections]) -> factors.
        fold_in: (followee factors, followers, parameters, follows of new accounts) -> their
            factors; None if new accounts cannot be scored.
        training_bytes: (accounts, follows, parameters) -> maximum bytes, besides the graph.
        training_ns: (accounts, follows, parameters) -> nanoseconds of one CPU, on a machine that
            may not be this one.
        check: parameters -> None; raises ConfigError for what cannot be trained on any data.
        epochs: name of the parameter with the number of epochs, if ``by_epoch`` is set.
        by_epoch: (graph, parameters, seed, epochs[, rejections]) -> iterator of (epochs, factors);
            None if a training cannot be measured between epochs.
        folds: whether the factors of all accounts are those of ``fold_in``.
        takes_rejections: whether ``train`` and ``by_epoch`` take the rejections of every account.
    """

    parameters: type[Section]
    train: Callable[..., FollowFactors]
    fold_in: Callable[[Floats32, Integers, Any, Adjacency], Floats32] | None
    training_bytes: Callable[[int, int, Any], int]
    training_ns: Callable[[int, int, Any], float]
    check: Callable[[Any], None] = _accept
    epochs: str | None = None
    by_epoch: Callable[..., Iterator[tuple[int, FollowFactors]]] | None = None
    folds: bool = False
    takes_rejections: bool = False


ALGORITHMS = {
    "TruncatedSVD": Algorithm(
        truncated_svd.TruncatedSvdParameters,
        truncated_svd.train_truncated_svd,
        truncated_svd.fold_in,
        truncated_svd.training_bytes,
        truncated_svd.training_ns,
        folds=True,
    ),
    "SVD": Algorithm(
        svd.SvdParameters,
        svd.train_svd,
        svd.fold_in,
        svd.training_bytes,
        svd.training_ns,
        svd.refuse_ones_alone,
        "n_epochs",
        svd.svd_by_epoch,
        takes_rejections=True,
    ),
    "ALS": Algorithm(
        implicit_models.AlsParameters,
        implicit_models.train_als,
        implicit_models.fold_in_als,
        implicit_models.training_bytes,
        implicit_models.als_ns,
        partial(implicit_models.check_installed, "ALS"),
        "iterations",
        implicit_models.als_by_epoch,
    ),
    "BPR": Algorithm(
        implicit_models.BprParameters,
        implicit_models.train_bpr,
        None,
        implicit_models.training_bytes,
        implicit_models.bpr_ns,
        partial(implicit_models.check_installed, "BPR"),
    ),
}


def check_algorithm(name: str, parameters: dict[str, Any]) -> Section:
    """The parameters of an algorithm for follows, with defaults for those that are not given.

    Raises:
        ConfigError: an unknown algorithm or parameter, or an invalid value.

    Example:
        >>> check_algorithm("TruncatedSVD", {"n_factors": 64}).n_iter
        4
        >>> check_algorithm("svdpp", {})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: ...: unknown algorithm 'svdpp' for follows; did you mean SVD?
    """
    if name not in ALGORITHMS:
        cure = did_you_mean(name, (*ALGORITHMS, NO_MODEL))
        raise ConfigError(
            f"sources.factors.algorithm: unknown algorithm {name!r} for follows; {cure}"
        )
    return check_section(ALGORITHMS[name].parameters, parameters, "sources.factors.parameters")


def check_factors(config: RunConfig) -> None:
    """Check, before data are read, that the model of the config can be trained.

    Raises:
        ConfigError: it cannot be; says why.
    """
    if config.sources.factors.trained:
        algorithm, parameters = _chosen(config.sources.factors)
        algorithm.check(parameters)


def train(
    graph: FollowGraph, config: RunConfig, available: float, rejections: Rejections | None = None
) -> FactorModel:
    """Train the model of the config.

    Args:
        rejections: used if the config enables them and the algorithm takes them.

    Raises:
        ConfigError: it cannot be trained; says why.
        TooLargeError: it does not fit into memory.
    """
    algorithm, parameters = _chosen(config.sources.factors)
    name = config.sources.factors.algorithm
    check_memory(name, parameters, graph.accounts, graph.follows, available)
    if graph.follows:
        further = _training_rejections(config, rejections)
        factors = algorithm.train(graph, parameters, config.seed, *further)
    else:
        factors = FollowFactors(*np.zeros((2, graph.accounts, 1), np.float32))
    return _model(config, parameters, graph, factors)


def train_by_epoch(
    graph: FollowGraph,
    config: RunConfig,
    available: float,
    epochs: Sequence[int],
    rejections: Rejections | None = None,
) -> Iterator[tuple[int, FactorModel]]:
    """Train, and yield the model after several numbers of epochs, for a scheduler.

    Args:
        epochs: ascending; replaces the number in ``sources.factors.parameters``.
        rejections: as for :func:`train`.

    Yields:
        The number of epochs, and the result of :func:`train` for it.

    Raises:
        ConfigError, TooLargeError: as :func:`train`; or the algorithm has no epochs.
    """
    algorithm, parameters = _chosen(config.sources.factors)
    name = config.sources.factors.algorithm
    if algorithm.by_epoch is None or algorithm.epochs is None:
        able = " and ".join(known for known, other in ALGORITHMS.items() if other.by_epoch)
        raise ConfigError(
            f"sources.factors.algorithm: {name} cannot be measured between epochs; expected {able}"
        )
    check_memory(name, parameters, graph.accounts, graph.follows, available)
    further = _training_rejections(config, rejections)
    for done, factors in algorithm.by_epoch(graph, parameters, config.seed, epochs, *further):
        upto = parameters.model_copy(update={algorithm.epochs: done})
        yield done, _model(config, upto, graph, factors)


def training_bytes(config: RunConfig, accounts: int, follows: int) -> int:
    """Maximum bytes of the training of the config's model; 0 for no model."""
    if not config.sources.factors.trained:
        return 0
    algorithm, parameters = _chosen(config.sources.factors)
    return algorithm.training_bytes(accounts, follows, parameters)


def training_seconds(config: RunConfig, accounts: int, follows: int) -> float:
    """Estimated CPU seconds of the training of the config's model; 0 for no model."""
    if not config.sources.factors.trained:
        return 0.0
    algorithm, parameters = _chosen(config.sources.factors)
    return 1e-9 * algorithm.training_ns(accounts, follows, parameters)


def shape_of(config: FactorsConfig) -> tuple[int, bool]:
    """Number of factors per account of a model, and whether it has walks.

    Example:
        >>> shape_of(FactorsConfig(algorithm="SVD"))
        (64, False)
    """
    _, parameters = _chosen(config)
    walks = getattr(parameters, "cooccurrence", 0) > 0
    return getattr(parameters, _width_name(parameters)), walks


def check_memory(
    name: str, parameters: Section, accounts: int, follows: int, available: float
) -> None:
    """Refuse a training that does not fit into memory.

    Raises:
        TooLargeError: it does not fit; says what would.

    Example:
        >>> parameters = svd.SvdParameters()
        >>> check_memory(  # doctest: +NORMALIZE_WHITESPACE
        ...     "SVD", parameters, 10_000_000, 500_000_000, 8e9
        ... )
        Traceback (most recent call last):
        ...
        raypipe.errors.TooLargeError: SVD: training on 500,000,000 follows of 10,000,000
          accounts needs about 16.3GB, but 8.0GB are free; lower
          sources.factors.parameters.n_factors, or use a larger machine
    """
    needed = ALGORITHMS[name].training_bytes(accounts, follows, parameters)
    if needed <= available:
        return
    width = _width_name(parameters)
    smaller = parameters.model_copy(update={width: 1})
    fits = ALGORITHMS[name].training_bytes(accounts, follows, smaller) <= available
    cure = (
        f"lower sources.factors.parameters.{width}"
        if fits
        else f"set sources.factors.algorithm: {NO_MODEL}"
    )
    raise TooLargeError(
        f"{name}: training on {follows:,} follows of {accounts:,} accounts needs about "
        f"{size(needed)}, but {size(int(max(0, available)))} are free; {cure}, or use a larger "
        "machine"
    )


def fold_in(model: FactorModel, followees: Adjacency) -> Floats32:
    """float32[m, d]: factors of accounts that are newer than the model, from their follows only.

    Args:
        followees: a row of codes for each of the m accounts; those that are newer than the model,
            too, are left out.

    Raises:
        ConfigError: the algorithm cannot do it.
    """
    algorithm = ALGORITHMS[model.algorithm]
    if algorithm.fold_in is None:
        able = ", ".join(name for name, other in ALGORITHMS.items() if other.fold_in)
        raise ConfigError(
            f"sources.factors.algorithm: {model.algorithm} cannot score accounts that are "
            f"newer than the model; algorithms that can: {able}"
        )
    parameters = algorithm.parameters.model_validate(model.parameters)
    factors = model.factors.followee_factors
    known = followees.codes < len(factors)
    followees = followees if known.all() else subset(followees, known)
    return algorithm.fold_in(factors, model.followers, parameters, followees)


def without_folded(model: FactorModel) -> FactorModel:
    """The model without the factors of accounts, if :func:`fold_in` gives the same."""
    if not ALGORITHMS[model.algorithm].folds:
        return model
    factors = model.factors._replace(account_factors=np.empty((0, 0), np.float32))
    return replace(model, factors=factors)


def cooccurrence(model: FactorModel, graph: FollowGraph) -> Cooccurrence | None:
    """The walks whose weights are added to the factors; None for no walks.

    Args:
        graph: the training graph.
    """
    if not model.factors.cooccurrence:
        return None
    return truncated_svd.cooccurrence(graph, model.factors.cooccurrence)


def _chosen(config: FactorsConfig) -> tuple[Algorithm, Section]:
    parameters = check_algorithm(config.algorithm, config.parameters)
    return ALGORITHMS[config.algorithm], parameters


def _training_rejections(config: RunConfig, rejections: Rejections | None) -> tuple[Adjacency, ...]:
    """The rejections as further arguments of a training: one, or none."""
    algorithm, _ = _chosen(config.sources.factors)
    takes = algorithm.takes_rejections and config.feedback.negative.factors
    return (rejections.heard,) if takes and rejections is not None else ()


def _width_name(parameters: Section) -> str:
    return "factors" if "factors" in type(parameters).model_fields else "n_factors"


def _model(
    config: RunConfig, parameters: Section, graph: FollowGraph, factors: FollowFactors
) -> FactorModel:
    return FactorModel(
        factors,
        graph.followers.degrees.astype(np.int32),
        config.sources.factors.algorithm,
        parameters.model_dump(mode="json"),
        config.seed,
        graph.fingerprint,
    )
