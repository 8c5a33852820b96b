"""Predict the memory of a task from the graph, and refuse a night that does not fit.

A task holds its imports and a batch of candidates (TASK_BYTES), the lists of its shard, and the
similarity index: either the whole index, which all tasks of a machine share, or the index of one
column block, which is its own. The graph is shared too, and not counted.

    one index:  TASK_BYTES + index + accounts of the shard * list                 <= memory_per_task
    blocks:     TASK_BYTES + 4 * accounts of the graph + block
                + accounts of the shard * list so far                             <= memory_per_task

Every shard builds all blocks, so there should be few shards. A shard is as large as the memory for
its lists allows: they are longest when all blocks have been searched. A block is as large as the
lists so far leave room for. With lists of 1 kB per account, and s seconds to build the whole index,

    shards = accounts * 1 kB / memory_per_task,    blocks = index / block,    building = shards * s
"""

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

#: Number of accounts that are blended at a time.
BLENDED = 256
#: Imports, compiled code and 2 million candidates at a time; measured in Ray's workers.
TASK_BYTES = 300_000_000
#: Bytes per account while a SimilarityIndex is being built.
_BUILDING = 84
#: Bytes of the counters of a search, per account with follows; those of large sets are wider.
_COUNTERS = 5
#: Bytes per candidate of an account with more candidates than TASK_BYTES allows for.
_CANDIDATE, _CANDIDATES = 40, 2_000_000
#: Bytes of a blend: per candidate of a batch (scores, ranks and features, twice) and per account of
#: the graph (positions of candidates, counters of walks).
_PER_CANDIDATE, _PER_ACCOUNT = 800, 32
#: Minimum number of accounts in a shard of one index; a task for fewer accounts is not worth it.
_MIN_SHARD_ACCOUNTS = 10_000


class Sizes(NamedTuple):
    """The sizes of a graph that its memory depends on.

    Attributes:
        following: number of accounts with follows.
        followed: number of accounts with followers.
        together: follows of the k accounts with the most, k being the length of a neighbour list.
    """

    accounts: int
    following: int
    followed: int
    follows: int
    largest: int
    together: int


class Room(NamedTuple):
    """The memory that ``memory_per_task`` leaves to a task.

    Attributes:
        block: bytes for the index of a column block; None: one index of all accounts fits.
        shard: maximum number of accounts in a shard; None: no limit.
    """

    block: int | None
    shard: int | None


class Fit(NamedTuple):
    """How a night fits into its tasks.

    Attributes:
        blocks: int32[...] each, accounts of a column block; none: one index of all accounts.
        shard_accounts: maximum number of accounts in a shard; None: no limit.
        bytes_here: bytes that the process which prepares the night will hold besides the graph.
    """

    blocks: tuple[np.ndarray, ...]
    shard_accounts: int | None
    bytes_here: int


def fit_tasks(followees: Adjacency, followers: Adjacency, audience: int, config: RunConfig) -> Fit:
    """One index if a task may hold it, else column blocks of sets of similar size.

    Args:
        audience: number of accounts that get lists.

    Raises:
        TooLargeError: not even the smallest blocks fit ``memory_per_task``.
    """
    degrees, memory = followees.degrees, config.memory_per_task
    sizes = sizes_of(degrees, followers.degrees, config)
    room = room_of_a_task(sizes, audience, config)
    if room.block is None or memory is None:
        return Fit((), room.shard, building_bytes(sizes.accounts, sizes.follows, sizes.followed))
    by_size = np.argsort(degrees, kind="stable").astype(np.int32)[-sizes.following :]
    ranges = _cut_blocks(degrees[by_size], sizes, room.block)
    blocks = tuple(np.sort(by_size[start:stop]) for start, stop in ranges)
    return Fit(blocks, room.shard, memory - TASK_BYTES)


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
    """The memory that ``memory_per_task`` leaves for lists, and for a block of the index.

    Raises:
        TooLargeError: it leaves too little for the smallest block.
    """
    budget, per_list = config.memory_per_task, list_bytes(config)
    if budget is None:
        return Room(None, None)
    free = budget - TASK_BYTES - _CANDIDATE * max(0, sizes.together - _CANDIDATES)
    for source in sources_of(config).values():
        called = source.spec.phase or source.section.takes_part(config.blend.method)
        if called and source.ready and source.spec.task_bytes:
            free -= source.spec.task_bytes(sizes.followed, source.section)
    if config.blend.blends:
        free -= blend_bytes(sizes.accounts, config)
    lists = (free - index_bytes(sizes) - _COUNTERS * sizes.following) // per_list
    if not sizes.following or lists >= min(audience, _MIN_SHARD_ACCOUNTS):
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
    """Check, before the index is built, that this machine has enough memory.

    Args:
        available: free bytes; the graph is in memory already.

    Raises:
        TooLargeError: it has too little.
    """
    if fit.bytes_here <= available:
        return
    needed, free = size(fit.bytes_here), size(int(available))
    memory = config.memory_per_task
    if fit.blocks and memory is not None:
        raise TooLargeError(
            f"a task with memory_per_task {size(memory)} takes {needed} besides its "
            f"imports, and {free} are free on this machine; set a smaller memory_per_task, or use "
            "a larger machine"
        )
    raise TooLargeError(
        f"the similarity index takes up to {needed} while it is built, and {free} are free on this "
        "machine; set memory_per_task to build it in column blocks, leave hubs out with "
        "sources.similar.max_followers, or use a larger machine"
    )


