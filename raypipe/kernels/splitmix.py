"""Random numbers as a function of their purpose: no state, no order, no shard.

Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA: the
finalizer of SplitMix64, a bijection of 64-bit words.
"""

import numpy as np

from raypipe.kernels.compiled import kernel

STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


@kernel
def mix(word: np.uint64) -> np.uint64:
    """Another 64-bit word for each 64-bit word, with about half of all bits flipped.

    Example:
        >>> hex(mix(STEP)), mix(np.uint64(0))
        ('0xe220a8397b1dcdaf', 0)
    """
    word = np.uint64(word)
    word = (word ^ (word >> _30)) * _FIRST
    word = (word ^ (word >> _27)) * _SECOND
    return word ^ (word >> _31)


@kernel
def mix_pair(seed: int, first: int, second: int) -> np.uint64:
    """A 64-bit word of a seed and two codes; only equal codes give equal words.

    Example:
        >>> mix_pair(0, 1, 2) == mix_pair(0, 2, 1), mix_pair(0, 1, 2) == mix_pair(1, 1, 2)
        (False, False)
    """
    pair = (np.uint64(first) << _32) | np.uint64(second)
    return mix(pair ^ mix(np.uint64(seed) + STEP))
