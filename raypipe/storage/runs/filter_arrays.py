"""Whom a run must not show to whom: kept with it as arrays, and read without numba or a graph."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa

from raypipe.errors import RunError
from raypipe.storage.files import disk_errors
from raypipe.storage.runs.parts import place_of_id
from raypipe.storage.runs.run import Run

#: The folder in a run.
FOLDER = "filters"

#: As ``kernels.csr.Adjacency``, which would bring numba.
_Rows = tuple[np.ndarray, np.ndarray]


def save_filters(
    folder: Path,
    excluded: _Rows,
    reasons: np.ndarray,
    previously_followed: _Rows,
    globally_excluded: np.ndarray,
    shown: np.ndarray | None = None,
) -> None:
    """Keep them with a run.

    Args:
        folder: the run's.
        excluded: (indptr, codes), whom each account must not be shown, for whatever reason.
        reasons: uint8, why, for each code of these.
        previously_followed: of these, whom it used to follow.
        globally_excluded: uint8[n], other than 0 for who is shown to nobody.
        shown: int64[n], to how many accounts each was recommended before; None: nobody asked.

    Raises:
        RunError: they cannot be written.
    """
    arrays = {
        "excluded_indptr": excluded[0],
        "excluded_codes": excluded[1],
        "excluded_reasons": reasons,
        "previously_followed_indptr": previously_followed[0],
        "previously_followed_codes": previously_followed[1],
        "globally_excluded": globally_excluded,
        **({} if shown is None else {"shown": shown}),
    }
    with disk_errors(f"{folder / FOLDER}: cannot be written"):
        (folder / FOLDER).mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(folder / FOLDER / f"{name}.npy", array, allow_pickle=False)


def load_rows(run: Run, name: str, accounts: int) -> _Rows:
    """(indptr, codes) of ``excluded`` or ``previously_followed`` of a run, memory-mapped.

    Empty in a run of an earlier raypipe.
    """
    if not (run.path / FOLDER).is_dir():
        return np.zeros(accounts + 1, np.int64), np.empty(0, np.int32)
    return _load(run, f"{name}_indptr"), _load(run, f"{name}_codes")


def load_globally_excluded(run: Run, accounts: int) -> np.ndarray:
    """uint8[n], other than 0 for who is shown to nobody."""
    return (
        _load(run, "globally_excluded")
        if (run.path / FOLDER).is_dir()
        else np.zeros(accounts, np.uint8)
    )


def load_reasons(run: Run) -> np.ndarray:
    """uint8, why for each code of the rows ``excluded``."""
    if not (run.path / FOLDER).is_dir():
        return np.empty(0, np.uint8)
    return _load(run, "excluded_reasons")


def load_shown(run: Run) -> np.ndarray | None:
    """int64[n], to how many accounts each was recommended before; None where nobody asked."""
    return _load(run, "shown") if (run.path / FOLDER / "shown.npy").is_file() else None


def excluded_in(run: Run, account: str, candidates: Collection[str]) -> set[str]:
    """Which of the candidates a run would not have shown to the account, by what it was told.

    Raises:
        RunError: its files are gone or damaged.
    """
    return set(_why_excluded(run, account, candidates))


def why_excluded(run: Run, account: str, candidate: str) -> int:
    """Why a run would not have shown the candidate to the account; 0: it would have.

    Raises:
        RunError: its files are gone or damaged.
    """
    return _why_excluded(run, account, [candidate]).get(candidate, 0)


def _why_excluded(run: Run, account: str, candidates: Collection[str]) -> dict[str, int]:
    """Of those among the candidates that must not be shown."""
    if not (run.path / FOLDER).is_dir():
        return {}
    ids = run.path / "graph" / "ids.arrow"
    try:
        row = place_of_id(ids, account)
        codes = {candidate: place_of_id(ids, candidate) for candidate in candidates}
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"run {run.id}: its graph cannot be read ({error}); run it again") from error
    globally_excluded = _load(run, "globally_excluded")
    indptr, excluded = load_rows(run, "excluded", len(globally_excluded))
    theirs = slice(*indptr[row : row + 2]) if row is not None else slice(0)
    why = dict(zip(excluded[theirs].tolist(), load_reasons(run)[theirs].tolist(), strict=True))
    found = {
        name: why.get(code) or int(globally_excluded[code])
        for name, code in codes.items()
        if code is not None
    }
    return {name: reason for name, reason in found.items() if reason}


def _load(run: Run, name: str) -> np.ndarray:
    path = run.path / FOLDER / f"{name}.npy"
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); run the night again") from None
