"""The best of accounts times factors, block by block: never more than a block of the whole product.

A block is multiplied in float32, by BLAS; how its sums are rounded depends on the block. So what is
kept does not: whoever may be among the best within the bound of that rounding is scored again in
float64, in a fixed order, and the best by that score are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency, take

#: Scores held at a time.
_BLOCK = 8_000_000
#: Accounts whose walks are counted side by side, if so many rows of accounts fit into a block.
_SIDE_BY_SIDE = 64
#: Going on from an account takes so many times longer than passing it, of several side by side.
_PUSHES = 2
#: Of one rounding of a float32 product or sum, twice over.
_ROUNDING = 2.0**-23


class Cooccurrence(NamedTuple):
    """The linear filter of degree-normalised co-occurrence, as weights of a walk of three steps.

        score(a, c) = sum over i, b where a follows i, b follows i, b follows c,
                      of first[i] middle[b] last[c]

    Attributes:
        followees, followers: both sides of the graph.
        first, middle, last: float32[n].
    """

    followees: Adjacency
    followers: Adjacency
    first: np.ndarray
    middle: np.ndarray
    last: np.ndarray


def block_bytes(columns: int) -> int:
    """What a block takes: its scores, the walks beside them, how far these have got, and a row.

    Example:
        >>> block_bytes(1_000_000), block_bytes(50_000_000)
        (112000000, 1400000000)
    """
    return 3 * 4 * max(_BLOCK, columns) + 16 * columns


def best_columns(
    factors: np.ndarray,
    column_factors: np.ndarray,
    columns: np.ndarray,
    masked: Adjacency,
    wanted: np.ndarray,
    walks: Cooccurrence | None = None,
    longest: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ``wanted[i]`` best columns of each account by factors[i] . column_factors[c] + its walks.

    Args:
        factors: float32[m, d], of the accounts.
        column_factors: float32[c, d].
        columns: int32[c], codes, ascending.
        masked: for each of the m accounts, the codes that it follows: none of them is retrieved.
            From there start its walks.
        wanted: int64[m].
        walks: adds their weights.
        longest: what :func:`longest_of` says of ``column_factors``, if it is known.

    Returns:
        indptr int64[m + 1], codes int32[...] and scores float64[...]: by account, best first, ties
        by code.

    Example:
        >>> nobody = Adjacency(np.array([0, 0]), np.empty(0, np.int32))
        >>> indptr, codes, scores = best_columns(
        ...     np.array([[1, 2]], np.float32), np.array([[1, 0], [0, 1], [1, 1]], np.float32),
        ...     np.array([4, 5, 7], np.int32), nobody, np.array([2]))
        >>> codes.tolist(), scores.tolist()
        ([7, 5], [3.0, 2.0])
    """
    size = max(1, _BLOCK // max(1, len(columns)))
    longest = longest_of(column_factors) if longest is None else longest
    parts = []
    for start in range(0, len(factors), size):
        some = slice(start, start + size)
        mine = np.ascontiguousarray(factors[some])
        theirs = take(masked, np.arange(start, start + len(mine)))
        block = mine @ column_factors.T
        walked = np.empty((0, 0), np.float32)
        bounds = (factors.shape[1] + 4) * _ROUNDING * longest * np.sqrt(_squares(mine))
        if walks is not None:
            walked = walk(walks, theirs, columns)
            block += walked
            bounds += 4 * _ROUNDING * walked.max(axis=1, initial=0.0)
        parts.append(
            _best_of_block(
                block, bounds, mine, column_factors, walked, columns, *theirs, wanted[some]
            )
        )
    counts, codes, scores = (
        np.concatenate(arrays) for arrays in zip(*(parts or [_NOTHING]), strict=True)
    )
    return np.concatenate([[0], np.cumsum(counts)]), codes, scores


def longest_of(factors: np.ndarray) -> float:
    """The largest Euclidean length of a row.

    Example:
        >>> longest_of(np.array([[3, 4], [1, 0]], np.float32))
        5.0
    """
    return float(np.sqrt(_squares(factors).max(initial=0.0)))


def walk(walks: Cooccurrence, followees: Adjacency, columns: np.ndarray) -> np.ndarray:
    """float32[m, c]: the weight of all walks from the m accounts to the columns.

    Where they reach few accounts, they go on from each of these; where they reach many, several
    accounts are counted side by side over the whole graph. Both sum up in the same order.

    Args:
        followees: whom the m accounts follow.
    """
    m, n = len(followees.indptr) - 1, len(walks.followers.indptr) - 1
    place = np.full(n, -1, np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    out = np.zeros((m, len(columns)), np.float32)
    most = len(walks.followees.codes) // _PUSHES
    far = _walk_near(*followees, *walks.followees, *walks.followers, *walks[2:], place, out, most)
    beside = min(_SIDE_BY_SIDE, max(1, _BLOCK // n))
    for start in range(0, len(far), beside):
        some = far[start : start + beside]
        out[some] = _walk_far(*take(followees, some), *walks.followers, *walks[2:], columns)
    return out


_NOTHING = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64))


def _squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", rows, rows, dtype=np.float64)


@njit(cache=True, nogil=True)
def _walk_near(
    indptr, codes, all_indptr, all_codes, followers_indptr, followers,
    first, middle, last, place, out, most,
):  # fmt: skip
    """Fills the rows of accounts with at most so many ways to go on; returns those not filled."""
    m, n = len(indptr) - 1, len(first)
    reached = np.zeros(n, dtype=np.float32)
    touched = np.empty(n, dtype=np.int32)
    far = np.empty(m, dtype=np.int64)
    left = 0
    for i in range(m):
        count, steps = 0, 0
        for code in codes[indptr[i] : indptr[i + 1]]:
            for b in followers[followers_indptr[code] : followers_indptr[code + 1]]:
                if reached[b] == 0:
                    touched[count] = b
                    count += 1
                    steps += all_indptr[b + 1] - all_indptr[b]
                reached[b] += first[code]
        if steps > most:
            far[left] = i
            left += 1
            reached[touched[:count]] = 0
            continue
        row = out[i]
        for b in np.sort(touched[:count]):
            weight = reached[b] * middle[b]
            reached[b] = 0
            for code in all_codes[all_indptr[b] : all_indptr[b + 1]]:
                if place[code] >= 0:
                    row[place[code]] += weight
        for code in range(n):
            if place[code] >= 0:
                row[place[code]] *= last[code]
    return far[:left]


@njit(cache=True, nogil=True)
def _walk_far(indptr, codes, followers_indptr, followers, first, middle, last, columns):
    m, n = len(indptr) - 1, len(followers_indptr) - 1
    out = np.empty((m, len(columns)), dtype=np.float32)
    reached = np.zeros((n, m), dtype=np.float32)
    for i in range(m):
        for code in codes[indptr[i] : indptr[i + 1]]:
            for b in followers[followers_indptr[code] : followers_indptr[code + 1]]:
                reached[b, i] += first[code]
    for b in range(n):
        for i in range(m):
            reached[b, i] *= middle[b]
    sums = np.empty(m, dtype=np.float32)
    for at in range(len(columns)):
        code = columns[at]
        sums[:] = 0
        for b in followers[followers_indptr[code] : followers_indptr[code + 1]]:
            for i in range(m):
                sums[i] += reached[b, i]
        for i in range(m):
            out[i, at] = sums[i] * last[code]
    return out


@njit(cache=True, nogil=True)
def _best_of_block(block, bounds, factors, column_factors, walked, columns, indptr, codes, wanted):
    m, c = block.shape
    counts = np.zeros(m, dtype=np.int64)
    room = 0
    for i in range(m):
        room += min(wanted[i], c)
    best_codes = np.empty(room, dtype=np.int32)
    best_scores = np.empty(room, dtype=np.float64)
    maybe = np.empty(c, dtype=np.int32)
    done = 0
    for i in range(m):
        want = min(wanted[i], c)
        if want <= 0:
            continue
        row = block[i]
        _mask(row, columns, codes[indptr[i] : indptr[i + 1]])
        least = _nth_largest(row, want) - 2 * bounds[i]
        count = 0
        for at in range(c):
            if row[at] >= least and row[at] > -np.inf:
                maybe[count] = at
                count += 1
        exact = np.empty(count, dtype=np.float64)
        for j in range(count):
            at = maybe[j]
            score = 0.0
            for f in range(factors.shape[1]):
                score += np.float64(factors[i, f]) * np.float64(column_factors[at, f])
            if walked.shape[0]:
                score += np.float64(walked[i, at])
            exact[j] = score
        order = np.argsort(-exact, kind="mergesort")  # stable: ties by code
        for j in order[:want]:
            best_codes[done] = columns[maybe[j]]
            best_scores[done] = exact[j]
            done += 1
        counts[i] = min(want, count)
    return counts, best_codes[:done], best_scores[:done]


@njit(cache=True, nogil=True)
def _mask(row, columns, codes):
    for code in codes:
        at = np.searchsorted(columns, code)
        if at < len(columns) and columns[at] == code:
            row[at] = -np.inf


@njit(cache=True, nogil=True)
def _nth_largest(row, n):
    """By a heap of the n largest so far, the least of them at its root."""
    heap = np.full(n, -np.inf, dtype=np.float32)
    for value in row:
        if value <= heap[0]:
            continue
        place = 0
        while 2 * place + 1 < n:
            child = 2 * place + 1
            if child + 1 < n and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= value:
                break
            heap[place] = heap[child]
            place = child
        heap[place] = value
    return heap[0]
