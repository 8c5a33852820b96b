"""Degree tables: the number of accounts for each pair of follows and followers.

A degree table describes a network well enough to plan for it, if the network itself is not
available, or does not exist yet. It is a CSV or Parquet file, with one row per pair of numbers:

    follows,followers,accounts
    3,0,5000            5000 accounts have 3 follows and no followers
    0,15000,1           one account has 15000 followers

Without the column ``accounts`` each row is one account.
"""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike

from raypipe.columns import ACCOUNTS, DEGREES_SCHEMA, FOLLOWERS, FOLLOWS
from raypipe.errors import ConfigError, InputError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Offsets
from raypipe.storage.tables import TableColumn, read_table, whole_rows, write_table

_MOST = np.iinfo(np.int32).max
_COLUMNS = (
    TableColumn(FOLLOWS, "number"),
    TableColumn(FOLLOWERS, "number"),
    TableColumn(ACCOUNTS, "number", required=False),
)
_CURE = f"a degree table has the columns {FOLLOWS}, {FOLLOWERS} and, if wanted, {ACCOUNTS}"


class Distribution(NamedTuple):
    """The number of accounts for each number of follows, or of followers.

    Attributes:
        numbers: int64[...], ascending, distinct, from 0.
        accounts: int64[...], number of accounts with each.
    """

    numbers: Offsets
    accounts: Offsets

    @property
    def total(self) -> int:
        """Sum of the numbers over all accounts."""
        return int(self.numbers @ self.accounts)


@dataclass(frozen=True)
class Degrees:
    """The numbers of follows and of followers in a network.

    Attributes:
        of_follows: number of accounts for each number of follows.
        of_followers: number of accounts for each number of followers.
        followee_follows: mean number of follows of a followee, over all follows; None: unknown.

    Example:
        >>> degrees = Degrees(distribution([2, 0], [3, 1]), distribution([3, 1, 0], [1, 3, 0]))
        >>> degrees.accounts, degrees.follows, degrees.co_follow_pairs
        (4, 6, 12)
    """

    of_follows: Distribution
    of_followers: Distribution
    followee_follows: float | None = None

    @property
    def accounts(self) -> int:
        """Number of accounts."""
        return int(self.of_follows.accounts.sum())

    @property
    def follows(self) -> int:
        """Number of follows."""
        return self.of_follows.total

    @property
    def walks_per_follow(self) -> tuple[float, float]:
        """Mean number of follows of a followee, and of a follower, over all follows.

        Where the first is unknown, that of an account.

        Example:
            >>> degrees = Degrees(distribution([2, 0], [3, 1]), distribution([3, 1, 0], [1, 3, 0]))
            >>> degrees.walks_per_follow
            (1.5, 2.0)
        """
        numbers, accounts = self.of_follows
        per_account = self.follows / max(1, self.accounts)
        followee = per_account if self.followee_follows is None else self.followee_follows
        return followee, float(numbers**2.0 @ accounts) / max(1, self.follows)

    @property
    def co_follow_pairs(self) -> int:
        """As `statistics.co_follow_pairs`: the sum of the squared numbers of followers."""
        numbers = self.of_followers.numbers.astype(object)  # a square may exceed 64 bits
        return int((numbers * numbers * self.of_followers.accounts).sum())


def distribution(numbers: ArrayLike, accounts: ArrayLike) -> Distribution:
    """Merge equal numbers; drop those without accounts.

    Example:
        >>> distribution([5, 0, 5, 7], [1, 2, 3, 0])
        Distribution(numbers=array([0, 5]), accounts=array([2, 4]))
    """
    distinct, position = np.unique(np.asarray(numbers, np.int64), return_inverse=True)
    gathered = np.zeros(len(distinct), np.int64)
    np.add.at(gathered, position, np.asarray(accounts, np.int64))
    return Distribution(distinct[gathered > 0], gathered[gathered > 0])


def read_degrees(path: Path) -> Degrees:
    """Read a degree table, CSV or Parquet (:mod:`raypipe.storage.tables`).

    Raises:
        MissingInputError: the file does not exist.
        InputError: it cannot be read, or no network can have these numbers.
    """
    found = read_table(path, _COLUMNS, _CURE)
    table = whole_rows(found, "numbers of an account")
    if not len(table):
        raise InputError(f"{path}: found no rows; expected numbers of follows and followers")
    follows, followers = (_whole_numbers(path, table, name) for name in (FOLLOWS, FOLLOWERS))
    accounts = np.ones(len(table), np.int64)
    if ACCOUNTS in found.present:
        accounts = _whole_numbers(path, table, ACCOUNTS)
    if accounts.sum() > _MOST:
        raise InputError(f"{path}: found {accounts.sum():,} accounts, expected at most {_MOST:,}")
    steps = float(follows.astype(np.float64) @ (followers * accounts))
    degrees = Degrees(
        distribution(follows, accounts),
        distribution(followers, accounts),
        steps / max(1, int(follows @ accounts)),
    )
    ends = degrees.of_followers.total
    if degrees.follows != ends:
        raise InputError(
            f"{path}: found {degrees.follows:,} follows but {ends:,} followers in all; expected "
            "equal sums, as every follow makes one follower"
        )
    if not ends:
        raise InputError(f"{path}: found no follows; expected at least one")
    _check_room(path, (FOLLOWS, follows), (FOLLOWERS, followers), accounts)
    _check_room(path, (FOLLOWERS, followers), (FOLLOWS, follows), accounts)
    return degrees


