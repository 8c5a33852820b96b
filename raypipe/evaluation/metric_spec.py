"""What a metric is: a function, and what reports and sweeps have to know about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from raypipe.kernels.csr import Adjacency

#: What a metric is computed from; see :class:`MetricSpec`.
Needs = Literal["hits", "popularity", "rejections", "catalogue"]


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: as the config, the tables and the files name it.
        function: as ``needs`` says:
            ``hits``: ``f(hits, relevant)``, bool[m, n] and int64[m], to float64[m, n];
            ``popularity``: ``f(codes, popularity)``, int32[m, n] and :class:`Popularity`, to
            float64[m, n];
            ``rejections``: ``f(codes, rejections)``, int32[m, n] and m rows, to float64[m, n];
            ``catalogue``: ``f(recommended, catalogue)``, bool[n] twice, to one float of all lists.
            Column k - 1 is the value at length k; NaN where an account has no value.
        words: one sentence for people.
        better: which values are better; None: neither, so that it can decide nothing.
        needs: what the function is called with.
        unit: of a value that is not a share.
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
        """Does it have one value an account? If not, it has one for all lists together."""
        return self.needs != "catalogue"

    @property
    def decides(self) -> bool:
        """Can it choose the best source, and be the objective of a sweep?"""
        return self.needs == "hits" and self.better == "higher"


class Popularity(NamedTuple):
    """The popularity of accounts in train.

    Attributes:
        followers: int[n], number of followers of each account.
        following: number of accounts with at least one follow.
    """

    followers: np.ndarray
    following: int


class Lists(NamedTuple):
    """Lists of m accounts, and what metrics compare them with.

    Attributes:
        codes: int32[m, n], best first; -1 past the end of a list.
        hits: bool[m, n], is the candidate a held-out follow?
        relevant: int64[m], number of held-out follows, at least 1.
        popularity: in train.
        rejections: m rows, those held out; None: there are none.
    """

    codes: np.ndarray
    hits: np.ndarray
    relevant: np.ndarray
    popularity: Popularity
    rejections: Adjacency | None

    def values(self, spec: MetricSpec) -> np.ndarray:
        """float64[m, n]: a metric that has one value an account.

        Raises:
            ValueError: it needs rejections and there are none, or is no metric of accounts.
        """
        if spec.needs == "hits":
            found = spec(self.hits, self.relevant)
        elif spec.needs == "popularity":
            found = spec(self.codes, self.popularity)
        elif spec.needs == "rejections" and self.rejections is not None:
            found = spec(self.codes, self.rejections)
        else:
            raise ValueError(f"{spec.name}: needs {spec.needs}, which there are none of")
        values: np.ndarray = found
        return values
