"""A small synthetic network for a first try: communities, hubs, newcomers, and some bad rows."""

from pathlib import Path

import numpy as np

from raypipe.columns import FOLLOWS_SCHEMA
from raypipe.kernels.arrays import Floats, Offsets
from raypipe.storage.files import disk_errors, make_folder, write_atomic

TOPICS = (
    "astro", "bees", "birds", "bread", "chess", "cycling", "films", "fungi", "gardens", "history",
    "jazz", "knitting", "maps", "opera", "pottery", "rowing", "sailing", "tea", "trains", "type",
)  # fmt: skip

_HUBS = 20
_BROKEN_ROWS = 3


def demo_follows(accounts: int = 5000, seed: int = 0) -> list[tuple[str, str]]:
    """Follows of a synthetic network, as (followerId, followingId) rows.

    Each account has the name of the topic of its community, such as ``jazz-0042``. Of its follows,
    7 in 10 stay in the community (mostly its first accounts), 2 in 10 go to the ``star-..`` hubs,
    and the rest go to random accounts. One account in 20 follows nobody. As in real data, some rows
    repeat, some accounts follow themselves, and three rows lack an id.

    Args:
        accounts: number of accounts without the hubs, at least 100.

    Example:
        >>> rows = demo_follows(accounts=100)
        >>> rows == demo_follows(accounts=100), rows == demo_follows(accounts=100, seed=1)
        (True, False)
    """
    rng = np.random.default_rng(seed)
    community = rng.choice(len(TOPICS), size=accounts, p=_shares(len(TOPICS)))
    members = [np.flatnonzero(community == topic) for topic in range(len(TOPICS))]
    names = np.empty(accounts, dtype=object)
    for topic, codes in zip(TOPICS, members, strict=True):
        names[codes] = [f"{topic}-{number:04d}" for number in range(1, len(codes) + 1)]
    hubs = np.array([f"star-{number:02d}" for number in range(1, _HUBS + 1)], dtype=object)

    rows: list[tuple[str, str]] = []
    for account in range(accounts):
        name = names[account]
        if rng.random() < 0.05:
            rows.append((names[rng.integers(accounts)], name))  # follows nobody, has a follower
            continue
        mine = members[community[account]]
        follows = int(np.clip(rng.lognormal(2.3, 0.8), 1, accounts / 4))
        near, hub, far = rng.multinomial(follows, (0.7, 0.2, 0.1))
        rows += [(name, names[mine[index]]) for index in _early(rng, len(mine), near)]
        rows += [(name, hubs[index]) for index in _early(rng, _HUBS, hub)]
        rows += [(name, names[index]) for index in rng.integers(accounts, size=far)]
    rows += [("", names[0]), (names[0], ""), ("", "")][:_BROKEN_ROWS]
    return [rows[index] for index in rng.permutation(len(rows))]


def write_demo(path: Path, accounts: int = 5000, seed: int = 0) -> int:
    """Write :func:`demo_follows` as CSV; returns the number of rows.

    Raises:
        RunError: the file cannot be written.
    """
    rows = demo_follows(accounts, seed)
    lines = [",".join(FOLLOWS_SCHEMA.names), *(",".join(row) for row in rows)]
    with disk_errors(f"{path}: cannot be written"):
        make_folder(path.parent)
        write_atomic(path, ("\n".join(lines) + "\n").encode())
    return len(rows)


def _shares(count: int) -> Floats:
    """Shares proportional to 1/5, 1/6, 1/7, ..., so that communities differ in size."""
    weights = 1.0 / np.arange(5, count + 5)
    return np.asarray(weights / weights.sum())


def _early(rng: np.random.Generator, size: int, count: int) -> Offsets:
    """``count`` random indices below ``size``; smaller ones are more likely."""
    return np.asarray((size * rng.random(count) ** 2.5).astype(np.int64))
