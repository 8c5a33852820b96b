"""Voices: which follows count, where nobody trusted vouches for some of the followers."""

import numpy as np

from raypipe.kernels.arrays import Flags, Integers, Words
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, overlap
from raypipe.kernels.splitmix import mix, mix_pair, nth_smallest

#: Accounts with the same two smallest hashes of their follows are compared; this many pairs.
BANDS = 2


@kernel
def counted_followers(
    followers: Adjacency,
    heard: Flags,
    speaks: Flags,
    ids: Integers,
    times: tuple[int, int],
    least: Integers,
    before: Integers,
    newly: tuple[int, int],
) -> Flags:
    """bool[follows], in the order of ``followers``: the follows that count.

    Of an account with s heard followers: all of these, and of the others that speak at most

        max(least, min(floor(times s), before + 1 + floor(newly s)))

    those with the smallest hash of both ids.

    Args:
        heard: bool[n], the accounts whose every follow counts.
        speaks: bool[n], the accounts whose follows may count; all that are heard are among them.
        ids: uint32[n], a hash of the id of each account.
        times, newly: (numerator, denominator).
        least: int[n].
        before: int[n], the others that counted before.

    Example:
        >>> followers = Adjacency(np.array([0, 3, 4, 4, 4]), np.array([1, 2, 3, 2], dtype=np.int32))
        >>> every, ids, none = np.ones(4, bool), np.arange(4, dtype="u4"), np.zeros(4, int)
        >>> given = followers, np.arange(4) == 1, every, ids, (2, 1), none, none, (0, 1)
        >>> counted_followers(*given).sum().item()
        2
    """
    indptr, codes = followers
    counted = np.zeros(len(codes), dtype=np.bool_)
    for account in range(len(indptr) - 1):
        start, stop = indptr[account], indptr[account + 1]
        words = np.empty(stop - start, dtype=np.uint64)
        sure, others = 0, 0
        for at in range(start, stop):
            follower = codes[at]
            if heard[follower]:
                counted[at] = True
                sure += 1
            elif speaks[follower]:
                words[others] = mix_pair(0, ids[follower], ids[account])
                others += 1
        new = 1 + sure * newly[0] // newly[1]
        most = min(sure * times[0] // times[1], before[account] + new)
        left = min(others, max(least[account], most))
        if left > 0:
            last = nth_smallest(words[:others], left)
            for at in range(start, stop):
                follower = codes[at]
                if speaks[follower] and not heard[follower] and left > 0:
                    counted[at] = mix_pair(0, ids[follower], ids[account]) <= last
                    left -= counted[at]
    return counted


@kernel
def signatures(rows: Adjacency, ids: Integers, band: int) -> Words:
    """uint64[n]: two min-hashes of each row, mixed; sets with a similarity of J share it with J^2.

    Source: Broder (1997), "On the resemblance and containment of documents".
    """
    indptr, codes = rows
    found = np.zeros(len(indptr) - 1, dtype=np.uint64)
    for account in range(len(found)):
        first = second = np.uint64(0xFFFFFFFFFFFFFFFF)
        for code in codes[indptr[account] : indptr[account + 1]]:
            first = min(first, mix_pair(2 * band, ids[code], 0))
            second = min(second, mix_pair(2 * band + 1, ids[code], 0))
        found[account] = mix(first ^ mix(second))
    return found


@kernel
def silence_twins(
    rows: Adjacency, ordered: Integers, keys: Words, similar: tuple[int, int], speaks: Flags
) -> None:
    """Among accounts with equal keys, let only the first of each set of twins speak; in place.

    Two accounts are twins if the Tanimoto similarity of their rows is at least ``similar``.

    Args:
        ordered: int64[m], codes: equal keys together, and among them who shall speak first.
        keys: uint64[n].
        speaks: bool[n].
    """
    start = 0
    speakers = np.empty(len(ordered), dtype=np.int64)
    while start < len(ordered):
        stop, count = start, 0
        while stop < len(ordered) and keys[ordered[stop]] == keys[ordered[start]]:
            account = ordered[stop]
            stop += 1
            for i in range(count):
                if _are_twins(rows, account, speakers[i], similar):
                    speaks[account] = False
                    break
            if speaks[account]:
                speakers[count] = account
                count += 1
        start = stop


@kernel
def _are_twins(rows: Adjacency, first: int, second: int, similar: tuple[int, int]) -> bool:
    row = rows.codes[rows.indptr[first] : rows.indptr[first + 1]]
    other = rows.codes[rows.indptr[second] : rows.indptr[second + 1]]
    common = overlap(row, other)
    return bool(common * similar[1] >= similar[0] * (len(row) + len(other) - common))
