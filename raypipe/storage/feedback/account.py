"""What the feedback store says about one account. Cheap to import."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from raypipe.storage.feedback.errors import MARKS_SINCE

_REJECTED = 'SELECT "candidateId", at, reason FROM rejections WHERE "accountId" = :account'
#: Rows of account and why, own ones last.
_MARKED = """
SELECT "accountId", 'blocked', 0 AS own FROM marks
WHERE kind = 'block' AND "candidateId" = :account
UNION ALL SELECT "candidateId", kind, 0 FROM marks
WHERE kind = 'opt_out' AND "accountId" <> :account
UNION ALL SELECT "candidateId", kind, 1 FROM marks
WHERE kind IN ('block', 'follow', 'unfollow') AND "accountId" = :account ORDER BY own
"""


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


def read_feedback(execute: Callable[[str], Iterable[Any]], version: int) -> AccountFeedback:
    """Read it by queries with the parameter ``account``, from a store of a schema version."""
    rejected = {candidate: Rejection(at, note) for candidate, at, note in execute(_REJECTED)}
    if version < MARKS_SINCE:
        return AccountFeedback(rejected)
    return AccountFeedback(rejected, {name: why for name, why, _ in execute(_MARKED)})
