"""The base of every record that raypipe stores: frozen, checked, with a schema version."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from raypipe.errors import RunError
from raypipe.storage.files import disk_errors, read_bytes, to_json, write_atomic

if TYPE_CHECKING:
    import pandas as pd

#: The version of every stored schema. It changes when a field is added, removed or redefined.
SCHEMA_VERSION = 1

_Read = TypeVar("_Read", bound="Versioned")


class Contract(BaseModel):
    """A frozen record: unknown fields are refused, JSON has no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """JSON with sorted keys and a newline at the end: equal records, equal text.

        Raises:
            ValueError: a value is NaN or infinite.
        """
        return to_json(self.model_dump(mode="json")).decode()


class Versioned(Contract):
    """A record that is stored by itself, as a file of its own."""

    schema_version: Literal[1] = 1

    @classmethod
    def from_json(cls: type[_Read], data: str | bytes) -> _Read:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: in one line: it is no JSON, has another schema version, or another content.
        """
        try:
            tree = json.loads(data)
        except ValueError:
            raise ValueError("it is not JSON") from None
        if not isinstance(tree, dict):
            found = type(tree).__name__
            raise ValueError(f"found {found}, expected an object with schema_version")
        version = tree.get("schema_version")
        if version != SCHEMA_VERSION or isinstance(version, bool):
            found = "no schema_version" if version is None else f"schema_version {version!r}"
            raise ValueError(f"found {found}, expected {SCHEMA_VERSION}")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"{place}: {first['msg']}") from None

    def save(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            RunError: it cannot be written.
        """
        with disk_errors(f"{path}: cannot be written"):
            write_atomic(path, self.to_json().encode())

    @classmethod
    def load(cls: type[_Read], path: Path, cure: str) -> _Read:
        """Read what :meth:`save` wrote.

        Args:
            cure: what to do where it is of another schema version or damaged.

        Raises:
            RunError: it cannot be read, or is of another schema version.
        """
        with disk_errors(f"{path}: cannot be read"):
            data = read_bytes(path)
        try:
            return cls.from_json(data)
        except ValueError as error:
            raise RunError(f"{path}: {error}; {cure}") from None


class Result(Versioned):
    """A stored result that is also a table."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """The rows by column names; each result says what a row is."""

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a frame."""
        import pandas as pd

        return pd.DataFrame(self.rows())