def write_degrees(graph: FollowGraph, path: Path) -> int:
    """Write the degree table of a graph for :func:`read_degrees`; returns its number of rows.

    Raises:
        RunError: the file cannot be written.
    """
    pairs = np.column_stack([graph.followees.degrees, graph.followers.degrees])
    distinct, accounts = np.unique(pairs, axis=0, return_counts=True)
    table = pa.table([*distinct.T, accounts], schema=DEGREES_SCHEMA)
    write_table(path, table)
    return len(table)


def without_hubs(degrees: Degrees, max_followers: int | None) -> Degrees:
    """The degrees without follows of accounts that have more than ``max_followers`` followers.

    Each follow is assumed equally likely to go to a hub, so every account keeps the same share of
    its follows, rounded. ``of_follows`` keeps its number of rows, even if some become equal.
    """
    numbers, accounts = degrees.of_followers
    if max_followers is None or numbers[-1] <= max_followers:
        return degrees
    left = Distribution(np.where(numbers > max_followers, 0, numbers), accounts)
    of_followers = distribution(*left)
    kept = np.round(degrees.of_follows.numbers * (left.total / degrees.of_followers.total))
    return Degrees(degrees.of_follows._replace(numbers=kept.astype(np.int64)), of_followers)


def grown(degrees: Degrees, accounts: int) -> Degrees:
    """The degrees of a network of the same kind with more accounts.

    With s times as many accounts, s times as many have each number of follows. Hubs grow with the
    network: the numbers of followers and of followees both grow by the square root of s, so follows
    grow by s and co-follow pairs by s to the power of 1.5. R-MAT graphs of 4 k to 1 M accounts
    agree within a factor of 1.3.

    Raises:
        ConfigError: fewer accounts than the network has, or more than int32 codes can number.

    Example:
        >>> small = Degrees(distribution([0, 2], [50, 50]), distribution([0, 10], [90, 10]))
        >>> large = grown(small, 400)
        >>> large.accounts, large.follows, large.co_follow_pairs
        (400, 400, 8000)
        >>> large.of_followers
        Distribution(numbers=array([ 0, 20]), accounts=array([380,  20]))
    """
    if not degrees.accounts <= accounts <= _MOST:
        raise ConfigError(
            f"found {accounts:,} accounts to grow to; expected {degrees.accounts:,}, as there are, "
            f"to {_MOST:,}"
        )
    times = accounts / degrees.accounts
    numbers, counts = degrees.of_follows
    of_follows = distribution(numbers, _times(counts, times))
    numbers, counts = (array[::-1] for array in degrees.of_followers)
    counts = np.where(numbers > 0, _times(counts, sqrt(times)), 0)
    more = np.round(numbers * sqrt(times))
    idle = accounts - counts.sum()
    of_followers = distribution(np.append(more, 0), np.append(counts, idle))
    return Degrees(of_follows, of_followers, degrees.followee_follows)


def _times(counts: Offsets, times: float) -> Offsets:
    """Counts multiplied by a factor, rounded so that their sum is, too."""
    return np.diff(np.round(np.cumsum(counts) * times), prepend=0).astype(np.int64)


def _whole_numbers(path: Path, table: pa.Table, name: str) -> Offsets:
    """A column as int64; rows are counted from 1, without the header."""
    values = table[name].to_pandas()
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = np.flatnonzero(~((numbers >= 0) & (numbers <= _MOST) & (numbers == np.floor(numbers))))
    if len(bad):
        row = int(bad[0])
        value = values[row]
        found = "missing" if pd.isna(value) or value == "" else ascii(value)[:40]
        raise InputError(
            f"{path}: row {row + 1}: {name} is {found}; expected a whole number from 0 to {_MOST:,}"
        )
    return np.asarray(numbers.astype(np.int64))


def _check_room(
    path: Path, mine: tuple[str, Offsets], other: tuple[str, Offsets], accounts: Offsets
) -> None:
    """Check that no number of follows, or of followers, exceeds the accounts that could be it."""
    (name, numbers), (other_name, others) = mine, other
    room = int(accounts[others > 0].sum())
    too_many = np.flatnonzero((numbers > room) & (accounts > 0))
    if len(too_many):
        row = int(too_many[0])
        raise InputError(
            f"{path}: row {row + 1}: {name} is {numbers[row]:,}, but only {room:,} accounts have "
            f"{other_name}; expected at most as many, as nobody follows an account twice"
        )
