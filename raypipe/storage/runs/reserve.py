"""The reserve of a run: further candidates of each account, which refill its published list."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from raypipe.errors import RunError
from raypipe.storage.data_files import map_array, save_arrays

#: Name of the folder inside a run.
FOLDER = "reserve"


class Reserve(NamedTuple):
    """Further candidates of n accounts, best first; account i has ``indptr[i]:indptr[i + 1]``.

    Attributes:
        indptr: int64[n + 1].
        codes: int32[c], account index of each candidate.
        sources: uint8[c], index of its source among those of the config.
        scores: float64[c], as in the published lists.
    """

    indptr: np.ndarray
    codes: np.ndarray
    sources: np.ndarray
    scores: np.ndarray


def save_reserve(folder: Path, reserve: Reserve) -> None:
    """Store the reserve in the folder of a run.

    Raises:
        RunError: the files cannot be written.
    """
    save_arrays(folder / FOLDER, reserve._asdict())


def load_reserve(folder: Path) -> Reserve:
    """The reserve in the folder of a run, memory-mapped.

    Raises:
        RunError: its files are missing or damaged.
    """
    try:
        return Reserve(*(map_array(folder / FOLDER / f"{name}.npy") for name in Reserve._fields))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{folder / FOLDER}: cannot be read ({error}); run the night again"
        ) from None
