"""Personalised PageRank by local push: a random walk from one account, along follows both ways.

A walk reads a few thousand follows, however large the graph is. The accounts that it reaches are
numbered in the order in which it reaches them, by a small open-addressing hash table; nothing here
is as long as the graph, and only what one account has used is cleared for the next.
"""

import math
from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Flags, Floats, Indices, Int, Integers, Offsets
from raypipe.kernels.candidates import Candidates
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.neighbourhood import table_size
from raypipe.kernels.prefetch import prefetch
from raypipe.kernels.topk import TieRule, put_best, room_for_best, without_room

#: Bytes of the arrays of a push for each account reached, without the hash table.
_BYTES_PER_ACCOUNT = 52


class Walk(NamedTuple):
    """How a walk moves over the graph, and when it is followed no further.

    Attributes:
        degrees: float64[n], from :func:`weighted_degrees`.
        backward_weight: weight of a step to a follower; a step to a followee weighs 1.
        alpha: probability of a return to the account before each step.
        epsilon: residuals below ``epsilon * degree`` are left where they are.
    """

    followees: Adjacency
    followers: Adjacency
    degrees: Floats
    backward_weight: float
    alpha: float
    epsilon: float


def weighted_degrees(followees: Adjacency, followers: Adjacency, backward_weight: float) -> Floats:
    """float64[n]: follows + backward_weight * followers, of every account."""
    return np.asarray(followees.degrees + backward_weight * followers.degrees)


@kernel
def max_steps(alpha: float, epsilon: float, backward_weight: float) -> int:
    """Maximum number of follows that the walk of one account reads, whatever the graph.

    A push of u reads its follows and followers, at most degree(u) / min(1, backward_weight), and
    takes at least alpha * epsilon * degree(u) from the residuals, whose sum starts at 1.

    Example:
        >>> max_steps(0.5, 1e-4, 0.5)
        40000
    """
    return math.ceil(1 / (alpha * epsilon * min(1.0, backward_weight)))


@kernel
def best_by_push(
    walk: Walk, retrieved: Flags, accounts: Integers, wanted: Integers, rule: TieRule
) -> Candidates:
    """The accounts with the largest approximate PageRank, personalised for each account.

    The exact vector of account a is that of a walk which starts at a, before each step returns to a
    with probability alpha, and else moves from u to v with probability A(u, v) / degree(u):

        exact(a) = alpha * sum over k of (1 - alpha)^k * (row a of P^k),    P = A / degree
        A(u, v)  = (1 if u follows v) + backward_weight * (1 if v follows u)
        degree(u) = sum over v of A(u, v)

    The push keeps an estimate p = 0 and residuals r = 1 at a. As long as r(u) >= epsilon *
    degree(u) for some u, it adds alpha * r(u) to p(u) and hands (1 - alpha) * r(u) * A(u, v) /
    degree(u) to the residual of each v, first in, first out. The score is p(v) + alpha * r(v): what
    the residual of v would add to v at once.

    Bound: each push keeps exact(a) = p + sum over u of r(u) * exact(u). No term is negative, and
    exact(v)(v) >= alpha, so with r(u) < epsilon * degree(u) at the end

        0 <= exact(a)(v) - score(v) <= epsilon * D(v)
        D(v) = sum over u of degree(u) * exact(u)(v)

    D is alpha * sum over k of (1 - alpha)^k * (degree P^k). With a backward weight w of 1, A is
    symmetric and degree P = degree, so D = degree: the bound of the paper. For other weights,
    (degree P)(v) = sum over u of A(u, v) <= g * degree(v) with g = max(w, 1 / w), and P keeps the
    sum of all degrees, ``total``. So for every K

        D(v) <= alpha * degree(v) * sum over k < K of ((1 - alpha) * g)^k + (1 - alpha)^K * total

    which is alpha / (1 - (1 - alpha) * g) * degree(v) for (1 - alpha) * g < 1, and with the
    defaults, at K = log2(total / degree(v)), (1 + K / 2) * degree(v).

    The order of the pushes is that of the rows of the graph, so the bits of a score depend on
    neither shards nor threads.

    Source:
        Andersen, Chung and Lang (2006), "Local graph partitioning using PageRank vectors", FOCS.

    Example:
        >>> followees = Adjacency(np.array([0, 1, 1]), np.array([1], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 0, 1]), np.array([0], dtype=np.int32))
        >>> degrees = weighted_degrees(followees, followers, 1.0)
        >>> walk = Walk(followees, followers, degrees, 1.0, 0.5, 0.3)
        >>> rule = TieRule(np.array([0, 1], np.int32), np.arange(2, dtype="u4"))
        >>> found = best_by_push(walk, np.ones(2, bool), np.array([0]), np.array([2]), rule)
        >>> found.codes.tolist(), found.scores.tolist()
        ([0, 1], [0.625, 0.25])
    """
    reached = _nobody(walk)
    room = len(reached.codes)
    best, codes, scores = room_for_best(np.full(len(accounts), room), wanted)
    for i in range(len(accounts)):
        count = 0
        if wanted[i] > 0:
            found, _ = _push(walk, accounts[i], reached)
            for number in range(found):
                code = reached.codes[number]
                codes[count] = code
                residual = walk.alpha * reached.residuals[number]
                scores[count] = reached.estimates[number] + residual
                count += retrieved[code]
        put_best(best, i, codes, scores, count, wanted[i], accounts[i], rule)
    return without_room(best)


