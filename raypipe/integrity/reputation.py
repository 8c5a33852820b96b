"""Reputation: how much of the trust in a few accounts reaches each account along follows.

docs/attacks.md has the formula. Sources: Cao, Sirivianos, Yang and Pregueiro (2012), "Aiding the
detection of fake accounts in large scale social online services" (SybilRank); Page et al. (1999).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from raypipe.config import InputConfig, IntegrityConfig
from raypipe.errors import InputError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.integrity.suspects import dense_blocks, find_suspects
from raypipe.kernels.arrays import Floats, Indices
from raypipe.kernels.csr import Adjacency, Pairs, find, subset
from raypipe.kernels.trust import walk_from
from raypipe.storage.tables import read_ids

#: Probability that a walk goes home to a trusted account before its next step.
ALPHA = 0.15
#: Without a table, as large a share of the accounts must be held together by returned follows.
SMALLEST_SHARE = 0.05
#: Dense blocks that are looked for among follows that are returned.
BLOCKS = 4
#: Ids that a message names.
_NAMED = 3


class Trusted(NamedTuple):
    """The accounts from which trust starts.

    Attributes:
        codes: ascending, without repeats; empty where there is nobody to trust.
        why: which accounts these are, in one line.
    """

    codes: Indices
    why: str


def read_trusted(
    config: IntegrityConfig, input_config: InputConfig | None = None
) -> pa.Array | None:
    """The ids in ``integrity.trusted``; None where the config names no table.

    Args:
        input_config: its rules for ids hold for this file, too.

    Raises:
        MissingInputError: there is no such file.
        InputError: it cannot be read, or has no column of ids.
    """
    if config.trusted is None:
        return None
    return read_ids(Path(config.trusted), "integrity.trusted", input_config)


def trusted_accounts(graph: FollowGraph, ids: pa.Array | None = None) -> Trusted:
    """The accounts from which trust starts: those in a table, or those that the graph suggests.

    Without a table, they are the largest group of accounts that returned follows connect, less the
    dense blocks in it: accounts that follow each other to look trusted are a small group apart, and
    a dense block where members of the large group follow some of them back. Where this group has
    fewer than ``SMALLEST_SHARE`` of the accounts, follows are hardly ever returned, and the largest
    group is taken in which walks along follows lead from each account to each other. Where that is
    too small as well, as between users and places, every account counts alike.

    Args:
        ids: from :func:`read_trusted`. Unknown accounts, those that nobody follows, and those that
            would be suspects by the trust that the graph suggests, are left out, and ``why`` says
            so.

    Raises:
        InputError: no account of the table remains.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> trusted_accounts(graph_of("ab ba bc cb cd xy yx"))
        Trusted(codes=array([0, 1, 2], dtype=int32), why='3 accounts that follow each other')
    """
    if ids is not None:
        return _named(graph, ids)
    if not graph.follows:
        return Trusted(np.empty(0, np.int32), "nobody: there are no follows")
    for follows, why in (
        (_returned(graph), "follow each other"),
        (graph.followees, "reach each other along follows; hardly a follow is returned"),
    ):
        members = _largest_group(follows)
        tight = [group.members for group in dense_blocks(graph, follows, BLOCKS)]
        members = np.setdiff1d(members, np.concatenate([*tight, members[:0]]))
        if len(members) >= max(2, SMALLEST_SHARE * graph.accounts):
            return Trusted(members, f"{len(members):,} accounts that {why}")
    every = np.arange(graph.accounts, dtype=np.int32)
    why = "all accounts alike: follows lead to nobody who follows; name some in integrity.trusted"
    return Trusted(every, why)


def reputation(graph: FollowGraph, trusted: Indices, start: Floats | None = None) -> Floats:
    """float64[n]: the share of trust that reaches each account; the sum is 1.

    A walk starts at a trusted account, each with the same probability. At each step it goes home
    to one with probability ``ALPHA``, else from an account to one of its followees; from an account
    that follows nobody it goes home. The reputation of an account is the probability to be there
    after ceil(log2 n) steps, enough to cross a network of people and too few to fill a corner into
    which few follows lead. Trust never walks from a followee to a follower: an account gains
    nothing by following. It is exactly 0 where no walk from a trusted account leads.

    Args:
        trusted: codes, without repeats; none: every reputation is 0.
        start: float64[n], the reputation of an earlier night: the walk starts where it ended. None:
            at the trusted accounts.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ab ac ba xa xb")
        >>> reputation(graph, np.array([0, 1], np.int32)).round(3).tolist()
        [0.41, 0.378, 0.212, 0.0]
    """
    n = graph.accounts
    if not len(trusted):
        return np.zeros(n)
    home = np.zeros(n)
    home[trusted] = 1 / len(trusted)
    steps = int(n - 1).bit_length()  # ceil(log2 n)
    sides = graph.followees, graph.followers
    if start is None or not start.any():
        return walk_from(*sides, home, home, ALPHA, steps)
    found = walk_from(*sides, home, start / start.sum(), ALPHA, steps)
    return np.where(walk_from(*sides, home, home, ALPHA, steps) > 0, found, 0.0)


def _named(graph: FollowGraph, ids: pa.Array) -> Trusted:
    """The accounts of the table that can be trusted."""
    codes = graph.codes(ids)
    known = codes >= 0
    followed = known & (graph.followers.degrees_of(codes) > 0)
    suggested = trusted_accounts(graph).codes
    suspects = find_suspects(graph, suggested, reputation(graph, suggested)).codes
    kept = followed & ~np.isin(codes, suspects)
    left_out = [
        f"{int(bad.sum()):,} {what} ({', '.join(map(repr, ids.filter(bad)[:_NAMED].to_pylist()))})"
        for bad, what in (
            (~known, "unknown"),
            (known & ~followed, "that nobody follows"),
            (followed & ~kept, "suspects"),
        )
        if bad.any()
    ]
    found = f"found {', '.join(left_out) or 'no account'}"
    if not kept.any():
        raise InputError(
            f"integrity.trusted: {found}, expected accounts that others follow; name some, or "
            "leave integrity.trusted out"
        )
    members = np.unique(codes[kept]).astype(np.int32)
    without = f", without {', '.join(left_out)}" if left_out else ""
    return Trusted(members, f"{len(members):,} accounts in integrity.trusted{without}")


def _returned(graph: FollowGraph) -> Adjacency:
    """The follows that are returned."""
    followees, every = graph.followees, np.arange(graph.accounts, dtype=np.int32)
    rows = np.repeat(every, followees.degrees)
    return subset(followees, find(graph.followers, Pairs(rows, followees.codes, every)) >= 0)


def _largest_group(follows: Adjacency) -> Indices:
    """The largest group in which follows lead from each account to each other; of equals the first.

    Source: Pearce (2005), "An improved algorithm for finding the strongly connected components of a
    directed graph", as SciPy has it.
    """
    n = len(follows.indptr) - 1
    links = csr_array((np.ones(len(follows.codes), bool), follows.codes, follows.indptr), (n, n))
    _, groups = connected_components(links, connection="strong")
    sizes = np.bincount(groups)
    first = int(np.argmax(sizes[groups]))
    return np.flatnonzero(groups == groups[first]).astype(np.int32)
