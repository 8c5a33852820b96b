"""Train the ranker: a classifier of held-out follows against other candidates.

Only this file needs LightGBM; the trained model is converted to plain arrays here.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from raypipe.config import RunConfig
from raypipe.errors import ConfigError
from raypipe.kernels.trees import Trees
from raypipe.recommend.blend.examples import Examples
from raypipe.recommend.blend.ranker import Ranker

if TYPE_CHECKING:
    import lightgbm

#: Many small trees, each on a third of the features. On three networks the usual 31 leaves, and a
#: loss over pairs (LambdaRank), recovered up to 5 % fewer follows.
_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "feature_fraction": 0.3,
    "lambda_l2": 10.0,
    "min_data_in_leaf": 20,
    "use_missing": False,
    "force_col_wise": True,  # else LightGBM chooses by timing, which changes the order of sums
    "num_threads": 1,  # with other work on the CPUs, several threads are slower than one
    "verbose": -1,
}
_TREES = 300


def check_blend(config: RunConfig) -> None:
    """Check, before anything is read, that a ranker can be trained if the config asks for one.

    Raises:
        ConfigError: LightGBM cannot be loaded; its wheels for Linux need libgomp of the system.
    """
    if config.blend.method != "learned_ranker":
        return
    try:
        load_lightgbm()
    except OSError as error:
        raise ConfigError(
            f"blend.method: found learned_ranker, but LightGBM cannot be loaded ({error}); "
            "apt-get install libgomp1, or set rank_fusion"
        ) from error


@cache
def load_lightgbm() -> ModuleType:
    """LightGBM without scikit-learn, which takes 2 s to import and serves only its estimators.

    Later imports of LightGBM find it with its estimators.

    Raises:
        OSError: its library cannot be loaded.
    """
    if "sklearn" in sys.modules or "lightgbm" in sys.modules:
        return import_module("lightgbm")
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # an import of it fails at once
    try:
        return import_module("lightgbm")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "lightgbm"]:
            del sys.modules[name]
        del sys.modules["sklearn"]


def train_ranker(examples: Examples, names: tuple[str, ...], seed: int) -> Ranker:
    """Train boosted trees that separate held-out follows from other candidates.

    Equal examples in equal order give an equal ranker.

    Source:
        Friedman (2001), "Greedy function approximation: a gradient boosting machine", Annals of
        Statistics 29(5); trained by LightGBM, Ke et al. (2017), NeurIPS.
    """
    lightgbm = load_lightgbm()
    data = lightgbm.Dataset(examples.features, examples.followed.astype(np.float64))
    booster = lightgbm.train({**_PARAMETERS, "seed": seed % 2**31}, data, _TREES)
    gains = booster.feature_importance("gain")
    followed = int(np.count_nonzero(examples.followed))
    facts = {
        "accounts": len(np.unique(examples.accounts)),
        "follows": followed,
        "others": len(examples.followed) - followed,
        "trees": booster.num_trees(),
    }
    return Ranker(trees_of(booster), names, gains / max(gains.sum(), 1e-300), facts)


def trees_of(booster: lightgbm.Booster) -> Trees:
    """The trees of a trained model as plain arrays, each from its root in depth-first order.

    Raises:
        ValueError: a split is of a kind that these arrays cannot hold: by category, or with missing
            values.
    """
    roots: list[int] = []
    features: list[int] = []
    thresholds: list[float] = []
    children: list[tuple[int, int]] = []
    leaves: list[float] = []

    def add(tree: dict[str, Any]) -> int:
        if "leaf_value" in tree:
            leaves.append(tree["leaf_value"])
            return ~(len(leaves) - 1)
        if (tree["decision_type"], tree["missing_type"]) != ("<=", "None"):
            raise ValueError(f"a split by {tree['decision_type']}, missing {tree['missing_type']}")
        node = len(features)
        features.append(tree["split_feature"])
        thresholds.append(tree["threshold"])
        children.append((0, 0))
        children[node] = (add(tree["left_child"]), add(tree["right_child"]))
        return node

    for tree in booster.dump_model()["tree_info"]:
        roots.append(add(tree["tree_structure"]))
    left, right = np.array(children, np.int32).reshape(-1, 2).T
    return Trees(
        np.array(roots, np.int32),
        np.array(features, np.int32),
        np.array(thresholds, np.float64),
        np.ascontiguousarray(left),
        np.ascontiguousarray(right),
        np.array(leaves, np.float64),
    )
