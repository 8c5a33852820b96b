"""Random numbers as a function of their purpose: no state, no order, no shard.

Sources: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA: the
finalizer of SplitMix64, a bijection of 64-bit words. Eastlake, Fowler, Noll and Vo, "The FNV
non-cryptographic hash algorithm", IETF draft: FNV-1a of 64 bits.
"""

import numpy as np

from raypipe.kernels.arrays import Bytes, Integers, Offsets, Words
from raypipe.kernels.compiled import kernel

STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_FNV_BASIS, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
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


@kernel
def nth_smallest(words: Words, n: int) -> np.uint64:
    """The n-th smallest of random words, n from 1; moves the words.

    As ``np.partition``, which takes Numba two seconds to compile.
    Source: Hoare (1961), "Algorithm 65: Find", Communications of the ACM 4(7).

    Example:
        >>> nth_smallest(np.array([7, 3, 9], dtype=np.uint64), 2)
        7
    """
    low, high, wanted = 0, len(words) - 1, n - 1
    while low < high:
        pivot = words[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while words[left] < pivot:
                left += 1
            while words[right] > pivot:
                right -= 1
            if left <= right:
                words[left], words[right] = words[right], words[left]
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    found: np.uint64 = words[wanted]
    return found


@kernel
def hash_texts(data: Bytes, offsets: Offsets) -> Words:
    """uint64[n]: a hash of each text: FNV-1a over its bytes, mixed.

    Args:
        data: the bytes of all texts.
        offsets: int64[n + 1]; text i is ``data[offsets[i]:offsets[i + 1]]``.

    Example:
        >>> data = np.frombuffer(b"foobarfoobar", np.uint8)
        >>> hashes = hash_texts(data, np.array([0, 6, 12, 12]))
        >>> bool(hashes[0] == hashes[1] == mix(np.uint64(0x85944171F73967E8)) != hashes[2])
        True
    """
    hashes = np.empty(len(offsets) - 1, dtype=np.uint64)
    for i in range(len(hashes)):
        word = _FNV_BASIS
        for byte in data[offsets[i] : offsets[i + 1]]:
            word = (word ^ np.uint64(byte)) * _FNV_PRIME
        hashes[i] = mix(word)
    return hashes


@kernel
def hash_numbers(numbers: Integers, seed: int) -> Integers:
    """uint32[n]: a hash of each number and a seed.

    Example:
        >>> len(set(hash_numbers(np.arange(1000), 0).tolist()))
        1000
    """
    hashes = np.empty(len(numbers), dtype=np.uint32)
    for i in range(len(numbers)):
        hashes[i] = mix_pair(seed, numbers[i], 0) >> _32
    return hashes
