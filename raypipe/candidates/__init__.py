"""Sources of candidates, one file a source; none imports another.

A source is a function of the graph and of some accounts. It brings every candidate it has, or at
least the ``wanted[i]`` best ones of account ``i``, without asking who may be shown to whom: that is
:mod:`raypipe.eligibility`'s question. The sum over an account runs in a fixed order, so that the
answer does not depend on which accounts are asked together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Candidates(NamedTuple):
    """Candidates of m accounts: those of account i stand at ``indptr[i]:indptr[i + 1]``.

    Attributes:
        indptr: int64[m + 1].
        codes: int32[...], whom to recommend.
        scores: float64[...], larger is better; comparable within one source only.
    """

    indptr: np.ndarray
    codes: np.ndarray
    scores: np.ndarray
