"""Walks of two steps: from an account to those in the middle, and on to whom these follow.

Walks from one account reach a large part of the graph, so their weights are summed up in an array
as long as it: that is two to three times as fast here as a hash table, which is better where few
and short rows are united (:mod:`raypipe.kernels.neighbourhood`).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency
from raypipe.kernels.topk import keep_best

#: Of :func:`best_of_walks`, for each walk, on a machine that may not be this one.
NS_PER_WALK = 5.0


def weights_of(follows: np.ndarray, weight: str, most: int | None = None) -> np.ndarray:
    """float64[n]: 1/log(2 + follows) of every account, or 1; 0 for those that follow too many.

    Logarithms are those of the C library, one a distinct number of follows: the last bits of
    NumPy's vector code depend on the CPU, and these weights end in published scores.

    Args:
        follows: int64[n], how many each account follows.
        weight: ``inverse_log`` or ``none``.
        most: an account that follows more is not walked through; None: each is.

    Example:
        >>> weights_of(np.array([0, 1, 9]), "inverse_log", 5).round(3).tolist()
        [1.443, 0.91, 0.0]
        >>> weights_of(np.array([0, 1, 9]), "none").tolist()
        [1.0, 1.0, 1.0]
    """
    sizes, place = np.unique(follows, return_inverse=True)
    plain = weight == "none"
    of_sizes = np.array([1.0 if plain else 1 / math.log(2 + size) for size in sizes.tolist()])
    if most is not None:
        of_sizes[sizes > most] = 0.0
    return of_sizes[place]


def best_of_walks(
    intermediaries: Adjacency,
    rows: Adjacency,
    weights: np.ndarray,
    retrieved: np.ndarray,
    accounts: np.ndarray,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each account, the best of those that walks through its middle lead to.

        score(a, c) = sum of weights[b] over the b in a's row of intermediaries whose row holds c

    The sum runs over b by code, so its bits do not depend on the sharding. One account's codes are
    held at a time, and only its best are kept: 8 bytes for each account of the graph, 12 for each
    code that the account with most walks may reach.

    Args:
        intermediaries, rows: two sides of a graph of n accounts; they may be the same one.
        weights: float64[n], not negative; an account of weight 0 is not walked through.
        retrieved: bool[n], who may be among the best.
        accounts: int[m], codes.
        wanted: int64[m], how many to keep.

    Returns:
        indptr int64[m + 1], codes int32[...] and scores float64[...]; a row's codes in no
        particular, but always the same, order; ties at the end of a row are decided by code.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 4, 5]), np.array([1, 2, 0, 2, 0], dtype=np.int32))
        >>> weights, retrieved = np.array([1, 0.5, 0.25]), np.ones(3, dtype=bool)
        >>> indptr, codes, scores = best_of_walks(
        ...     rows, rows, weights, retrieved, np.array([0]), np.array([1]))
        >>> codes.tolist(), scores.tolist()
        ([0], [0.75])
    """
    return _best_of_walks(*intermediaries, *rows, weights, retrieved, accounts, wanted)


def count_walks(
    intermediaries: Adjacency, rows: Adjacency, weights: np.ndarray, accounts: np.ndarray
) -> np.ndarray:
    """int64[m]: how many walks there are from each account; takes what :func:`best_of_walks` does.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 4, 5]), np.array([1, 2, 0, 2, 0], dtype=np.int32))
        >>> count_walks(rows, rows, np.array([1, 0, 1.0]), np.array([0, 1])).tolist()
        [1, 3]
    """
    return _count_walks(*intermediaries, rows.indptr, weights, accounts)


@njit(cache=True, nogil=True)
def _best_of_walks(
    intermediaries_indptr, intermediaries, indptr, codes, weights, retrieved, accounts, wanted
):
    m, n = len(accounts), len(retrieved)
    bounds = np.minimum(
        _count_walks(intermediaries_indptr, intermediaries, indptr, weights, accounts), n
    )
    largest = bounds.max() if m else 0
    sums = np.zeros(n, dtype=np.float64)
    reached = np.empty(largest + 1, dtype=np.int32)
    scores = np.empty(largest + 1, dtype=np.float64)
    room = np.minimum(bounds, np.maximum(wanted, 0)).sum()
    out_indptr = np.zeros(m + 1, dtype=np.int64)
    out_codes = np.empty(room, dtype=np.int32)
    out_scores = np.empty(room, dtype=np.float64)
    end = 0
    for i in range(m):
        if wanted[i] > 0:
            found = 0
            for b in intermediaries[
                intermediaries_indptr[accounts[i]] : intermediaries_indptr[accounts[i] + 1]
            ]:
                if weights[b] != 0:
                    for at in range(indptr[b], indptr[b + 1]):
                        code = codes[at]
                        reached[found] = code  # without a branch: it could not be predicted
                        found += sums[code] == 0
                        sums[code] += weights[b]
            count = 0
            for at in range(found):
                code = reached[at]
                reached[count] = code
                scores[count] = sums[code]
                count += retrieved[code]
                sums[code] = 0
            count = keep_best(reached, scores, count, wanted[i])
            out_codes[end : end + count] = reached[:count]
            out_scores[end : end + count] = scores[:count]
            end += count
        out_indptr[i + 1] = end
    return out_indptr, out_codes[:end].copy(), out_scores[:end].copy()


@njit(cache=True, nogil=True)
def _count_walks(intermediaries_indptr, intermediaries, indptr, weights, accounts):
    found = np.zeros(len(accounts), dtype=np.int64)
    for i in range(len(accounts)):
        account = accounts[i]
        for b in intermediaries[
            intermediaries_indptr[account] : intermediaries_indptr[account + 1]
        ]:
            if weights[b] != 0:
                found[i] += indptr[b + 1] - indptr[b]
    return found
