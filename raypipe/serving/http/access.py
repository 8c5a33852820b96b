"""Who may do what: tokens in a file, scopes, subjects, and how many requests a second.

A line of the file is a JSON object: ``name``, ``sha256`` of the token, ``scopes`` (of read, write
and admin) and, where it is one person's, ``subject``, the id of the account. ``raypipe token``
writes one. The file is read again when it changes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from raypipe.errors import ConfigError
from raypipe.serving.http.problems import Problem
from raypipe.storage.files import keep_private, open_append, read_bytes, version

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the token.
        scopes: what it may do.
        subject: the only account that it may ask for; None: any.
    """

    name: str
    scopes: frozenset[str]
    subject: str | None = None


#: On a loopback address without tokens, everybody may do everything.
ANYBODY = Caller("anybody", frozenset(SCOPES))


class Denied(Problem):
    """A request that is not allowed: status 401, 403 or 429."""


class Access:
    """The tokens of a file, and the requests of each subject.

    Args:
        path: the file; None: everybody may do everything.
        rate: requests a second of one subject, in each worker; twice as many at once.

    Raises:
        ConfigError: the file cannot be read, or a line is no token.
    """

    def __init__(self, path: Path | None, rate: float) -> None:
        self.path, self.rate = path, rate
        self._file = str(path)  # a path would be joined again at every request
        self._state: tuple[int, int] | None = None
        self._callers: dict[str, Caller] = {}
        self._budgets: dict[str, tuple[float, float]] = {}
        if path is not None:
            self._reload(path)

    def caller(self, token: str | None) -> Caller:
        """Who holds a token.

        Raises:
            Denied: 401, there is no such token.
            ConfigError: the file cannot be read.
        """
        if self.path is None:
            return ANYBODY
        if not token:
            raise Denied(401, "a token is needed: Authorization: Bearer TOKEN")
        self._reload(self.path)
        # The time of a lookup depends on the digest alone, which tells nothing about other tokens.
        found = self._callers.get(hashlib.sha256(token.encode()).hexdigest())
        if found is None:
            raise Denied(401, "the token is not known")
        return found

    def check(self, caller: Caller, scope: Scope, account: str | None = None) -> None:
        """Check that a caller may do something.

        Args:
            account: whose list or feedback it is; None: nobody's.

        Raises:
            Denied: 403, the scope or the account is not the caller's; 429, too many requests.
        """
        if scope not in caller.scopes:
            raise Denied(403, f"the token may not {scope}; its scopes: {_listed(caller.scopes)}")
        if caller.subject is None:
            return
        if account is None:
            raise Denied(403, "the token is one person's; this needs a token without a subject")
        if account != caller.subject:
            raise Denied(403, "the token is another account's")
        self._spend(caller.subject)

    def _spend(self, subject: str) -> None:
        now, most = time.monotonic(), 2 * self.rate
        left, at = self._budgets.get(subject, (most, now))
        left = min(most, left + (now - at) * self.rate)
        if left < 1:
            raise Denied(429, f"more than {self.rate:g} requests a second", 1)
        if len(self._budgets) > 100_000:  # those that have not asked for a while are full again
            self._budgets.clear()
        self._budgets[subject] = left - 1, now

    def _reload(self, path: Path) -> None:
        try:
            state = version(self._file)
            if state != self._state:
                self._callers, self._state = _read_tokens(path), state
        except OSError as error:
            raise ConfigError(f"{path}: the tokens cannot be read ({error.strerror})") from error


def _read_tokens(path: Path) -> dict[str, Caller]:
    """The callers in a file of tokens, by the SHA-256 of each token."""
    callers = {}
    for number, line in enumerate(read_bytes(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            digest, scopes, subject = row["sha256"], row["scopes"], row.get("subject")
            fits = len(bytes.fromhex(digest)) == 32 and scopes and set(scopes) <= {*SCOPES}
        except (ValueError, KeyError, TypeError, AttributeError):
            fits = False
        if not fits or not isinstance(subject, str | None):
            raise ConfigError(
                f"{path}, line {number}: expected a JSON object with name, sha256 and scopes of "
                f"{', '.join(SCOPES)}; write it with: raypipe token {path}"
            )
        callers[digest] = Caller(str(row.get("name", f"line {number}")), frozenset(scopes), subject)
    return callers


def add_token(path: Path, scopes: Iterable[str], subject: str | None, name: str) -> str:
    """Add a new token to a file, which is made if it is not there.

    Returns:
        The token, which is stored nowhere else.

    Raises:
        ConfigError: a scope is unknown, or the file cannot be written.
    """
    chosen = set(scopes)
    if not chosen or not chosen <= {*SCOPES}:
        found = _listed(chosen) if chosen else "none"
        raise ConfigError(f"scopes: found {found}; expected some of {', '.join(SCOPES)}")
    token = secrets.token_urlsafe(32)
    row: dict[str, Any] = {
        "name": name,
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "scopes": sorted(chosen),
    }
    if subject is not None:
        row["subject"] = subject
    try:
        with open_append(path) as file:
            file.write(json.dumps(row).encode() + b"\n")
        keep_private(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
    return token


def _listed(scopes: Iterable[str]) -> str:
    return ", ".join(sorted(scopes))
