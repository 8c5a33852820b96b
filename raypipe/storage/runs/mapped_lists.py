"""The published lists of a run as ready JSON in memory-mapped files, for servers.

A reader of one account decodes a row group of Parquet, which takes milliseconds; from these files
it copies some hundred bytes. They are made once for each run, beside the runs, and shared by all
processes that map them.

    first_rows.npy    int64[accounts + 1], the first row of each account of the run's graph
    row_ends.npy      int64[rows + 1], the end of each row in rows.json, after a leading 0
    rows.json         for each row: "candidateId":"...","score":...,"source":"...","reason":"..."
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raypipe.columns import ACCOUNT, CANDIDATE, REASON, SCORE, SOURCE
from raypipe.errors import RunError
from raypipe.storage import files
from raypipe.storage.data_files import map_array, map_arrow, save_array
from raypipe.storage.runs.run import Run

#: Name of the folder inside the runs folder.
FOLDER = ".serve"

_ROWS, _ENDS, _FIRST = "rows.json", "row_ends.npy", "first_rows.npy"
#: Characters that JSON writes with a backslash; texts with others are rare, and escaped one by one.
_PLAIN = r'^[^"\\\x00-\x1f]*$'


class MappedLists(NamedTuple):
    """The lists of one run; see the module.

    Attributes:
        ids: bytes of all account ids of the graph, in their order.
        id_ends: the end of each id in ``ids``, after a leading 0.
        first_rows, row_ends, rows: the files.
    """

    ids: memoryview
    id_ends: memoryview
    first_rows: memoryview
    row_ends: memoryview
    rows: memoryview

    def find(self, account: str) -> int | None:
        """The index of an account in the run's graph; None: it is not in the run."""
        wanted, ids, ends = account.encode(errors="surrogatepass"), self.ids, self.id_ends
        indices = range(len(ends) - 1)
        index = bisect_left(indices, wanted, key=lambda i: bytes(ids[ends[i] : ends[i + 1]]))
        found = index in indices and ids[ends[index] : ends[index + 1]] == wanted
        return index if found else None

    def rows_of(self, index: int) -> list[bytes]:
        """The rows of an account, best first: the inside of a JSON object each, without rank."""
        start, stop = self.first_rows[index], self.first_rows[index + 1]
        ends = self.row_ends[start : stop + 1].tolist()
        block = bytes(self.rows[ends[0] : ends[-1]])
        offset = ends[0]
        return [block[a - offset : b - offset] for a, b in pairwise(ends)]

    def recommendations(self, index: int) -> list[tuple[str, float, str, str]]:
        """The rows of an account as candidate, score, source and reason."""
        rows = (json.loads(b"{%s}" % row) for row in self.rows_of(index))
        return [(row[CANDIDATE], row[SCORE], row[SOURCE], row[REASON]) for row in rows]


def map_lists(run: Run, folder: Path) -> MappedLists | None:
    """The lists of a run from a folder of mapped lists; None: they have not been made.

    Raises:
        RunError: the files of the run are missing or damaged.
    """
    home = _home(run, folder)
    if not files.is_folder(home):
        return None
    try:
        column = map_arrow(run.path / "graph" / "ids.arrow").column("id").combine_chunks()
        _, offsets, data = column.buffers()
        ends = memoryview(offsets).cast("q")[column.offset : column.offset + len(column) + 1]
        first_rows, row_ends = (map_array(home / name).data for name in (_FIRST, _ENDS))
        size = files.stat(home / _ROWS).size
        rows = np.memmap(home / _ROWS, np.uint8, "r").data if size else memoryview(b"")
        return MappedLists(memoryview(data or b""), ends, first_rows, row_ends, rows)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"{home}: cannot be read ({error}); remove this folder") from error


