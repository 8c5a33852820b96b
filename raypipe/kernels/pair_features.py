"""Features of an account and a candidate: what the sources say, and the graph around both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Bytes, Flags, Floats, Indices, Int, Integers, Words
from raypipe.kernels.bit_set import clear, empty_set, insert, members_in
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.prefetch import prefetch
from raypipe.kernels.reciprocity import returned_follows

#: Per source: the score of the candidate, its share of the best score for the account, its rank.
OF_A_SOURCE = ("score", "relative", "rank")
#: Of the account, and of the candidate: number of follows, number of followers, and the share of
#: each that is returned.
OF_AN_ACCOUNT = ("follows", "followers", "follows_returned", "followers_returned")
#: Of both.
SHARED = (
    "follows_you",
    "followed_by_followees",
    "shared_followers",
    "shared_followees",
    "followees_among_followers",
)
#: What the account has to do with another one, in `pair_features`.
_FOLLOWEE, _FOLLOWER = 1, 2
#: Number of codes of a row that are compared with the candidates at a time.
_PART = 1024
#: Number of rows between the one that is asked for and the one that is read.
_AHEAD = 4


class GraphFeatures(NamedTuple):
    """The graph as the features need it.

    Attributes:
        returned: int32[n], number of followees of every account that follow it back.
        out: bool[n], followees of an account whose own followees are read; a candidate that is not
            ``out`` gets 0 in the last two features.
        back: bool[n], followers of an account whose followees are read.
        own: followees of each account when it is the account and not the candidate; those of the
            graph, and maybe more.
    """

    followees: Adjacency
    followers: Adjacency
    returned: Indices
    out: Flags
    back: Flags
    own: Adjacency

    @classmethod
    def of(
        cls,
        followees: Adjacency,
        followers: Adjacency,
        max_out: int | None = None,
        max_back: int | None = None,
        own: Adjacency | None = None,
    ) -> GraphFeatures:
        """The features of a graph; holds its arrays, not copies.

        Args:
            max_out, max_back: maximum number of follows of the accounts that are read; None: no
                limit.
            own: None: those of the graph.
        """
        out, back = (
            np.full(len(followees.degrees), True) if limit is None else followees.degrees <= limit
            for limit in (max_out, max_back)
        )
        returned = returned_follows(followees, followers)
        return cls(followees, followers, returned, out, back, followees if own is None else own)


class _Candidates(NamedTuple):
    """The candidates of one account: the position of each, their set, and room for a part."""

    position: Indices
    members: Words
    found: Indices


@kernel
def pair_features(graph: GraphFeatures, accounts: Integers, union: CandidateUnion) -> Floats:
    """float64[features, c]: of each account a and each of its candidates c, one row per feature.

    For each of the S sources OF_A_SOURCE; then OF_AN_ACCOUNT of a, and of c, where a share is 0 if
    it is undefined; then SHARED:

        follows_you                1 if c follows a
        followed_by_followees      accounts that a follows and that follow c
        shared_followers           accounts that follow both a and c
        shared_followees           accounts that both a and c follow
        followees_among_followers  accounts that follow a and that c follows

    The last two are counted from the followees of the candidates, or from the followers of the
    accounts around a, whichever are fewer. So the cost for a does not depend on how many accounts
    follow its candidates.

    Example:
        >>> rows = Adjacency(np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1], dtype=np.int32))
        >>> union = CandidateUnion(np.array([0, 1]), np.array([2], np.int32), np.array([[0.5]]),
        ...                        np.array([[0]], np.int32), 50)
        >>> graph = GraphFeatures.of(rows, rows)
        >>> pair_features(graph, np.array([0]), union)[:, 0].tolist()
        [0.5, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    """
    followees, followers, returned, out, back, own = graph
    indptr, codes, scores, ranks, _ = union
    width = len(OF_A_SOURCE) * scores.shape[1]
    values = np.zeros((width + 2 * len(OF_AN_ACCOUNT) + len(SHARED), len(codes)))
    of_account, of_candidate = values[width : width + 4], values[width + 4 : width + 8]
    shared = values[width + 8 :]
    position = np.empty(len(out), dtype=np.int32)  # of members only
    members, found = empty_set(len(out)), np.empty(_PART, dtype=np.int32)
    candidates = _Candidates(position, members, found)
    relation = np.zeros(len(out), dtype=np.uint8)
    everybody = np.full(len(out), True)
    for i in range(len(accounts)):
        start, stop = indptr[i], indptr[i + 1]
        if start == stop:
            continue
        account = np.int64(accounts[i])
        mine = own.codes[own.indptr[account] : own.indptr[account + 1]]
        theirs = followers.codes[followers.indptr[account] : followers.indptr[account + 1]]
        _fill_of_sources(scores[start:stop], ranks[start:stop], values[:, start:stop])
        _fill_of_account(own, followers, returned, account, of_account[:, start:stop])
        for at in range(start, stop):
            position[codes[at]] = at
        insert(members, codes[start:stop])
        _relate(relation, mine, theirs)
        _count(followees, mine, out, candidates, shared[1])
        _count(followees, theirs, back, candidates, shared[2])
        around = _size(followers, mine) + _size(followers, theirs)
        by_candidate = _size(followees, codes[start:stop]) <= around
        if not by_candidate:
            _count(followers, mine, everybody, candidates, shared[3])
            _count(followers, theirs, everybody, candidates, shared[4])
        clear(members, codes[start:stop])
        for at in range(start, stop):
            candidate = np.int64(codes[at])
            if by_candidate:
                ahead = codes[min(at + _AHEAD, stop - 1)]
                prefetch(followees.codes, followees.indptr[ahead], 32)
            _fill_of_account(
                followees, followers, returned, candidate, of_candidate[:, at : at + 1]
            )
            shared[0, at] = relation[candidate] >> 1
            if not out[candidate]:
                shared[3, at] = shared[4, at] = 0
            elif by_candidate:
                shared[3, at], shared[4, at] = _count_related(followees, candidate, relation)
        for codes_of in (mine, theirs):
            for code in codes_of:
                relation[code] = 0
    return values


@kernel
def _relate(relation: Bytes, mine: Indices, theirs: Indices) -> None:
    """Mark the followees and the followers of an account."""
    for code in mine:
        relation[code] |= _FOLLOWEE
    for code in theirs:
        relation[code] |= _FOLLOWER


@kernel
def _fill_of_sources(scores: Floats, ranks: Indices, values: Floats) -> None:
    """OF_A_SOURCE of the candidates of one account, for every source."""
    for source in range(scores.shape[1]):
        best = 0.0
        for at in range(len(scores)):
            if ranks[at, source] == 0:
                best = scores[at, source]
        for at in range(len(scores)):
            score = scores[at, source]
            values[3 * source, at] = score
            values[3 * source + 1, at] = score / best if best > 0 else 0.0
            values[3 * source + 2, at] = ranks[at, source]


@kernel
def _fill_of_account(
    followees: Adjacency, followers: Adjacency, returned: Indices, code: Int, values: Floats
) -> None:
    """OF_AN_ACCOUNT of one account, in all columns."""
    follows = followees.indptr[code + 1] - followees.indptr[code]
    followed = followers.indptr[code + 1] - followers.indptr[code]
    for at in range(values.shape[1]):
        values[0, at] = follows
        values[1, at] = followed
        values[2, at] = returned[code] / max(follows, 1)
        values[3, at] = returned[code] / max(followed, 1)


@kernel
def _size(rows: Adjacency, of: Indices) -> int:
    """Number of entries of these rows."""
    size = 0
    for code in of:
        size += rows.indptr[code + 1] - rows.indptr[code]
    return size


@kernel
def _count(
    rows: Adjacency, walked: Indices, is_read: Flags, candidates: _Candidates, counts: Floats
) -> None:
    """Add 1 at each candidate for every walked account whose row holds it."""
    indptr, codes = rows
    position, members, found = candidates
    for step in range(len(walked)):
        b, ahead = walked[step], walked[min(step + _AHEAD, len(walked) - 1)]
        prefetch(codes, indptr[ahead], 32)
        if is_read[b]:
            for start in range(indptr[b], indptr[b + 1], _PART):
                part = codes[start : min(start + _PART, indptr[b + 1])]
                for code in found[: members_in(members, part, found)]:
                    counts[position[code]] += 1


@kernel
def _count_related(followees: Adjacency, candidate: Int, relation: Bytes) -> tuple[int, int]:
    """How many followees of a candidate the account follows, and how many follow the account."""
    indptr, codes = followees
    of_followees, of_followers = 0, 0
    for at in range(indptr[candidate], indptr[candidate + 1]):
        found = relation[codes[at]]
        of_followees += found & 1
        of_followers += found >> 1
    return of_followees, of_followers
