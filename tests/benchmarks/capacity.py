"""What large networks cost: degree tables of them, and what `raypipe plan` says of each.

40 M accounts are the follows of Twitter in 2009: 41.7 M accounts, 1.47 G follows, at most 2,997,469
followers and 770,155 follows of one account (Kwak, Lee, Park and Moon (2010), "What is Twitter, a
social network or a news media?", WWW; the largest numbers from konect.cc/networks/twitter). Its
numbers of followers are no pure power law. An exponent of 2.1 up to the largest one gives 1.7e14
co-follow pairs and some 40 accounts with more than a million followers, as the paper counts them;
the 2.276 that it fits to fewer than 100,000 followers would give a quarter of the co-follow pairs.
KONECT counts 2.5e14 for follows and followers of an account taken together, which is an upper
bound.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raypipe.cli.output.terminal import print_table
from raypipe.columns import DEGREES_SCHEMA
from raypipe.config import load_config
from raypipe.graph.degree_table import read_degrees
from raypipe.pipeline.plan import plan_degrees

EXPONENT = 2.1
_CELLS = 3000


def power_law(accounts: int, total: int, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers up to the largest, and how many accounts have each: a power law with this total.

    The share of accounts with more than x falls as x^(1 - EXPONENT) from a least number on, that is
    sought so that the sum is right.
    """
    numbers = np.unique(np.geomspace(1, largest, _CELLS).astype(np.int64))
    below, above = 0.0, float(largest)
    for _ in range(200):
        least = (below + above) / 2
        counts = _counts(numbers, accounts, least)
        below, above = (least, above) if numbers @ counts <= total else (below, least)
    counts = _counts(numbers, accounts, below)
    # What rounding has left over: some accounts of the most frequent number have one more.
    place, left = int(counts.argmax()), int(total - numbers @ counts)
    step = int(numbers[place + 1] - numbers[place])
    counts[place] -= left // step
    counts[place + 1] += left // step
    rest = [[numbers[place], -(left % step)], [numbers[place] + 1, left % step]]
    rest.append([0, accounts - counts.sum()])
    more = np.array(rest).T
    return np.append(numbers, more[0]), np.append(counts, more[1])


def _counts(numbers: np.ndarray, accounts: int, least: float) -> np.ndarray:
    power = 1 - EXPONENT
    ends = np.maximum(numbers.astype(float), least) ** power
    more = (ends - ends[-1]) / (least**power - ends[-1])
    return -np.diff(np.round(accounts * more), prepend=accounts).astype(np.int64)


def write_table(path: Path, accounts: int, follows: int, largest: tuple[int, int]) -> None:
    """A degree table of a power law on both sides; follows and followers do not depend."""
    sides = [power_law(accounts, follows, each) for each in largest]
    gathered = []
    for numbers, counts in sides:
        distinct, place = np.unique(numbers, return_inverse=True)
        total = np.zeros(len(distinct), np.int64)
        np.add.at(total, place, counts)
        gathered.append((distinct, total))
    ends = [np.cumsum(counts) for _, counts in gathered]
    cuts = np.union1d(*ends)
    columns = [
        numbers[np.searchsorted(end, cuts)]
        for (numbers, _), end in zip(gathered, ends, strict=True)
    ]
    table = pa.table([*columns, np.diff(cuts, prepend=0)], schema=DEGREES_SCHEMA)
    pa.csv.write_csv(table, path)


TABLES = {
    "1m.csv": (1_048_576, 16_777_216, (40_000, 40_000)),
    "40m.csv": (41_652_230, 1_468_365_182, (770_155, 2_997_469)),
    "1g.csv": (1_000_000_000, 40_000_000_000, (1_000_000, 30_000_000)),
}
CAPS = (None, 100_000, 10_000, 1_000)


def bench() -> None:
    """Print a line a network and cap, on 4 nodes of 16 CPUs; the tables go to ./demo."""
    folder = Path("demo")
    folder.mkdir(exist_ok=True)
    rows = []
    for name, (accounts, follows, largest) in TABLES.items():
        write_table(folder / name, accounts, follows, largest)
        degrees = read_degrees(folder / name)
        for cap in CAPS:
            config = load_config(None, {"sources.similar.max_followers": cap})
            planned = plan_degrees(config, degrees, 4, 16)
            seconds, memory = planned.seconds, planned.memory_bytes
            rows.append(
                [
                    name,
                    cap,
                    planned.counts.co_follow_pairs
                    * planned.similarity.share_of_co_follow_pairs_left,
                    seconds["recommend_on_one_cpu"] / 3600,
                    seconds["recommend"] / 3600,
                    (seconds["total"] - seconds["recommend"]) / 3600,
                    (memory["follows"] + memory["similarity_index"]) / 1e9,
                    sum(memory.values()) / 1e9,
                ]
            )
    heads = [
        "table",
        "cap",
        "co_follow_pairs",
        "one CPU h",
        "recommend h",
        "rest h",
        "graph GB",
        "all GB",
    ]
    print_table(heads, rows, "raypipe plan --degrees, 4 nodes of 16 CPUs")
