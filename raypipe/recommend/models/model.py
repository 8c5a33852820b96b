"""What a training leaves: arrays and JSON, saved without pickle, mapped into memory when loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from raypipe.errors import RunError
from raypipe.storage.data_files import map_array, read_json, save_array, write_json
from raypipe.storage.files import disk_errors, make_folder, sha256_file

_ARRAYS = ("account_factors", "followee_factors", "followers")
#: Written last: without it there is no model.
_FACTS = "model.json"


class FollowFactors(NamedTuple):
    """What was learned: score(a, c) = account_factors[a] . followee_factors[c] + walks(a, c).

    Attributes:
        account_factors, followee_factors: float32[n, d].
        cooccurrence: times the walks of ``truncated_svd.cooccurrence``; 0 where there are none.
    """

    account_factors: np.ndarray
    followee_factors: np.ndarray
    cooccurrence: float = 0.0


@dataclass(frozen=True)
class FactorModel:
    """Factors, and what they were learned from.

    Attributes:
        factors: of all accounts; those of one without follows, or followers, mean nothing.
        followers: int32[n], number of followers of every account, in the graph learned from.
        algorithm, parameters, seed: that it was trained by.
        fingerprint: of the graph that it was trained on, whose codes it speaks of.
    """

    factors: FollowFactors
    followers: np.ndarray
    algorithm: str
    parameters: dict[str, Any]
    seed: int
    fingerprint: str


def save_model(model: FactorModel, folder: Path) -> None:
    """Write a model so that :func:`load_model` can map it into memory.

    Raises:
        RunError: the disk is full, or cannot be written.
    """
    facts = {
        "algorithm": model.algorithm,
        "parameters": model.parameters,
        "seed": model.seed,
        "fingerprint": model.fingerprint,
        "cooccurrence": model.factors.cooccurrence,
    }
    with disk_errors(f"{folder}: cannot be written"):
        make_folder(folder)
        for name, array in zip(_ARRAYS, (*model.factors[:2], model.followers), strict=True):
            save_array(folder / f"{name}.npy", array, sync=False)  # facts say if one is torn
        write_json(folder / _FACTS, {**facts, "sha256": _digests(folder)})


def load_model(folder: Path, verify: bool = False) -> FactorModel:
    """Map a saved model into memory, read-only.

    Args:
        verify: read every array once, and compare its SHA-256 with what was written.

    Raises:
        RunError: the folder does not hold a whole model.
    """
    try:
        facts = read_json(folder / _FACTS)
        digests = facts.pop("sha256")
        if verify and digests != _digests(folder):
            raise ValueError("an array is not as it was written")
        of_accounts, of_followees, followers = (
            map_array(folder / f"{name}.npy") for name in _ARRAYS
        )
        factors = FollowFactors(of_accounts, of_followees, facts.pop("cooccurrence"))
        return FactorModel(factors, followers, **facts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder}: is not a whole model ({error}); run the night again") from None


def _digests(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / f"{name}.npy") for name in _ARRAYS}
