"""The best candidates of an account: by score, equal scores by the tie rule.

The tie rule prefers the candidate with more followers, then the one that is next on a circle. A
hash of its id gives every account a position on it, and candidate c stands behind account a at

    distance(a, c) = (position(c) - position(a) - 1) mod 2^32

So of equals each account is shown others, whatever their ids are called and in which order; and as
only the two ids count, the same ones every night, on any machine and in any shard. The first of any
number of equals are found by one binary search. Candidates at equal distances are in the order of
their codes. Neighbours have a rule of their own, see :mod:`raypipe.kernels.tanimoto`.
"""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Flags, Floats, Indices, Int, Integers
from raypipe.kernels.candidates import BestLists, Candidates
from raypipe.kernels.compiled import kernel

#: Up to this number of entries, comparing each with every other one is the fastest way to sort.
_FEW = 128
_32, _MASK = np.uint64(32), np.uint64(2**32 - 1)


class TieRule(NamedTuple):
    """Orders candidates with equal scores.

    Attributes:
        follower_counts: int32[n], the number of followers of every account.
        positions: uint32[n], of every account on the circle.
    """

    follower_counts: Indices
    positions: Integers


@kernel
def best_of_rows(
    candidates: Candidates, keep: Flags, n: int, accounts: Integers, rule: TieRule
) -> BestLists:
    """The n best candidates of each row among those to keep.

    Args:
        keep: bool[c], False for a candidate that must not be chosen.

    Example:
        >>> candidates = Candidates(np.array([0, 4]), np.array([7, 3, 5, 1], dtype=np.int32),
        ...                         np.array([0.5, 0.5, 0.9, 0.9]))
        >>> rule = TieRule(np.array([9, 4, 0, 8, 0, 0, 0, 6], np.int32), np.arange(8, dtype="u4"))
        >>> keep, accounts = np.array([True, True, True, False]), np.array([0])
        >>> best = best_of_rows(candidates, keep, 2, accounts, rule)
        >>> best.counts.tolist(), best.codes.tolist()
        ([2], [[5, 3]])
    """
    indptr, codes, scores = candidates
    m, longest = len(indptr) - 1, 0
    for i in range(m):
        longest = max(longest, indptr[i + 1] - indptr[i])
    counts = np.zeros(m, dtype=np.int32)
    best_codes = np.full((m, n), -1, dtype=np.int32)
    best_scores = np.zeros((m, n), dtype=np.float64)
    row_codes, row_scores = np.empty(longest, np.int32), np.empty(longest, np.float64)
    for i in range(m):
        count = 0
        for at in range(indptr[i], indptr[i + 1]):
            if keep[at]:
                row_codes[count], row_scores[count] = codes[at], scores[at]
                count += 1
        counts[i] = sort_best(row_codes, row_scores, count, n, accounts[i], rule)
        for at in range(counts[i]):
            best_codes[i, at], best_scores[i, at] = row_codes[at], row_scores[at]
    return BestLists(counts, best_codes, best_scores)


@kernel
def best_of_groups(
    candidates: Candidates,
    groups: Integers,
    kinds: int,
    n: tuple[int, int],
    limit: tuple[int, int],
    accounts: Integers,
    rule: TieRule,
) -> tuple[BestLists, Indices]:
    """The best candidates of each row, in two parts with a maximum number from one group.

    Args:
        groups: int32[c], group of each candidate, below ``kinds``.
        n: maximum length of a list, and of the part that continues a full list with the best that
            it left.
        limit: maximum number of candidates of one group in each part.

    Returns:
        The lists, and the groups of their entries: int32[m, sum(n)], 0 past the end of a list.
    """
    indptr, codes, scores = candidates
    m, width = len(indptr) - 1, n[0] + n[1]
    counts = np.zeros(m, dtype=np.int32)
    best_codes = np.full((m, width), -1, dtype=np.int32)
    best_scores = np.zeros((m, width), dtype=np.float64)
    best_groups = np.zeros((m, width), dtype=np.int32)
    for i in range(m):
        order = np.arange(indptr[i], indptr[i + 1])  # to compare, then skipped, then chosen ones
        count, unchosen = 0, len(order)
        for end, share in ((n[0], limit[0]), (width, limit[1])):
            taken = np.zeros(kinds, dtype=np.int64)
            size = unchosen
            while count < end and size:
                best = 0
                for at in range(1, size):
                    one, other = order[at], order[best]
                    if _is_before(
                        codes[one], scores[one], codes[other], scores[other], accounts[i], rule
                    ):
                        best = at
                size -= 1
                chosen = order[best]
                order[best], order[size] = order[size], chosen
                group = groups[chosen]
                if taken[group] < share:
                    taken[group] += 1
                    best_codes[i, count] = codes[chosen]
                    best_scores[i, count] = scores[chosen]
                    best_groups[i, count] = group
                    count += 1
                    unchosen -= 1
                    order[size], order[unchosen] = order[unchosen], chosen
            if count < end:
                break
        counts[i] = count
    return BestLists(counts, best_codes, best_scores), best_groups


