"""The feedback store that runs have used: another one, or none, is an error.

A store that was not restored, a volume that was not mounted and a copy of last week all read as
"less is rejected". So each run records the identity of its store and the number of its last event,
and every reader and writer of this runs folder compares.
"""

from pathlib import Path
from typing import NamedTuple

from raypipe.errors import FeedbackError
from raypipe.storage.contract import Contract
from raypipe.storage.files import disk_errors, is_file, read_bytes, write_atomic
from raypipe.storage.runs.store import RunStore


class StoreState(NamedTuple):
    """Identity and last event of a store; None: there is none, or an old one. 0: no event."""

    identity: str | None
    watermark: int


class _Accepted(Contract):
    """A store that a user has accepted in place of the one that a run has used."""

    run: str
    store: str | None
    watermark: int


def check_used(runs: RunStore, found: StoreState, where: str) -> None:
    """Compare a store with the one that the newest published run has used.

    Raises:
        FeedbackError: there is none, it is another one, or an older copy.
    """
    run = runs.newest()
    if run is None:
        return
    store, watermark = run.manifest.feedback.store, run.manifest.feedback.watermark
    accepted = _accepted(runs)
    if accepted and accepted.run == run.id:
        store, watermark = accepted.store, accepted.watermark
    if found.identity is None and found.watermark == 0 and (store or watermark):
        problem = "found no feedback"
    elif store and found.identity and store != found.identity:
        problem = "found another store"
    elif found.watermark < watermark:
        problem = f"found an older copy, up to event {found.watermark:,}"
    else:
        return
    raise FeedbackError(
        f"{where}: {problem}; expected the store that run {run.id} has used, up to event "
        f"{watermark:,}; restore it, name it (feedback.url, --feedback), or use this one from "
        "now on: raypipe rejections accept"
    )


def accept(runs: RunStore, found: StoreState) -> str | None:
    """Use this store from now on; returns the id of the run that has used another, if any.

    Raises:
        RunError: the runs folder cannot be written.
    """
    run = runs.newest()
    if run is None:
        return None
    with runs.lock(), disk_errors(f"{_path(runs)}: cannot be written"):
        record = _Accepted(run=run.id, store=found.identity, watermark=found.watermark)
        write_atomic(_path(runs), record.to_json().encode())
    return run.id


def _accepted(runs: RunStore) -> _Accepted | None:
    with disk_errors(f"{_path(runs)}: cannot be read"):
        if not is_file(_path(runs)):
            return None
        data = read_bytes(_path(runs))
    try:
        return _Accepted.model_validate_json(data)
    except ValueError:
        raise FeedbackError(
            f"{_path(runs)}: is damaged; remove it, then: raypipe rejections accept"
        ) from None


def _path(runs: RunStore) -> Path:
    return runs.root / "FEEDBACK.json"
