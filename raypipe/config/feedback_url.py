"""The URL of the rejection store: its default, its SQLite file, and its form without password."""

import os
from pathlib import Path

#: The store of rejections, for every command and function.
VARIABLE = "RAYPIPE_FEEDBACK_URL"

_SQLITE = "sqlite:///"


def url_in_environment() -> str | None:
    """The URL that the environment variable names; None where it is unset or empty."""
    return os.environ.get(VARIABLE) or None


def store_url(url: str | None, runs: Path) -> str:
    """The URL of the store; by default a SQLite file in the runs folder.

    A relative path is one in the runs folder, whatever folder a command is started in.

    Example:
        >>> store_url(None, Path("runs")), store_url("sqlite:///a/b.sqlite", Path("runs"))
        ('sqlite:///runs/feedback.sqlite', 'sqlite:///runs/a/b.sqlite')
    """
    path = sqlite_path(url or f"{_SQLITE}feedback.sqlite")
    return f"{_SQLITE}{runs / path}" if path else str(url)


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite store; None for other stores.

    Example:
        >>> sqlite_path("sqlite:////srv/a.sqlite"), sqlite_path("postgresql+psycopg://db/a")
        (PosixPath('/srv/a.sqlite'), None)
    """
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def without_password(url: str) -> str:
    """The URL with its password masked.

    Example:
        >>> without_password("postgresql+psycopg://ann:secret@db/a")
        'postgresql+psycopg://ann:***@db/a'
    """
    scheme, found, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}{found}{name}{colon and ':***'}{at}{host}"
