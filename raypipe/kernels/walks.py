"""Walks of two steps: from an account to intermediaries, and on to the accounts these follow.

Walks from one account reach a large part of the graph, so their weights are summed in an array as
long as the graph. Here that is two to three times as fast as a hash table, which is better where a
few short rows are united (:mod:`raypipe.kernels.neighbourhood`).
"""

import math

import numpy as np

from raypipe.kernels.arrays import Flags, Floats, Integers, Offsets
from raypipe.kernels.candidates import Candidates
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.prefetch import prefetch
from raypipe.kernels.topk import TieRule, put_best, room_for_best, without_room

#: Nanoseconds of :func:`best_of_walks` for each walk, on the machine that this was measured on.
NS_PER_WALK = 5.0
#: Number of intermediaries between the one whose row is asked for and the one that is walked.
_AHEAD = 4


def weights_of(follows: Offsets, weight: str, max_follows: int | None = None) -> Floats:
    """float64[n]: 1/log(2 + follows) of every account, or 1; 0 for those that follow too many.

    Logarithms are those of the C library, one per distinct number of follows: the last bits of
    NumPy's vector code depend on the CPU, and these weights end up in published scores.

    Args:
        follows: int64[n], number of follows of each account.
        weight: ``inverse_log`` or ``none``.
        max_follows: no walk passes through an account that follows more; None: no maximum.

    Example:
        >>> weights_of(np.array([0, 1, 9]), "inverse_log", 5).round(3).tolist()
        [1.443, 0.91, 0.0]
        >>> weights_of(np.array([0, 1, 9]), "none").tolist()
        [1.0, 1.0, 1.0]
    """
    distinct, position = np.unique(follows, return_inverse=True)
    plain = weight == "none"
    weights = np.array([1.0 if plain else 1 / math.log(2 + size) for size in distinct.tolist()])
    if max_follows is not None:
        weights[distinct > max_follows] = 0.0
    return weights[position]


@kernel
def best_of_walks(
    intermediaries: Adjacency,
    rows: Adjacency,
    weights: Floats,
    retrieved: Flags,
    accounts: Integers,
    wanted: Integers,
    rule: TieRule,
) -> Candidates:
    """The best candidates of each account that walks through its intermediaries reach.

        score(a, c) = sum of weights[b] over the b in a's row of intermediaries whose row holds c

    The sum runs over b by code, so its bits do not depend on the sharding. The codes of one account
    are held at a time, and only its best are kept: 8 bytes for each account of the graph, 12 for
    each code that the account with most walks may reach.

    Args:
        intermediaries, rows: two sides of a graph of n accounts; they may be the same one.
        weights: float64[n], not negative; no walk passes through an account of weight 0.
    """
    middle_indptr, middle = intermediaries
    indptr, codes = rows
    n = len(retrieved)
    bounds = count_walks(intermediaries, rows, weights, accounts)
    for i in range(len(bounds)):
        bounds[i] = min(bounds[i], n)
    best, reached, scores = room_for_best(bounds, wanted)
    sums = np.zeros(n, dtype=np.float64)
    for i in range(len(accounts)):
        count = 0
        if wanted[i] > 0:
            found = 0
            first, last = middle_indptr[accounts[i]], middle_indptr[accounts[i] + 1]
            for step in range(first, last):
                b, ahead = middle[step], middle[min(step + _AHEAD, last - 1)]
                prefetch(codes, indptr[ahead], 64)
                if weights[b] != 0:
                    for at in range(indptr[b], indptr[b + 1]):
                        code = codes[at]
                        reached[found] = code  # without a branch: it could not be predicted
                        found += sums[code] == 0
                        sums[code] += weights[b]
            for at in range(found):
                code = reached[at]
                reached[count] = code
                scores[count] = sums[code]
                count += retrieved[code]
                sums[code] = 0
        put_best(best, i, reached, scores, count, wanted[i], accounts[i], rule)
    return without_room(best)


@kernel
def count_walks(
    intermediaries: Adjacency, rows: Adjacency, weights: Floats, accounts: Integers
) -> Offsets:
    """int64[m]: number of walks from each account; arguments as for :func:`best_of_walks`.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 4, 5]), np.array([1, 2, 0, 2, 0], dtype=np.int32))
        >>> count_walks(rows, rows, np.array([1, 0, 1.0]), np.array([0, 1])).tolist()
        [1, 3]
    """
    middle_indptr, middle = intermediaries
    counts = np.zeros(len(accounts), dtype=np.int64)
    for i in range(len(accounts)):
        account = accounts[i]
        for b in middle[middle_indptr[account] : middle_indptr[account + 1]]:
            if weights[b] != 0:
                counts[i] += rows.indptr[b + 1] - rows.indptr[b]
    return counts
