"""Real graphs with fakes of a hundredth of the accounts."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from raypipe.attacks.attacks import ATTACKS, Scene
from raypipe.attacks.measure import detection
from raypipe.attacks.night import fake_ids
from raypipe.graph.follow_graph import FollowGraph, build_graph, encode, with_more
from raypipe.integrity.labels import suspicion
from raypipe.storage.attacks import DetectionRecord


class Attacked(NamedTuple):
    """The last ``fakes`` accounts of a graph are fakes."""

    graph: FollowGraph
    fakes: int


def real_graph(data: Path, name: str) -> FollowGraph:
    (path,) = (data / name).glob("follows.csv*")
    return build_graph([encode(pd.read_csv(path, dtype=str).iloc[:, :2])])[0]


def attacked(graph: FollowGraph, attack: str, seed: int, returned: int = 0) -> Attacked:
    """As many fakes as a hundredth of the accounts; of copies and sleepers about as many.

    Args:
        returned: number of fake follows that real accounts return.
    """
    fakes, rng = max(3, graph.accounts // 100), np.random.default_rng(seed)
    target = int(rng.integers(graph.accounts))
    each = {"ring": fakes + 99, "follow_farm": 1, "follow_spam": 300, "sleeper": 20}
    each["copycat"] = graph.follows // graph.accounts
    budget = fakes * each.get(attack, 10)
    added = ATTACKS[attack](Scene(attack, graph, target, target, budget, 1, seed, rng))
    follows = np.concatenate(added.nights)
    to_real = follows[(follows[:, 0] >= graph.accounts) & (follows[:, 1] < graph.accounts)]
    follows = np.concatenate([follows, rng.permutation(to_real)[:returned, ::-1]])
    ids = fake_ids(graph.ids, added.fakes)
    return Attacked(with_more(graph, ids, follows[:, 0], follows[:, 1]), added.fakes)


def detected(graph: FollowGraph, attack: str, seed: int, returned: int = 0) -> DetectionRecord:
    """How well the detectors of a night find the fakes."""
    more, fakes = attacked(graph, attack, seed, returned)
    return detection(suspicion(more), fakes)
