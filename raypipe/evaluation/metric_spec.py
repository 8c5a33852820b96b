"""The definition of a metric: its function, and the properties that reports and sweeps use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

#: What a metric is computed from; see :class:`MetricSpec`.
Needs = Literal["hits", "popularity", "rejections", "catalogue"]


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: in the config, in tables and in files.
        function: its signature depends on ``needs``:
            ``hits``: ``f(hits, relevant)``, bool[m, n] and int64[m], to float64[m, n];
            ``popularity``: ``f(codes, popularity)``, int32[m, n] and :class:`Popularity`, to
            float64[m, n];
            ``rejections``: ``f(codes, rejections)``, int32[m, n] and m rows, to float64[m, n];
            ``catalogue``: ``f(recommended, catalogue)``, bool[n] twice, to one float for all lists.
            Column k - 1 is the value at length k; NaN where an account has no value.
        words: description in one phrase.
        better: which values are better; None: neither, so the metric cannot decide.
        needs: the input of the function.
        unit: unit of the values; empty for a share.
    """

    name: str
    function: Callable[..., Any]
    words: str
    better: Literal["higher", "lower"] | None = "higher"
    needs: Needs = "hits"
    unit: str = ""

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    @property
    def by_account(self) -> bool:
        """True if the metric has one value per account; else it has one for all lists together."""
        return self.needs != "catalogue"

    @property
    def decides(self) -> bool:
        """True if the metric can choose the best source and be the objective of a sweep."""
        return self.needs == "hits" and self.better == "higher"


class Popularity(NamedTuple):
    """The popularity of accounts in train.

    Attributes:
        followers: int[n], number of followers of each account.
        following: number of accounts with at least one follow.
    """

    followers: np.ndarray
    following: int
