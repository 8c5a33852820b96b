"""Scores of given candidates by a factor model: the cost does not depend on the number of accounts.

The co-occurrence term is a walk of three steps (:class:`Cooccurrence`), which would grow with the
popularity of the followees. Here its first two steps are a sample: of all walks from an account to
its followees and on to their followers, at most WALKS are continued, drawn with a probability
proportional to their weight, at even distances. Fewer walks are all continued, and the term is
exact.
"""

from __future__ import annotations

import numpy as np

from raypipe.kernels.arrays import Floats, Floats32, Indices, Integers
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.factor_scores import Cooccurrence

#: Maximum number of walks that are continued from an account.
WALKS = 256
#: Walks do not pass through accounts with more follows than this: each of their walks has a weight
#: below 1/MAX_FOLLOWS of the account's.
MAX_FOLLOWS = 1000


def products(factors: Floats32, candidate_factors: Floats32, candidates: Adjacency) -> Floats:
    """float64[c]: factors[i] . candidate_factors[c] for each candidate c of the i-th account.

    The sum runs over four columns side by side, in a fixed order.

    Args:
        factors: float32[m, d].
        candidate_factors: float32[n, d].
        candidates: of each of the m accounts.

    Example:
        >>> factors = np.array([[1, 2], [3, 4]], np.float32)
        >>> candidates = Adjacency(np.array([0, 2]), np.array([0, 1], np.int32))
        >>> products(factors[1:], factors, candidates).tolist()
        [11.0, 25.0]
    """
    return _products(factors, candidate_factors, *candidates)


def sampled_walks(
    walks: Cooccurrence,
    accounts: Integers,
    candidates: Adjacency,
    limit: int = WALKS,
    max_follows: int = MAX_FOLLOWS,
) -> Floats:
    """float64[c]: the weight of the walks from each account a to each of its candidates c.

        score(a, c) = sum over the walks a - i - b that are continued and b that follow c,
                      of weight(i) middle[b] last[c]

    with weight(i) = first[i] where all walks are continued, and the mean of first over all walks,
    times their number over the limit, where they are a sample: then the expected value is the same.

    Args:
        accounts: int[m], codes.
        candidates: of each of the m accounts, without repeats.
        limit: maximum number of walks of two steps that are continued from an account.
        max_follows: walks do not pass through an account b with more follows.
    """
    return _sampled_walks(walks, accounts, candidates, limit, max_follows)


@kernel
def _products(
    factors: Floats32,
    candidate_factors: Floats32,
    indptr: Integers,
    codes: Indices,
) -> Floats:
    width = factors.shape[1]
    whole = width - width % 4
    scores = np.empty(len(codes), dtype=np.float64)
    mine = np.empty(width, dtype=np.float64)
    for i in range(len(factors)):
        mine[:] = factors[i]
        for at in range(indptr[i], indptr[i + 1]):
            row = candidate_factors[codes[at]]
            first = second = third = fourth = 0.0
            for f in range(0, whole, 4):
                first += mine[f] * row[f]
                second += mine[f + 1] * row[f + 1]
                third += mine[f + 2] * row[f + 2]
                fourth += mine[f + 3] * row[f + 3]
            score = (first + second) + (third + fourth)
            for f in range(whole, width):
                score += mine[f] * row[f]
            scores[at] = score
    return scores


@kernel
def _sampled_walks(
    walks: Cooccurrence, accounts: Integers, candidates: Adjacency, limit: int, max_follows: int
) -> Floats:
    followees, followers, first, _, last = walks
    indptr, codes = candidates
    scores = np.zeros(len(codes), dtype=np.float64)
    position = np.full(len(first), -1, dtype=np.int32)
    for i in range(len(accounts)):
        start, stop = indptr[i], indptr[i + 1]
        mine = followees.codes[followees.indptr[accounts[i]] : followees.indptr[accounts[i] + 1]]
        for at in range(start, stop):
            position[codes[at]] = at
        count, total = 0, 0.0
        for code in mine:
            length = followers.indptr[code + 1] - followers.indptr[code]
            count += length
            total += length * np.float64(first[code])
        distance = total / limit if count > limit else 0.0
        following = distance / 2  # the weight before the next walk of the sample
        done = 0.0  # the weight of all walks so far
        for code in mine:
            begin, end = followers.indptr[code], followers.indptr[code + 1]
            weight = np.float64(first[code])
            if not distance:
                for at in range(begin, end):
                    _continue(walks, followers.codes[at], weight, max_follows, position, scores)
                continue
            upto = done + weight * (end - begin)
            while following < upto:
                at = begin + min(end - begin - 1, np.int64((following - done) / weight))
                _continue(walks, followers.codes[at], distance, max_follows, position, scores)
                following += distance
            done = upto
        for at in range(start, stop):
            position[codes[at]] = -1
            scores[at] *= last[codes[at]]
    return scores


@kernel
def _continue(
    walks: Cooccurrence,
    b: int,
    weight: float,
    max_follows: int,
    position: Indices,
    scores: Floats,
) -> None:
    """Add the weight of the walks through b to all candidates that b follows."""
    begin, end = walks.followees.indptr[b], walks.followees.indptr[b + 1]
    if end - begin <= max_follows:
        weight *= walks.middle[b]
        for code in walks.followees.codes[begin:end]:
            if position[code] >= 0:
                scores[position[code]] += weight
