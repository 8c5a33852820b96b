"""Names and pictures of accounts, from a table, for pages and clients."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from raypipe.columns import ACCOUNT
from raypipe.errors import InputError


class Shown(NamedTuple):
    """What people see of an account.

    Attributes:
        name: its name; without one, its id.
        avatar: URL of its picture; None: it has none.
    """

    name: str
    avatar: str | None = None


class Names:
    """A table of names, sorted by id, in memory as Arrow columns.

    Args:
        path: CSV or Parquet with accountId, and name, avatar or both; None: ids are names.

    Raises:
        InputError: the table cannot be read, or an avatar is no URL of http or https.
    """

    def __init__(self, path: Path | None) -> None:
        self._ids: Any = ()
        if path is None:
            return
        from raypipe.storage.tables import TableColumn, read_table  # needs pandas and numba

        columns = [TableColumn(ACCOUNT)]
        columns += [TableColumn(name, "text", required=False) for name in ("name", "avatar")]
        rows = read_table(path, columns, "expected a table with accountId, name and avatar").rows
        unsafe = pc.invert(pc.match_substring_regex(rows["avatar"], "^(https?://.+)?$"))
        if found := rows["avatar"].filter(pc.fill_null(unsafe, False)).slice(0, 1).to_pylist():
            raise InputError(f"{path}: avatar {found[0][:80]!r}; expected a URL of http or https")
        rows = rows.sort_by(ACCOUNT).combine_chunks()
        self._ids, self._names, self._avatars = (rows[column.name] for column in columns)

    def of(self, account: str) -> Shown:
        """What people see of an account."""
        index = bisect_left(range(len(self._ids)), account, key=lambda i: self._ids[i].as_py())
        if index == len(self._ids) or self._ids[index].as_py() != account:
            return Shown(account)
        return Shown(self._names[index].as_py() or account, self._avatars[index].as_py() or None)
