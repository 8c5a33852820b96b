"""What ties an account to another: whose rows both stand in, counted, and the two that say most.

A row of a hub is millions long, and there are ten to look at for each account: so of two ways the
one of fewer steps is taken, a look at every code of the one row, marked by the other, or a binary
search for every code of the shorter row in the longer one.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def holds(indptr, codes, row, code):
    """Is the code in the row?

    Example:
        >>> bool(holds(np.array([0, 2]), np.array([3, 7], dtype=np.int32), 0, 7))
        True
    """
    low, high = indptr[row], indptr[row + 1]
    while low < high:
        middle = (low + high) // 2
        if codes[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low < indptr[row + 1] and codes[low] == code


@njit(cache=True, nogil=True)
def in_common(mine, marked, indptr, codes, row, sizes):
    """How many codes of ``mine`` that are marked stand in the row, and the two of smallest size.

    At most as many steps as the row has codes, and as ``mine`` has, times the halvings of the row.

    Args:
        mine: int32[...], codes, ascending.
        marked: bool[n], true for some codes of ``mine``, and for no others.
        indptr, codes: the rows of a graph of n accounts.
        sizes: indptr int64[n + 1] of the rows by which codes are told apart; ties go by code.

    Returns:
        The number, the first code and the second one; -1 where there is none.

    Example:
        >>> marked = np.array([True, True, False, True])
        >>> in_common(np.array([0, 1, 3], dtype=np.int32), marked, np.array([0, 3]),
        ...           np.array([0, 2, 3], dtype=np.int32), 0, np.array([0, 5, 9, 9, 10]))
        (2, 3, 0)
    """
    start, stop = indptr[row], indptr[row + 1]
    halvings, left = 1, stop - start
    while left > 0:
        halvings += 1
        left //= 2
    count, first, second = 0, -1, -1
    if stop - start <= len(mine) * halvings:
        for at in range(start, stop):
            code = codes[at]
            if marked[code]:
                count += 1
                first, second = _smallest_two(code, first, second, sizes)
    else:
        for code in mine:
            if marked[code] and holds(indptr, codes, row, code):
                count += 1
                first, second = _smallest_two(code, first, second, sizes)
    return count, first, second


@njit(cache=True, nogil=True)
def share_one(indptr, codes, row, other):
    """Is there a code that stands in both rows? A search for each of the shorter one.

    Example:
        >>> indptr, codes = np.array([0, 2, 4]), np.array([3, 7, 1, 7], dtype=np.int32)
        >>> bool(share_one(indptr, codes, 0, 1))
        True
    """
    if indptr[row + 1] - indptr[row] > indptr[other + 1] - indptr[other]:
        row, other = other, row
    for at in range(indptr[row], indptr[row + 1]):
        if holds(indptr, codes, other, codes[at]):
            return True
    return False


@njit(cache=True, nogil=True)
def _smallest_two(code, first, second, indptr):
    """The two of fewest entries, where codes come in ascending order: of equals the first stays."""
    size = indptr[code + 1] - indptr[code]
    if first < 0 or size < indptr[first + 1] - indptr[first]:
        return code, first
    if second < 0 or size < indptr[second + 1] - indptr[second]:
        return first, code
    return first, second
