"""Published tables: Parquet parts, sorted by account and split between accounts.

All rows of an account are in one part, in a few row groups, so a reader of one account reads only
these. Equal rows give equal bytes, no matter how they were split into tables before.
"""

import difflib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raypipe.columns import ACCOUNT, NEIGHBOURS_SCHEMA, RANK, RECOMMENDATIONS_SCHEMA
from raypipe.storage import files
from raypipe.storage.data_files import map_arrow
from raypipe.storage.runs.manifest import PartRecord

#: Kind of published table (also its folder in the run) to its schema.
PART_SCHEMAS = {"neighbours": NEIGHBOURS_SCHEMA, "recommendations": RECOMMENDATIONS_SCHEMA}

#: Minimum number of rows of a part, which ends with its last account.
PART_ROWS = 1 << 20
#: Rows of a row group; reading one account decodes one or two groups.
GROUP_ROWS = 1 << 15
#: Of a file with more ids, an unknown id is compared with this many on each side of its place.
_NEAR_ALL, _NEAR = 5_000, 50


def write_parts(
    folder: Path, kind: str, tables: Iterable[pa.Table], part_rows: int = PART_ROWS
) -> tuple[PartRecord, ...]:
    """Write the concatenated tables as ``<kind>/part-00000.parquet`` and so on.

    Args:
        folder: folder of the run; existing parts of this kind are replaced.
        kind: ``neighbours`` or ``recommendations``.
        tables: rows in the schema of the kind; across all tables, they are sorted by account
            (bytewise), then rank.
        part_rows: minimum number of rows of a part, which continues to the end of its last account.

    Returns:
        One record for each part. Without rows there is one empty part, with first and last None.

    Raises:
        ValueError: the rows are not sorted, an account has a rank twice, or a value is null.
        RunError: the disk is full, or cannot be written.

    Example:
        >>> import tempfile
        >>> ids = {"accountId": ["a", "a", "b"], "neighbourId": ["b", "c", "a"]}
        >>> table = pa.table({**ids, "rank": [1, 2, 1], "score": [0.5, 0.2, 0.5]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     parts = write_parts(Path(folder), "neighbours", [table], part_rows=1)
        ...     rows = read_account(Path(folder), "neighbours", parts, "a")
        >>> rows.column("neighbourId").to_pylist()
        ['b', 'c']
        >>> parts[1]
        PartRecord(file='neighbours/part-00001.parquet', first='b', last='b', rows=1)
    """
    schema = PART_SCHEMAS[kind]
    with files.disk_errors(f"{folder / kind}: cannot be written"):
        files.make_folder(folder / kind)
        for left in files.list_names(folder / kind, "part-*.parquet"):
            files.remove_file(folder / kind / left)
    records: list[PartRecord] = []
    for number, part in enumerate(_cut(tables, schema, part_rows)):
        name = f"{kind}/part-{number:05d}.parquet"
        _check_rows(part, name)
        with files.disk_errors(f"{folder / name}: cannot be written"):
            write_part(folder / name, part)
        accounts = part.column(ACCOUNT)
        first, last = (accounts[0].as_py(), accounts[-1].as_py()) if len(part) else (None, None)
        records.append(PartRecord(file=name, first=first, last=last, rows=len(part)))
    return tuple(records)


def read_account(
    folder: Path, kind: str, parts: Sequence[PartRecord], account: str, k: int | None = None
) -> pa.Table:
    """The rows of one account, best first, at most ``k``; an empty table if it has none.

    Raises:
        OSError, pyarrow.ArrowException: the part is missing or damaged.
    """
    filled = [part for part in parts if part.rows]
    index = bisect_left([part.last or "" for part in filled], account)
    if index == len(filled):
        return PART_SCHEMAS[kind].empty_table()
    path = folder / filled[index].file
    with files.open_arrow(path) as source, pq.ParquetFile(source) as file:
        groups = [
            group
            for group in range(file.metadata.num_row_groups)
            if _may_hold(file.metadata.row_group(group).column(0).statistics, account)
        ]
        rows = file.read_row_groups(groups, use_threads=False)
    start, stop = _row_range(rows.column(ACCOUNT), account)
    return rows.slice(start, stop - start).slice(0, k)


def holds_id(path: Path, account: str) -> bool:
    """Whether the account is among the ids of a file; see :func:`places_of_ids`."""
    return places_of_ids(path, [account]) != [None]


def places_of_ids(path: Path, ids: Iterable[str]) -> list[int | None]:
    """The index of each id in an Arrow IPC file with a sorted string column ``id``; None if absent.

    This is a binary search in the memory-mapped file, which reads about log2(accounts) pages for
    each id.

    Raises:
        OSError, pyarrow.ArrowException: the file is missing or damaged.
    """
    column = _ids(path)
    ranges = [_row_range(column, name) for name in ids]
    return [start if start < stop else None for start, stop in ranges]