@kernel
def fill_up(lists: BestLists, more: BestLists) -> BestLists:
    """Lists of up to n, each filled up from another list without repeating a code.

    Args:
        more: lists of the same accounts, of the same maximum length n.

    Example:
        >>> def one(count, codes):
        ...     return BestLists(np.array([count]), np.array([codes], np.int32), np.zeros((1, 3)))
        >>> fill_up(one(1, [4, -1, -1]), one(3, [9, 4, 2])).codes.tolist()
        [[4, 9, 2]]
    """
    counts, codes, scores = lists.counts.copy(), lists.codes.copy(), lists.scores.copy()
    n = codes.shape[1]
    for i in range(len(counts)):
        already = counts[i]
        for j in range(more.counts[i]):
            if counts[i] == n:
                break
            code = more.codes[i, j]
            repeated = False
            for before in range(already):
                if codes[i, before] == code:
                    repeated = True
                    break
            if not repeated:
                codes[i, counts[i]] = code
                scores[i, counts[i]] = more.scores[i, j]
                counts[i] += 1
    return BestLists(counts, codes, scores)


@kernel
def keep_best(
    codes: Indices, scores: Floats, count: int, n: int, account: Int, rule: TieRule
) -> int:
    """Move the n best of the first ``count`` entries to the front, in place, in no order.

    Uses a heap of the n best so far, with the worst of them at its root.

    Returns:
        The number of entries kept: the smaller one of ``count`` and ``n``.

    Example:
        >>> codes, scores = np.array([7, 3, 5, 1], dtype=np.int32), np.array([0.5, 0.5, 0.9, 0.1])
        >>> rule = TieRule(np.array([9, 4, 0, 8, 0, 0, 0, 6], np.int32), np.arange(8, dtype="u4"))
        >>> kept = keep_best(codes, scores, 4, 2, 0, rule)
        >>> sorted(codes[:kept].tolist())
        [3, 5]
    """
    n = max(n, 0)
    if count <= n:
        return count
    _make_heap(codes, scores, n, account, rule)
    for at in range(n, count):
        if n and _is_before(codes[at], scores[at], codes[0], scores[0], account, rule):
            _sift_down(codes, scores, 0, n, codes[at], scores[at], account, rule)
    return n


@kernel
def room_for_best(bounds: Integers, wanted: Integers) -> tuple[Candidates, Indices, Floats]:
    """Empty rows for ``wanted[i]`` of ``bounds[i]`` candidates; room for all of one account."""
    largest, room = 0, 0
    for i in range(len(wanted)):
        largest = max(largest, bounds[i])
        room += min(bounds[i], max(wanted[i], 0))
    indptr = np.zeros(len(wanted) + 1, dtype=np.int64)
    found = Candidates(indptr, np.empty(room, np.int32), np.empty(room, np.float64))
    return found, np.empty(largest + 1, np.int32), np.empty(largest + 1, np.float64)


