"""The sentences of reasons, and whether one names an account. Importing this is cheap."""

from __future__ import annotations

import re

#: How a reason starts that names accounts.
NAMING = "followed by "
#: What it becomes where it would name an account that must not be shown: true, and without names.
NAMELESS = "followed by someone you follow"

_AFTER_FIRST = (", ", " and ")
_OTHERS = re.compile(r" and (1 other|[0-9]+ others) you follow")


def is_named(reason: str, account: str) -> bool:
    """Does the reason name the account? An id may hold any text, words of a reason too.

    Example:
        >>> is_named("followed by ann, whom you follow", "ann")
        True
        >>> is_named("followed by ann and bob, whom you follow", "bob")
        True
        >>> is_named("followed by ann, bob and 12 others you follow", "bob")
        True
        >>> is_named("followed by ann, bob and 12 others you follow", "an")
        False
        >>> is_named("follows you", "you")
        False
    """
    if not reason.startswith(NAMING) or reason == NAMELESS:
        return False
    named = reason[len(NAMING) :]
    if named.startswith(account) and named[len(account) :].startswith(_AFTER_FIRST):
        return True
    if named.endswith(f" and {account}, whom you follow"):
        return True
    _, second, others = named.rpartition(f", {account}")
    return bool(second) and _OTHERS.fullmatch(others) is not None
