"""The trained ranker: trees as plain arrays, stored as JSON without loss."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from raypipe.kernels.trees import BinnedTrees, Trees, bin_trees
from raypipe.storage.data_files import read_json, write_json

_TYPES = {"thresholds": np.float64, "leaves": np.float64}


@dataclass(frozen=True)
class Ranker:
    """Scores candidates by their features: the log-odds that one is a held-out follow.

    Only a share of the negative examples was kept for training, so the odds are those of a sample:
    they order the candidates of an account and have no absolute meaning.

    Attributes:
        trees: on the columns of ``features``.
        features: names, from ``scores.feature_names``.
        gains: float64[features], the share of each feature in the gain of the training; sums to 1.
        facts: JSON values: the numbers of examples and trees.
    """

    trees: Trees
    features: tuple[str, ...]
    gains: np.ndarray
    facts: dict[str, Any]

    @cached_property
    def binned(self) -> BinnedTrees:
        """The trees as candidates are scored by them."""
        return bin_trees(self.trees)


def save_ranker(ranker: Ranker, path: Path) -> None:
    """Write a ranker as JSON, so that :func:`load_ranker` reads back an equal one."""
    values = {
        "features": list(ranker.features),
        "gains": ranker.gains.tolist(),
        "facts": ranker.facts,
        "trees": {name: array.tolist() for name, array in ranker.trees._asdict().items()},
    }
    write_json(path, values)


def load_ranker(path: Path) -> Ranker:
    """Read a saved ranker.

    Example:
        >>> import tempfile
        >>> stump = Trees(*(np.array(part) for part in ([0], [0], [.5], [-1], [-2], [.1, .2])))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ranker.json")
        ...     save_ranker(Ranker(stump, ("a",), np.array([1.0]), {}), path)
        ...     load_ranker(path).trees.leaves.tolist()
        [0.1, 0.2]
    """
    values = read_json(path)
    trees = Trees._make(
        np.array(values["trees"][name], _TYPES.get(name, np.int32)) for name in Trees._fields
    )
    return Ranker(trees, tuple(values["features"]), np.array(values["gains"]), values["facts"])
