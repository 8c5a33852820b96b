"""The one tie rule for every ranked list: score descending, then code ascending."""

import numpy as np

from raypipe.kernels.arrays import Flags, Floats, Indices, Integers
from raypipe.kernels.candidates import BestLists, Candidates
from raypipe.kernels.compiled import kernel


def best_of_rows(candidates: Candidates, keep: Flags, n: int) -> BestLists:
    """The n best candidates of each row among those to keep.

    Args:
        keep: bool[c], False for a candidate that must not be chosen.
        n: maximum length of a list.

    Example:
        >>> candidates = Candidates(np.array([0, 4]), np.array([7, 3, 5, 1], dtype=np.int32),
        ...                         np.array([0.5, 0.5, 0.9, 0.9]))
        >>> best = best_of_rows(candidates, np.array([True, True, True, False]), 2)
        >>> best.counts.tolist(), best.codes.tolist()
        ([2], [[5, 3]])
    """
    return _best_of_rows(candidates, keep, n)


def best_of_groups(
    candidates: Candidates, groups: Integers, kinds: int, n: tuple[int, int], limit: tuple[int, int]
) -> tuple[BestLists, Indices]:
    """The best candidates of each row, in two parts with a maximum number from one group.

    Args:
        groups: int32[c], group of each candidate, below ``kinds``.
        n: maximum length of a list, and of the part that continues a full list with the best that
            it left.
        limit: maximum number of candidates of one group in each part.

    Returns:
        The lists, and the groups of their entries: int32[m, sum(n)], 0 past the end of a list.

    Example:
        >>> candidates = Candidates(np.array([0, 3]), np.array([7, 3, 5], dtype=np.int32),
        ...                         np.array([0.9, 0.8, 0.1]))
        >>> groups = np.array([0, 0, 1], dtype=np.int32)
        >>> best, _ = best_of_groups(candidates, groups, 2, (3, 0), (1, 0))
        >>> best.counts.tolist(), best.codes.tolist()
        ([2], [[7, 5, -1]])
        >>> best_of_groups(candidates, groups, 2, (2, 1), (1, 1))[0].codes.tolist()
        [[7, 5, 3]]
    """
    return _best_of_groups(candidates, groups, kinds, n, limit)


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
    filled = BestLists(lists.counts.copy(), lists.codes.copy(), lists.scores.copy())
    _fill_up(filled, more)
    return filled


@kernel
def keep_best(codes: Indices, scores: Floats, count: int, n: int) -> int:
    """Move the n best of the first ``count`` entries to the front, in place, in no order.

    Uses a heap of the n best so far, with the worst of them at its root.

    Args:
        codes, scores: int32[...] and float64[...].

    Returns:
        The number of entries kept: the smaller one of ``count`` and ``n``.

    Example:
        >>> codes, scores = np.array([7, 3, 5, 1], dtype=np.int32), np.array([0.5, 0.5, 0.9, 0.1])
        >>> kept = keep_best(codes, scores, 4, 2)
        >>> sorted(codes[:kept].tolist())
        [3, 5]
    """
    n = max(n, 0)
    if count <= n:
        return count
    for position in range(n // 2 - 1, -1, -1):
        _sift_down(codes, scores, position, n, codes[position], scores[position])
    for at in range(n, count):
        if n and _is_before(codes[at], scores[at], codes[0], scores[0]):
            _sift_down(codes, scores, 0, n, codes[at], scores[at])
    return n


@kernel
def _is_before(code: int, score: float, other_code: int, other_score: float) -> bool:
    return score > other_score or (score == other_score and code < other_code)


@kernel
def _sift_down(
    codes: Indices, scores: Floats, position: int, n: int, code: int, score: float
) -> None:
    """Insert an entry at ``position`` of the heap or below it, keeping the heap in order."""
    while 2 * position + 1 < n:
        child = 2 * position + 1
        if child + 1 < n and _is_before(
            codes[child], scores[child], codes[child + 1], scores[child + 1]
        ):
            child += 1
        if not _is_before(code, score, codes[child], scores[child]):
            break
        codes[position] = codes[child]
        scores[position] = scores[child]
        position = child
    codes[position] = code
    scores[position] = score


@kernel
def _best_of_rows(candidates: Candidates, keep: Flags, n: int) -> BestLists:
    indptr, codes, scores = candidates
    m = len(indptr) - 1
    counts = np.zeros(m, dtype=np.int32)
    best_codes = np.full((m, n), -1, dtype=np.int32)
    best_scores = np.zeros((m, n), dtype=np.float64)
    for i in range(m):
        count = 0
        for at in range(indptr[i], indptr[i + 1]):
            if not keep[at]:
                continue
            code, score = codes[at], scores[at]
            if count == n:
                worst = best_scores[i, n - 1]
                if score < worst or (score == worst and code > best_codes[i, n - 1]):
                    continue
                j = n - 1
            else:
                j = count
                count += 1
            while j > 0 and (
                best_scores[i, j - 1] < score
                or (best_scores[i, j - 1] == score and best_codes[i, j - 1] > code)
            ):
                best_codes[i, j] = best_codes[i, j - 1]
                best_scores[i, j] = best_scores[i, j - 1]
                j -= 1
            best_codes[i, j] = code
            best_scores[i, j] = score
        counts[i] = count
    return BestLists(counts, best_codes, best_scores)


@kernel
def _best_of_groups(
    candidates: Candidates, groups: Integers, kinds: int, n: tuple[int, int], limit: tuple[int, int]
) -> tuple[BestLists, Indices]:
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
                    if _is_before(codes[one], scores[one], codes[other], scores[other]):
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
def _fill_up(lists: BestLists, more: BestLists) -> None:
    counts, codes, scores = lists
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
