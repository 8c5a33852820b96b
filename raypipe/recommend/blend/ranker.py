"""What a training leaves: trees as plain arrays, and JSON that holds them to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raypipe.kernels.trees import Trees
from raypipe.storage.data_files import read_json, write_json

_TYPES = {"thresholds": np.float64, "leaves": np.float64}


@dataclass(frozen=True)
class Ranker:
    """Scores candidates by their features: the log-odds that one is a held-out follow.

    Of the candidates that it was trained on, only a share of those that are none was kept, so the
    odds are those of a sample: they order the candidates of an account, and mean no more.

    Attributes:
        trees: their columns are those of ``features``.
        features: names, as of ``features.feature_names``.
        gains: float64[features], the part of each in what the training gained; sums up to 1.
        facts: JSON values: what it was trained on.
    """

    trees: Trees
    features: tuple[str, ...]
    gains: np.ndarray
    facts: dict[str, Any]


def save_ranker(ranker: Ranker, path: Path) -> None:
    """Write a ranker so that :func:`load_ranker` reads back an equal one."""
    write_json(path, to_values(ranker))


def load_ranker(path: Path) -> Ranker:
    """A ranker that was saved."""
    return from_values(read_json(path))


def to_values(ranker: Ranker) -> dict[str, Any]:
    """JSON values; a float is written so that it is read back as the same one."""
    return {
        "features": list(ranker.features),
        "gains": ranker.gains.tolist(),
        "facts": ranker.facts,
        "trees": {name: array.tolist() for name, array in ranker.trees._asdict().items()},
    }


def from_values(values: dict[str, Any]) -> Ranker:
    """The ranker that :func:`to_values` told of.

    Example:
        >>> stump = Trees(*(np.array(part) for part in ([0], [0], [.5], [-1], [-2], [.1, .2])))
        >>> ranker = Ranker(stump, ("a",), np.array([1.0]), {})
        >>> from_values(to_values(ranker)).trees.leaves.tolist()
        [0.1, 0.2]
    """
    trees = {
        name: np.array(array, _TYPES.get(name, np.int32)) for name, array in values["trees"].items()
    }
    return Ranker(
        Trees(**trees), tuple(values["features"]), np.array(values["gains"]), values["facts"]
    )
