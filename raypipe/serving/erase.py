"""Erase an account: in runs, its id becomes a marker at its index, and its rows go.

The changed files are written into ``.erase`` of the run, then a new manifest; from then on they are
renamed into their places one by one, the manifest last. A kill before the manifest leaves the run
as it was, a kill after it is continued by the next call. Readers go on: a file that does not match
one of the two manifests is damaged, and names of files do not change.

Arrays that name accounts by index (follows, exclusions, the reserve, the model) stay. The marker is
excluded from every list, so that it is never shown.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE, NEIGHBOUR, REASON
from raypipe.errors import RunError
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.reason_words import NAMELESS, is_named
from raypipe.storage import files
from raypipe.storage.data_files import (
    map_array,
    map_arrow,
    read_parquet,
    save_array,
    write_arrow,
    write_parquet,
)
from raypipe.storage.ids import names_id
from raypipe.storage.runs.manifest import FileRecord, Manifest, PartRecord
from raypipe.storage.runs.mapped_lists import FOLDER as MAPS
from raypipe.storage.runs.parts import places_of_ids, write_part
from raypipe.storage.runs.run import ERASING, MANIFEST, Run, load_run
from raypipe.storage.runs.store import RunStore

#: Within a marker; no id of an account holds a null character.
REMOVED = "\0removed"
#: What stands in place of a text that names the account.
ERASED = "erased"
_IDS, _EXCLUDED = "graph/ids.arrow", "filters/globally_excluded.npy"
_ID_COLUMNS = (ACCOUNT, CANDIDATE, NEIGHBOUR)


def erase_from_runs(store: RunStore, account: str) -> dict[str, list[str]]:
    """Erase an account from every run; what is unfinished or in the trash is deleted.

    Returns:
        Run id to the files that were rewritten.

    Raises:
        RunError: a run cannot be read or written; the same call continues.
    """
    with store.lock():
        for run in store.runs():
            with files.disk_errors(f"{run.path}: cannot be rewritten"):
                finish_erasing(run.path)
        for run in store.runs():
            if run.problem:
                raise RunError(
                    f"{store.root}: run {run.id} {run.problem}; remove its folder, then run it "
                    "again: nothing can be erased from a damaged run"
                )
        changed = {run.id: erase_from_run(run, account) for run in store.runs()}
        with files.disk_errors(f"{store.root / MAPS}: cannot be removed"):
            files.remove_tree(store.root / MAPS, ignore_errors=not files.exists(store.root / MAPS))
        store.discard_unfinished()
    return {run_id: names for run_id, names in changed.items() if names}


def erase_from_tables(folder: Path, account: str) -> list[str]:
    """Erase an account from every Parquet file below a folder, as those of evaluations.

    Returns:
        The files that were rewritten.

    Raises:
        RunError: a file cannot be read or written.
    """
    changed = []
    for name in files.list_tree(folder):
        if name.endswith(".parquet"):
            try:
                kept = table_without(read_parquet(folder / name), account)
            except (OSError, pa.ArrowException) as error:
                raise RunError(f"{folder / name}: cannot be read ({error}); remove it") from None
            if kept is not None:
                with files.disk_errors(f"{folder / name}: cannot be rewritten"):
                    write_parquet(folder / name, kept)
                changed.append(name)
    return changed


def erase_from_run(run: Run, account: str) -> list[str]:
    """Erase an account from a run; hold the lock of its runs folder.

    Returns:
        The files that were rewritten.

    Raises:
        RunError: the run cannot be read or written.
    """
    home = run.path / ERASING
    with files.disk_errors(f"{run.path}: cannot be rewritten"):
        finish_erasing(run.path)
        run = load_run(run.path)
        files.make_folder(home)
        changed = [name for name in sorted(run.manifest.files) if _rewrite(run, name, account)]
        parts = {
            kind: tuple(_part(run, part) for part in run.manifest.parts[kind])
            for kind in run.manifest.parts
        }
        written = {
            name: FileRecord(
                sha256=files.sha256_file(home / name), bytes=files.stat(home / name).size
            )
            for name in changed
        }
        update = {"files": run.manifest.files | written, "parts": parts}
        manifest = run.manifest.model_copy(update=update).to_json()
        manifest = Manifest.from_json(_without(manifest, account)).to_json()
        if not changed and manifest == run.manifest.to_json():
            files.remove_tree(home)
            return []
        files.fsync_tree(home)
        files.write_atomic(home / MANIFEST, manifest.encode())
        finish_erasing(run.path)
    return changed


def finish_erasing(folder: Path) -> None:
    """Finish the erasing that a kill interrupted in the folder of a run, or discard it."""
    home = folder / ERASING
    if files.is_file(home / MANIFEST):
        for name in files.list_tree(home):
            if name != MANIFEST:
                files.rename(home / name, folder / name)
        files.fsync_tree(folder)
        files.rename(home / MANIFEST, folder / MANIFEST)
        files.fsync_folder(folder)
    if files.is_folder(home):
        files.remove_tree(home)


def _rewrite(run: Run, name: str, account: str) -> bool:
    """Write the file without the account into ``.erase``; False: it does not name the account."""
    target = run.path / ERASING / name
    files.make_folder(target.parent)
    if name == _IDS:
        table = map_arrow(run.path / name)
        ids = with_marker(table["id"].combine_chunks(), account)
        if ids is None:
            return False
        write_arrow(target, pa.table({"id": ids}, metadata=table.schema.metadata), sync=False)
        return True
    if name == _EXCLUDED:
        (index,) = places_of_ids(run.path / _IDS, [account])
        if index is None:
            return False
        excluded = np.array(map_array(run.path / name))
        excluded[index] = FilterReason.ERASED
        save_array(target, excluded, sync=False)
        return True
    if not name.endswith(".parquet"):
        return False
    table = read_parquet(run.path / name)
    kept = table_without(table, account)
    if kept is None:
        return False
    write: Callable[[Path, pa.Table], None] = write_parquet
    if name in {part.file for parts in run.manifest.parts.values() for part in parts}:
        write = write_part
    write(target, kept)
    return True


def _part(run: Run, part: PartRecord) -> PartRecord:
    """The record of a part as it is rewritten."""
    path = run.path / ERASING / part.file
    if not files.is_file(path):
        return part
    ids = read_parquet(path, [ACCOUNT])[ACCOUNT]
    first, last = (ids[0].as_py(), ids[-1].as_py()) if len(ids) else (None, None)
    return PartRecord(file=part.file, first=first, last=last, rows=len(ids))


def with_marker(ids: pa.LargeStringArray, account: str) -> pa.LargeStringArray | None:
    """Sorted ids with a marker in place of an account; None: it is not among them.

    The markers of neighbours that were removed before are made anew, as they may begin with it.

    Example:
        >>> ids = pa.array(["ann", "bob", "cid"], pa.large_string())
        >>> ids = with_marker(with_marker(ids, "bob"), "ann")
        >>> ids.to_pylist(), with_marker(ids, "bob") is None
        (['\\x00removed00001', '\\x00removed00002', 'cid'], True)
    """
    index = pc.index(ids, pa.scalar(account, ids.type)).as_py()
    if index < 0:
        return None
    start, stop = index, index + 1
    while start and REMOVED in ids[start - 1].as_py():
        start -= 1
    while stop < len(ids) and REMOVED in ids[stop].as_py():
        stop += 1
    before = ids[start - 1].as_py() if start else ""
    markers = [f"{before}{REMOVED}{number:05d}" for number in range(1, stop - start + 1)]
    return pa.concat_arrays([ids[:start], pa.array(markers, ids.type), ids[stop:]])


def table_without(table: pa.Table, account: str) -> pa.Table | None:
    """The rows that are not about an account, with texts that do not name it; None: the same."""
    same = table
    for name in _ID_COLUMNS:
        if name in table.column_names:
            table = table.filter(pc.not_equal(table[name], account))
    for place, name in enumerate(table.column_names):
        if name in _ID_COLUMNS or not _is_text(table[name].type):
            continue
        texts = table[name].to_pylist()
        safe = list(_safe(texts, account, name == REASON and CANDIDATE in table.column_names))
        if safe != texts:
            field = table.schema.field(name)
            table = table.set_column(place, field, pa.chunked_array([safe], field.type))
    return None if table.equals(same) else table


def _safe(texts: list[str | None], account: str, is_reason: bool) -> Iterator[str | None]:
    for text in texts:
        if text is None or account not in text:
            yield text
        elif is_reason:
            yield NAMELESS if is_named(text, account) else text
        else:
            yield ERASED if names_id(text, account) else text


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _without(manifest: str, account: str) -> str:
    """The manifest with another text in place of each notice that names the account."""
    tree = json.loads(manifest)
    for notice in tree.get("notices", []):
        for key, value in notice.items():
            if isinstance(value, str) and names_id(value, account):
                notice[key] = ERASED
    return json.dumps(tree)
