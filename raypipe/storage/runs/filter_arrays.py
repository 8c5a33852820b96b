"""The exclusions of a run as arrays in its folder, which are read without numba or a graph."""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.errors import RunError
from raypipe.storage.data_files import map_array, save_arrays
from raypipe.storage.files import disk_errors, is_file, is_folder, version
from raypipe.storage.runs.parts import ids_at, places_of_ids
from raypipe.storage.runs.run import Run

#: Name of the folder inside a run.
FOLDER = "filters"


class FilterArrays(NamedTuple):
    """The exclusions of a run with n accounts; each array is a file of that name.

    Attributes:
        excluded_indptr, excluded_codes: the excluded candidates of each account.
        excluded_reasons: uint8, the reason code of each of these pairs.
        excluded_own: uint8, for each of these pairs the first reason code that the account itself
            caused; 0: none.
        previously_followed_indptr, previously_followed_codes: the pairs that were follows before;
            the next run reads them.
        globally_excluded: uint8[n], nonzero for accounts that are shown to nobody.
        shown: int64[n], the number of accounts to which each account was recommended before; None
            if not counted.
    """

    excluded_indptr: np.ndarray
    excluded_codes: np.ndarray
    excluded_reasons: np.ndarray
    excluded_own: np.ndarray
    previously_followed_indptr: np.ndarray
    previously_followed_codes: np.ndarray
    globally_excluded: np.ndarray
    shown: np.ndarray | None = None


def save_filters(folder: Path, arrays: FilterArrays) -> None:
    """Store the exclusions of a run in its folder.

    Raises:
        RunError: the files cannot be written.
    """
    save_arrays(folder / FOLDER, arrays._asdict())


def load_filters(run: Run) -> FilterArrays:
    """The exclusions of a run, memory-mapped.

    Raises:
        RunError: a file is missing or damaged.
    """
    folder = run.path / FOLDER
    with disk_errors(f"{folder}: cannot be read"):
        return _mapped_filters(folder, version(folder))


@lru_cache(maxsize=4)
def _mapped_filters(folder: Path, version: tuple[int, int]) -> FilterArrays:
    """Kept, since a server asks for them at every answer; the folder changes with its files."""
    arrays = {}
    for name in FilterArrays._fields:
        path = folder / f"{name}.npy"
        if name == "shown" and not is_file(path):
            continue
        try:
            arrays[name] = map_array(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error}); run the night again") from None
    return FilterArrays(**arrays)


class Exclusion(NamedTuple):
    """The reason code of an excluded candidate, and the first that the account caused; 0: none."""

    reason: int
    own: int


def exclusions_in(run: Run, account: str, candidates: Collection[str]) -> dict[str, Exclusion]:
    """The excluded candidates of an account, which the run may not contain; reads a few pages.

    Raises:
        RunError: files of the run are missing or damaged.
    """
    if not candidates or not is_folder(run.path / FOLDER):
        return {}
    names = [account, *candidates]
    try:
        row, *codes = places_of_ids(run.path / "graph" / "ids.arrow", names)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"run {run.id}: its graph cannot be read ({error}); run it again") from error
    filters = load_filters(run)
    indptr, *of_pairs = filters[:4]
    pairs = {}
    if row is not None:
        here = slice(*indptr[row : row + 2])
        found = (array[here].tolist() for array in of_pairs)
        pairs = {code: (reason, own) for code, reason, own in zip(*found, strict=True)}
    exclusions = {}
    for name, code in zip(names[1:], codes, strict=True):
        if code is not None:
            reason, own = pairs.get(code, (0, 0))
            reason = reason or int(filters.globally_excluded[code])
            if reason:
                exclusions[name] = Exclusion(reason, own)
    return exclusions


def followees_in(run: Run, account: str) -> list[str]:
    """The followees of an account in a run; empty if the account is not in the run.

    Raises:
        RunError: files of the run are missing or damaged.
    """
    graph = run.path / "graph"
    try:
        (row,) = places_of_ids(graph / "ids.arrow", [account])
        if row is None:
            return []
        indptr, codes = _mapped_followees(graph, version(graph))
        return ids_at(graph / "ids.arrow", codes[slice(*indptr[row : row + 2])])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"run {run.id}: its graph cannot be read ({error}); run it again") from error


@lru_cache(maxsize=4)
def _mapped_followees(graph: Path, version: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    indptr, codes = (map_array(graph / f"followees_{name}.npy") for name in ("indptr", "codes"))
    return indptr, codes
