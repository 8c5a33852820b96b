"""New entries: an account newly enters few lists a night, relative to who followed it before.

docs/attacks.md has the bound as a formula.
"""

from typing import NamedTuple

import numpy as np

from raypipe.config import IntegrityConfig
from raypipe.kernels.arrays import Flags, Indices, Offsets
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.entries import admit


class Before(NamedTuple):
    """The night before, by the account indices of tonight.

    Attributes:
        lists: the candidates in the list of each of m accounts, ascending.
        listed: bool[m], the accounts that had a list.
        votes: int64[n], the followers of each account that counted.
    """

    lists: Adjacency
    listed: Flags
    votes: Offsets


def more_entries(votes: Offsets, config: IntegrityConfig) -> Offsets:
    """int64[n]: the lists that each account may enter tonight beyond those that it leaves.

        new_entries + floor(new_entries_per_follower * votes), and 0 without votes

    Example:
        >>> config = IntegrityConfig(new_entries=1, new_entries_per_follower=0.5)
        >>> more_entries(np.array([0, 1, 2, 5]), config).tolist()
        [0, 1, 2, 3]
    """
    numerator, denominator = config.entries_fraction
    found: Offsets = config.new_entries + votes * numerator // denominator
    return np.where(votes > 0, found, 0)


def admitted(
    codes: Indices,
    sources: np.ndarray,
    n: int,
    before: Before,
    ids: np.ndarray,
    config: IntegrityConfig,
    limit: int | None = None,
) -> Indices:
    """int32[m, n]: positions in ``codes`` of the entries that each list keeps or gets instead.

    Args:
        codes, sources, n: as for :func:`raypipe.kernels.entries.admit`.
        ids: uint32[m], a hash of the id of each account, which decides at equal ranks.
        limit: maximum number of candidates from one source that fill up a list; None: no limit.
    """
    order = np.argsort(ids, kind="stable")
    more = more_entries(before.votes, config)
    limit = n if limit is None else limit
    return admit(codes, sources, n, before.lists, before.listed, order, more, limit)


def rows_of(codes: Indices) -> Adjacency:
    """The candidates of each list, ascending, from int32[m, n] with -1 at the ends.

    Example:
        >>> rows_of(np.array([[8, 5], [7, -1]], np.int32)).codes.tolist()
        [5, 8, 7]
    """
    counts = (codes >= 0).sum(axis=1)
    ordered = np.sort(codes, axis=1)
    return Adjacency(np.concatenate([[0], np.cumsum(counts)]), ordered[ordered >= 0])
