"""Rows of scored codes, in the two shapes that kernels return."""

from __future__ import annotations

from typing import NamedTuple

from raypipe.kernels.arrays import Floats, Indices, Integers, Offsets


class Candidates(NamedTuple):
    """Candidates of m accounts: those of account i are at ``indptr[i]:indptr[i + 1]``.

    Their order is always the same, and means nothing unless a kernel says so.

    Attributes:
        indptr: int64[m + 1].
        codes: int32[c], the candidates.
        scores: float64[c], larger is better; comparable within one source only.
    """

    indptr: Offsets
    codes: Indices
    scores: Floats


class BestLists(NamedTuple):
    """The best candidates of m accounts, at most n each, best first.

    Attributes:
        counts: int32[m], length of each list.
        codes: int32[m, n]; -1 from ``counts[i]`` on.
        scores: float64[m, n]; 0 from ``counts[i]`` on.
    """

    counts: Indices
    codes: Indices
    scores: Floats

    def take(self, rows: Integers) -> BestLists:
        """The lists of some of the accounts, in the order of ``rows``."""
        return BestLists(self.counts[rows], self.codes[rows], self.scores[rows])