@kernel
def count_steps(walk: Walk, accounts: Integers) -> Offsets:
    """int64[m]: number of follows that the walk of each account reads."""
    reached = _nobody(walk)
    counts = np.zeros(len(accounts), dtype=np.int64)
    for i in range(len(accounts)):
        _, counts[i] = _push(walk, accounts[i], reached)
    return counts


class _Reached(NamedTuple):
    """The accounts that a walk has reached, numbered in that order, and the table of their numbers.

    Attributes:
        codes: int32[room].
        estimates, residuals: float64[room].
        limits: float64[room], epsilon * degree; an account whose residual reaches it is pushed.
        waits: bool[room], True for an account that waits to be pushed.
        queue: int32[room], a ring of the numbers of those that wait.
        slots: int32[room], position of each in the table.
        numbers: int32[2 * room or more], a hash table of numbers; -1: free.
    """

    codes: Indices
    estimates: Floats
    residuals: Floats
    limits: Floats
    waits: Flags
    queue: Indices
    slots: Indices
    numbers: Indices


def push_bytes(steps: int) -> int:
    """Bytes that a walk with this maximum number of steps uses besides the graph, at most.

    Example:
        >>> push_bytes(40_000)
        2604392
    """
    return _BYTES_PER_ACCOUNT * (steps + 2) + 4 * table_size(steps + 2)


@kernel
def _nobody(walk: Walk) -> _Reached:
    """Room for all accounts that one walk may reach: itself, and one for each step."""
    steps = max_steps(walk.alpha, walk.epsilon, walk.backward_weight)
    room = min(len(walk.degrees), steps + 2)
    return _Reached(
        np.empty(room, np.int32),
        np.empty(room, np.float64),
        np.empty(room, np.float64),
        np.empty(room, np.float64),
        np.empty(room, np.bool_),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.full(table_size(room), -1, np.int32),
    )


@kernel
def _push(walk: Walk, account: Int, reached: _Reached) -> tuple[int, int]:
    """Push from one account; returns the numbers of accounts reached and of steps."""
    codes, estimates, residuals, limits, waits, queue, slots, numbers = reached
    out_indptr, out_codes = walk.followees
    in_indptr, in_codes = walk.followers
    degrees, epsilon, alpha = walk.degrees, walk.epsilon, walk.alpha
    room, mask = len(codes), len(numbers) - 1
    head, waiting, found, steps = 0, 1, 1, 0
    codes[0], estimates[0], residuals[0], waits[0] = account, 0.0, 1.0, True
    limits[0] = epsilon * degrees[account]
    slots[0] = _hash(account) & mask
    numbers[slots[0]] = 0
    queue[0] = 0
    if not 0.0 < limits[0] <= 1.0:
        waiting = 0
    while waiting:
        pushed = queue[head]
        head = head + 1 if head + 1 < room else 0
        waiting -= 1
        waits[pushed] = False
        code, residual = codes[pushed], residuals[pushed]
        estimates[pushed] += alpha * residual
        residuals[pushed] = 0.0
        share = (1.0 - alpha) * residual / degrees[code]
        first, split = out_indptr[code], out_indptr[code + 1]
        back = in_indptr[code] - split
        stop = in_indptr[code + 1] - back
        steps += stop - first
        if waiting:
            ahead = codes[queue[head]]
            prefetch(out_codes, out_indptr[ahead])
            prefetch(in_codes, in_indptr[ahead])
        for at in range(first, stop):  # the degrees of many accounts arrive at a time
            prefetch(degrees, out_codes[at] if at < split else in_codes[at + back])
        for at in range(first, stop):
            if at < split:
                other, handed = out_codes[at], share
            else:
                other, handed = in_codes[at + back], walk.backward_weight * share
            slot = _hash(other) & mask
            number = numbers[slot]
            while number >= 0 and codes[number] != other:
                slot = (slot + 1) & mask
                number = numbers[slot]
            if number < 0:
                number = found
                found += 1
                numbers[slot] = number
                slots[number] = slot
                codes[number] = other
                estimates[number] = 0.0
                residuals[number] = 0.0
                limits[number] = epsilon * degrees[other]
                waits[number] = False
            residuals[number] += handed
            if residuals[number] >= limits[number] and not waits[number]:
                waits[number] = True
                end = head + waiting
                queue[end if end < room else end - room] = number
                waiting += 1
    for number in range(found):
        numbers[slots[number]] = -1
    return found, steps


@kernel
def _hash(code: Int) -> Int:
    return (np.int64(code) * 0x9E3779B1) >> 7
