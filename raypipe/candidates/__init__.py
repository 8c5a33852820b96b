"""Sources of candidates, one file a source; none imports another.

A source is made from the graph, holds plain arrays, and travels to the tasks. What it brings does
not depend on which accounts are asked together: sums over an account run in a fixed order.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

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


class Source(Protocol):
    """One way to find candidates.

    Attributes:
        name: as it is published beside each recommendation.
    """

    name: str

    def __call__(self, accounts: np.ndarray, wanted: np.ndarray) -> Candidates:
        """All candidates of some accounts, or at least the ``wanted[i]`` best of account i.

        Who may be shown to whom is not asked here: that is :mod:`raypipe.eligibility`'s question.

        Args:
            accounts: int32[m].
            wanted: int64[m]; 0 for an account that needs none.
        """

    def work(self, accounts: np.ndarray) -> np.ndarray:
        """float64[m]: nanoseconds that each account takes, on a machine that may not be this one.

        Beside those that a list takes from whatever source, which are counted elsewhere.
        """


def may_be_brought(
    followers: np.ndarray, min_followers: int, hidden: np.ndarray | None = None
) -> np.ndarray:
    """bool[n]: who has enough followers, and is not hidden from everybody.

    Args:
        followers: int64[n], number of followers of every account.
        hidden: [n], other than 0 for who is shown to nobody; None: there is nobody.

    Example:
        >>> may_be_brought(np.array([3, 1, 5]), 2, np.array([0, 0, 4])).tolist()
        [True, False, False]
    """
    enough = followers >= min_followers
    return enough if hidden is None else enough & (hidden == 0)
