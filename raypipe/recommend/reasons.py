"""Reasons of recommendations, derived from the graph alone, whatever their source.

A shard stores four small columns per entry; they become one sentence when the run is written.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.ties import Asked, ties_of
from raypipe.recommend.reason_words import NAMING


class Reason(IntEnum):
    """Links between an account and a candidate, strongest first; the first that holds is given."""

    FOLLOWS_YOU = 0
    FOLLOWED_BY = 1
    FOLLOWED_BY_SIMILAR = 2
    FOLLOWED_BY_FOLLOWERS = 3
    POPULAR = 4
    HAS_FOLLOWERS = 5


_TEXT = pa.large_string()

#: The sentence of each Reason; FOLLOWED_BY continues with names.
SENTENCES = (
    "follows you",
    NAMING,
    "people who follow like you follow it",
    "people who follow you follow it",
    "popular",
    "has ",
)

#: Popular are the most followed hundredth of all accounts, and at least this number of accounts.
MIN_POPULAR = 10


class Reasons(NamedTuple):
    """The reason of each entry of some lists, one list after the other.

    Attributes:
        kinds: uint8, a :class:`Reason`.
        first, second: int32, followees of the account that follow the candidate; -1: none.
        others: int32, the number of further such followees; of HAS_FOLLOWERS, of all followers.
    """

    kinds: np.ndarray
    first: np.ndarray
    second: np.ndarray
    others: np.ndarray


def reasons_of(
    asked: Asked,
    counts: np.ndarray,
    codes: np.ndarray,
    near: Neighbours,
    followees: Adjacency,
    followers: Adjacency,
    globally_excluded: np.ndarray,
) -> Reasons:
    """The reason of each entry of some lists.

    Of the followees that follow a candidate, those with the fewest follows are named (by index
    where equal): they are the most selective, and weigh most in ``two_hop``. An account that must
    not be shown is neither named nor counted, since naming it in a reason would reveal it.
    Without a link, a candidate is popular if it is one of the most followed accounts, ties at the
    end left out; of any other, the number of its followers is given.

    Args:
        codes: int32[m, n], the lists.
        globally_excluded: [n], other than 0 for accounts that are shown to nobody.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> from raypipe.kernels.tanimoto import no_neighbours
        >>> graph = graph_of("ab ac bd cd dx")
        >>> nobody = Adjacency(np.zeros(6, np.int64), np.empty(0, np.int32))
        >>> a, d, x = graph.codes(list("adx"))
        >>> asked = Asked(np.array([a]), np.array([a]), graph.followees, nobody)
        >>> lists = np.array([2]), np.array([[d, x]], np.int32)
        >>> sides = graph.followees, graph.followers
        >>> reasons = reasons_of(asked, *lists, no_neighbours(1, 0), *sides, np.zeros(5, np.uint8))
        >>> sentences(reasons, graph.ids).to_pylist()
        ['followed by b and c, whom you follow', 'popular']
    """
    ties = ties_of(asked, counts, codes, near, followees, followers, globally_excluded)
    holds = (ties.follows, ties.common > 0, ties.by_near, ties.by_followers)
    kinds = np.select(holds, list(Reason)[: len(holds)], Reason.POPULAR).astype(np.uint8)
    count = np.zeros(len(kinds), np.int32)
    rest = np.flatnonzero(kinds == Reason.POPULAR)
    if len(rest):
        every = followers.degrees
        entries = codes[np.arange(codes.shape[1]) < np.asarray(counts)[:, None]]
        own = every[entries[rest]].astype(np.int32)
        few = own <= _most_followed_below(every)
        kinds[rest[few]] = Reason.HAS_FOLLOWERS
        count[rest[few]] = own[few]
    named = kinds == Reason.FOLLOWED_BY
    first, second = (np.where(named, column, np.int32(-1)) for column in ties[2:4])
    others = np.where(named, np.maximum(ties.common - 2, 0), count).astype(np.int32)
    return Reasons(kinds, first, second, others)


def _most_followed_below(followers: np.ndarray) -> int:
    """The largest number of followers of an account that is not popular; -1: all are."""
    popular = max(MIN_POPULAR, len(followers) // 100)
    if popular >= len(followers):
        return -1
    return int(-np.partition(-followers, popular)[popular])


def sentences(reasons: Reasons, ids: pa.Array) -> pa.Array:
    """large_string: the reasons as sentences.

    Args:
        ids: of all accounts, by index.

    Example:
        >>> first, second = np.array([-1, 0, 0, 0, 0]), np.array([-1, -1, 1, 1, 1])
        >>> reasons = Reasons(np.array([0, 1, 1, 1, 1]), first, second, np.array([0, 0, 0, 1, 12]))
        >>> for sentence in sentences(reasons, pa.array(["ann", "bob"])):
        ...     print(sentence)
        follows you
        followed by ann, whom you follow
        followed by ann and bob, whom you follow
        followed by ann, bob and 1 other you follow
        followed by ann, bob and 12 others you follow
        >>> one = np.array([-1]), np.array([-1]), np.array([7])
        >>> sentences(Reasons(np.array([5]), *one), pa.array(["ann"])).to_pylist()
        ['has 7 followers']
    """
    named = np.asarray(reasons.kinds) == Reason.FOLLOWED_BY
    first, second, others = (column[named] for column in reasons[1:])
    two, one_more = pa.array(others == 0), pa.array(others == 1)
    joint = pc.if_else(two, *map(pa.scalar, (" and ", ", "), [_TEXT] * 2))
    then = _join(joint, _names(np.maximum(second, 0), ids))
    then = pc.if_else(pa.array(second < 0), pa.scalar("", _TEXT), then)
    counted = _join(" and ", pc.cast(pa.array(others), _TEXT), " others you follow")
    counted = pc.if_else(one_more, pa.scalar(" and 1 other you follow", _TEXT), counted)
    tail = pc.if_else(two, pa.scalar(", whom you follow", _TEXT), counted)
    whole = _join(SENTENCES[Reason.FOLLOWED_BY], _names(first, ids), then, tail)
    text = pa.array(SENTENCES, _TEXT).take(pa.array(reasons.kinds))
    text = pc.replace_with_mask(text, pa.array(named), whole)
    counted = np.asarray(reasons.kinds) == Reason.HAS_FOLLOWERS
    count = pa.array(np.asarray(reasons.others)[counted])
    word = pc.if_else(pc.equal(count, 1), pa.scalar(" follower", _TEXT), " followers")
    whole = _join(SENTENCES[Reason.HAS_FOLLOWERS], pc.cast(count, _TEXT), word)
    return pc.replace_with_mask(text, pa.array(counted), whole)


def _join(*parts: str | pa.Array) -> pa.Array:
    """Join texts row by row."""
    columns = (pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in parts)
    return pc.binary_join_element_wise(*columns, pa.scalar("", _TEXT))


def _names(codes: np.ndarray, ids: pa.Array) -> pa.Array:
    return pc.cast(ids.take(pa.array(codes)), _TEXT)
