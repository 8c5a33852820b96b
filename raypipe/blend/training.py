"""Training the ranker: which candidates turned out to be follows that had been held out.

The only file that needs LightGBM. What it trains is taken apart into plain arrays at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import lightgbm
import numpy as np
from numba import njit

from raypipe.blend.ranker import Ranker
from raypipe.kernels.mixing import mix_pair
from raypipe.kernels.trees import Trees

#: Small trees, many of them, each of which sees a third of the features: on three networks the
#: textbook's 31 leaves, and a loss over pairs (LambdaRank), found up to 5 % fewer follows.
_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "feature_fraction": 0.3,
    "lambda_l2": 10.0,
    "min_data_in_leaf": 20,
    "use_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
_TREES = 300
#: Of the candidates that are no held-out follow, about this share is trained on: five times as many
#: found no more.
NEGATIVES = 0.15
#: Added to the seed, which is below this: with the lots by which follows are held out, those of an
#: evaluation's own test would be kept as if nobody followed them.
_APART = 2**32


class Examples(NamedTuple):
    """Candidates to be trained on.

    Attributes:
        accounts: int32[c], to whom each is a candidate.
        features: float64[c, features].
        followed: bool[c], which are held-out follows.
    """

    accounts: np.ndarray
    features: np.ndarray
    followed: np.ndarray


def is_example(
    accounts: np.ndarray, codes: np.ndarray, followed: np.ndarray, seed: int
) -> np.ndarray:
    """bool[c]: all that are held-out follows, and about NEGATIVES of the others.

    Depends on the seed, the account and the candidate, and on nothing else.

    Args:
        accounts, codes: int32[c], each candidate's account and its own code.
        followed: bool[c].

    Example:
        >>> codes, followed = np.arange(1, 1001), np.arange(1000) < 10
        >>> kept = is_example(np.zeros(1000, int), codes, followed, seed=0)
        >>> bool(kept[:10].all()), 100 < int(kept[10:].sum()) < 200
        (True, True)
    """
    return _is_example(accounts, codes, followed, np.uint64(NEGATIVES * 2.0**64), seed + _APART)


def train_ranker(examples: Examples, names: tuple[str, ...], seed: int) -> Ranker:
    """Boosted trees that tell held-out follows from other candidates.

    Equal examples in equal order give an equal ranker, whatever the number of threads.

    Args:
        names: of the features.

    Source:
        Friedman (2001), "Greedy function approximation: a gradient boosting machine", Annals of
        Statistics 29(5); trained by LightGBM, Ke et al. (2017), NeurIPS.
    """
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
        ValueError: a split that these arrays cannot hold: a category, or missing values.
    """
    roots, features, thresholds, children, leaves = [], [], [], [], []

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


@njit(cache=True, nogil=True)
def _is_example(accounts, codes, followed, below, seed):
    kept = followed.copy()
    for at in range(len(codes)):
        if not followed[at]:
            kept[at] = mix_pair(seed, accounts[at], codes[at]) < below
    return kept
