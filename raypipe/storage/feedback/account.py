"""What the feedback store says about one account. Cheap to import."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Rejection(NamedTuple):
    """A current rejection.

    Attributes:
        at: time of the rejection, in ISO 8601.
        reason: the note that was stored with the rejection, if any.
    """

    at: str
    reason: str | None


class AccountFeedback(NamedTuple):
    """What the store says about what one account may see.

    Attributes:
        rejected: the current rejections of the account, by candidate.
        marked: the other accounts that it must not see, with why: ``block``, ``follow`` and
            ``unfollow`` are its own; ``blocked``: it is blocked by them; ``opt_out``.
    """

    rejected: Mapping[str, Rejection]
    marked: Mapping[str, str] = MappingProxyType({})


#: Rows of account and why, own ones last. Three parameters, each the account.
MARKED_QUERY = """
SELECT "accountId", 'blocked', 0 AS own FROM marks WHERE kind = 'block' AND "candidateId" = ?
UNION ALL SELECT "candidateId", kind, 0 FROM marks WHERE kind = 'opt_out' AND "accountId" <> ?
UNION ALL SELECT "candidateId", kind, 1 FROM marks
WHERE kind IN ('block', 'follow', 'unfollow') AND "accountId" = ? ORDER BY own
"""
