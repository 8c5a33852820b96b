"""What a task of the night holds in memory, predicted from its graph; what does not fit is refused.

A task holds what it imports and the candidates of a moment (TASK_BYTES), the lists of its shard,
and the similarity index: the whole one, which all tasks of a machine share, or that of one column
block, which is its own. The graph itself is shared, and not counted.

    one index:  TASK_BYTES + index + accounts of the shard * list                 <= memory_per_task
    blocks:     TASK_BYTES + 4 * accounts of the graph + block
                + accounts of the shard * list so far                             <= memory_per_task

Every shard builds all blocks, so there should be few shards: a shard is as large as its lists may
be, which are longest when no block is there any more, and a block is as large as the lists so far
leave room for. With lists of 1 kB an account, and with s seconds to build the whole index once,

    shards = accounts * 1 kB / memory_per_task,    blocks = index / block,    building = shards * s
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raypipe.compute.units import size
from raypipe.config import RunConfig
from raypipe.errors import TooLargeError
from raypipe.kernels.capped import CANDIDATES
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.shards import cut
from raypipe.kernels.similarity_index import HUBS
from raypipe.recommend.sources.registry import sources_of

#: Accounts that are blended at a time.
BLENDED = 256
#: Imports, compiled code and 2 million candidates at a time; measured in Ray's workers.
TASK_BYTES = 300_000_000
#: Of an index that is built, for each of its accounts. `SimilarityIndex` says what stays of that.
_BUILDING = 84
#: Counters of a search, for each account that follows; those of large sets are wider.
_COUNTERS = 5
#: For each candidate of a single account that has more than TASK_BYTES allows for.
_CANDIDATE, _CANDIDATES = 40, 2_000_000
#: Of a blend: for each candidate of the accounts that are blended at a time, what the sources say
#: of it and its features, twice; and for each account of the graph, places of candidates and walks.
_BLENDED, _AROUND = 800, 32
#: A shard of fewer accounts is not worth a task: one index must leave room for so many lists.
_FEWEST = 10_000


class Sizes(NamedTuple):
    """What the memory that a graph takes depends on.

    Attributes:
        accounts: their number.
        following: how many of them follow somebody.
        followed: how many of them somebody follows.
        follows: of all accounts.
        largest: follows of the account with the most.
        together: follows of the accounts with the most, as many as a list has neighbours.
    """

    accounts: int
    following: int
    followed: int
    follows: int
    largest: int
    together: int


class Room(NamedTuple):
    """What ``memory_per_task`` leaves to a task.

    Attributes:
        block: bytes for the index of a column block; None: one index of all accounts fits.
        shard: at most so many accounts in a shard; None: no limit.
    """

    block: int | None
    shard: int | None


class Fit(NamedTuple):
    """How a night fits into its tasks.

    Attributes:
        blocks: int32[...] each, accounts of a column block; none: one index of all accounts.
        shard_accounts: at most so many accounts in a shard; None: no limit.
        bytes_here: what the process that prepares the night will hold besides the graph.
    """

    blocks: tuple[np.ndarray, ...]
    shard_accounts: int | None
    bytes_here: int


def fit_tasks(followees: Adjacency, followers: Adjacency, audience: int, config: RunConfig) -> Fit:
    """One index if a task may hold it, else column blocks of sets of similar size.

    Args:
        followees, followers: both sides of the graph that neighbours are looked for in.
        audience: number of accounts that get lists.

    Raises:
        TooLargeError: not even the smallest blocks fit ``memory_per_task``.
    """
    degrees = followees.degrees
    sizes = sizes_of(degrees, followers.degrees, config)
    room = room_of_a_task(sizes, audience, config)
    if room.block is None:
        return Fit((), room.shard, building_bytes(sizes.accounts, sizes.follows, sizes.followed))
    by_size = np.argsort(degrees, kind="stable").astype(np.int32)[-sizes.following :]
    ranges = _cut_blocks(degrees[by_size], sizes, room.block)
    blocks = tuple(np.sort(by_size[start:stop]) for start, stop in ranges)
    return Fit(blocks, room.shard, config.memory_per_task - TASK_BYTES)


def sizes_of(follows: np.ndarray, followers: np.ndarray, config: RunConfig) -> Sizes:
    """The sizes of a graph, from int64[n] each: follows and followers of every account."""
    k = min(config.sources.similar.neighbours, len(follows))
    return Sizes(
        accounts=len(follows),
        following=int(np.count_nonzero(follows)),
        followed=int(np.count_nonzero(followers)),
        follows=int(follows.sum()),
        largest=int(follows.max(initial=0)),
        together=int(np.partition(follows, len(follows) - k)[len(follows) - k :].sum()) if k else 0,
    )


def room_of_a_task(sizes: Sizes, audience: int, config: RunConfig) -> Room:
    """What ``memory_per_task`` leaves for a block of the index, if it has to be cut, and for lists.

    Raises:
        TooLargeError: it leaves too little for the smallest block.
    """
    budget, per_list = config.memory_per_task, list_bytes(config)
    if budget is None:
        return Room(None, None)
    free = budget - TASK_BYTES - _CANDIDATE * max(0, sizes.together - _CANDIDATES)
    for source in sources_of(config).values():
        if source.ready and source.spec.task_bytes:
            free -= source.spec.task_bytes(sizes.followed)
    if config.blend.blends:
        free -= blend_bytes(sizes.accounts, config)
    lists = (free - index_bytes(sizes) - _COUNTERS * sizes.following) // per_list
    if not sizes.following or lists >= min(audience, _FEWEST):
        return Room(None, max(1, lists))
    free -= 4 * sizes.accounts
    so_far = _bytes_so_far(config)
    one = building_bytes(1, sizes.largest, sizes.largest)
    needed = per_list + one * per_list // (per_list - so_far)
    if free < needed:
        taken = budget - free
        raise TooLargeError(
            f"memory_per_task: found {size(budget)}, expected {-(-(taken + needed) // 10**6)}MB or "
            f"more: a task takes {size(taken)} for itself and for {sizes.accounts:,} accounts, and "
            f"{size(needed)} to find neighbours for the {sizes.largest:,} follows of one account"
        )
    shard = min(audience, free // per_list)
    return Room(free - shard * so_far, shard)


def refuse_what_is_too_large(fit: Fit, available: float, config: RunConfig) -> None:
    """Before the index is built: is there so much memory on this machine?

    Args:
        available: bytes that are free here, the graph being in memory already.

    Raises:
        TooLargeError: there is not.
    """
    if fit.bytes_here <= available:
        return
    needed, free = size(fit.bytes_here), size(int(available))
    if fit.blocks:
        raise TooLargeError(
            f"a task of memory_per_task {size(config.memory_per_task)} takes {needed} besides its "
            f"imports, and {free} are free on this machine; set a smaller memory_per_task, or use "
            "a larger machine"
        )
    raise TooLargeError(
        f"the similarity index takes up to {needed} while it is built, and {free} are free on this "
        "machine; set memory_per_task to build it in column blocks, leave hubs out with "
        "sources.similar.max_followers, or use a larger machine"
    )


def index_bytes(sizes: Sizes) -> int:
    """Bytes of the similarity index where no two accounts follow the same; else it takes less."""
    of_groups = (4 + 4 + 8 + 4 + 8 + HUBS // 8) * sizes.following + 16
    of_followees = 8 * (sizes.followed + 1)
    return (
        8 * sizes.follows + 4 * sizes.accounts + of_groups + of_followees + 4 * (sizes.largest + 2)
    )


def building_bytes(accounts: int, follows: int, followed: int) -> int:
    """At most so many bytes while an index is built; ``followed`` may be more than the follows."""
    return _BUILDING * accounts + 8 * follows + 8 * min(followed, follows)


def blend_length(config: RunConfig) -> int:
    """Candidates of each source that a blend looks at: no fewer than a list holds."""
    return max(config.blend.candidates_per_source, config.recommendations.per_account)


def blend_bytes(accounts: int, config: RunConfig) -> int:
    """At most so many for the candidates that a task blends at a time, in a graph of ``accounts``.

    Example:
        >>> blend_bytes(1_000_000, RunConfig())
        93440000
    """
    sources = sources_of(config).values()
    weighted = sum(source.section.weight > 0 for source in sources)
    candidates = BLENDED * blend_length(config) * weighted
    return _BLENDED * candidates + _AROUND * accounts


def blocks_needed(sizes: Sizes, block: int) -> int:
    """About so many blocks, if each were an even part of the graph."""
    count = 1
    while building_bytes(sizes.following // count, sizes.follows // count, sizes.followed) > block:
        count += 1 + count // 16
    return count


def list_bytes(config: RunConfig) -> int:
    """For each account of a shard, at most: when its lists are made and put into tables."""
    k, n = config.sources.similar.neighbours, config.recommendations.per_account
    return max(40 * k + 64 * n + 40, _bytes_so_far(config) + 16 * k)


def _bytes_so_far(config: RunConfig) -> int:
    """For each account of a shard, while the blocks are searched: its best neighbours so far."""
    capped = config.sources.similar.max_followers is not None
    return 16 * config.sources.similar.neighbours * (CANDIDATES if capped else 1) + 24


def _cut_blocks(degrees: np.ndarray, sizes: Sizes, most: int) -> list[tuple[int, int]]:
    """Ranges of accounts, the index of each built in at most so many bytes."""
    follows = np.concatenate([[0], np.cumsum(degrees)])
    count = blocks_needed(sizes, most)
    while True:
        ranges = cut(_BUILDING + 16 * degrees, count)
        held = (
            building_bytes(b - a, int(follows[b] - follows[a]), sizes.followed) for a, b in ranges
        )
        if max(held) <= most:
            return ranges
        count += 1 + count // 16
