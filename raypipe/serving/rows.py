"""Rows of one account: a sequence that can be converted to a pandas frame or JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

if TYPE_CHECKING:  # most callers need no frame
    import pandas as pd


class Row(Protocol):
    """A row with column names, such as :class:`raypipe.serving.lookup.Recommendation`."""

    def to_json(self) -> dict[str, Any]:
        """The row by column names."""


R = TypeVar("R", bound=Row)


class Rows(Sequence[R]):
    """An immutable sequence of rows, best first.

    Example:
        >>> from raypipe.serving.lookup import Neighbour
        >>> rows = Rows([Neighbour("ann", 1, "bob", 0.5)], ["accountId", "rank"])
        >>> len(rows), rows[0].neighbour, rows.to_pandas()["score"].tolist()
        (1, 'bob', [0.5])
        >>> Rows([], ["accountId", "rank"]).to_pandas().columns.tolist()
        ['accountId', 'rank']
    """

    def __init__(self, rows: Sequence[R], columns: Sequence[str]) -> None:
        """Store the rows; ``columns`` are the columns of a frame without rows."""
        self._rows, self._columns = tuple(rows), tuple(columns)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Rows[R]: ...
    def __getitem__(self, index: int | slice) -> R | Rows[R]:
        if isinstance(index, slice):
            return Rows(self._rows[index], self._columns)
        return self._rows[index]

    def __repr__(self) -> str:
        return f"Rows({list(self._rows)!r})"

    def to_json(self) -> list[dict[str, Any]]:
        """A list of rows by column names."""
        return [row.to_json() for row in self._rows]

    def to_pandas(self) -> pd.DataFrame:
        """A frame of the rows; it has the same columns if there are no rows."""
        import pandas as pd

        return pd.DataFrame(self.to_json(), columns=None if self._rows else list(self._columns))
