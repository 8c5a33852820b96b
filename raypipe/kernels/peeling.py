"""Greedy peeling: the densest block of follows, by leaving out one account after the other."""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Flags, Indices, Int, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.read_only import frozen

#: More than any sum of weights.
_NEVER = 2**63 - 1


class Block(NamedTuple):
    """A block of follows, of n accounts.

    Attributes:
        followers, followees: bool[n], the accounts that follow, and those that they follow.
        weight: sum of the weights of the follows from ones to the others.
    """

    followers: Flags
    followees: Flags
    weight: int


def densest_block(rows: Adjacency, weights: Offsets) -> Block:
    """The block with the largest density that peeling meets: at least half of the largest there is.

    The density of a block is the sum of the weights of its follows, divided by the number of
    accounts in it; an account that follows and is followed counts twice. The account whose follows
    weigh least is left out first, of equals the one with the lowest code, followers first.

    Args:
        weights: int64[n], the weight of a follow of each account. Whole numbers, so that the order
            is the same on every machine.

    Source:
        Charikar (2000), "Greedy approximation algorithms for finding dense components in a graph";
        Hooi, Song, Beutel, Shah, Shin and Faloutsos (2016), FRAUDAR.

    Example:
        >>> rows = Adjacency(np.array([0, 2, 4, 5, 5]), np.array([2, 3, 2, 3, 0], np.int32))
        >>> block = densest_block(rows, np.full(4, 10))
        >>> block.followers.nonzero()[0].tolist(), block.followees.nonzero()[0].tolist()
        ([0, 1], [2, 3])
    """
    n, rows = len(weights), frozen(rows)
    kept, weight = _peel(rows, transpose(rows), weights)
    return Block(kept[:n], kept[n:], int(weight))


@kernel
def _peel(rows: Adjacency, columns: Adjacency, weights: Offsets) -> tuple[Flags, int]:
    """bool[2 n]: who remains in the densest block, followers then followees; and its weight."""
    n = len(weights)
    leaves = 1
    while leaves < 2 * n:
        leaves *= 2
    # A tournament of the lightest account: node i is the lighter of nodes 2 i and 2 i + 1.
    sums = np.full(leaves, _NEVER, np.int64)
    for i in range(n):
        sums[i] = 0
        for at in range(rows.indptr[i], rows.indptr[i + 1]):
            sums[i] += weights[rows.codes[at]]
        sums[n + i] = weights[i] * (columns.indptr[i + 1] - columns.indptr[i])
    weight, left_out = sums[:n].sum(), 0
    order = np.empty(2 * n, np.int32)
    lightest = np.empty(2 * leaves, np.int32)
    for i in range(leaves):
        lightest[leaves + i] = i
        if sums[i] == 0:  # these go first, and change nothing
            order[left_out] = i
            left_out += 1
            sums[i] = _NEVER
    for i in range(leaves - 1, 0, -1):
        left, right = lightest[2 * i], lightest[2 * i + 1]
        lightest[i] = left if sums[left] <= sums[right] else right
    kept = np.full(2 * n, weight > 0)
    best, density, best_weight = 0, 0.0, 0
    while weight > 0:
        if weight / (2 * n - left_out) > density:
            best, density, best_weight = left_out, weight / (2 * n - left_out), weight
        out = lightest[1]
        order[left_out] = out
        left_out += 1
        weight -= sums[out]
        if out < n:
            for at in range(rows.indptr[out], rows.indptr[out + 1]):
                _lower(sums, lightest, n + rows.codes[at], weights[rows.codes[at]])
        else:
            for at in range(columns.indptr[out - n], columns.indptr[out - n + 1]):
                _lower(sums, lightest, columns.codes[at], weights[out - n])
        _lower(sums, lightest, out, sums[out] - _NEVER)
    kept[order[:best]] = False
    return kept, best_weight


@kernel
def _lower(sums: Offsets, lightest: Indices, i: Int, by: Int) -> None:
    """Lower the sum of an account that is not left out yet, and play its matches again."""
    if sums[i] == _NEVER:
        return
    sums[i] -= by
    node = (len(sums) + i) >> 1
    while node:
        left, right = lightest[2 * node], lightest[2 * node + 1]
        winner = left if sums[left] <= sums[right] else right
        if winner == lightest[node] and winner != i:
            break  # as before, and so in all later matches
        lightest[node] = winner
        node >>= 1