def index_bytes(sizes: Sizes) -> int:
    """Bytes of the similarity index; fewer if some accounts have equal follows."""
    of_groups = (4 + 4 + 8 + 4 + 8 + HUBS // 8) * sizes.following + 16
    of_followees = 8 * (sizes.followed + 1)
    return (
        8 * sizes.follows + 4 * sizes.accounts + of_groups + of_followees + 4 * (sizes.largest + 2)
    )


def building_bytes(accounts: int, follows: int, followed: int) -> int:
    """Maximum number of bytes while an index is built; ``followed`` may exceed the follows."""
    return _BUILDING * accounts + 8 * follows + 8 * min(followed, follows)


def blend_length(config: RunConfig) -> int:
    """Number of candidates that a blend takes from each source: at least the length of a list."""
    return max(config.blend.candidates_per_source, config.recommendations.per_account)


def blend_bytes(accounts: int, config: RunConfig) -> int:
    """Maximum number of bytes for the candidates that a task blends at a time.

    Example:
        >>> blend_bytes(1_000_000, RunConfig())
        103680000
    """
    sources = sources_of(config).values()
    blended = sum(source.section.takes_part(config.blend.method) for source in sources)
    candidates = BLENDED * blend_length(config) * blended
    return _PER_CANDIDATE * candidates + _PER_ACCOUNT * accounts


def blocks_needed(sizes: Sizes, block: int) -> int:
    """Approximate number of blocks, if each were an even part of the graph."""
    count = 1
    while building_bytes(sizes.following // count, sizes.follows // count, sizes.followed) > block:
        count += 1 + count // 16
    return count


def list_bytes(config: RunConfig) -> int:
    """Maximum number of bytes per account of a shard, while lists are made and put into tables."""
    lists = config.recommendations
    k, n = config.sources.similar.neighbours, lists.per_account + lists.reserve
    return max(40 * k + 64 * n + 40, _bytes_so_far(config) + 16 * k)


def _bytes_so_far(config: RunConfig) -> int:
    """Bytes per account of a shard while blocks are searched: its best neighbours so far."""
    capped = config.sources.similar.max_followers is not None
    return 16 * config.sources.similar.neighbours * (CANDIDATES if capped else 1) + 24


def _cut_blocks(degrees: np.ndarray, sizes: Sizes, limit: int) -> list[tuple[int, int]]:
    """Ranges of accounts; building the index of each takes at most ``limit`` bytes."""
    follows = np.concatenate([[0], np.cumsum(degrees)])
    count = blocks_needed(sizes, limit)
    while True:
        ranges = cut(_BUILDING + 16 * degrees, count)
        needed = (
            building_bytes(b - a, int(follows[b] - follows[a]), sizes.followed) for a, b in ranges
        )
        if max(needed) <= limit:
            return ranges
        count += 1 + count // 16
