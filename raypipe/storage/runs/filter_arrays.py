"""The exclusions of a run as arrays in its folder, which are read without numba or a graph."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.errors import RunError
from raypipe.storage.data_files import map_array, save_array
from raypipe.storage.files import disk_errors, is_file, is_folder, make_folder
from raypipe.storage.runs.parts import ids_at, places_of_ids
from raypipe.storage.runs.run import Run

#: Name of the folder inside a run.
FOLDER = "filters"

#: (indptr, codes), as in ``kernels.csr.Adjacency``; that module imports numba.
_Rows = tuple[np.ndarray, np.ndarray]


def save_filters(
    folder: Path,
    excluded: _Rows,
    reasons: np.ndarray,
    own: np.ndarray,
    previously_followed: _Rows,
    globally_excluded: np.ndarray,
    shown: np.ndarray | None = None,
) -> None:
    """Store the exclusions of a run.

    Args:
        folder: folder of the run.
        excluded: (indptr, codes), the excluded candidates of each account.
        reasons: uint8, the reason code of each pair in ``excluded``.
        own: uint8, for each pair the first reason code that the account itself caused; 0: none.
        previously_followed: (indptr, codes), the pairs that were follows before; the next run reads
            them.
        globally_excluded: uint8[n], nonzero for accounts that are shown to nobody.
        shown: int64[n], the number of accounts to which each account was recommended before; None
            if not counted.

    Raises:
        RunError: the files cannot be written.
    """
    arrays = {
        "excluded_indptr": excluded[0],
        "excluded_codes": excluded[1],
        "excluded_reasons": reasons,
        "excluded_own": own,
        "previously_followed_indptr": previously_followed[0],
        "previously_followed_codes": previously_followed[1],
        "globally_excluded": globally_excluded,
        **({} if shown is None else {"shown": shown}),
    }
    with disk_errors(f"{folder / FOLDER}: cannot be written"):
        make_folder(folder / FOLDER)
        for name, array in arrays.items():
            save_array(folder / FOLDER / f"{name}.npy", array, sync=False)


def load_rows(run: Run, name: str) -> _Rows:
    """(indptr, codes) of ``excluded`` or ``previously_followed`` of a run, memory-mapped."""
    return _load(run, f"{name}_indptr"), _load(run, f"{name}_codes")


def load_globally_excluded(run: Run) -> np.ndarray:
    """uint8[n], nonzero for accounts that are shown to nobody."""
    return _load(run, "globally_excluded")


def load_reasons(run: Run) -> np.ndarray:
    """uint8, the reason code of each pair in ``excluded``."""
    return _load(run, "excluded_reasons")


def load_shown(run: Run) -> np.ndarray | None:
    """int64[n], the number of accounts to which each was recommended; None if not counted."""
    return _load(run, "shown") if is_file(run.path / FOLDER / "shown.npy") else None


class Exclusion(NamedTuple):
    """The exclusion of a candidate for an account in a run.

    Attributes:
        reason: reason code.
        own: the first reason code that the account itself caused; 0: none.
    """

    reason: int
    own: int


def exclusions_in(run: Run, account: str, candidates: Collection[str]) -> dict[str, Exclusion]:
    """The excluded candidates of an account in a run; the run may not contain the account.

    This reads a few pages of the run's arrays.

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
    globally_excluded = _load(run, "globally_excluded")
    pairs = {} if row is None else _row(run, row)
    exclusions = {}
    for name, code in zip(names[1:], codes, strict=True):
        if code is not None:
            reason, own = pairs.get(code, (0, 0))
            reason = reason or int(globally_excluded[code])
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
        indptr, codes = (map_array(graph / f"followees_{name}.npy") for name in ("indptr", "codes"))
        return ids_at(graph / "ids.arrow", codes[slice(*indptr[row : row + 2])])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"run {run.id}: its graph cannot be read ({error}); run it again") from error


def _row(run: Run, row: int) -> dict[int, tuple[int, int]]:
    """Candidate index to (reason, own reason), for one account."""
    indptr, excluded = load_rows(run, "excluded")
    pairs = slice(*indptr[row : row + 2])
    reasons, own = load_reasons(run)[pairs], _load(run, "excluded_own")[pairs]
    codes = zip(reasons.tolist(), own.tolist(), strict=True)
    return dict(zip(excluded[pairs].tolist(), codes, strict=True))


def _load(run: Run, name: str) -> np.ndarray:
    path = run.path / FOLDER / f"{name}.npy"
    try:
        return map_array(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); run the night again") from None
