"""Silent: stands in for a source that has nothing to retrieve from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.sources import Candidates


@dataclass(frozen=True)
class Silent:
    """Retrieves no candidates, at no cost.

    Example:
        >>> Silent()(np.arange(3), np.full(3, 10)).indptr.tolist()
        [0, 0, 0, 0]
    """

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return np.zeros(len(accounts))

    def __call__(
        self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours | None = None
    ) -> Candidates:
        indptr = np.zeros(len(accounts) + 1, np.int64)
        return Candidates(indptr, np.empty(0, np.int32), np.empty(0))
