"""Lists change slowly: an account enters and leaves few a night, and is newly first in few.

docs/attacks.md has the bound as a formula.
"""

from typing import NamedTuple

import numpy as np

from raypipe.config import IntegrityConfig
from raypipe.kernels.arrays import Flags, Indices, Offsets
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.entries import admit, keep_entries, keep_firsts, limit_firsts
from raypipe.kernels.splitmix import hash_numbers

#: Accounts with fewer votes enter lists more slowly: by this part of the rate, (numerator,
#: denominator), and without ``new_entries``. Many fakes get few followers each.
ESTABLISHED, SLOWER = 10, (2, 5)
#: Lists that any account may leave a night. It may stop being first in as many, or in a thousandth
#: of all lists.
LEAVES, LISTS = 5, 1000


class Before(NamedTuple):
    """The night before, by the account indices of tonight.

    Attributes:
        lists: the candidates in the list of each of m accounts, ascending.
        firsts: int32[m], the first candidate in the list of each account; -1: there is none now.
        listed: bool[m], the accounts that had a list.
        votes: int64[n], the followers of each account that counted.
        chances: uint32[n], from :func:`chances`.
    """

    lists: Adjacency
    firsts: Indices
    listed: Flags
    votes: Offsets
    chances: np.ndarray


def chances(ids: np.ndarray, fingerprint: str) -> np.ndarray:
    """uint32[n]: for each account a number by chance, another one after each night.

    Nobody can choose an id for its chances: the graph of the night before decides, too.

    Args:
        ids: uint32[n], a hash of the id of each account.
        fingerprint: of the graph of the night before.

    Example:
        >>> ids = np.arange(1000, dtype="u4")
        >>> int((chances(ids, "1f") != chances(ids, "20")).sum())
        1000
    """
    return hash_numbers(ids, int(fingerprint[:8], 16))


def more_entries(votes: Offsets, chances: np.ndarray, config: IntegrityConfig) -> Offsets:
    """int64[n]: the lists that each account may enter tonight beyond those that it leaves.

        new_entries + floor(new_entries_per_follower * votes + chance)  from ESTABLISHED votes on,
        floor(SLOWER * new_entries_per_follower * votes + chance)       below

    with a chance of at least 0 and below 1; 0 without votes. So an account with few votes enters a
    list once in several nights.

    Args:
        chances: uint32[n], in parts of 2^32.

    Example:
        >>> config = IntegrityConfig(new_entries=1, new_entries_per_follower=0.5)
        >>> half = np.array([0, 0, 2**31, 0, 0])
        >>> more_entries(np.array([0, 4, 4, 10, 15]), half, config).tolist()
        [0, 0, 1, 6, 8]
    """
    numerator, denominator = config.entries_fraction
    part = chances.astype(np.int64) * (denominator * SLOWER[1]) >> 32
    many = votes >= ESTABLISHED
    rate = numerator * np.where(many, SLOWER[1], SLOWER[0])
    found: Offsets = (votes * rate + part) // (denominator * SLOWER[1])
    found = found + np.where(many, config.new_entries, 0)
    return np.where(votes > 0, found, 0)


def more_firsts(votes: Offsets, config: IntegrityConfig) -> Offsets:
    """int64[n]: the lists in which each account may newly be first tonight, beyond those it leaves.

        1 + floor(new_entries_per_follower * votes)

    with votes, else 0. Few votes need no slower rate here: such accounts are in few lists.

    Example:
        >>> more_firsts(np.array([0, 3, 40]), IntegrityConfig()).tolist()
        [0, 1, 3]
    """
    numerator, denominator = config.entries_fraction
    return np.where(votes > 0, 1 + votes * numerator // denominator, 0)


def fewer_entries(lists: Offsets, config: IntegrityConfig) -> Offsets:
    """int64[n]: the lists that each account may leave tonight beyond those that it enters.

        LEAVES + floor(lost_entries * lists)

    Args:
        lists: int64[n], the lists in which each account was.

    Example:
        >>> fewer_entries(np.array([0, 99, 1000]), IntegrityConfig()).tolist()
        [5, 5, 15]
    """
    numerator, denominator = config.lost_fraction
    return LEAVES + lists * numerator // denominator


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
    more = more_entries(before.votes, before.chances, config)
    limit = n if limit is None else limit
    rows, firsts, listed, votes = before.lists, before.firsts, before.listed, before.votes
    positions = admit(codes, sources, n, rows, listed, order, more, limit)
    fewer = fewer_entries(np.bincount(rows.codes, minlength=len(votes)), config)
    positions = keep_entries(codes, sources, positions, rows, listed, order, fewer, limit)
    more = more_firsts(votes, config)
    positions = limit_firsts(codes, positions, firsts, listed, order, more, votes)
    fewer_firsts = max(LEAVES, int(listed.sum()) // LISTS)
    return keep_firsts(codes, positions, firsts, listed, order, len(votes), fewer_firsts)


def rows_of(codes: Indices) -> Adjacency:
    """The candidates of each list, ascending, from int32[m, n] with -1 at the ends.

    Example:
        >>> rows_of(np.array([[8, 5], [7, -1]], np.int32)).codes.tolist()
        [5, 8, 7]
    """
    counts = (codes >= 0).sum(axis=1)
    ordered = np.sort(codes, axis=1)
    return Adjacency(np.concatenate([[0], np.cumsum(counts)]), ordered[ordered >= 0])
