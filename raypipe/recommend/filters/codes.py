"""Reason codes: why a candidate is not shown. Codes are stored in run files and never change."""

from enum import IntEnum
from typing import NamedTuple


class FilterReason(IntEnum):
    """Built-in reasons.

    If several hold, one is reported: SELF, ALREADY_FOLLOWED, the first filter about the pair, the
    first filter about the candidate, or TOO_FEW_FOLLOWERS, in this order.
    """

    ELIGIBLE = 0
    SELF = 1
    ALREADY_FOLLOWED = 2
    REJECTED = 3
    BLOCKED = 4
    PREVIOUSLY_FOLLOWED = 5
    OPTED_OUT = 6
    BOT = 7
    TOO_FEW_FOLLOWERS = 8
    SUSPECT = 9
    RESTING = 10
    FOLLOW_CHANGED = 11
    INACTIVE = 12
    ERASED = 13


class AddedReason(NamedTuple):
    """The reason of a filter that is not built in.

    Attributes:
        name: upper case, as it stands in counts and JSON.
        value: its code, 32 to 255; codes below 32 are kept for built-in reasons.
    """

    name: str
    value: int


Reason = FilterReason | AddedReason

#: First code of the filters in ``filters.custom``; they are numbered by their sorted names.
FIRST_CUSTOM = 128
