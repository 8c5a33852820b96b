"""The one tie rule, wherever the best of something is kept: score descending, code ascending."""

from __future__ import annotations

import numpy as np
from numba import njit


def best_of_rows(
    indptr: np.ndarray, codes: np.ndarray, scores: np.ndarray, keep: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n best entries of each row among those to keep.

    Args:
        indptr, codes, scores: int64[m + 1], int32[...], float64[...]: candidates by row.
        keep: bool[...], False for an entry that must not be chosen.
        n: at most so many per row.

    Returns:
        counts int32[m], codes int32[m, n] and scores float64[m, n]; past ``counts[i]`` a row holds
        code -1 and score 0.

    Example:
        >>> counts, codes, _ = best_of_rows(
        ...     np.array([0, 4]), np.array([7, 3, 5, 1], dtype=np.int32),
        ...     np.array([0.5, 0.5, 0.9, 0.9]), np.array([True, True, True, False]), 2)
        >>> counts.tolist(), codes.tolist()
        ([2], [[5, 3]])
    """
    return _best_of_rows(indptr, codes, scores, keep, n)


def best_of_groups(
    indptr: np.ndarray,
    codes: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    kinds: int,
    n: int,
    most: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The n best entries of each row, at most so many of them of one group.

    Args:
        indptr, codes, scores: int64[m + 1], int32[...], float64[...]: candidates by row.
        groups: int32[...], below ``kinds``.
        most: of one group in a row.

    Returns:
        counts int32[m], codes int32[m, n], scores float64[m, n] and groups int32[m, n]; past
        ``counts[i]`` a row holds code -1, score 0 and group 0.

    Example:
        >>> counts, codes, *_ = best_of_groups(
        ...     np.array([0, 3]), np.array([7, 3, 5], dtype=np.int32),
        ...     np.array([0.9, 0.8, 0.1]), np.array([0, 0, 1], dtype=np.int32), 2, 3, 1)
        >>> counts.tolist(), codes.tolist()
        ([2], [[7, 5, -1]])
    """
    return _best_of_groups(indptr, codes, scores, groups, kinds, n, most)


def fill_up(
    lists: tuple[np.ndarray, np.ndarray, np.ndarray],
    more: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists of up to n, each filled up from another list without repeating a code.

    Args:
        lists, more: counts int32[m], codes int32[m, n], scores float64[m, n].

    Example:
        >>> def one(count, codes):
        ...     return np.array([count]), np.array([codes], dtype=np.int32), np.zeros((1, 3))
        >>> fill_up(one(1, [4, -1, -1]), one(3, [9, 4, 2]))[1].tolist()
        [[4, 9, 2]]
    """
    counts, codes, scores = (array.copy() for array in lists)
    _fill_up(counts, codes, scores, *more)
    return counts, codes, scores


@njit(cache=True, nogil=True)
def keep_best(codes, scores, count, n):
    """Move the n best of the first ``count`` entries to the front, in place, in no order.

    A heap of the n best so far, the last of them at its root.

    Args:
        codes, scores: int32[...] and float64[...].

    Returns:
        How many were kept: the smaller one of ``count`` and ``n``.

    Example:
        >>> codes, scores = np.array([7, 3, 5, 1], dtype=np.int32), np.array([0.5, 0.5, 0.9, 0.1])
        >>> kept = keep_best(codes, scores, 4, 2)
        >>> sorted(codes[:kept].tolist())
        [3, 5]
    """
    n = max(n, 0)
    if count <= n:
        return count
    for place in range(n // 2 - 1, -1, -1):
        _sift_down(codes, scores, place, n, codes[place], scores[place])
    for at in range(n, count):
        if n and _is_before(codes[at], scores[at], codes[0], scores[0]):
            _sift_down(codes, scores, 0, n, codes[at], scores[at])
    return n


@njit(cache=True, nogil=True)
def _is_before(code, score, other_code, other_score):
    return score > other_score or (score == other_score and code < other_code)


@njit(cache=True, nogil=True)
def _sift_down(codes, scores, place, n, code, score):
    """Put an entry where ``place`` is, or below it, so that each comes after those below it."""
    while 2 * place + 1 < n:
        child = 2 * place + 1
        if child + 1 < n and _is_before(
            codes[child], scores[child], codes[child + 1], scores[child + 1]
        ):
            child += 1
        if not _is_before(code, score, codes[child], scores[child]):
            break
        codes[place] = codes[child]
        scores[place] = scores[child]
        place = child
    codes[place] = code
    scores[place] = score


@njit(cache=True, nogil=True)
def _best_of_rows(indptr, codes, scores, keep, n):
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
    return counts, best_codes, best_scores


@njit(cache=True, nogil=True)
def _best_of_groups(indptr, codes, scores, groups, kinds, n, most):
    m = len(indptr) - 1
    counts = np.zeros(m, dtype=np.int32)
    best_codes = np.full((m, n), -1, dtype=np.int32)
    best_scores = np.zeros((m, n), dtype=np.float64)
    best_groups = np.zeros((m, n), dtype=np.int32)
    for i in range(m):
        start, stop = indptr[i], indptr[i + 1]
        taken = np.zeros(kinds, dtype=np.int64)
        left = codes[start:stop].copy()
        values = scores[start:stop].copy()
        theirs = groups[start:stop].copy()
        count, size = 0, stop - start
        while count < n and size:
            best = 0
            for at in range(1, size):
                if _is_before(left[at], values[at], left[best], values[best]):
                    best = at
            group = theirs[best]
            if taken[group] < most:
                taken[group] += 1
                best_codes[i, count] = left[best]
                best_scores[i, count] = values[best]
                best_groups[i, count] = group
                count += 1
            size -= 1
            left[best], values[best], theirs[best] = left[size], values[size], theirs[size]
        counts[i] = count
    return counts, best_codes, best_scores, best_groups


@njit(cache=True, nogil=True)
def _fill_up(counts, codes, scores, more_counts, more_codes, more_scores):
    n = codes.shape[1]
    for i in range(len(counts)):
        already = counts[i]
        for j in range(more_counts[i]):
            if counts[i] == n:
                break
            code = more_codes[i, j]
            repeated = False
            for before in range(already):
                if codes[i, before] == code:
                    repeated = True
                    break
            if not repeated:
                codes[i, counts[i]] = code
                scores[i, counts[i]] = more_scores[i, j]
                counts[i] += 1
