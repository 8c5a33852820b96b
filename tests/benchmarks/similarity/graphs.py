"""The graphs that are searched: two real ones, R-MAT of any scale, and one with communities."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from raypipe.kernels.csr import Adjacency, Pairs, adjacency, transpose
from raypipe.kernels.similarity_index import co_follow_pairs
from tests.conftest import real_data

ARRAYS = ("indptr", "codes", "t_indptr", "t_codes")


class Graph(NamedTuple):
    """Follows in both directions, as every way of searching is given them.

    Attributes:
        followees: whom each account follows.
        followers: who follows each account.
    """

    followees: Adjacency
    followers: Adjacency

    @property
    def accounts(self) -> int:
        return len(self.followees.indptr) - 1

    @property
    def follows(self) -> int:
        return len(self.followees.codes)

    @property
    def co_follow_pairs(self) -> np.ndarray:
        """int64[n]: what counting all overlaps of each account costs, in entries of lists."""
        return co_follow_pairs(self.followees, self.followers.indptr)


def graph_of(followers: np.ndarray, followees: np.ndarray, accounts: int) -> Graph:
    """A graph from pairs of codes; self-follows and repeats are dropped."""
    pairs = Pairs(
        followers.astype(np.int32), followees.astype(np.int32), np.arange(accounts, dtype=np.int32)
    )
    rows, _, _ = adjacency([pairs], accounts)
    return Graph(rows, transpose(rows))


def rmat(scale: int, edge_factor: int = 16, seed: int = 1) -> Graph:
    """A recursive-matrix graph: ``2 ** scale`` accounts, quadrants .57, .19, .19, .05, shuffled.

    Source: Chakrabarti, Zhan, Faloutsos (2004), "R-MAT", SDM; the parameters are Graph500's.
    """
    rng = np.random.default_rng(seed)
    follows = edge_factor << scale
    followers = np.zeros(follows, np.int32)
    followees = np.zeros(follows, np.int32)
    for _ in range(scale):
        quadrant = np.searchsorted(
            np.array([0.57, 0.76, 0.95], np.float32),
            rng.random(follows, dtype=np.float32),
            side="right",
        )
        followers = 2 * followers + (quadrant >> 1).astype(np.int32)
        followees = 2 * followees + (quadrant & 1).astype(np.int32)
    names = rng.permutation(1 << scale)
    return graph_of(names[followers], names[followees], 1 << scale)


def community(accounts: int = 100_000, seed: int = 3) -> Graph:
    """Communities of 200, and hubs: 40 % of the follows stay at home, 29 % go to 400 hubs."""
    rng = np.random.default_rng(seed)
    degrees = np.minimum(rng.lognormal(2.4, 1.0, accounts).astype(int) + 1, 2000)
    followers = np.repeat(np.arange(accounts), degrees)
    kind, place = rng.random((2, len(followers)))
    at_home = followers // 200 * 200 + (200 * place**2).astype(int)
    hub = (400 * place**3).astype(int) * (accounts // 400)
    anyone = (accounts * place**4).astype(int)
    followees = np.where(kind < 0.4, at_home, np.where(kind < 0.69, hub, anyone))
    return graph_of(followers, np.minimum(followees, accounts - 1), accounts)


def network(path: str) -> Graph:
    """A real graph between accounts."""
    pairs = _read(path)
    return graph_of(*pairs, int(max(pairs[0].max(), pairs[1].max())) + 1)


def gowalla() -> Graph:
    """Who checked in where: users follow places, which have codes of their own after theirs."""
    users, places = _read("gowalla/train.csv.gz")
    first = int(users.max()) + 1
    return graph_of(users, first + places, first + int(places.max()) + 1)


def make(name: str) -> Graph:
    """A graph by its name: wiki-vote, slashdot, gowalla, community or rmat<scale>."""
    scale = scale_of(name)
    if scale is not None:
        return rmat(scale)
    makers = {
        "wiki-vote": lambda: network("wiki-vote/follows.csv"),
        "slashdot": lambda: network("slashdot/follows.csv.gz"),
        "gowalla": gowalla,
        "community": community,
    }
    if name not in makers:
        raise SystemExit(f"no graph {name!r}; there are: {', '.join(makers)}, rmat12 to rmat20")
    return makers[name]()


def scale_of(name: str) -> int | None:
    """The scale of an R-MAT graph; None for the others."""
    found = re.fullmatch(r"rmat(\d+)", name)
    return int(found[1]) if found else None


def cached(name: str, folder: Path) -> Path:
    """The folder that holds a graph's arrays, made if it is not there."""
    path = folder / name
    if not path.is_dir():
        graph = make(name)
        partial = folder / f"{name}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        for array, values in zip(ARRAYS, (*graph.followees, *graph.followers), strict=True):
            np.save(partial / f"{array}.npy", values)
        partial.rename(path)
    return path


def load(path: Path) -> Graph:
    """A graph, memory-mapped."""
    arrays = [np.asarray(np.load(path / f"{array}.npy", mmap_mode="r")) for array in ARRAYS]
    return Graph(Adjacency(*arrays[:2]), Adjacency(*arrays[2:]))


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    data = real_data()
    if data is None:
        raise SystemExit("no real graphs here; set RAYPIPE_TEST_DATA to a folder that holds them")
    frame = pd.read_csv(data / path)
    return frame["followerId"].to_numpy(), frame["followingId"].to_numpy()
