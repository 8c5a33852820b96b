"""Choose the metrics of a config: registered ones, or the user's own as ``module:name``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from raypipe.config.user_code import load_user_code, source_file, user_errors
from raypipe.errors import ConfigError, InputError, did_you_mean
from raypipe.evaluation import metrics
from raypipe.evaluation.metric_spec import MetricSpec, Popularity
from raypipe.evaluation.metrics import find_hits
from raypipe.kernels.csr import Adjacency
from raypipe.storage.files import sha256_file

_KEY = "evaluation.metrics"


@dataclass(frozen=True)
class UserMetric:
    """A user's metric function, stored by name, so that tasks on other machines can import it."""

    spec: str

    def __call__(self, *args: Any) -> np.ndarray:
        """Call the function and check its result: float64, of the shape of the lists.

        Raises:
            InputError: the function raised, or returned another shape.
        """
        with user_errors(self.spec):
            values = np.asarray(_loaded(self.spec)(*args), np.float64)
        if values.shape != args[0].shape:
            raise InputError(
                f"{self.spec}: returned shape {values.shape}, expected {args[0].shape}: one value "
                "for each account and length"
            )
        return values


def metric_names() -> tuple[str, ...]:
    """Names of all registered metrics."""
    return tuple(spec.name for spec in metrics.METRICS)


def metrics_help() -> str:
    """Names and descriptions of all registered metrics, for ``--help``.

    Example:
        >>> metrics_help().startswith("Metrics: recall (share of the held-out follows ")
        True
    """
    named = ", ".join(f"{spec.name} ({spec.words})" for spec in metrics.METRICS)
    return f"Metrics: {named}; or your own, as module:name."


def choose_metrics(
    names: Sequence[str] | None, rejections: bool = False, key: str = _KEY
) -> tuple[MetricSpec, ...]:
    """The metrics with these names: registered ones in the registry's order, then the user's own.

    Args:
        names: None: all registered metrics that the data allow.
        rejections: True if rejections are held out.
        key: config key that error messages name.

    Raises:
        ConfigError: there is no such metric, or it needs data that the config lacks.
        InputError: the user's module raised when it was imported.
    """
    for name in names or ():
        _check(name, rejections, key)
    registered = [
        spec
        for spec in metrics.METRICS
        if (spec.name in names if names is not None else rejections or spec.needs != "rejections")
    ]
    own = dict.fromkeys(name for name in names or () if ":" in name)
    return (*registered, *(_user_metric(name, key) for name in own))


def digest_of_metrics(names: Sequence[str] | None) -> bytes:
    """SHA-256 over the source files of the user's own metrics; empty if there are none."""
    own = sorted({name for name in names or () if ":" in name})
    digests = [sha256_file(source_file(name, _KEY)).encode() for name in own]
    return b"".join(digests)


def values_by_account(
    codes: np.ndarray,
    test: Adjacency,
    popularity: Popularity,
    chosen: Sequence[MetricSpec],
    lengths: Sequence[int],
    rejections: Adjacency | None = None,
) -> dict[str, np.ndarray]:
    """The values of every metric with one value per account, at each length.

    Args:
        codes: int32[m, n], the lists, best first; -1 past the end of a list; n >= each length.
        test: m rows of held-out follows, at least one in each.
        rejections: m rows of held-out rejections; None: no chosen metric needs them.

    Returns:
        float64[m] by name, as ``recall@10``; ordered by metric, then by length.

    Example:
        >>> test = Adjacency(np.array([0, 1]), np.array([2], dtype=np.int32))
        >>> lists = np.array([[1, 2]], dtype=np.int32)
        >>> popularity = Popularity(np.array([0, 3, 1]), following=4)
        >>> chosen = choose_metrics(["recall", "novelty"])
        >>> values_by_account(lists, test, popularity, chosen, [1, 2])
        {'recall@1': array([0.]), 'recall@2': array([1.]), 'novelty@1': array([0.4150375]), \
'novelty@2': array([1.20751875])}
    """
    data: dict[str, tuple[Any, ...]] = {
        "hits": (find_hits(codes, test), test.degrees),
        "popularity": (codes, popularity),
        "rejections": (codes, rejections),
    }
    by_name = {}
    for spec in chosen:
        if spec.by_account:
            values = spec(*data[spec.needs])
            by_name.update({f"{spec.name}@{k}": values[:, k - 1].copy() for k in lengths})
    return by_name


def _check(name: str, rejections: bool, key: str) -> None:
    if ":" in name:
        return
    known = {spec.name: spec for spec in metrics.METRICS}
    if name in metrics.OF_RATINGS:
        raise ConfigError(
            f"{key}: {name} needs ratings, and a follow has none; follows can have "
            f"{', '.join(known)}"
        )
    if name not in known:
        raise ConfigError(f"{key}: no metric {name}; {did_you_mean(name, tuple(known))}")
    if known[name].needs == "rejections" and not rejections:
        raise ConfigError(
            f"{key}: {name} needs rejections to hold out; name a table of them in "
            "evaluation.rejections"
        )


def _user_metric(name: str, key: str) -> MetricSpec:
    loaded = load_user_code(name, key)
    if isinstance(loaded, MetricSpec):
        if not loaded.by_account:
            raise ConfigError(
                f"{name}: needs the catalogue; expected hits or popularity; fix {key}"
            )
        return replace(loaded, name=name, function=UserMetric(name))
    return MetricSpec(name, UserMetric(name), "defined by the user")


@cache
def _loaded(spec: str) -> Any:
    return load_user_code(spec, _KEY)
