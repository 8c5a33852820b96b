"""The sentences of reasons, and whether one names an account. Importing this is cheap."""

import re

#: Start of every reason that names accounts.
NAMING = "followed by "
#: Replaces a reason that would name an account which must not be shown.
NAMELESS = "followed by someone you follow"

_AFTER_FIRST = (", ", " and ")
_OTHERS = re.compile(r" and (1 other|[0-9]+ others) you follow")


def is_named(reason: str, account: str) -> bool:
    """True if the reason names the account. Ids may hold any text, also words of a reason.

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
