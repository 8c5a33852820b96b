"""A trained factor model: arrays and JSON, saved without pickle, mapped into memory on loading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from raypipe.errors import RunError
from raypipe.kernels.arrays import Floats32, Indices
from raypipe.storage.data_files import map_array, read_json, save_array, write_json
from raypipe.storage.files import disk_errors, make_folder, sha256_file

_ARRAYS = ("account_factors", "followee_factors", "followers")
#: Written last: without it, the model is incomplete.
_FACTS = "model.json"


class FollowFactors(NamedTuple):
    """Factors: score(a, c) = account_factors[a] . followee_factors[c] + walks(a, c).

    Attributes:
        account_factors, followee_factors: float32[n, d].
        cooccurrence: factor of the walks of ``truncated_svd.cooccurrence``; 0 for no walks.
    """

    account_factors: Floats32
    followee_factors: Floats32
    cooccurrence: float = 0.0


@dataclass(frozen=True)
class FactorModel:
    """Factors, and how they were trained.

    Attributes:
        factors: of all accounts; those of accounts without follows, or followers, mean nothing.
        followers: int32[n], number of followers of every account in the training graph.
        algorithm, parameters, seed: how it was trained.
        fingerprint: fingerprint of the training graph, whose codes it uses.
    """

    factors: FollowFactors
    followers: Indices
    algorithm: str
    parameters: dict[str, Any]
    seed: int
    fingerprint: str


def save_model(model: FactorModel, folder: Path) -> None:
    """Write a model in a format that :func:`load_model` can map into memory.

    Raises:
        RunError: the disk is full, or cannot be written to.
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
        verify: read every array once, and compare its SHA-256 with the stored one.

    Raises:
        RunError: the folder does not contain a complete model.
    """
    try:
        facts = read_json(folder / _FACTS)
        digests = facts.pop("sha256")
        if verify and digests != _digests(folder):
            raise ValueError("an array has changed since it was written")
        of_accounts, of_followees, followers = (
            map_array(folder / f"{name}.npy") for name in _ARRAYS
        )
        factors = FollowFactors(of_accounts, of_followees, facts.pop("cooccurrence"))
        return FactorModel(factors, followers, **facts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder}: is not a whole model ({error}); run the night again") from None


def _digests(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / f"{name}.npy") for name in _ARRAYS}