@kernel
def put_best(
    found: Candidates,
    i: int,
    codes: Indices,
    scores: Floats,
    count: int,
    n: int,
    account: Int,
    rule: TieRule,
) -> None:
    """Write the n best of the first ``count`` entries as row i, after row i - 1."""
    count = keep_best(codes, scores, count, n, account, rule)
    start = found.indptr[i]
    for at in range(count):
        found.codes[start + at], found.scores[start + at] = codes[at], scores[at]
    found.indptr[i + 1] = start + count


@kernel
def without_room(found: Candidates) -> Candidates:
    """The rows that are written, without the room after them."""
    end = found.indptr[-1]
    return Candidates(found.indptr, found.codes[:end].copy(), found.scores[:end].copy())


@kernel
def sort_best(
    codes: Indices, scores: Floats, count: int, n: int, account: Int, rule: TieRule
) -> int:
    """:func:`keep_best`, best first; no code may stand twice among the entries."""
    count = keep_best(codes, scores, count, n, account, rule)
    if count <= _FEW:
        _sort_few(codes, scores, count, account, rule)
        return count
    _make_heap(codes, scores, count, account, rule)
    for last in range(count - 1, 0, -1):
        code, score = codes[last], scores[last]
        codes[last], scores[last] = codes[0], scores[0]
        _sift_down(codes, scores, 0, last, code, score, account, rule)
    return count


@kernel
def _sort_few(codes: Indices, scores: Floats, count: int, account: Int, rule: TieRule) -> None:
    """Put each entry at the number of those before it: no branch, so vectors count them."""
    from_codes, from_scores = codes[:count].copy(), scores[:count].copy()
    to = np.empty(count, dtype=np.int64)
    equal = np.empty(count, dtype=np.int64)
    for i in range(count):
        before, same = 0, 0
        for j in range(count):
            before += from_scores[j] > from_scores[i]
            same += from_scores[j] == from_scores[i]
        to[i], equal[i] = before, same
    keys = np.empty(count, dtype=np.uint64)
    for i in range(count):
        if equal[i] > 1:  # only then: a key takes two reads far away
            keys[i] = _tie_key(account, from_codes[i], rule)
    for i in range(count):
        if equal[i] > 1:
            before = 0
            for j in range(count):
                first = keys[j] == keys[i]
                first = (keys[j] > keys[i]) | (first & (from_codes[j] < from_codes[i]))
                before += first & (from_scores[j] == from_scores[i])
            to[i] += before
    for i in range(count):
        codes[to[i]], scores[to[i]] = from_codes[i], from_scores[i]


@kernel
def _is_before(
    code: Int, score: float, other: Int, other_score: float, account: Int, rule: TieRule
) -> bool:
    if score != other_score:
        return score > other_score
    key, other_key = _tie_key(account, code, rule), _tie_key(account, other, rule)
    return bool(key > other_key or (key == other_key and code < other))


@kernel
def _tie_key(account: Int, code: Int, rule: TieRule) -> np.uint64:
    """Followers, then 2^32 - 1 - distance: the larger key comes first."""
    start, position = np.uint64(rule.positions[account]), np.uint64(rule.positions[code])
    return (np.uint64(rule.follower_counts[code]) << _32) | ((start - position) & _MASK)


@kernel
def _make_heap(codes: Indices, scores: Floats, n: int, account: Int, rule: TieRule) -> None:
    """Order the first n entries as a heap, with the worst of them at its root."""
    for position in range(n // 2 - 1, -1, -1):
        _sift_down(codes, scores, position, n, codes[position], scores[position], account, rule)


@kernel
def _sift_down(
    codes: Indices,
    scores: Floats,
    position: int,
    n: int,
    code: Int,
    score: float,
    account: Int,
    rule: TieRule,
) -> None:
    """Insert an entry at ``position`` of the heap or below it, keeping the heap in order."""
    while 2 * position + 1 < n:
        child = 2 * position + 1
        if child + 1 < n and _is_before(
            codes[child], scores[child], codes[child + 1], scores[child + 1], account, rule
        ):
            child += 1
        if not _is_before(code, score, codes[child], scores[child], account, rule):
            break
        codes[position] = codes[child]
        scores[position] = scores[child]
        position = child
    codes[position] = code
    scores[position] = score
