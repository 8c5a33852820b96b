"""The best columns of a product of factors, block by block: the whole product is never in memory.

A block is multiplied in float32, by BLAS, and the rounding of its sums depends on the block. The
result does not: every column that may be among the best, within the bound of that rounding, is
scored again in float64, in a fixed order, and the best by that score are kept.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Floats, Floats32, Indices, Integers, Offsets
from raypipe.kernels.candidates import Candidates
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, lower_bound, take
from raypipe.kernels.read_only import frozen
from raypipe.kernels.topk import TieRule, sort_best

#: Scores of one block.
_BLOCK = 8_000_000
#: Accounts whose walks are counted side by side, if that many rows of accounts fit into a block.
_SIDE_BY_SIDE = 64
#: Time of a walk from one account, in walks of several accounts counted side by side.
_PUSHES = 2
#: Twice the bound of one rounding of a float32 product or sum.
_ROUNDING = 2.0**-23


class Cooccurrence(NamedTuple):
    """The linear filter of degree-normalised co-occurrence, as weights of a walk of three steps.

        score(a, c) = sum over i, b where a follows i, b follows i, b follows c,
                      of first[i] middle[b] last[c]

    Attributes:
        first, middle, last: float32[n].
    """

    followees: Adjacency
    followers: Adjacency
    first: Floats32
    middle: Floats32
    last: Floats32


def block_bytes(columns: int) -> int:
    """Bytes of a block: its scores, their walks, the state of the walks, and a row.

    Example:
        >>> block_bytes(1_000_000), block_bytes(50_000_000)
        (112000000, 1400000000)
    """
    return 3 * 4 * max(_BLOCK, columns) + 16 * columns


def best_columns(
    factors: Floats32,
    column_factors: Floats32,
    columns: Indices,
    masked: Adjacency,
    wanted: Integers,
    accounts: Integers,
    rule: TieRule,
    walks: Cooccurrence | None = None,
    longest: float | None = None,
) -> Candidates:
    """The ``wanted[i]`` best columns of each account by factors[i] . column_factors[c] + its walks.

    Args:
        factors: float32[m, d], of the accounts.
        column_factors: float32[c, d].
        columns: int32[c], codes, ascending.
        masked: followees of each of the m accounts: they are not retrieved, and walks start there.
        walks: the linear filter whose weights are added, if any.
        longest: :func:`longest_of` of ``column_factors``, if it is known.

    Returns:
        Candidates of each account, best first.
    """
    size = max(1, _BLOCK // max(1, len(columns)))
    longest = longest_of(column_factors) if longest is None else longest
    column_factors, columns, walks = frozen(column_factors), frozen(columns), frozen(walks)
    parts = []
    for start in range(0, len(factors), size):
        part = slice(start, start + size)
        mine = np.ascontiguousarray(factors[part])
        followees = take(masked, np.arange(start, start + len(mine)))
        block = mine @ column_factors.T
        walked = np.empty((0, 0), np.float32)
        bounds = (factors.shape[1] + 4) * _ROUNDING * longest * np.sqrt(_squares(mine))
        if walks is not None:
            walked = walk(walks, followees, columns)
            block += walked
            bounds += 4 * _ROUNDING * walked.max(axis=1, initial=0.0)
        scores = _Block(block, bounds, mine, column_factors, walked)
        asked = wanted[part].astype(np.int64), accounts[part].astype(np.int32)
        parts.append(_best_of_block(scores, columns, followees, *asked, rule))
    counts, codes, scores_of_best = (
        np.concatenate(arrays) for arrays in zip(*(parts or [_NOTHING]), strict=True)
    )
    return Candidates(np.concatenate([[0], np.cumsum(counts)]), codes, scores_of_best)


class _Block(NamedTuple):
    """Scores of m accounts and c columns, rounded, and the factors they were made of.

    Attributes:
        rounded: float32[m, c].
        bounds: float64[m], maximum rounding error of a score of each account.
        factors, column_factors: float32[m, d] and float32[c, d].
        walked: float32[m, c], weights of walks; or float32[0, 0].
    """

    rounded: Floats32
    bounds: Floats
    factors: Floats32
    column_factors: Floats32
    walked: Floats32


def longest_of(factors: Floats32) -> float:
    """The largest Euclidean length of a row.

    Example:
        >>> longest_of(np.array([[3, 4], [1, 0]], np.float32))
        5.0
    """
    return float(np.sqrt(_squares(factors).max(initial=0.0)))


def walk(walks: Cooccurrence, followees: Adjacency, columns: Indices) -> Floats32:
    """float32[m, c]: the weight of all walks from the m accounts to the columns.

    If the walks of an account reach few others, they are continued from each of these; otherwise
    several accounts are counted side by side over the whole graph. Both sum in the same order.

    Args:
        followees: followees of the m accounts.
    """
    m, n = len(followees.indptr) - 1, len(walks.followers.indptr) - 1
    column_of = np.full(n, -1, np.int32)
    column_of[columns] = np.arange(len(columns), dtype=np.int32)
    out = np.zeros((m, len(columns)), np.float32)
    limit = len(walks.followees.codes) // _PUSHES
    far = _walk_near(followees, walks, column_of, out, limit)
    beside = min(_SIDE_BY_SIDE, max(1, _BLOCK // n))
    for start in range(0, len(far), beside):
        part = far[start : start + beside]
        out[part] = _walk_far(take(followees, part), walks, columns)
    return out


_NOTHING = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64))


def _squares(rows: Floats32) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))


@kernel
def _walk_near(
    rows: Adjacency, walks: Cooccurrence, column_of: Indices, out: Floats32, limit: int
) -> Offsets:
    """Fill the rows of accounts with at most ``limit`` third steps; return the accounts left."""
    indptr, codes = rows
    followees, followers, first, middle, last = walks
    m, n = len(indptr) - 1, len(first)
    reached = np.zeros(n, dtype=np.float32)
    touched = np.empty(n, dtype=np.int32)
    far = np.empty(m, dtype=np.int64)
    left = 0
    for i in range(m):
        count, steps = 0, 0
        for code in codes[indptr[i] : indptr[i + 1]]:
            for b in followers.codes[followers.indptr[code] : followers.indptr[code + 1]]:
                if reached[b] == 0:
                    touched[count] = b
                    count += 1
                    steps += followees.indptr[b + 1] - followees.indptr[b]
                reached[b] += first[code]
        if steps > limit:
            far[left] = i
            left += 1
            reached[touched[:count]] = 0
            continue
        row = out[i]
        for b in np.sort(touched[:count]):
            weight = reached[b] * middle[b]
            reached[b] = 0
            for code in followees.codes[followees.indptr[b] : followees.indptr[b + 1]]:
                if column_of[code] >= 0:
                    row[column_of[code]] += weight
        for code in range(n):
            if column_of[code] >= 0:
                row[column_of[code]] *= last[code]
    return far[:left]


@kernel
def _walk_far(rows: Adjacency, walks: Cooccurrence, columns: Indices) -> Floats32:
    indptr, codes = rows
    followers_indptr, followers = walks.followers
    m, n = len(indptr) - 1, len(followers_indptr) - 1
    out = np.empty((m, len(columns)), dtype=np.float32)
    reached = np.zeros((n, m), dtype=np.float32)
    for i in range(m):
        for code in codes[indptr[i] : indptr[i + 1]]:
            for b in followers[followers_indptr[code] : followers_indptr[code + 1]]:
                reached[b, i] += walks.first[code]
    for b in range(n):
        for i in range(m):
            reached[b, i] *= walks.middle[b]
    sums = np.empty(m, dtype=np.float32)
    for at in range(len(columns)):
        code = columns[at]
        sums[:] = 0
        for b in followers[followers_indptr[code] : followers_indptr[code + 1]]:
            for i in range(m):
                sums[i] += reached[b, i]
        for i in range(m):
            out[i, at] = sums[i] * walks.last[code]
    return out


@kernel
def _best_of_block(
    block: _Block,
    columns: Indices,
    masked: Adjacency,
    wanted: Integers,
    accounts: Integers,
    rule: TieRule,
) -> tuple[Offsets, Indices, Floats]:
    m, c = block.rounded.shape
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
        row = block.rounded[i]
        _mask(row, columns, masked.codes[masked.indptr[i] : masked.indptr[i + 1]])
        least = _nth_largest(row, want) - 2 * block.bounds[i]
        count = 0
        for at in range(c):
            if row[at] >= least and row[at] > -np.inf:
                maybe[count] = at
                count += 1
        exact, codes = _exact_scores(block, i, maybe[:count]), columns[maybe[:count]]
        counts[i] = sort_best(codes, exact, count, want, accounts[i], rule)
        for j in range(counts[i]):
            best_codes[done], best_scores[done] = codes[j], exact[j]
            done += 1
    return counts, best_codes[:done], best_scores[:done]


@kernel
def _exact_scores(block: _Block, i: int, columns: Indices) -> Floats:
    """Scores of account i in float64, summed in a fixed order."""
    scores = np.empty(len(columns), dtype=np.float64)
    for j in range(len(columns)):
        at = columns[j]
        score = 0.0
        for f in range(block.factors.shape[1]):
            score += np.float64(block.factors[i, f]) * np.float64(block.column_factors[at, f])
        if block.walked.shape[0]:
            score += np.float64(block.walked[i, at])
        scores[j] = score
    return scores


@kernel
def _mask(row: Floats32, columns: Indices, codes: Indices) -> None:
    for code in codes:
        at = lower_bound(columns, code)
        if at < len(columns) and columns[at] == code:
            row[at] = -np.inf


@kernel
def _nth_largest(row: Floats32, n: int) -> np.float32:
    """The n-th largest value, by a heap of the n largest so far with the smallest at its root."""
    heap = np.full(n, -np.inf, dtype=np.float32)
    for value in row:
        if value <= heap[0]:
            continue
        position = 0
        while 2 * position + 1 < n:
            child = 2 * position + 1
            if child + 1 < n and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= value:
                break
            heap[position] = heap[child]
            position = child
        heap[position] = value
    nth: np.float32 = heap[0]
    return nth
