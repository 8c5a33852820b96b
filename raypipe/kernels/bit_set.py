"""A set of codes as bits: the members of a long row are found without a branch.

An array with a number for each account of a large graph does not fit into the fast caches, and
whether a code of a row is in the set cannot be predicted. One bit for each account fits, and the
codes in the set are gathered first, so that only these are looked up elsewhere.
"""

import numpy as np

from raypipe.kernels.arrays import Indices, Int, Words
from raypipe.kernels.compiled import kernel

_1, _6, _63 = np.uint64(1), np.uint64(6), np.uint64(63)


@kernel
def empty_set(n: int) -> Words:
    """uint64[...]: the empty set of codes below n."""
    return np.zeros((n >> 6) + 1, dtype=np.uint64)


@kernel
def insert(members: Words, codes: Indices) -> None:
    """Add these codes."""
    for code in codes:
        members[np.uint64(code) >> _6] |= _1 << (np.uint64(code) & _63)


@kernel
def clear(members: Words, codes: Indices) -> None:
    """Empty a set that has no other members than these codes."""
    for code in codes:
        members[np.uint64(code) >> _6] = 0


@kernel
def members_in(members: Words, codes: Indices, found: Indices) -> Int:
    """Write the codes that are in the set, in their order, to ``found``; returns their number.

    Args:
        found: int32[...], with room for all codes.

    Example:
        >>> members, found = empty_set(100), np.empty(3, np.int32)
        >>> insert(members, np.array([70], np.int32))
        >>> members_in(members, np.array([6, 70, 71], np.int32), found), found[0].item()
        (1, 70)
    """
    count = np.uint64(0)  # unsigned: no index can be negative, which would be handled
    for code in codes:
        found[count] = code
        count += (members[np.uint64(code) >> _6] >> (np.uint64(code) & _63)) & _1
    return np.int64(count)