def nearest_ids(path: Path, account: str, count: int = 3) -> list[str]:
    """The ids of a file of :func:`places_of_ids` most like an unknown one, most similar first.

    Of a large file, only the ids are compared that stand near it in their order, or near one of its
    other spellings: without blanks, ``@`` or ``.0``, in lower or upper case.
    """
    column = _ids(path)
    bare = account.strip().strip("@").removesuffix(".0")
    spellings = {account, bare, bare.lower(), bare.upper(), bare.capitalize(), bare.lstrip("0")}
    rows = range(len(column))
    if len(column) > _NEAR_ALL:
        starts = [_row_range(column, text)[0] for text in spellings]
        near = {row for start in starts for row in rows[max(0, start - _NEAR) : start + _NEAR]}
    else:
        near = set(rows)
    ids = [column[row].as_py() for row in sorted(near)]
    same = [name for name in ids if name.casefold() == bare.casefold()]
    similar = difflib.get_close_matches(bare, ids, n=count, cutoff=0.6)
    return list(dict.fromkeys([*same, *similar]))[:count]


def ids_at(path: Path, indices: np.ndarray) -> list[str]:
    """The ids at these indices of a file of :func:`places_of_ids`."""
    column = _ids(path)
    return [column[index].as_py() for index in indices.tolist()]  # pa.array would import pandas


def _ids(path: Path) -> pa.ChunkedArray:
    """The ids in a file, which a server asks for at every answer."""
    return _mapped_ids(path, files.version(path))


@lru_cache(maxsize=4)
def _mapped_ids(path: Path, version: tuple[int, int]) -> pa.ChunkedArray:
    return map_arrow(path).column("id")


def _row_range(ids: pa.ChunkedArray, account: str) -> tuple[int, int]:
    """Start and stop of the rows of an account in sorted ids."""
    rows = range(len(ids))

    def id_at(row: int) -> Any:
        return ids[row].as_py()

    return bisect_left(rows, account, key=id_at), bisect_right(rows, account, key=id_at)


def write_part(path: Path, part: pa.Table) -> None:
    """Write one part; nothing is flushed to the disk."""
    with files.writing(path, sync=False) as file:
        pq.write_table(
            part,
            file,
            row_group_size=GROUP_ROWS,
            compression="zstd",
            compression_level=3,
            version="2.6",
            data_page_version="1.0",
        )


def _may_hold(statistics: Any, account: str) -> bool:
    # Parquet stores no bounds for a row group with an id of several thousand bytes.
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= account <= statistics.max)


def _cut(tables: Iterable[pa.Table], schema: pa.Schema, part_rows: int) -> Iterator[pa.Table]:
    """Split the stream of rows between accounts; the split depends only on the rows."""
    waiting = schema.empty_table()
    for table in tables:
        rows = table.select(schema.names).cast(schema)
        waiting = pa.concat_tables([waiting, rows])
        while end := _part_end(waiting.column(ACCOUNT), part_rows):
            yield waiting.slice(0, end).combine_chunks()
            waiting = waiting.slice(end)
    yield waiting.combine_chunks()


def _part_end(accounts: pa.ChunkedArray, part_rows: int) -> int | None:
    """Number of rows of the first part; None if its last account may have more rows."""
    if len(accounts) <= part_rows:
        return None
    last = accounts[part_rows - 1].as_py()
    rest = range(part_rows, len(accounts))
    end = part_rows + bisect_right(rest, last, key=lambda row: accounts[row].as_py())
    return end if end < len(accounts) else None


def _check_rows(part: pa.Table, name: str) -> None:
    """Check the order of the rows, because readers use binary search."""
    import pyarrow.compute as pc  # readers of one account do not need it

    nulls = [column for column in part.column_names if part.column(column).null_count]
    if nulls:
        raise ValueError(f"{name}: found null in {', '.join(nulls)}; expected a value in each row")
    accounts, ranks = part.column(ACCOUNT), part.column(RANK)
    before = max(len(part) - 1, 0)
    here, below = accounts.slice(0, before), accounts.slice(1)
    next_account = pc.less(here, below)
    next_rank = pc.and_(pc.equal(here, below), pc.less(ranks.slice(0, before), ranks.slice(1)))
    if not pc.all(pc.or_(next_account, next_rank), min_count=0).as_py():
        raise ValueError(f"{name}: rows are not sorted by {ACCOUNT}, then {RANK}")
