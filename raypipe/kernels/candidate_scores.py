"""Scores of given candidates by a factor model: the cost does not depend on the number of accounts.

The co-occurrence term is a walk of three steps (:class:`Cooccurrence`), which would grow with the
popularity of the followees. Here its first two steps are a sample: of all walks from an account to
its followees and on to their followers, at most WALKS are continued, drawn with a probability
proportional to their weight, at even distances. Fewer walks are all continued, and the term is
exact.
"""

import numpy as np

from raypipe.kernels.arrays import Floats, Floats32, Indices, Integers
from raypipe.kernels.bit_set import clear, empty_set, insert, members_in
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.factor_scores import Cooccurrence
from raypipe.kernels.prefetch import prefetch

#: Maximum number of walks that are continued from an account.
WALKS = 512
#: Walks do not pass through accounts with more follows than this: each of their walks has a weight
#: below 1/MAX_FOLLOWS of the account's.
MAX_FOLLOWS = 1000
#: Number of walks between the one whose row is asked for and the one that is continued.
_AHEAD = 6


@kernel
def products(factors: Floats32, candidate_factors: Floats32, candidates: Adjacency) -> Floats:
    """float64[c]: factors[i] . candidate_factors[c] for each candidate c of the i-th account.

    The sum runs over four columns side by side, in a fixed order.

    Args:
        factors: float32[m, d].
        candidate_factors: float32[n, d].

    Example:
        >>> factors = np.array([[1, 2], [3, 4]], np.float32)
        >>> candidates = Adjacency(np.array([0, 2]), np.array([0, 1], np.int32))
        >>> products(factors[1:], factors, candidates).tolist()
        [11.0, 25.0]
    """
    indptr, codes = candidates
    width = factors.shape[1]
    whole = width - width % 4
    scores = np.empty(len(codes), dtype=np.float64)
    mine = np.empty(width, dtype=np.float64)
    for i in range(len(factors)):
        for f in range(width):  # a slice would take Numba 2 s to compile
            mine[f] = factors[i, f]
        for at in range(indptr[i], indptr[i + 1]):
            ahead = codes[min(at + 2, indptr[i + 1] - 1)]
            prefetch(candidate_factors, np.int64(ahead) * width, width)
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
        candidates: of each of the m accounts, without repeats.
        limit: maximum number of walks of two steps that are continued from an account.
        max_follows: walks do not pass through an account b with more follows.
    """
    followees, _, first, middle, last = walks
    indptr, codes = candidates
    scores = np.zeros(len(codes), dtype=np.float64)
    position = np.empty(len(first), dtype=np.int32)  # of members only
    members, found = empty_set(len(first)), np.empty(max_follows, dtype=np.int32)
    reached = np.empty(limit + 1, dtype=np.int32)
    weights = np.empty(limit + 1, dtype=np.float64)
    begins = np.zeros(limit + 1 + _AHEAD, dtype=np.int64)
    ends = np.zeros(limit + 1, dtype=np.int64)
    for i in range(len(accounts)):
        start, stop = indptr[i], indptr[i + 1]
        insert(members, codes[start:stop])
        for at in range(start, stop):
            position[codes[at]] = at
        count = _draw(walks, accounts[i], limit, reached, weights)
        for at in range(count):  # by itself: then the processor waits for many rows at a time
            b = reached[at]
            begins[at], ends[at] = followees.indptr[b], followees.indptr[b + 1]
            weights[at] *= middle[b]
        for at in range(count):
            prefetch(followees.codes, begins[at + _AHEAD], 64)
            if ends[at] - begins[at] <= max_follows:
                row = followees.codes[begins[at] : ends[at]]
                for code in found[: members_in(members, row, found)]:
                    scores[position[code]] += weights[at]
        clear(members, codes[start:stop])
        for at in range(start, stop):
            scores[at] *= last[codes[at]]
    return scores


@kernel
def _draw(walks: Cooccurrence, account: int, limit: int, reached: Indices, weights: Floats) -> int:
    """Fill in the ends and weights of the walks to continue, and return their number."""
    followees, followers, first, _, _ = walks
    indptr, codes = followers
    mine = followees.codes[followees.indptr[account] : followees.indptr[account + 1]]
    walked, total = 0, 0.0
    for code in mine:
        length = indptr[code + 1] - indptr[code]
        walked += length
        total += length * np.float64(first[code])
    distance = total / limit if walked > limit else 0.0
    count = 0
    done, following = 0.0, distance / 2  # the weight of all walks so far, and before the next one
    for code in mine:
        begin, length = indptr[code], indptr[code + 1] - indptr[code]
        weight = np.float64(first[code])
        if not distance:
            for at in range(begin, begin + length):
                reached[count], weights[count] = codes[at], weight
                count += 1
            continue
        upto = done + weight * length
        while following < upto and count <= limit:
            at = min(length - 1, np.int64((following - done) / weight))
            reached[count], weights[count] = codes[begin + at], distance
            count += 1
            following += distance
        done = upto
    return count