def make_lists(run: Run, folder: Path) -> None:
    """Make the mapped lists of a run, unless they are there; those of runs that are gone go.

    Readers find either all files or none.

    Raises:
        RunError: the files of the run are damaged, or the disk cannot be written.
    """
    from filelock import FileLock

    home = _home(run, folder)
    with files.disk_errors(f"{folder}: cannot be written"):
        files.make_folder(folder)
        with FileLock(folder / ".lock"):
            if files.is_folder(home):
                return
            for name in files.list_names(folder):
                # Another digest of the same run: an account was erased from it.
                gone = not files.is_folder(run.path.parent / name[:-13])
                if not name.startswith(".") and (gone or name[:-13] == run.id):
                    files.remove_tree(folder / name)
            making = folder / ".making"
            files.remove_tree(making, ignore_errors=True)
            files.make_folder(making)
            try:
                _write(run, making)
            except pa.ArrowException as error:
                raise RunError(f"run {run.id}: cannot be read ({error}); run it again") from error
            files.rename(making, home)
            pa.default_memory_pool().release_unused()  # a server lives long after this


def _home(run: Run, folder: Path) -> Path:
    """The folder of one run: its id, and its content, so that a run made again has another."""
    return folder / f"{run.id}-{files.sha256_file(run.path / 'manifest.json')[:12]}"


def _write(run: Run, home: Path) -> None:
    parts = run.manifest.parts["recommendations"]
    ends, row = np.zeros(sum(part.rows for part in parts) + 1, np.int64), 0
    names, counts = list[pa.Array](), list[np.ndarray]()
    with files.writing(home / _ROWS, sync=False) as file:
        for table in _groups(run):
            by_account = pc.run_end_encode(table[ACCOUNT].combine_chunks())
            names.append(by_account.values.cast(pa.large_string()))
            counts.append(np.diff(by_account.run_ends.to_numpy(), prepend=0))
            text = _fragments(table)
            own = ends[row + 1 : row + 1 + len(text)]
            np.cumsum(pc.binary_length(text).to_numpy(), out=own)
            own += ends[row]
            row += len(text)
            file.write(_bytes_of(text))
    ids = map_arrow(run.path / "graph" / "ids.arrow").column("id").cast(pa.large_string())
    rows_of = np.zeros(len(ids) + 1, np.int64)
    accounts = pc.index_in(pa.chunked_array(names, pa.large_string()), value_set=ids)
    # An account may continue in the next row group.
    np.add.at(rows_of, accounts.to_numpy() + 1, np.concatenate([*counts, np.empty(0, np.int32)]))
    save_array(home / _FIRST, np.cumsum(rows_of), sync=False)
    save_array(home / _ENDS, ends, sync=False)


def _groups(run: Run) -> Iterator[pa.Table]:
    """The published rows, a row group at a time."""
    for part in run.manifest.parts["recommendations"]:
        with files.open_arrow(run.path / part.file) as source, pq.ParquetFile(source) as file:
            for group in range(file.metadata.num_row_groups):
                yield file.read_row_group(group, use_threads=False)


def _fragments(table: pa.Table) -> pa.Array:
    """The rows as the inside of JSON objects."""
    parts: list[pa.Array | str] = []
    for name, quoted in ((CANDIDATE, True), (SCORE, False), (SOURCE, True), (REASON, True)):
        column = table[name].combine_chunks()
        values = _quoted(column) if quoted else column.cast(pa.string())
        parts += [f'"{name}":' if not parts else f',"{name}":', values]
    return pc.binary_join_element_wise(*(_scalar(part) for part in parts), _scalar(""))


def _quoted(column: pa.Array) -> pa.Array:
    """The texts as JSON strings."""
    column = column.cast(pa.large_string())
    if pc.all(pc.match_substring_regex(column, _PLAIN)).as_py() in (True, None):
        return pc.binary_join_element_wise(*map(_scalar, ('"', column, '"', "")))
    words = column.dictionary_encode()
    texts = [json.dumps(word, ensure_ascii=False) for word in words.dictionary.to_pylist()]
    return pa.array(texts, pa.large_string()).take(words.indices)


def _scalar(part: pa.Array | str) -> pa.Array | pa.Scalar:
    if isinstance(part, str):
        return pa.scalar(part, pa.large_string())
    return part.cast(pa.large_string())


def _bytes_of(text: pa.Array) -> memoryview:
    """The concatenated bytes of a text column."""
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    return memoryview(data or b"")[int(ends[0]) : int(ends[-1])]
