"""Votes: the follows that count, so that accounts without reputation cannot count for much.

docs/attacks.md has the bounds as formulas.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.config import IntegrityConfig, RunConfig
from raypipe.errors import RunError
from raypipe.graph.follow_graph import FollowGraph, graph_of_rows, load_graph
from raypipe.integrity.reputation import Trusted, read_trusted, reputation, trusted_accounts
from raypipe.kernels.arrays import Flags, Floats, Integers, Offsets
from raypipe.kernels.csr import Adjacency, connected_to, subset, transpose
from raypipe.kernels.voices import BANDS, counted_followers, signatures, silence_twins
from raypipe.storage.data_files import map_array, save_array
from raypipe.storage.files import is_file
from raypipe.storage.ids import digest_of_ids
from raypipe.storage.runs.run import Run

#: An account is proven if its reputation is at least this share of the mean of all
#: accounts that have any.
PROVEN = 0.01
_FILES = "votes_indptr.npy", "votes_codes.npy", "votes_fingerprint.npy", "heard.npy"
#: Followers that count of an account that no follows connect to a proven one.
ISLAND = 3
#: Accounts are twins if their follow sets are this similar, of at least this number of follows.
TWINS, TWIN_FOLLOWS = (9, 10), 10


class Votes(NamedTuple):
    """The follows of n accounts that count.

    Attributes:
        graph: the same accounts with these follows; the graph itself where all count.
        heard: bool[n], the accounts whose every follow and every rejection counts.
    """

    graph: FollowGraph
    heard: Flags


class Standing(NamedTuple):
    """What the follows of a graph say of its n accounts.

    Attributes:
        trusted: the accounts from which trust starts.
        reputation: float64[n].
        fingerprint: of the graph.
    """

    trusted: Trusted
    reputation: Floats
    fingerprint: str

    @property
    def trust(self) -> Floats:
        """float64[n]: the reputation of each proven account; 0 for others."""
        found = self.reputation
        return np.where(found * np.count_nonzero(found) >= PROVEN, found, 0.0)


def standing_of(graph: FollowGraph, ids: pa.Array | None = None) -> Standing:
    """The standing of every account of a graph; takes and raises what `trusted_accounts` does."""
    trusted = trusted_accounts(graph, ids)
    return Standing(trusted, reputation(graph, trusted.codes), graph.fingerprint)


class EarlierVotes(NamedTuple):
    """The votes of the night before, by the account indices of tonight.

    Attributes:
        counted: int64[n], the followers of each account that counted; 0 for new accounts.
        unproven: int64[n], those of them that are not proven; all where that night had no bounds.
        fingerprint: of the graph of that night.
    """

    counted: Offsets
    unproven: Offsets
    fingerprint: str

    def without(self, accounts: Integers) -> EarlierVotes:
        """The same, before anybody followed these accounts."""
        counted, unproven = self.counted.copy(), self.unproven.copy()
        counted[accounts] = unproven[accounts] = 0
        return self._replace(counted=counted, unproven=unproven)

    def padded(self, n: int) -> EarlierVotes:
        """The same for n accounts; the last ones are new, and have no votes."""
        new = (0, n - len(self.counted))
        counted, unproven = np.pad(self.counted, new), np.pad(self.unproven, new)
        return self._replace(counted=counted, unproven=unproven)


class Bounds(NamedTuple):
    """Which follows count for others than the follower.

    Attributes:
        config: says whether there are bounds, and which.
        trusted: from :func:`raypipe.integrity.reputation.read_trusted`.
        standing: of the accounts of a night, whose follows may be held out in part; None: that of
            the graph itself.
        earlier: of the accounts of a night; None: it is the first one.
    """

    config: IntegrityConfig
    trusted: pa.Array | None
    standing: Standing | None = None
    earlier: EarlierVotes | None = None

    def digest(self) -> bytes:
        """SHA-256 over the trusted ids; the empty string if the config names none."""
        if self.trusted is None:
            return b""
        return digest_of_ids(pa.array(sorted(self.trusted.to_pylist()), pa.large_string()))

    def votes_of(self, graph: FollowGraph) -> Votes:
        """The votes of a graph."""
        if not self.config.bounds:
            return all_votes(graph)
        standing = self.standing or standing_of(graph, self.trusted)
        return count_votes(graph, standing.trust, self.config, self.earlier)

    def of_night(self, graph: FollowGraph) -> Bounds:
        """The same, for graphs that hold out a part of these follows.

        A night vouches by all its follows. An account that only held-out follows vouch for would
        look unproven, so lists would be measured that no night makes.
        """
        known = self.standing is not None and self.standing.fingerprint == graph.fingerprint
        if known or not self.config.bounds:
            return self
        earlier = None if self.standing else self.earlier  # another graph has other indices
        return self._replace(standing=standing_of(graph, self.trusted), earlier=earlier)


def read_bounds(config: RunConfig) -> Bounds:
    """The bounds of a config.

    Raises:
        RaypipeError: as :func:`raypipe.integrity.reputation.read_trusted`.
    """
    return Bounds(config.integrity, read_trusted(config.integrity, config.input))


def all_votes(graph: FollowGraph) -> Votes:
    """The votes of a graph without bounds: every follow counts."""
    return Votes(graph, np.ones(graph.accounts, np.bool_))


def save_votes(votes: Votes, folder: Path) -> None:
    """Write the votes beside their graph; nothing where everybody is heard."""
    if not votes.heard.all():
        fingerprint = np.frombuffer(bytes.fromhex(votes.graph.fingerprint), np.uint8)
        arrays: list[np.ndarray] = [*votes.graph.followees, fingerprint, votes.heard]
        for name, array in zip(_FILES, arrays, strict=True):
            save_array(folder / name, array, sync=False)


def load_votes(graph: FollowGraph, folder: Path) -> Votes:
    """The votes of a saved graph.

    Raises:
        RunError: a file is damaged.
    """
    if not is_file(folder / _FILES[0]):
        return all_votes(graph)
    try:
        indptr, codes, fingerprint, heard = (map_array(folder / name) for name in _FILES)
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: cannot be read ({error}); run the night again") from None
    rows = Adjacency(indptr, codes)  # the fingerprint is that of the night, as of the saved graph
    found = FollowGraph(graph.ids, rows, transpose(rows), fingerprint.tobytes().hex())
    return Votes(found, heard)


def earlier_votes(run: Run, graph: FollowGraph) -> EarlierVotes:
    """The votes of an earlier run, by the account indices of a graph.

    Raises:
        RunError: files of the run are missing or damaged.
    """
    earlier = load_graph(run.path / "graph")
    votes = votes_for_later(load_votes(earlier, run.path / "graph"), earlier.fingerprint)
    unproven = votes.unproven if run.config().integrity.bounds else votes.counted
    code_of = earlier.codes(graph.ids)
    counted, unproven = (
        np.where(code_of >= 0, np.append(counts, 0)[code_of], 0)
        for counts in (votes.counted, unproven)
    )
    return votes._replace(counted=counted, unproven=unproven)


def votes_for_later(votes: Votes, fingerprint: str) -> EarlierVotes:
    """The votes of a night, as the next one needs them.

    Args:
        fingerprint: of the graph of the night.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ax bx ay")
        >>> found = votes_for_later(Votes(graph, graph.codes(list("abxy")) != 1), "1f")
        >>> found.counted.tolist(), found.unproven.tolist()
        ([0, 0, 2, 1], [0, 0, 1, 0])
    """
    followers = votes.graph.followers
    unproven = np.concatenate([[0], np.cumsum(~votes.heard[followers.codes])])
    of_account = np.diff(unproven[followers.indptr])
    return EarlierVotes(followers.degrees, of_account, fingerprint)


def count_votes(
    graph: FollowGraph,
    trust: Floats,
    config: IntegrityConfig,
    earlier: EarlierVotes | None = None,
) -> Votes:
    """The votes of a graph whose accounts have this trust.

        votes(t) = all s proven followers of t, and of the others at most
                   min(floor(unproven_votes s), before(t) + 1 + floor(new_unproven_votes s))

    where before(t) others counted in the night before; in the first night the first limit holds
    alone. Of accounts with nearly the same follows only one votes: see :func:`speakers`. So an
    account that nobody proven follows has no votes, and no number of unproven accounts counts for
    more than ``unproven_votes`` as much as the proven followers, or for much in one night. Where
    follows connect an account to nobody proven, in either direction and over any number of
    accounts, trust says nothing, and ``ISLAND`` followers count.

    Args:
        trust: float64[n], above 0 for proven accounts.
        earlier: None: this is the first night.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ax xt yt zt yz")
        >>> trust = (graph.codes(list("atxyz")) == 2) * 1.0
        >>> votes = count_votes(graph, trust, IntegrityConfig(unproven_votes=1))
        >>> dict(zip("atxyz", votes.graph.followers.degrees.tolist()))
        {'a': 0, 't': 2, 'x': 0, 'y': 0, 'z': 0}
    """
    speaks = speakers(graph, trust)
    heard = speaks & (trust > 0)
    ids = graph.tie_rule.positions
    least = np.where(connected_to(graph.followees, graph.followers, trust > 0), 0, ISLAND)
    before = np.full(graph.accounts, graph.accounts) if earlier is None else earlier.unproven
    counted = counted_followers(
        graph.followers,
        heard,
        speaks,
        ids,
        config.unproven_fraction,
        least,
        before,
        config.new_unproven_fraction,
    )
    if counted.all():
        return Votes(graph, heard)
    rows = transpose(subset(graph.followers, counted))
    return Votes(graph_of_rows(graph.ids, rows), heard)


def speakers(graph: FollowGraph, trust: Floats) -> Flags:
    """bool[n]: of each set of twins only one account, that with the most trust.

    Twins are accounts with at least ``TWIN_FOLLOWS`` follows each and a Tanimoto similarity of
    their follow sets of at least ``TWINS``. Those with equal sets are always found, others with a
    probability of 1 - (1 - J^2)^2 for a similarity of J, at least .96.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of(" ".join(a + b for a in "xy" for b in "abcdefghij"))
        >>> (~speakers(graph, np.arange(graph.accounts))).sum().item()
        1
    """
    rows, ids = graph.followees, graph.tie_rule.positions
    speaks = np.ones(graph.accounts, np.bool_)
    large = np.flatnonzero(rows.degrees >= TWIN_FOLLOWS)
    for band in range(BANDS):
        keys = signatures(rows, ids, band)
        some = large[speaks[large]]
        some = some[np.lexsort((ids[some], -trust[some], keys[some]))]
        silence_twins(rows, some, keys, TWINS, speaks)
    return speaks
