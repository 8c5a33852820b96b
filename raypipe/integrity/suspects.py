"""Suspects: accounts without standing whose follows chance does not explain.

docs/attacks.md has the formulas. Sources: Hooi, Song, Beutel, Shah, Shin and Faloutsos (2016),
"FRAUDAR: bounding graph fraud in the face of camouflage" (KDD); Jiang, Cui, Beutel, Faloutsos and
Yang (2014), "CatchSync: catching synchronized behavior in large directed graphs" (KDD).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.arrays import Flags, Floats, Indices
from raypipe.kernels.csr import Adjacency, Pairs, find, subset
from raypipe.kernels.peeling import densest_block
from raypipe.kernels.reciprocity import returned_follows

#: An account has standing if a follower brings it more than this share of what an average one does.
STANDING = 0.1
#: A group is reported from this many nats on: chance makes one like it once in e^40 tries.
NATS = 40.0
#: Smallest group of a detector of groups.
MEMBERS = 5
#: Followers of one kind are reported if they are half of all, or this many times what chance gives.
TIMES = 50
#: Blocks that are peeled, one after the other: the densest may be a part of an honest network.
BLOCKS = 8
#: Weights of follows are whole multiples of this part.
_UNIT = 1 << 20


class Group(NamedTuple):
    """A group of suspects, maybe of one.

    Attributes:
        members: codes.
        score: in nats, how much less chance explains the group than a plan does.
        evidence: in words, about each of its members.
    """

    members: Indices
    score: float
    evidence: str


class Suspects(NamedTuple):
    """The suspects of a graph, each once for each detector, the most suspicious first.

    Attributes:
        codes: int32[k], the accounts.
        detectors: the name of each one's detector.
        scores: float64[k], in nats, to one decimal place.
        evidence: in words.
    """

    codes: Indices
    detectors: tuple[str, ...]
    scores: Floats
    evidence: tuple[str, ...]


def find_suspects(graph: FollowGraph, trusted: Indices, reputation: Floats) -> Suspects:
    """Run every detector.

    Only accounts without standing can be suspects: those that are not trusted, and whose reputation
    is at most ``STANDING`` times what as many followers bring on average. Being followed makes
    nobody a suspect: anybody can be followed.

    Args:
        trusted: codes from :func:`raypipe.integrity.reputation.trusted_accounts`.
        reputation: of the graph.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> farm = " ".join(f"{fan}t" for fan in "klmnopqrsuvwxyz")
        >>> more = " ".join(f"{a}{b}" for a in "ABCDEFGH" for b in "ABCDEFGH" if a != b)
        >>> graph = graph_of(f"{more} {farm}")
        >>> trusted = graph.codes(list("ABCDEFGH")).astype(np.int32)
        >>> found = find_suspects(graph, trusted, np.isin(np.arange(24), trusted) / 8)
        >>> len(found.codes), found.evidence[0]
        (15, "15 of the 15 followers of 't' have 1 follow, 0 followers and no reputation; by \
chance it would be 0.21")
    """
    low = reputation * graph.follows <= STANDING * graph.followers.degrees
    low[trusted] = False
    rows = _doubtful_follows(graph, low)
    found = [
        (-round(group.score, 1), code, name, group.evidence)
        for name, detector in (DETECTORS if len(rows.codes) else {}).items()
        for group in detector(graph, rows)
        for code in group.members.tolist()
    ]
    scores, codes, detectors, evidence = zip(*sorted(found), strict=True) if found else [()] * 4
    return Suspects(np.array(codes, np.int32), detectors, -np.array(scores, np.float64), evidence)


def dense_blocks(graph: FollowGraph, rows: Adjacency, blocks: int | None = None) -> Iterator[Group]:
    """FRAUDAR: followers in a block of follows that is dense although popular followees count less.

    A follow of v weighs 1 / ln(followers of v + 5), and :func:`densest_block` peels. Its followers
    are left out, and the next block is peeled, up to ``blocks`` times. A block of e follows is
    reported if e is far more than x, what its accounts would have by their degrees alone:
    (e ln(e / x) - e + x) / (number of followers in it) >= ``NATS``.

    Args:
        rows: the follows that count, one row for each account.
        blocks: number of blocks that are peeled; None: ``BLOCKS``.
    """
    out, into = graph.followees.degrees, graph.followers.degrees
    weights = np.round(_UNIT / np.log(into + 5.0)).astype(np.int64)
    for _ in range(blocks or BLOCKS):
        block = densest_block(rows, weights)
        followers = np.repeat(block.followers, rows.degrees)
        members = np.flatnonzero(block.followers).astype(np.int32)
        if len(members) < MEMBERS:
            return
        follows = int(np.count_nonzero(followers & block.followees[rows.codes]))
        chance = float(out[members].sum()) * float(into[block.followees].sum()) / graph.follows
        score = float(_nats(np.array(follows), np.array(chance))) / len(members)
        if score >= NATS:
            what = (
                f"{len(members):,} accounts without reputation follow the same "
                f"{int(block.followees.sum()):,} accounts {follows:,} times; "
                f"by chance it would be {chance:,.0f}"
            )
            yield Group(members, score, what)
        rows = subset(rows, ~followers)


def synchronised_followers(graph: FollowGraph, rows: Adjacency) -> Iterator[Group]:
    """CatchSync: followers of one account that are all of one kind, which is rare elsewhere.

    Two accounts are of one kind if their numbers of follows and of followers have the same number
    of binary digits. k followers of v of one kind are reported if k is far more than x, the number
    of followers of v times the share of all follows that other accounts of this kind make: k ln(k /
    x) - k + x >= ``NATS``, and k >= ``TIMES`` x or k is at least half of the followers of v.

    Args:
        rows: as for :func:`dense_blocks`.
    """
    out, into = graph.followees.degrees, graph.followers.degrees
    kinds = _digits(out) * 64 + _digits(into)
    followers = np.repeat(np.arange(graph.accounts), rows.degrees)
    key = rows.codes.astype(np.int64) * 4096 + kinds[followers]
    keys, group_of, count = np.unique(key, return_inverse=True, return_counts=True)
    followed, kind = keys // 4096, keys % 4096
    own = np.bincount(group_of, weights=out[followers])
    low = np.flatnonzero(rows.degrees)
    of_kind = np.bincount(kinds[low], weights=out[low], minlength=4096)
    others = np.maximum(of_kind[kind] - own, own / count)
    chance = into[followed] * others / graph.follows
    score = _nats(count, chance)
    same = (2 * count >= into[followed]) | (count >= TIMES * chance)
    reported = (score >= NATS) & (count >= MEMBERS) & same
    # Each member once, in its strongest group.
    edges = np.flatnonzero(reported[group_of])
    edges = edges[np.lexsort((group_of[edges], -score[group_of[edges]], followers[edges]))]
    members, first = np.unique(followers[edges], return_index=True)
    groups = group_of[edges][first]
    order = np.argsort(groups, kind="stable")
    found, starts = np.unique(groups[order], return_index=True)
    for group, some in zip(found.tolist(), np.split(members[order], starts)[1:], strict=True):
        name, size = graph.ids[int(followed[group])].as_py(), int(count[group])
        digits = int(kind[group])
        what = (
            f"{size:,} of the {int(into[followed[group]]):,} followers of {name!r} have "
            f"{_span(digits // 64, 'follow')}, {_span(digits % 64, 'follower')} and no reputation; "
            f"by chance it would be {chance[group]:,.2f}"
        )
        yield Group(some.astype(np.int32), float(score[group]), what)


def unreturned_follows(graph: FollowGraph, rows: Adjacency) -> Iterator[Group]:
    """Accounts of whose many follows none is returned, though those they follow often return one.

    The habit h(v) is the number of followers that v follows, divided by its followers and one more.
    An account is reported if none of its follows counts as returned, and the sum over its followees
    v of -ln(1 - h(v)) is at least ``NATS``: with this probability, e^-40, chance would return none.

    Args:
        rows: as for :func:`dense_blocks`.
    """
    returned = returned_follows(graph.followees, graph.followers)
    habits = returned / (graph.followers.degrees + 1.0)
    followers = np.repeat(np.arange(graph.accounts), rows.degrees)
    score, habit = (
        np.bincount(followers, weights=values[rows.codes], minlength=graph.accounts)
        for values in (-np.log1p(-habits), habits)
    )
    none = rows.degrees == graph.followees.degrees
    for code in np.flatnonzero(none & (score >= NATS)).tolist():
        what = (
            f"no account with reputation returns any of its {int(rows.degrees[code]):,} follows; "
            f"by the habits of those it follows, it would be {habit[code]:,.0f}"
        )
        yield Group(np.array([code], np.int32), float(score[code]), what)


#: Every detector by name; it returns an account in at most one group.
DETECTORS: dict[str, Callable[[FollowGraph, Adjacency], Iterator[Group]]] = {
    "dense_block": dense_blocks,
    "synchronised": synchronised_followers,
    "unreturned": unreturned_follows,
}


def _doubtful_follows(graph: FollowGraph, low: Flags) -> Adjacency:
    """The follows of accounts without standing, less those that one with standing returns."""
    n, rows = graph.accounts, subset(graph.followees, np.repeat(low, graph.followees.degrees))
    followers = np.repeat(np.arange(n, dtype=np.int32), rows.degrees)
    returned = find(graph.followers, Pairs(followers, rows.codes, np.arange(n))) >= 0
    return subset(rows, ~returned | low[rows.codes])


def _nats(found: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Log-likelihood ratio of a Poisson number against its mean; 0 for up to the mean."""
    ratio = np.maximum(found / chance, 1.0)
    nats: np.ndarray = np.where(ratio > 1, found * np.log(ratio) - (found - chance), 0.0)
    return nats


def _digits(numbers: np.ndarray) -> np.ndarray:
    """Number of binary digits; that of 0 is 0."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)


def _span(digits: int, what: str) -> str:
    """The numbers with as many binary digits: ``1 follow``, ``8 to 15 follows``."""
    first, last = (1 << digits) >> 1, (1 << digits) - 1
    numbers = f"{first:,}" if first >= last else f"{first:,} to {last:,}"
    return f"{numbers} {what}" if last == 1 else f"{numbers} {what}s"
